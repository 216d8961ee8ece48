"""Broker → store: takes the stations' batches, stores what continues each chain, and says by receipt what it has.

A receipt is sent only after the commit. Entries that are stored already are acknowledged again, entries that contradict
them are refused and told of; what is no batch of ours, or was changed on its way, is ignored and counted. A batch that
begins beyond what is stored is not taken: the receipt says where to begin. While the store cannot be written nothing is
receipted; once it can, the stations whose batches it did not take are asked for them, so that none waits for its own
next attempt.

Of several brokers it records from all at once: each station chooses the one that works for it.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from logger.bus.broker_url import BrokerUrl, in_order
from logger.bus.messages import BatchMessage, ReceiptMessage, Refusal
from logger.bus.mqtt import Bus, BusMessage, connect
from logger.bus.reconnect import Backoff, BackoffSettings, keep_connected, told_once
from logger.bus.suspicion import Suspicions
from logger.bus.topics import Topics, filter_of, parse, row
from logger.errors import MessageError, StoreUnusable, StoreUnwritable, TopicError
from logger.journal.entry import Entry, follows
from logger.store.store import Appended, StationSpan, Store

_T = TypeVar("_T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DEADLINE_S = 5.0
_BUNCH_BATCHES = 8  # half of what a station sends without a receipt: it goes on sending while these are stored
_KEEPALIVE_S = 15


@dataclass(slots=True)
class RecorderCounts:
    """What came in since the recorder started, in batches but for ``entries`` and ``duplicates``."""

    batches: int = 0
    entries: int = 0
    duplicates: int = 0
    gaps: int = 0
    conflicts: int = 0
    notices: int = 0
    ignored: int = 0
    unwritable: int = 0
    connections: int = 0


class _Conversation:
    """With the stations at one broker, for as long as one connection lasts."""

    def __init__(self, bus: Bus, again: Backoff) -> None:
        self.bus = bus
        self.asked: dict[str, int] = {}  # where a station was last asked to begin, so that a burst is answered once
        self.owing = asyncio.Event()
        self.again = again
        self.read: asyncio.Queue[list[_Read]] = asyncio.Queue(1)
        self.confirming = asyncio.Event()
        self._confirmed: dict[str, ReceiptMessage] = {}
        self._owed: set[str] = set()  # stations that sent what could not be stored

    def owe(self, station: str) -> None:
        """A station sent what could not be stored."""
        self._owed.add(station)
        self.owing.set()

    def confirm(self, receipt: ReceiptMessage) -> None:
        """A receipt is to be sent; the one before it that has not been sent yet says less and is not needed."""
        self._confirmed[receipt.station] = receipt
        self.confirming.set()

    def confirmed(self) -> list[ReceiptMessage]:
        """The receipts to be sent, each of another station."""
        receipts, self._confirmed = list(self._confirmed.values()), {}
        self.confirming.clear()
        return receipts

    def settle(self) -> list[str]:
        """The stations to be asked, who are owed nothing from now on."""
        owed, self._owed = sorted(self._owed), set()
        self.owing.clear()
        return owed


class Recorder:
    """Records one site. The store stays its opener's to close, after :meth:`run` has ended."""

    def __init__(
        self,
        *,
        broker: BrokerUrl | Sequence[BrokerUrl],
        site: str,
        store: Store,
        utc_now: Callable[[], datetime],
        random: random.Random,
        on_ready: Callable[[], None] | None = None,
        on_problem: Callable[[str], None] | None = None,
        backoff: BackoffSettings | None = None,
    ) -> None:
        """``broker`` may be several. ``on_ready`` is called each time it is subscribed at one, ``on_problem`` with a
        sentence for whoever runs it.

        Raises TopicError for a site name that cannot stand in a topic.
        """
        self._brokers = in_order(broker)
        self._site = site
        self._filter = filter_of(site, "journal")
        self._store = store
        self._utc_now = utc_now
        self._on_ready = on_ready or _nobody
        self._on_problem = on_problem or _nobody
        self._backoffs = {url: Backoff(backoff or BackoffSettings(), random) for url in self._brokers}
        self._again = {url: Backoff(backoff or BackoffSettings(), random) for url in self._brokers}
        self._unwritable = ""  # what was said of the store last, so that it is said once
        self._id = f"{random.getrandbits(64):016x}"
        self._number = 0
        self._suspicions = Suspicions(self._on_problem)
        self.counts = RecorderCounts()

    async def run(self) -> None:
        """Records until cancelled. A commit that has begun is finished first."""
        # The store's thread: one, because the store has one writer.
        with ThreadPoolExecutor(1, thread_name_prefix="recorder-store") as self._thread:
            async with asyncio.TaskGroup() as group:
                for url in self._brokers:
                    group.create_task(
                        keep_connected(
                            self._connection,
                            (url,),
                            backoff=self._backoffs[url],
                            report=told_once(self._on_problem, lambda: self.counts.connections),
                        ),
                        name=f"recorder: {url}",
                    )

    async def _connection(self, broker: BrokerUrl) -> None:
        async with connect(
            broker,
            client_id=f"needlework-recorder-{self._site}-{self._id}-{self._brokers.index(broker)}",
            deadline_s=_DEADLINE_S,
            keepalive_s=_KEEPALIVE_S,
        ) as bus:
            await bus.subscribe(self._filter, qos=1)
            for span in await self._in_thread(self._store.stations):
                await self._send_receipt(bus, self._receipt(span))
            self._backoffs[broker].reset()
            self.counts.connections += 1
            self._on_ready()
            there = _Conversation(bus, self._again[broker])  # each station knows now where to begin
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(there), name="recorder: batches")
                group.create_task(self._keep(there), name="recorder: store")
                group.create_task(self._confirm(there), name="recorder: receipts")
                group.create_task(self._ask_again(there), name="recorder: batches that were not stored")

    async def _listen(self, there: "_Conversation") -> None:
        async for messages in there.bus.bunches(_BUNCH_BATCHES):
            await there.read.put(await asyncio.to_thread(_read, messages))

    async def _keep(self, there: "_Conversation") -> None:
        """Stores what was read, while the next is read."""
        while True:
            for read in await there.read.get():
                await self._take(there, read)

    async def _confirm(self, there: "_Conversation") -> None:
        """Sends receipts beside the storing, which does not wait for the broker to acknowledge them."""
        while True:
            await there.confirming.wait()
            for receipt in there.confirmed():
                await self._send_receipt(there.bus, receipt)

    async def _ask_again(self, there: "_Conversation") -> None:
        """Asks stations for what could not be stored, further and further apart until something is stored."""
        while True:
            await there.owing.wait()
            await asyncio.sleep(there.again.next_s())
            for station in there.settle():
                try:
                    span = await self._in_thread(partial(self._store.span, station))
                except StoreUnusable:
                    there.owe(station)
                else:
                    await self._send_receipt(there.bus, self._receipt(span, expects=True))

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _take(self, there: "_Conversation", read: "_Read") -> None:
        """Batches that follow each other, or something to ignore."""
        self.counts.batches += read.batches
        if read.error is not None:
            self.counts.ignored += 1
            self._suspicions.note(
                "ignored",
                f"A message on {read.topic[:200]!r} was ignored: {read.error}. No record is lost by it: what a station "
                "sent and has no receipt for is sent again. Should it go on, look at who may publish there.",
            )
            return
        seen_utc_us = (self._utc_now() - _EPOCH) // timedelta(microseconds=1)

        def store() -> Appended:
            appended = self._store.append(read.entries, seen_utc_us=seen_utc_us)
            # Counted here, beside the commit: whoever waits for it may be called off by a connection that went.
            self.counts.entries += appended.stored
            self.counts.duplicates += appended.duplicates
            return appended

        try:
            result = await self._in_thread(store)
        except StoreUnwritable as error:
            self.counts.unwritable += read.batches
            if self._unwritable != str(error):
                self._unwritable = str(error)
                self._on_problem(self._unwritable)
            there.owe(read.entries[0].station)
            return
        there.again.reset()
        if self._unwritable:
            self._unwritable = ""
            self._on_problem("The store can be written again; the stations send what it has not got.")
        await self._answer(there, result)

    async def _answer(self, there: "_Conversation", result: Appended) -> None:
        counts, span, bus, asked = self.counts, result.span, there.bus, there.asked
        for notice in result.notices:
            counts.notices += 1
            self._suspicions.note(
                f"{notice.kind} of {span.station}",
                f"Station {span.station}, entry {notice.sequence}: {notice.reason}. The entry is stored, and this is "
                "kept beside it. Ask whoever looks after the station; where nobody changed its machine, run "
                "`needlework verify` on its journal.",
            )
        if result.conflict is not None:
            counts.conflicts += 1
            self._suspicions.note(
                f"conflict of {span.station}",
                f"Station {span.station} sent an entry {result.conflict.sequence} that was refused: "
                f"{result.conflict.reason}. What is stored stays; the other is kept beside it as evidence. Run "
                "`needlework verify` on the station's journal.",
            )
            refused = Refusal(sequence=result.conflict.sequence, reason=result.conflict.reason)
            await self._send_receipt(bus, self._receipt(span, refused=refused))
        elif result.gap:
            counts.gaps += 1
            # Behind one lost batch come others already on their way: each asked for would be sent as often again.
            if asked.get(span.station) != span.contiguous:
                asked[span.station] = span.contiguous
                await self._send_receipt(bus, self._receipt(span, expects=True))
        else:
            asked.pop(span.station, None)
            there.confirm(self._receipt(span))

    def _receipt(self, span: StationSpan, *, expects: bool = False, refused: Refusal | None = None) -> ReceiptMessage:
        """The next receipt. One that is overtaken by a later one has the lower number, and stations pass it over."""
        self._number += 1
        return ReceiptMessage(
            station=span.station,
            recorder=self._id,
            number=self._number,
            contiguous=span.contiguous,
            hash=span.hash.hex(),
            expects=expects,
            refused=refused,
        )

    async def _send_receipt(self, bus: Bus, receipt: ReceiptMessage) -> None:
        how = row("receipt")
        topic = Topics(self._site, receipt.station).topic("receipt")
        await bus.publish(topic, receipt.payload(), qos=how.qos, retain=how.retain)


