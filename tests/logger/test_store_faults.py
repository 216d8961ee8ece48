"""What happens to a database while a clinic records into it: nothing is lost, nothing is stored twice, nobody hangs.

The server, the broker and the connections are real; each fault is done to them while entries come in.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from logger.store.backup import back_up, restore
from logger.store.store import Store
from tests.fixtures_brokers import STATION, Mosquitto
from tests.fixtures_postgres import PostgresServer
from tests.logger.conftest import OpenJournal
from tests.logger.house import House, until

pytestmark = pytest.mark.system


@pytest.fixture
async def clinic(
    mosquitto: Mosquitto, own_postgres: PostgresServer, open_journal: OpenJournal
) -> AsyncIterator[tuple[House, PostgresServer]]:
    """A house as a clinic has it, and the database server that is going to suffer."""
    store = Store.open(own_postgres.url())
    yield House(mosquitto, open_journal(), store, own_postgres.url()), own_postgres
    store.close()


@asynccontextmanager
async def treating(house: House) -> AsyncIterator[Callable[[], float]]:
    """Journals all the time, as a treatment does; tells how long a commit to the journal took at worst, in seconds."""
    worst_s = 0.0
    ending = asyncio.Event()

    async def emit() -> None:
        nonlocal worst_s
        while not ending.is_set():
            began = time.monotonic()
            await house.emit(5)
            worst_s = max(worst_s, time.monotonic() - began)
            await asyncio.sleep(0.005)

    task = asyncio.create_task(emit())
    try:
        yield lambda: worst_s
    finally:
        ending.set()
        await task


def told(house: House, words: str) -> bool:
    return any(words in problem for problem in house.problems)


@pytest.mark.parametrize("how", ["fast", "immediate"])
async def test_a_server_that_is_restarted_or_crashes(clinic: tuple[House, PostgresServer], how: str) -> None:
    house, server = clinic
    async with house.recording() as recorder, house.publishing(batch_entries=5):
        async with treating(house) as worst_s:
            await until(lambda: recorder.counts.entries > 20)
            await asyncio.to_thread(server.stop, how)
            await until(lambda: told(house, "cannot be written"))
            stored = recorder.counts.entries
            await house.emit(50)
            await asyncio.to_thread(server.start)
            await until(lambda: recorder.counts.entries > stored)
            assert worst_s() < 2  # the journal does not wait for the database
        await house.drained()
        assert told(house, "can be written again")
        assert not told(house, "s3cret")
        assert recorder.counts.conflicts == 0


async def test_connections_that_are_cut_again_and_again(clinic: tuple[House, PostgresServer]) -> None:
    house, server = clinic
    cut = 0
    async with house.recording() as recorder, house.publishing(batch_entries=3):
        async with treating(house):
            with server.connect() as other:
                for _ in range(40):
                    rows = other.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'needlework'"
                    ).fetchall()
                    cut += len(rows)
                    await asyncio.sleep(0.02)
        assert cut > 10
        await house.drained()
        assert recorder.counts.conflicts == 0
    assert house.store.span(STATION).contiguous == house.journal.committed


async def test_tables_that_somebody_locks(clinic: tuple[House, PostgresServer]) -> None:
    house, server = clinic
    async with house.recording() as recorder, house.publishing(batch_entries=5):
        async with treating(house) as worst_s:
            await until(lambda: recorder.counts.entries > 20)
            with server.connect() as other, other.transaction():
                other.execute("LOCK TABLE entries IN ACCESS EXCLUSIVE MODE")
                await until(lambda: told(house, "lock timeout"))
            stored = recorder.counts.entries
            await until(lambda: recorder.counts.entries > stored)
            assert worst_s() < 2
        await house.drained()
        assert told(house, "can be written again")


async def test_a_restored_store_is_filled_up_by_the_stations(house: House, tmp_path: Path) -> None:
    """The database is lost; what was restored is older than what stations have receipts for."""
    places = {"old": tmp_path / "backup.db", "new": tmp_path / "restored.db"}
    async with house.publishing(batch_entries=10):
        async with house.recording():
            await house.emit(100)
            await house.drained()
            copied = await asyncio.to_thread(back_up, house.place, places["old"], lambda *_: None)
            await house.emit(100)
            await house.drained()
        assert (copied.entries, house.journal.acknowledged) == (100, 200)
        house.store.close()
        await asyncio.to_thread(restore, places["old"], places["new"], lambda *_: None)
        house.store = Store.open(places["new"])
        assert house.store.span(STATION).contiguous == 100
        await house.emit(10)
        async with house.recording():
            await until(lambda: house.store.span(STATION).contiguous == 210)
            await house.drained()
    house.store.close()
