"""A host that knows messages and no manners: sends what it is told, and keeps what comes.

One thing it does not do: without permission nothing leaves it that turns a motor on. What a pen says of a running motor
is then answered with STOP at once, before any check gets to see it.
"""

import asyncio
from collections.abc import Callable
from struct import pack as pack_struct
from typing import Any, TypeVar
from zlib import crc32

from cobs.cobs import encode as cobs_encode

from firmware_bridge.errors import TransportError
from firmware_bridge.transports import Transport
from firmware_bridge.wire.fields import REST, fields_of
from firmware_bridge.wire.framing import DELIMITER, Deframer
from firmware_bridge.wire.messages import (
    PROTOCOL_VERSION,
    ROW_OF_TYPE,
    Arm,
    Armed,
    Disarm,
    Hello,
    Message,
    PenState,
    Request,
    Response,
    Setpoint,
    Status,
    Stop,
    Welcome,
)
from firmware_bridge.wire.operations import SELF_TEST
from proving.conform.verdicts import Unmet, told

WITHIN_S = 2.0
"""For what a pen does within a fraction of it: long, so that a busy machine is not taken for a bad pen."""

WELCOME_TRIES = 4
WELCOME_EVERY_S = 0.5

M = TypeVar("M", bound=Message)


def laid_out(value: Any) -> bytes:
    """The payload of a message or structure, its values in range or not: what the product's own codec refuses."""
    pieces = []
    for field, item in zip(fields_of(value.__class__).values(), value, strict=True):
        pieces.append(item if field.layout is REST else pack_struct(f"<{field.layout.code}", item))
    return b"".join(pieces)


def sealed(body: bytes) -> bytes:
    """Kind, sequence and payload as they go on the line: with CRC, in COBS, the zero byte behind it."""
    wire: bytes = cobs_encode(body + crc32(body).to_bytes(4, "little")) + DELIMITER
    return wire


def framed(message: Message, sequence: int, tail: bytes = b"") -> bytes:
    """The bytes on the line of a message, its values in range or not; ``tail`` follows the payload."""
    return sealed(bytes((ROW_OF_TYPE[type(message)].kind, sequence)) + laid_out(message) + tail)


class MotionForbidden(Exception):
    """A check was about to turn a motor on without permission: a mistake in the check, which goes no further."""


