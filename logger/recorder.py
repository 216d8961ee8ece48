"""Broker → store: takes the stations' batches, stores what continues each chain, and says by receipt what it has.

A receipt is sent only after the commit. Entries that are stored already are acknowledged again, entries that contradict
them are refused and told of; what is no batch of ours, or was changed on its way, is ignored and counted. A batch that
begins beyond what is stored is not taken: the receipt says where to begin. While the store cannot be written nothing is
receipted; once it can, the stations whose batches it did not take are asked for them, so that none waits for its own
next attempt.
"""

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from logger.entry import Entry
from logger.errors import MessageError, StoreUnusable, StoreUnwritable, TopicError
from logger.messages import BatchMessage, ReceiptMessage, Refusal
from logger.mqtt import BrokerUrl, Bus, BusMessage, connect
from logger.reconnect import Backoff, BackoffSettings, keep_connected
from logger.store import Appended, StationSpan, Store
from logger.topics import Topics, filter_of, parse, row

_T = TypeVar("_T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DEADLINE_S = 5.0
_KEEPALIVE_S = 15


@dataclass(slots=True)
class RecorderCounts:
    """What came in since the recorder started, in batches but for ``entries`` and ``duplicates``."""

    batches: int = 0
    entries: int = 0
    duplicates: int = 0
    gaps: int = 0
    conflicts: int = 0
    ignored: int = 0
    unwritable: int = 0


class Recorder:
    """Records one site. The store stays its opener's to close, after :meth:`run` has ended."""

    def __init__(
        self,
        *,
        broker: BrokerUrl,
        site: str,
        store: Store,
        utc_now: Callable[[], datetime],
        random: random.Random,
        on_ready: Callable[[], None] | None = None,
        on_problem: Callable[[str], None] | None = None,
        backoff: BackoffSettings | None = None,
    ) -> None:
        """``on_ready`` is called each time it is subscribed, ``on_problem`` with a sentence for whoever runs it.

        Raises TopicError for a site name that cannot stand in a topic.
        """
        self._broker = broker
        self._site = site
        self._filter = filter_of(site, "journal")
        self._store = store
        self._utc_now = utc_now
        self._on_ready = on_ready or _nobody
        self._on_problem = on_problem or _nobody
        self._backoff = Backoff(backoff or BackoffSettings(), random)
        self._again = Backoff(backoff or BackoffSettings(), random)
        self._owed: set[str] = set()  # stations that sent what could not be stored
        self._owing = asyncio.Event()
        self._unwritable = ""  # what was said of the store last, so that it is said once
        self._id = f"{random.getrandbits(64):016x}"
        self._number = 0
        self._asked: dict[str, int] = {}  # where a station was last asked to begin, so that a burst is answered once
        self.counts = RecorderCounts()

    async def run(self) -> None:
        """Records until cancelled. A commit that has begun is finished first."""
        # The store's thread: one, because the store has one writer.
        with ThreadPoolExecutor(1, thread_name_prefix="recorder-store") as self._thread:
            await keep_connected(self._connection, backoff=self._backoff, report=self._on_problem)

    async def _connection(self) -> None:
        async with connect(
            self._broker,
            client_id=f"needlework-recorder-{self._site}-{self._id}",
            deadline_s=_DEADLINE_S,
            keepalive_s=_KEEPALIVE_S,
        ) as bus:
            await bus.subscribe(self._filter, qos=1)
            self._asked.clear()
            for span in await self._in_thread(self._store.stations):
                await self._send_receipt(bus, span)
            self._owed.clear()  # each station knows now where to begin
            self._backoff.reset()
            self._on_ready()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(bus), name="recorder: batches")
                group.create_task(self._ask_again(bus), name="recorder: batches that were not stored")

    async def _listen(self, bus: Bus) -> None:
        async for message in bus.messages():
            await self._take(bus, message)

    async def _ask_again(self, bus: Bus) -> None:
        """Asks stations for what could not be stored, further and further apart until something is stored."""
        while True:
            await self._owing.wait()
            await asyncio.sleep(self._again.next_s())
            self._owing.clear()
            owed, self._owed = self._owed, set()
            for station in sorted(owed):
                try:
                    span = await self._in_thread(partial(self._store.span, station))
                except StoreUnusable:
                    self._owe(station)
                else:
                    await self._send_receipt(bus, span, expects=True)

    def _owe(self, station: str) -> None:
        self._owed.add(station)
        self._owing.set()

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _take(self, bus: Bus, message: BusMessage) -> None:
        """One message: a batch, or something to ignore."""
        self.counts.batches += 1
        seen_utc_us = (self._utc_now() - _EPOCH) // timedelta(microseconds=1)

        def store() -> Appended:
            return self._store.append(_entries(message), seen_utc_us=seen_utc_us)

        try:
            result = await self._in_thread(store)
        except (TopicError, MessageError) as error:
            self.counts.ignored += 1
            self._on_problem(f"A message on {message.topic} was ignored: {error}.")
            return
        except StoreUnwritable as error:
            self.counts.unwritable += 1
            if self._unwritable != str(error):
                self._unwritable = str(error)
                self._on_problem(self._unwritable)
            self._owe(parse(message.topic)[0].station)
            return
        self._again.reset()
        if self._unwritable:
            self._unwritable = ""
            self._on_problem("The store can be written again; the stations send what it has not got.")
        await self._answer(bus, result)

    async def _answer(self, bus: Bus, result: Appended) -> None:
        counts, span = self.counts, result.span
        counts.entries += result.stored
        counts.duplicates += result.duplicates
        if result.conflict is not None:
            counts.conflicts += 1
            self._on_problem(
                f"Station {span.station} sent an entry {result.conflict.sequence} that was refused: "
                f"{result.conflict.reason}. What is stored stays; the other is kept beside it as evidence. Run "
                "`needlework verify` on the station's journal."
            )
            await self._send_receipt(
                bus, span, refused=Refusal(sequence=result.conflict.sequence, reason=result.conflict.reason)
            )
        elif result.gap:
            counts.gaps += 1
            # Behind one lost batch come others already on their way: each asked for would be sent as often again.
            if self._asked.get(span.station) != span.contiguous:
                self._asked[span.station] = span.contiguous
                await self._send_receipt(bus, span, expects=True)
        else:
            self._asked.pop(span.station, None)
            await self._send_receipt(bus, span)

    async def _send_receipt(
        self, bus: Bus, span: StationSpan, *, expects: bool = False, refused: Refusal | None = None
    ) -> None:
        self._number += 1
        receipt = ReceiptMessage(
            station=span.station,
            recorder=self._id,
            number=self._number,
            contiguous=span.contiguous,
            hash=span.hash.hex(),
            expects=expects,
            refused=refused,
        )
        how = row("receipt")
        topic = Topics(self._site, span.station).topic("receipt")
        await bus.publish(topic, receipt.payload(), qos=how.qos, retain=how.retain)


async def run_recorder(
    *,
    broker: BrokerUrl,
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


def _entries(message: BusMessage) -> list[Entry]:
    """The batch in a message, checked. Raises TopicError, MessageError."""
    topics, _leaf = parse(message.topic)
    batch = BatchMessage.parse(message.payload)
    if batch.station != topics.station:
        raise MessageError(f"it came on the topic of {topics.station} and says it is of {batch.station}")
    return batch.to_entries()


def _nobody(*_what: object) -> None:
    """For whoever does not want to be told."""
