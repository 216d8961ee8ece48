"""Journal → broker: batches in order, sent again until the recorder's receipt says that they are stored.

A broker that is absent, dies or comes back changes nothing for a treatment: entries wait in the journal and are sent
later. The broker's acknowledgement of a publish says only that the broker has it; the cursor moves by receipts alone.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from logger.bus.broker_url import BrokerUrl, in_order
from logger.bus.messages import (
    AlarmItem,
    AlarmsMessage,
    BatchMessage,
    LiveMessage,
    LivePen,
    ReceiptMessage,
    StatusMessage,
)
from logger.bus.mqtt import Bus, Will, connect
from logger.bus.publishing import PublisherCounts, PublisherSettings, PublisherState
from logger.bus.reconnect import Backoff, keep_connected
from logger.bus.suspicion import Suspicions
from logger.bus.topics import Leaf, Topics, row
from logger.errors import BusError, BusLost, MessageError
from logger.journal.entry import GENESIS, Entry
from logger.journal.journal import Journal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAREWELL_S = 1.0  # what a shutdown waits at most for the broker to hear that the station stops


class _Sent(NamedTuple):
    """A batch without a receipt: sequence and hash of its last entry, and when it was sent by the loop's clock."""

    last: int
    hash: bytes
    at_s: float


class Publisher:
    """Sends one station's journal, status, alarms and live values to a broker: of several, the first that works."""

    def __init__(
        self,
        *,
        journal: Journal,
        topics: Topics,
        broker: BrokerUrl | Sequence[BrokerUrl],
        software: str,
        utc_now: Callable[[], datetime],
        random: random.Random,
        alarms: Callable[[], tuple[AlarmItem, ...]],
        live: Callable[[], tuple[LivePen, ...]],
        settings: PublisherSettings | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        """``alarms`` and ``live`` are asked on the event loop and must not wait. ``software`` is name and version.

        ``broker`` may be several, the one to be tried first first. ``on_notice`` gets a sentence when somebody on the
        bus meddles with this record.
        """
        self._journal = journal
        self._topics = topics
        self._brokers = in_order(broker)
        self._broker = self._brokers[0]
        self._suspicions = Suspicions(on_notice or _nobody)
        self.counts = PublisherCounts()
        self._software = software
        self._utc_now = utc_now
        self._alarms = alarms
        self._live = live
        self._settings = settings or PublisherSettings()
        self._backoff = Backoff(self._settings.backoff, random)
        self._run = f"{random.getrandbits(64):016x}"
        self._connected = False
        self._problem: str | None = None
        self._disputed: str | None = (
            None  # what the recorder and this journal disagree on; stays until a receipt agrees
        )
        self._wake = asyncio.Event()
        self._alarms_due = asyncio.Event()
        self._sent = 0
        self._rewinds = 0
        self._unreceipted: deque[_Sent] = deque()
        self._probing = False  # receipts are missing: one batch at a time until one comes
        self._receipt_wait_s = self._settings.receipt_timeout_s
        self._receipt_due = 0.0
        self._recorder = ""
        self._receipt_number = -1
        self._acknowledged = asyncio.Event()

    # -- for the station -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Publishes until cancelled; then tells the broker that the station stops, within a second."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_commits(), name="publisher: commits")
            group.create_task(
                keep_connected(self._connection, self._brokers, backoff=self._backoff, report=self._report),
                name="publisher: broker",
            )

    def alarms_changed(self) -> None:
        """The alarms are not what they were: publish them anew."""
        self._alarms_due.set()

    def state(self) -> PublisherState:
        """How it stands."""
        backlog = max(0, self._journal.committed - self._journal.acknowledged)
        return PublisherState(self._connected, backlog, self._disputed or self._problem, self._run, self._broker)

    def suspicions(self) -> Mapping[str, int]:
        """What came in that no recorder and no station of ours sends, and receipts that took others back, by kind."""
        return self._suspicions.counts

    def oldest_wait_s(self) -> float:
        """How long the oldest batch that was sent waits for its receipt; 0 when none does. On the event loop only."""
        return asyncio.get_running_loop().time() - self._unreceipted[0].at_s if self._unreceipted else 0.0

    async def drained(self) -> None:
        """Returns when everything committed before this call is receipted.

        Waits for ever: its caller sets the limit.
        """
        target = self._journal.committed
        while self._journal.acknowledged < target:
            self._acknowledged.clear()
            await self._acknowledged.wait()

    # -- one connection ------------------------------------------------------------------------------------------------

    def _report(self, problem: str) -> None:
        self._connected = False
        self._problem = problem

    async def _connection(self, broker: BrokerUrl) -> None:
        self._broker = broker
        will = Will(self._topics.topic("status"), self._status("offline", "connection lost").payload())
        async with connect(
            broker,
            # With a random part: whoever comes with the same id throws us out.
            client_id=f"needlework-{self._topics.site}-{self._topics.station}-{self._run}",
            deadline_s=self._settings.deadline_s,
            keepalive_s=self._settings.keepalive_s,
            will=will,
        ) as bus:
            try:
                await bus.subscribe(self._topics.topic("receipt"), qos=1)
                await bus.subscribe(self._topics.topic("status"), qos=1)
                await self._publish(bus, "status", self._status("online", "connected").payload())
                self._connected = True
                self.counts.connections += 1
                self._problem = None
                self._alarms_due.set()
                self._rewind(self._journal.acknowledged)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._receive(bus), name="publisher: receipts")
                    group.create_task(self._send_journal(bus), name="publisher: journal")
                    group.create_task(self._send_alarms(bus), name="publisher: alarms")
                    group.create_task(self._send_live(bus), name="publisher: live")
            except asyncio.CancelledError:
                await self._farewell(bus)
                raise
            finally:
                self._connected = False

    async def _farewell(self, bus: Bus) -> None:
        """A shutdown in good order is not a death: the retained status says so."""
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self._publish(bus, "status", self._status("offline", "station stopped").payload())
        except (TimeoutError, BusError):
            return

    async def _publish(self, bus: Bus, leaf: Leaf, payload: bytes) -> None:
        how = row(leaf)
        await bus.publish(self._topics.topic(leaf), payload, qos=how.qos, retain=how.retain)

    def _utc_us(self) -> int:
        return (self._utc_now() - _EPOCH) // timedelta(microseconds=1)

    # -- the journal ---------------------------------------------------------------------------------------------------

    async def _watch_commits(self) -> None:
        seen = self._journal.committed
        while True:
            seen = await self._journal.wait_committed(seen)
            self._wake.set()

    def _rewind(self, to: int) -> None:
        """What comes next is the entry after ``to``."""
        self._sent = to
        self._rewinds += 1
        self._unreceipted.clear()
        self._wake.set()

    async def _send_journal(self, bus: Bus) -> None:
        self._probing = False
        self._receipt_wait_s = self._settings.receipt_timeout_s
        while True:
            self._wake.clear()
            if await self._send_batch(bus):
                continue
            try:
                async with asyncio.timeout_at(self._receipt_due if self._unreceipted else None):
                    await self._wake.wait()
            except TimeoutError:
                self._problem = (
                    f"No receipt came from a recorder for {self._receipt_wait_s:g} s: the record of this station is on "
                    f"this machine only. Check that a recorder runs for site {self._topics.site}; sending goes on by "
                    "itself."
                )
                # A receipt that was forged with a higher number must not keep the recorder's own out.
                self._recorder, self._receipt_number = "", -1
                if self._probing and len(self._brokers) > 1 and self._disputed is None:
                    raise BusLost(self._problem) from None  # the recorder may be there where the next broker is
                self._slow_down()
                self._rewind(self._journal.acknowledged)

    def _slow_down(self) -> None:
        """Nobody takes what is sent: one batch at a time, further and further apart."""
        self._probing = True
        self._receipt_wait_s = min(2 * self._receipt_wait_s, self._settings.receipt_timeout_max_s)

    async def _send_batch(self, bus: Bus) -> bool:
        """Sends the next batch; False when there is none, or the window is full."""
        if len(self._unreceipted) >= (1 if self._probing else self._settings.window_batches):
            return False
        rewinds = self._rewinds
        batch = await asyncio.to_thread(self._next_batch, self._sent)
        if batch is None:
            return False
        entries, payload = batch
        if rewinds != self._rewinds:
            return True  # a receipt asked for something else meanwhile
        # Noted before it is sent, because its receipt may come before the broker's acknowledgement does.
        now_s = asyncio.get_running_loop().time()
        if not self._unreceipted:
            self._receipt_due = now_s + self._receipt_wait_s
        self._sent = entries[-1].sequence
        self._unreceipted.append(_Sent(self._sent, entries[-1].hash, now_s))
        self.counts.batches += 1
        self.counts.entries += len(entries)
        self.counts.bytes += len(payload)
        await self._publish(bus, "journal", payload)
        return True

    def _next_batch(self, after: int) -> tuple[list[Entry], bytes] | None:
        """What comes behind ``after`` and its bytes on the bus, in one visit to a thread."""
        entries = self._journal.reader.read(after, self._settings.batch_entries, self._settings.batch_bytes)
        return (entries, BatchMessage.of(entries).payload()) if entries else None

    # -- what comes back -----------------------------------------------------------------------------------------------

    async def _receive(self, bus: Bus) -> None:
        async for message in bus.messages():
            try:
                if message.topic == self._topics.topic("receipt"):
                    await self._take_receipt(ReceiptMessage.parse(message.payload), retained=message.retained)
                elif message.topic == self._topics.topic("status"):
                    await self._take_status(bus, StatusMessage.parse(message.payload), retained=message.retained)
            except MessageError as error:
                self._suspect("no_message", f"A message on {message.topic} is none of ours: {error}.")

    def _suspect(self, kind: str, what: str) -> None:
        """Somebody meddles: it moves nothing, and is told of."""
        self._suspicions.note(
            kind,
            f"{what} It was not obeyed and no record is lost, but somebody else writes to this station's topics at the "
            f"broker {self._broker}. Look at the broker's accounts and access rules: nobody but a recorder may give "
            "receipts.",
        )

    async def _take_receipt(self, receipt: ReceiptMessage, *, retained: bool) -> None:
        """Moves the cursor, when the receipt is of this station, newer than the last one, and of the same entries."""
        if retained:
            self._suspect("retained_receipt", "A receipt was kept by the broker, as no recorder asks it to.")
            return
        if receipt.station != self._topics.station:
            self._suspect("foreign_receipt", "A receipt for another station came on this one's topic.")
            return
        # One that says more than is known is taken whatever its number: a forged high one is forgotten by it.
        if (
            receipt.recorder == self._recorder
            and receipt.number <= self._receipt_number
            and receipt.contiguous <= self._journal.acknowledged
        ):
            return  # overtaken by a later one
        known = GENESIS if receipt.contiguous == 0 else None
        if 0 < receipt.contiguous <= self._journal.committed:
            known = next((sent.hash for sent in self._unreceipted if sent.last == receipt.contiguous), None)
            if known is None:
                known = await asyncio.to_thread(self._journal.reader.hash_of, receipt.contiguous)
        if known is None or known.hex() != receipt.hash:
            self._disputed = (
                f"A receipt names entry {receipt.contiguous} of {receipt.station} with a hash this journal does not "
                f"have (it ends at {self._journal.committed}): the journal was cut, replaced or rewritten, or two "
                "stations share this name. Nothing more is handed over. Run `needlework verify` with the recorder's "
                "store."
            )
            self._suspect(
                "forged_receipt", f"A receipt names entry {receipt.contiguous} with a hash not in this journal."
            )
            return
        self.counts.receipts += 1
        another_recorder = receipt.recorder != self._recorder
        self._recorder, self._receipt_number = receipt.recorder, receipt.number
        went_back = receipt.contiguous < self._journal.acknowledged
        if went_back:
            self._suspicions.note(
                "receipt_back",
                f"A receipt takes back what was receipted: entries {receipt.contiguous + 1} to "
                f"{self._journal.acknowledged} are sent again, and none is lost. So it is when the recorder's store "
                "was lost, restored from a backup, or is another one now. Otherwise somebody else gives receipts for "
                f"this station at the broker {self._broker}: look at its accounts and access rules.",
            )
        self._journal.acknowledge(receipt.contiguous)
        self._acknowledged.set()
        self._backoff.reset()
        self._problem = None
        if receipt.refused is not None:
            self._disputed = (
                f"The recorder refuses entry {receipt.refused.sequence} of this station: {receipt.refused.reason}. "
                "Neither is overwritten. Run `needlework verify` with the recorder's store."
            )
            self._slow_down()
            return
        self._disputed = None
        self._probing = False
        self._receipt_wait_s = self._settings.receipt_timeout_s
        self._receipt_due = asyncio.get_running_loop().time() + self._receipt_wait_s
        if went_back or receipt.expects or (another_recorder and self._unreceipted):
            self._rewind(receipt.contiguous)
        now_s = asyncio.get_running_loop().time()
        while self._unreceipted and self._unreceipted[0].last <= receipt.contiguous:
            self.counts.receipted_batches += 1
            self.counts.receipt_lag_s += now_s - self._unreceipted.popleft().at_s
        self._wake.set()

    async def _take_status(self, bus: Bus, status: StatusMessage, *, retained: bool) -> None:
        """Our own status as others see it: a will that fired late is corrected, a namesake is told of."""
        if status.run == self._run:
            if status.state == "offline":
                await self._publish(bus, "status", self._status("online", "connected").payload())
        elif status.state == "online" and not retained:
            self._disputed = (
                f"Another station calls itself {self._topics.station} at site {self._topics.site}. Their records would "
                "mix. Give one of them another name."
            )

    # -- status, alarms, live ------------------------------------------------------------------------------------------

    def _status(self, state: Literal["online", "offline"], reason: str) -> StatusMessage:
        return StatusMessage(
            station=self._topics.station,
            run=self._run,
            state=state,
            reason=reason,
            software=self._software,
            utc_us=self._utc_us(),
            sequence=self._journal.committed,
        )

    async def _send_alarms(self, bus: Bus) -> None:
        while True:
            await self._alarms_due.wait()
            self._alarms_due.clear()
            message = AlarmsMessage(utc_us=self._utc_us(), alarms=self._alarms())
            await self._publish(bus, "alarms", message.payload())

    async def _send_live(self, bus: Bus) -> None:
        while True:
            if pens := self._live():
                await self._publish(bus, "live", LiveMessage(utc_us=self._utc_us(), pens=pens).payload())
            await asyncio.sleep(self._settings.live_period_s)


def _nobody(_sentence: str) -> None:
    """For whoever does not want to be told."""


__all__ = ["Publisher", "PublisherCounts", "PublisherSettings", "PublisherState"]