class BareHost:
    """See the module. ``may_move`` permits motor-on setpoints and self-tests.

    ``received`` is every message since :meth:`forget`, ``heard_at_s`` when each came by the event loop's clock, ``raw``
    the bytes. ``lost`` holds the cause when the transport goes. ``moved`` is the first STATUS of a motor that ran
    although nothing might turn it on.
    """

    def __init__(self, *, may_move: bool = False) -> None:
        self.may_move = may_move
        self.received: list[Message] = []
        self.heard_at_s: list[float] = []
        self.raw = bytearray()
        self.lost: list[TransportError | None] = []
        self.moved: Status | None = None
        self.nonce = 0
        self.lease = 0
        self.transport: Transport | None = None
        self.deframer = Deframer()
        self._sequence = 0
        self._request_id = 0
        self._news = asyncio.Event()

    # Receiver

    def data_received(self, data: bytes) -> None:
        """Bytes from the pen."""
        self.raw += data
        messages = self.deframer.feed(data)
        self.received += messages
        now_s = asyncio.get_running_loop().time()
        self.heard_at_s += [now_s] * len(messages)
        for message in messages:
            if isinstance(message, Armed) and message.lease:
                self.lease = message.lease
            elif isinstance(message, Status) and message.state == PenState.RUNNING and not self.may_move:
                self.moved = self.moved or message
                self.send(Stop())
        self._news.set()

    def transport_lost(self, cause: TransportError | None) -> None:
        """The port is gone."""
        self.lost.append(cause)
        self._news.set()

    # Sending

    def send(self, *messages: Message) -> None:
        """Sends, in one piece. Raises MotionForbidden."""
        for message in messages:
            on = isinstance(message, Setpoint) and message.motor
            tests = isinstance(message, Request) and message.operation == SELF_TEST.number
            if (on or tests) and not self.may_move:
                raise MotionForbidden(f"{message} without permission to move")
        wire = b""
        for message in messages:
            wire += framed(message, self._sequence)
            self._sequence = (self._sequence + 1) & 0xFF
        self.write(wire)

    def write(self, wire: bytes) -> None:
        """Sends bytes as they are: for what is no frame. They are made by the check and turn no motor on."""
        if self.transport is not None and not self.lost:
            self.transport.write(wire)

    def stop(self) -> None:
        """STOP, and DISARM of the lease this host knows, ahead of everything and behind a zero byte."""
        if self.transport is not None and not self.lost:
            wire = DELIMITER + framed(Stop(), self._sequence)
            if self.lease:
                wire += framed(Disarm(self.lease), self._sequence + 1 & 0xFF)
            self._sequence = self._sequence + 2 & 0xFF
            self.transport.write(wire, urgent=True)

    # Receiving

    def forget(self) -> None:
        """What came so far is not looked at any more."""
        self.received.clear()
        self.heard_at_s.clear()
        self.raw.clear()

    async def next(
        self,
        kind: type[M],
        fits: Callable[[M], bool] = lambda _message: True,
        *,
        what: str = "",
        within_s: float = WITHIN_S,
        since: int | None = None,
    ) -> M:
        """The next message of this kind that fits, from now on or from ``since``, a place in ``received``.

        Raises Unmet when none comes; ``what`` tells what was expected.
        """
        first = len(self.received) if since is None else since
        try:
            async with asyncio.timeout(within_s):
                while not self.lost:
                    for message in self.received[first:]:
                        if isinstance(message, kind) and fits(message):
                            return message
                    first = len(self.received)
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        expected = what or f"a {kind.__name__.upper()}"
        if self.lost:
            raise Unmet(expected, f"the port went: {self.lost[0] or 'closed'}")
        near = [message for message in self.received if isinstance(message, kind)][-1:] or self.received[-1:]
        raise Unmet(
            f"{expected} within {within_s:g} s", f"the last heard: {told(near[0])}" if near else "nothing at all"
        )

    async def ask(self, message: Message, kind: type[M], what: str = "") -> M:
        """Sends and returns the next message of that kind."""
        self.send(message)
        return await self.next(kind, what=what)

    async def shake_hands(self, nonce: int, version: int = PROTOCOL_VERSION) -> Welcome:
        """HELLO and its WELCOME, asked for as a host does: a pen may be starting."""
        self.nonce = nonce
        self.lease = 0
        tries_left = WELCOME_TRIES
        while True:
            tries_left -= 1
            self.write(DELIMITER)
            self.send(Hello(nonce, version))
            try:
                return await self.next(
                    Welcome, lambda welcome: welcome.nonce == nonce, what="a WELCOME", within_s=WELCOME_EVERY_S
                )
            except Unmet:
                if not tries_left or self.lost:
                    raise

    async def quiet(self, kind: type[Message], for_s: float) -> bool:
        """Whether no message of this kind comes for so long."""
        first = len(self.received)
        await asyncio.sleep(for_s)
        return not any(isinstance(message, kind) for message in self.received[first:])

    async def status(self, fits: Callable[[Status], bool] = lambda _status: True, what: str = "") -> Status:
        """The next STATUS that fits."""
        return await self.next(Status, fits, what=what or "a STATUS")

    def statuses(self) -> list[Status]:
        """Every STATUS since :meth:`forget`."""
        return [message for message in self.received if isinstance(message, Status)]

    async def request(
        self,
        operation: int,
        arguments: bytes = b"",
        *,
        key: int = 0,
        nonce: int | None = None,
        within_s: float = WITHIN_S,
    ) -> Response:
        """One REQUEST and its RESPONSE."""
        self._request_id = (self._request_id + 1) & 0xFFFF
        request = Request(self._request_id, self.nonce if nonce is None else nonce, operation, key, arguments)
        self.send(request)
        return await self.next(
            Response,
            lambda answer: answer.id == request.id,
            what=f"a RESPONSE to request {request.id} (operation 0x{operation:02X})",
            within_s=within_s,
        )

    async def armed(self, arm: Arm) -> Armed:
        """One ARM and its ARMED."""
        self.send(arm)
        return await self.next(Armed, lambda armed: armed.key == arm.key, what=f"an ARMED with key {arm.key}")
