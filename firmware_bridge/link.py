"""ONE connection to a pen, used once: STATUS in, setpoints out, requests, STOP.

When it is lost it is thrown away; :mod:`firmware_bridge.supervisor` opens the next one. Nothing here decides anything
about treatment: a link sends what it is told, refuses what the protocol forbids, and says what it knows.
"""

import asyncio
from random import Random
from typing import Any, Protocol

from firmware_bridge.errors import (
    CodecError,
    LinkClosed,
    LinkStale,
    RequestRefused,
    RequestUncertain,
    TransportError,
    WireError,
)
from firmware_bridge.line_quality import LineDelay, LineQuality
from firmware_bridge.port import Port
from firmware_bridge.refusals import arm_unanswered, armed_already, not_armed, not_done, unanswered
from firmware_bridge.snapshot import PenSnapshot, snapshot
from firmware_bridge.transports.base import Transport
from firmware_bridge.wire.codec import pack, range_problem, unpack
from firmware_bridge.wire.framing import DELIMITER, Deframer
from firmware_bridge.wire.messages import (
    Arm,
    Armed,
    Disarm,
    Message,
    Refusal,
    Request,
    Response,
    Setpoint,
    Status,
    Stop,
    Welcome,
)
from firmware_bridge.wire.operations import OUTCOME, SELF_TEST, Operation, OutcomeData, OutcomeKey
from firmware_bridge.wire.service_operations import SERVICE_ARM, ServiceCeilings, ServiceLease

REQUEST_S = 0.5  # the longest a pen may take for an ordinary request
SELF_TEST_S = 2.0  # a self-test moves parts
REPEATS = 2  # more tries for what is repeatable
STALE_CLOSE_DEAD_MANS = 3  # silence after which a link is given up, in dead-man times
LATE_CLOSE_DEAD_MANS = 10  # STATUS that is always more than half a dead-man time old, after which one is given up too
U32_MAX = 0xFFFF_FFFF


class LinkListener(Protocol):
    """Who hears of what the pen says. Called on the loop's thread, in order; must not block."""

    def status_seen(self, seen: PenSnapshot, sent_at_ms: int) -> None:
        """A STATUS came; ``sent_at_ms`` is when it was sent, by the host's monotonic time."""

    def line_advisory(self, sentence: str) -> None:
        """Something about the line worth knowing."""

    def link_lost(self, cause: WireError | None) -> None:
        """The link is gone, once; None when this side closed it."""