async def run_recorder(
    *,
    broker: BrokerUrl | Sequence[BrokerUrl],
    site: str,
    store: Store,
    utc_now: Callable[[], datetime],
    random: random.Random,
    on_ready: Callable[[], None] | None = None,
    on_problem: Callable[[str], None] | None = None,
) -> None:
    """Records ``site`` into ``store`` until cancelled.

    Raises TopicError for a site name that cannot stand in a topic.
    """
    await Recorder(
        broker=broker, site=site, store=store, utc_now=utc_now, random=random, on_ready=on_ready, on_problem=on_problem
    ).run()


@dataclass(slots=True)
class _Read:
    """What was read from a topic: the entries of so many batches, each following the one before, or why it is none."""

    topic: str
    entries: list[Entry]
    error: TopicError | MessageError | None = None
    batches: int = 1


def _read(messages: Sequence[BusMessage]) -> list[_Read]:
    """Batches that came together and follow each other become one, so that they are one transaction and one receipt."""
    reads: list[_Read] = []
    last: dict[str, _Read] = {}
    for message in messages:
        try:
            entries = _entries(message)
        except (TopicError, MessageError) as error:
            reads.append(_Read(message.topic, [], error))
            continue
        before = last.get(message.topic)
        if before is not None and follows(entries[0], before.entries[-1]):
            before.entries += entries
            before.batches += 1
        else:
            last[message.topic] = read = _Read(message.topic, entries)
            reads.append(read)
    return reads


def _entries(message: BusMessage) -> list[Entry]:
    """The batch in a message, checked. Raises TopicError, MessageError."""
    if message.retained:
        raise MessageError("the broker kept it, as no station asks it to")
    topics, _leaf = parse(message.topic)
    batch = BatchMessage.parse(message.payload)
    if batch.station != topics.station:
        raise MessageError(f"it came on the topic of {topics.station} and says it is of {batch.station}")
    return batch.to_entries()


def _nobody(*_what: object) -> None:
    """For whoever does not want to be told."""
