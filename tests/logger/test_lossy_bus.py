"""A bus that loses, doubles, delays, splits and joins what passes: the record reaches the store whole, once, in order.

Publisher and recorder are at two brokers, and somebody between carries batches one way and receipts the other, badly,
as hypothesis chooses. At last it carries well, as every network does at last.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logger.bus.messages import MAX_BATCH_ENTRIES, BatchMessage
from logger.bus.mqtt import BusMessage
from logger.journal.entry import Entry
from logger.journal.journal import Journal
from logger.journal.writer import JournalLimits
from logger.store.store import Store
from tests.fixtures_brokers import STATION, Embedded, accounts
from tests.logger.house import TOPICS, House, client, running
from tests.logger.making import Clock

pytestmark = pytest.mark.system

JOURNAL, RECEIPT = TOPICS.topic("journal"), TOPICS.topic("receipt")
ENTRIES = 60

OF_BATCHES = st.lists(st.sampled_from(["passes", "lost", "twice", "late", "split", "joined", "again"]), max_size=14)
OF_RECEIPTS = st.lists(st.sampled_from(["passes", "lost", "twice", "late"]), max_size=14)


class Carrier:
    """What becomes of each message: by the list of fates, and when that is over, it passes."""

    def __init__(self, fates: list[str]) -> None:
        self._fates = iter(fates)
        self._late: list[bytes] = []
        self._joined: list[Entry] = []
        self._before: bytes | None = None

    def carry(self, payload: bytes) -> list[bytes]:
        """What arrives now, in this order."""
        fate = next(self._fates, "passes")
        late, self._late = self._late, []
        before, self._before = self._before, payload
        match fate:
            case "lost":
                return late
            case "twice":
                return [payload, *late, payload]
            case "late":
                self._late = [payload]
                return late
            case "again":
                return [*late, payload, *([before] if before is not None else [])]
            case "split":
                entries = BatchMessage.parse(payload).to_entries()
                cut = len(entries) // 2
                parts = (entries[:cut], entries[cut:])
                return [*late, *(BatchMessage.of(part).payload() for part in parts if part)]
            case "joined":
                entries = BatchMessage.parse(payload).to_entries()
                follows = self._joined and entries[0].sequence == self._joined[-1].sequence + 1
                self._joined = [*self._joined, *entries] if follows else entries
                return late
        joined, self._joined = self._joined, []
        if joined:
            entries = BatchMessage.parse(payload).to_entries()
            if entries[0].sequence == joined[-1].sequence + 1 and len(joined) + len(entries) <= MAX_BATCH_ENTRIES:
                return [BatchMessage.of(joined + entries).payload(), *late]
        return [payload, *late]


@asynccontextmanager
async def broker() -> AsyncIterator[Embedded]:
    found = Embedded(accounts())
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


async def carried(
    heard: "asyncio.Queue[BusMessage]", publish: Callable[[bytes], Awaitable[None]], carrier: Carrier
) -> None:
    while True:
        for payload in carrier.carry((await heard.get()).payload):
            await publish(payload)


@settings(max_examples=12, deadline=None)
@given(OF_BATCHES, OF_RECEIPTS, st.integers(1, 25))
async def test_whatever_the_bus_does_the_record_arrives_whole_and_once(
    of_batches: list[str], of_receipts: list[str], batch_entries: int
) -> None:
    await flow(of_batches, of_receipts, batch_entries)


@pytest.mark.soak
@settings(max_examples=500, deadline=None)
@given(OF_BATCHES, OF_RECEIPTS, st.integers(1, 25))
async def test_whatever_the_bus_does_five_hundred_times(
    of_batches: list[str], of_receipts: list[str], batch_entries: int
) -> None:
    await flow(of_batches, of_receipts, batch_entries)


async def flow(of_batches: list[str], of_receipts: list[str], batch_entries: int) -> None:
    """A journal's way to a store over such a bus; both are compared."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as directory:
        place = str(Path(directory) / "store.db")
        store = Store.open(place)
        journal = Journal(
            Path(directory) / "journal.db", station=STATION, utc_now=clock.utc_now, monotonic_ms=clock.monotonic_ms,
            limits=JournalLimits(min_free_bytes=0),
        )  # fmt: skip
        try:
            async with (
                broker() as near,
                broker() as far,
                client(near, "mallory", JOURNAL) as (towards_station, batches),
                client(far, "mallory", RECEIPT) as (towards_recorder, receipts),
            ):
                out = carried(
                    batches, lambda payload: towards_recorder.publish(JOURNAL, payload, qos=1), Carrier(of_batches)
                )
                back = carried(
                    receipts, lambda payload: towards_station.publish(RECEIPT, payload, qos=1), Carrier(of_receipts)
                )
                here, there = House(near, journal, store, place), House(far, journal, store, place)
                async with running(out), running(back), there.recording() as recorder:
                    timing = {"receipt_timeout_s": 0.1, "receipt_timeout_max_s": 0.2, "live_period_s": 60}
                    async with here.publishing(batch_entries=batch_entries, **timing):
                        for _ in range(2):
                            await here.emit(ENTRIES // 2)
                            await here.drained()
                assert (recorder.counts.entries, recorder.counts.conflicts, recorder.counts.ignored) == (ENTRIES, 0, 0)
        finally:
            await journal.close()
            store.close()