class Link:
    """A connected pen. Made by :func:`firmware_bridge.handshake.open_link`."""

    def __init__(
        self, transport: Transport, port: Port, welcome: Welcome, nonce: int, listener: LinkListener, random: Random
    ) -> None:
        self.welcome = welcome
        self.quality = LineQuality(welcome.dead_man_ms)
        self._delay = LineDelay()
        self.latest: PenSnapshot | None = None
        self.latest_sent_at_ms = port.monotonic_ms()
        self.malformed = 0
        self._transport = transport
        self._port = port
        self._nonce = nonce
        self._listener = listener
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._lease = 0
        self._tick = 0
        self._closed = False
        self._silent = False
        self._late_since_ms: int | None = None
        self._lost_cause: WireError | None = None
        self._armed_waiter: asyncio.Future[Armed] | None = None
        self._armed_key = 0
        self._service_request_id = -1
        self._response_waiter: asyncio.Future[Response] | None = None
        self._response_due_s = 0.0
        self._expiry: asyncio.TimerHandle | None = None
        self._request_id = random.getrandbits(16)
        self._request_free = asyncio.Lock()

    @property
    def url(self) -> str:
        """The URL of this pen."""
        return self._transport.url

    @property
    def lease(self) -> int:
        """The lease this link acts under, 0 when none."""
        return self._lease

    @property
    def deframer(self) -> Deframer:
        """Line statistics: frames, damaged, lost."""
        return self._port.deframer

    def status_age_ms(self) -> int:
        """Time since the newest STATUS was sent (or since the connection, before the first), in ms.

        A line that delivers old news steadily counts as silent: only a new connection can tell how late it is.
        """
        return self._port.monotonic_ms() - self.latest_sent_at_ms

    # What goes out ---------------------------------------------------------------------------------------------------

    def send_setpoint(self, *, motor: bool, depth_um: int, rate_mhz: int, seen_pen_time_ms: int) -> bool:
        """Sends the desired state under the live lease. Returns whether it left for the port.

        It is withheld when there is no lease, or while an earlier one still waits unsent: the next one is newer anyway,
        and a queue of old intentions is the last thing a pen should get.
        """
        if not self._lease or self._closed:
            return False
        if self._transport.unsent_bytes:
            self.quality.setpoints_withheld += 1
            return False
        self._tick += 1
        self._send(Setpoint(self._lease, self._tick, int(motor), depth_um, rate_mhz, seen_pen_time_ms))
        self.quality.setpoints_sent += 1
        return True

    def stop(self) -> None:
        """Drops the lease, then sends STOP ahead of everything that waits. Call it every tick until STATUS confirms."""
        self._lease = 0
        if not self._closed:
            # A delimiter ahead of it: whatever noise is on the line cannot swallow this frame.
            self._port.send(Stop(), urgent=True, lead=DELIMITER)

    def disarm(self, lease: int) -> None:
        """Ends ``lease`` in good order. Call it every tick until STATUS shows no lease."""
        self._lease = 0
        self._send(Disarm(lease))

    async def arm(self, *, depth_ceiling_um: int, rate_ceiling_mhz: int, cartridge_tag: int) -> int:
        """Asks for a lease and returns it.

        Raises RequestRefused with the pen's reason, or before anything is sent while a lease lives; RequestUncertain
        when no answer came, in which case STOP was sent already, so that a lease nobody knows of cannot live;
        LinkClosed when the link went.
        """
        self._check_not_armed()
        key = self._new_key()
        waiter: asyncio.Future[Armed] = self._loop.create_future()
        self._armed_waiter, self._armed_key = waiter, key
        self._tick = 0
        self._send(Arm(self._nonce, key, depth_ceiling_um, rate_ceiling_mhz, cartridge_tag))
        try:
            async with asyncio.timeout(REQUEST_S):
                answer = await waiter
        except TimeoutError as error:
            self.stop()
            raise arm_unanswered(self.url, key, REQUEST_S) from error
        except asyncio.CancelledError:
            self.stop()
            raise
        finally:
            self._armed_waiter = None
        if answer.refusal != Refusal.NONE or answer.lease == 0:
            raise not_armed(self.url, answer.refusal)
        self._lease = answer.lease
        return answer.lease

    async def service_arm(self, *, depth_ceiling_um: int, rate_ceiling_mhz: int, lifetime_ms: int) -> int:
        """Asks for a service lease and returns it: for a technician's bench, off skin, over after ``lifetime_ms``.

        Raises as :meth:`arm`: whatever comes but a plain refusal, the pen is told to STOP first.
        """
        self._check_not_armed()
        self._tick = 0
        asked = ServiceCeilings(depth_ceiling_um, rate_ceiling_mhz, lifetime_ms)
        try:
            granted: ServiceLease = await self.request(SERVICE_ARM, asked)
        except (RequestUncertain, CodecError, asyncio.CancelledError):
            self.stop()
            raise
        self._service_request_id = -1
        self._lease = granted.lease
        return granted.lease

    async def request(self, operation: Operation, arguments: Any = None) -> Any:
        """Asks for one operation and returns its data structure.

        Repeatable operations are tried again under new ids. Raises RequestRefused; RequestUncertain for one that is not
        repeatable and stayed unanswered (resolve it with :meth:`outcome`); LinkClosed; CodecError when the arguments or
        the answer make no sense.
        """
        key = 0 if operation.repeatable else self._new_key()
        payload = b"" if arguments is None else pack(arguments)
        await self._request_free.acquire()
        try:
            for _ in range(1 + (REPEATS if operation.repeatable else 0)):
                try:
                    answer = await self._ask(operation, key, payload)
                except TimeoutError:
                    continue
                if answer.refusal != Refusal.NONE:
                    raise not_done(self.url, operation, answer.refusal)
                return unpack(operation.data, answer.data)
        finally:
            self._response_waiter = None
            self._request_free.release()
        raise unanswered(self.url, operation, key)

    async def outcome(self, key: int) -> OutcomeData | None:
        """What became of a request that stayed unanswered; None when the pen knows nothing of it (it never came).

        Raises RequestUncertain when this, too, stays unanswered, and LinkClosed.
        """
        try:
            data: OutcomeData = await self.request(OUTCOME, OutcomeKey(key))
        except RequestRefused as refused:
            if refused.refusal == Refusal.UNKNOWN_KEY:
                return None
            raise
        return data

    async def close(self) -> None:
        """Lets what was written leave, then releases the port. The listener is not told of a loss it asked for."""
        self._end(None)
        await self._transport.close()

    def abandon(self, cause: WireError) -> None:
        """Gives the link up with a cause, as if the transport had been lost."""
        if self._end(cause):
            self._transport.abort()
            self._listener.link_lost(cause)

    def check_fresh(self) -> None:
        """Gives the link up (LinkStale) after three dead-man times without STATUS, seen on two calls in a row.

        Two, because after a pause of this process the frames that came meanwhile are read between them.

        And, while no lease lives, where STATUS comes and is old news all the time: the pen's clock was held up, or a
        buffer on the way never empties. Nothing can be armed on it, and only a new connection can tell which.
        """
        self._check_late()
        limit_ms = STALE_CLOSE_DEAD_MANS * self.welcome.dead_man_ms
        age_ms = self.status_age_ms()
        silent_before, self._silent = self._silent, age_ms > limit_ms
        if silent_before and self._silent and not self._closed:
            own = f"The pen stops by itself after {self.welcome.dead_man_ms} ms; check the cable."
            self._give_up(f"no STATUS for {age_ms} ms. {own}")

    def _check_late(self) -> None:
        now_ms, dead_man_ms = self._port.monotonic_ms(), self.welcome.dead_man_ms
        if self._lease or self._closed or 2 * self.status_age_ms() <= dead_man_ms:
            self._late_since_ms = None
        elif self._late_since_ms is None:
            self._late_since_ms = now_ms
        elif now_ms - self._late_since_ms > LATE_CLOSE_DEAD_MANS * dead_man_ms:
            for_ms, by_ms = now_ms - self._late_since_ms, self.status_age_ms()
            late = f"for {for_ms} ms every STATUS came late, the last one by {by_ms} ms."
            self._give_up(f"{late} The pen or the line to it is held up.")

    def _give_up(self, why: str) -> None:
        self.abandon(LinkStale(f"{self.url}: {why} The connection is opened anew.", url=self.url))

    # What comes in ---------------------------------------------------------------------------------------------------

    def message_received(self, message: Message) -> None:
        """Handles one message from the pen."""
        if range_problem(message) is not None:
            self.malformed += 1
            return
        match message:
            case Status():
                self._status(message)
            case Response():
                waiter = self._response_waiter
                if waiter is not None and message.id == self._request_id:
                    if not waiter.done():  # the same answer twice on the line is one answer
                        waiter.set_result(message)
                elif message.id == self._service_request_id and message.refusal == Refusal.NONE:
                    # The answer to a SERVICE_ARM that nobody waits for any more: that lease must not live.
                    self.stop()
            case Armed():
                self._armed(message)
            case _:
                pass  # a late WELCOME or BUSY of this connection, or a message that only a host sends

    def _status(self, status: Status) -> None:
        if status.boot_id != self.welcome.boot_id:
            self.abandon(
                TransportError(
                    f"{self.url}: the pen restarted by itself. Its motor is off; the connection is opened anew.",
                    url=self.url,
                )
            )
            return
        if self._delay.overtaken(status.pen_time_ms):
            return  # it says nothing new, and what it says may not be so any more
        if status.lease != self._lease:
            self._lease = 0  # the pen ended it; STATUS behind ARMED on the line always bears the lease granted
        now_ms = self._port.monotonic_ms()
        gap_ms = self.quality.status_seen(now_ms)
        self.latest = seen = snapshot(status)
        self.latest_sent_at_ms = self._delay.sent_at_ms(now_ms, status.pen_time_ms)
        self._listener.status_seen(seen, self.latest_sent_at_ms)
        if gap_ms is not None:
            self._listener.line_advisory(
                f"{gap_ms} ms without STATUS, over half of the dead-man time of {self.welcome.dead_man_ms} ms. "
                "The pen stops by itself when it hears nothing for that long; check cable and computer load."
            )

    def _armed(self, message: Armed) -> None:
        waiter = self._armed_waiter
        if waiter is not None and message.key == self._armed_key:
            if not waiter.done():  # the same answer twice on the line is one answer
                waiter.set_result(message)
        elif message.lease and message.lease != self._lease:
            # An answer nobody waits for any more: that lease must not live.
            self.stop()

    def transport_lost(self, cause: TransportError | None) -> None:
        """The transport under this link is gone."""
        if self._end(cause):
            self._listener.link_lost(cause)

    # Inside ----------------------------------------------------------------------------------------------------------

    def _send(self, message: Message) -> None:
        if not self._closed:
            self._port.send(message, armed=bool(self._lease))

    def _ask(self, operation: Operation, key: int, payload: bytes) -> "asyncio.Future[Response]":
        """Sends one REQUEST; its future gets the answer, TimeoutError, or LinkClosed."""
        self._check_open()
        self._request_id = request_id = (self._request_id + 1) & 0xFFFF
        if operation is SERVICE_ARM:
            self._service_request_id = request_id
        self._port.send(Request(request_id, self._nonce, operation.number, key, payload), armed=bool(self._lease))
        # What follows is done while the pen is at it: its answer is not read before this task waits.
        self._response_waiter = waiter = self._loop.create_future()
        self._response_due_s = due_s = self._loop.time() + (SELF_TEST_S if operation is SELF_TEST else REQUEST_S)
        # One timer looks after all requests: to make and cancel one for each costs as much as to encode the request.
        if self._expiry is None or self._expiry.when() > due_s:
            if self._expiry is not None:
                self._expiry.cancel()
            self._expiry = self._loop.call_at(due_s, self._expire)
        return waiter

    def _expire(self) -> None:
        self._expiry = None
        waiter = self._response_waiter
        if waiter is None or waiter.done():
            return
        if self._loop.time() < self._response_due_s:
            self._expiry = self._loop.call_at(self._response_due_s, self._expire)
        else:
            waiter.set_exception(TimeoutError())

    def _new_key(self) -> int:
        return self._random.randint(1, U32_MAX)

    def _check_not_armed(self) -> None:
        self._check_open()
        if self._lease:
            raise armed_already(self.url)

    def _check_open(self) -> None:
        if self._closed:
            raise LinkClosed(
                f"{self.url}: the connection to the pen is gone; nothing was sent.", url=self.url
            ) from self._lost_cause

    def _end(self, cause: WireError | None) -> bool:
        if self._closed:
            return False
        self._closed = True
        self._lost_cause = cause
        self._lease = 0
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        for waiter in (self._armed_waiter, self._response_waiter):
            if waiter is not None and not waiter.done():
                error = LinkClosed(f"{self.url}: the connection to the pen went before it answered.", url=self.url)
                error.__cause__ = cause
                waiter.set_exception(error)
        return True
