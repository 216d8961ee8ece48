"""A recorder that is 100 000 entries behind catches up while new ones come, in bounded memory."""

import asyncio
import statistics
from pathlib import Path

import psutil
import pytest

from logger.journal.entry import GENESIS, entry_hash
from logger.journal.file import JournalFile, Row
from logger.proof.verify import verify_journal
from logger.store.store import Store
from tests.faults.house import RUN_NUMBERS, LoadHouse
from tests.fixtures_brokers import STATION
from tests.logger.making import safety

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

BEHIND = 100_000
GROWTH_MAX_BYTES = 32 * 1024 * 1024
"""A fifth of what the backlog is as objects in memory."""
FLUSH_MEDIAN_MAX_MS = 100
COMMITTED_AT_ONCE = 5_000


def journalled(path: Path, count: int) -> None:
    """A journal with so many entries that nobody took."""
    file = JournalFile(path, STATION)
    previous, station = GENESIS, STATION.encode()
    body = safety(0).model_dump_json().replace("number 0", "of yesterday").encode()
    for first in range(1, count, COMMITTED_AT_ONCE):
        rows: list[Row] = []
        for sequence in range(first, first + COMMITTED_AT_ONCE):
            digest = entry_hash(station, previous, sequence, 1, 1, "s-0", "refused", 1, body)
            rows.append((sequence, 1, 1, "s-0", "refused", 1, previous, digest, body))
            previous = digest
        file.append(rows, None)
    file.close()


def contiguous(house: LoadHouse) -> int:
    store = Store.open_to_read(house.store_place)
    try:
        return store.span(STATION).contiguous
    finally:
        store.close()


async def test_a_recorder_far_behind_catches_up_while_new_entries_come(tmp_path: Path) -> None:
    house = LoadHouse(tmp_path, 1)
    journalled(house.journal_path, BEHIND)
    Store.open(house.store_place).close()
    loop = asyncio.get_running_loop()
    async with house.running():
        sizes: dict[str, list[int]] = {"load": [], "recorder": []}
        began_s, stored = loop.time(), 0
        while stored < BEHIND:
            await asyncio.sleep(0.1)
            stored = await asyncio.to_thread(contiguous, house)
            if stored > BEHIND // 10:
                for name, seen in sizes.items():
                    seen.append(psutil.Process(house.parts[name].pid).memory_info().rss)  # type: ignore[attr-defined]
        took_s = loop.time() - began_s
        promised, flushes_ms = house.promised(), list(house.said.flushes_ms)
        while await asyncio.to_thread(contiguous, house) < BEHIND + (max(promised.values()) % RUN_NUMBERS + 1):
            await asyncio.sleep(0.1)
    growth = {name: max(seen) - seen[0] for name, seen in sizes.items()}
    middle_ms = statistics.median(flushes_ms)
    print(f"{BEHIND / took_s:.0f} entries/s; grew by {growth}; a flush took {middle_ms:.1f} ms")
    assert all(grown < GROWTH_MAX_BYTES for grown in growth.values()), growth
    assert len(flushes_ms) > 20
    assert middle_ms < FLUSH_MEDIAN_MAX_MS
    store = Store.open_to_read(house.store_place)
    try:
        assert verify_journal(house.journal_path, store=store).verdict == "intact"
        durable, lost, duplicated = house.counted(promised, list(store.entries(STATION, after=BEHIND)))
    finally:
        store.close()
    assert durable > 100
    assert (lost, duplicated) == (0, 0)
