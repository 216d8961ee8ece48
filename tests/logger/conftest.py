"""Journals, stores, and a house with a broker in it, for the record's tests."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logger.journal.journal import Journal
from logger.journal.writer import JournalLimits
from logger.store.store import Store
from tests.fixtures_brokers import STATION, BrokerProcess
from tests.logger.house import House
from tests.logger.making import COUNT, Clock, closed, grouped, opened, safety

OpenJournal = Callable[..., Journal]


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    """Where the test's journal lies."""
    return tmp_path / "journal.db"


@pytest.fixture
async def open_journal(journal_path: Path) -> AsyncIterator[OpenJournal]:
    """Opens journals, and closes at the end those the test left open."""
    clock = Clock()
    async with AsyncExitStack() as stack:

        def opened(
            path: Path = journal_path, *, station: str = STATION, limits: JournalLimits | None = None
        ) -> Journal:
            limits = limits or JournalLimits(min_free_bytes=0, retry_ms=20)
            journal = Journal(
                path, station=station, utc_now=clock.utc_now, monotonic_ms=clock.monotonic_ms, limits=limits
            )
            stack.push_async_callback(journal.close)
            return journal

        yield opened


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def store_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store can be made, in each kind of database in turn: what holds in one holds in the other."""
    if request.param == "sqlite":
        return str(tmp_path / "store.db")
    place: str = request.getfixturevalue("postgres_place")
    return place


@pytest.fixture
def store(store_place: str) -> Iterator[Store]:
    """An empty store, in each kind of database in turn."""
    found = Store.open(store_place)
    yield found
    found.close()


@pytest.fixture(
    params=[
        ("embedded", "sqlite"),
        pytest.param(("mosquitto", "sqlite"), marks=pytest.mark.system),
        pytest.param(("mosquitto", "postgresql"), marks=pytest.mark.system),
    ],
    ids="-".join,
)
def house(request: pytest.FixtureRequest, open_journal: OpenJournal, tmp_path: Path) -> Iterator[House]:
    """Journal, store and a running broker: on one machine, and as in a clinic, with either kind of store."""
    broker, kind = request.param
    place = str(tmp_path / "store.db") if kind == "sqlite" else request.getfixturevalue("postgres_place")
    found = Store.open(place)
    yield House(request.getfixturevalue(broker), open_journal(), found, place)
    found.close()


HouseAt = Callable[[BrokerProcess], House]


@pytest.fixture
def house_at(open_journal: OpenJournal, tmp_path: Path) -> Iterator[HouseAt]:
    """A house with a store in SQLite at a broker of the test's own."""
    place = str(tmp_path / "store.db")
    found = Store.open(place)
    yield lambda broker: House(broker, open_journal(), found, place)
    found.close()


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished journal that tests copy and damage."""
    path = tmp_path_factory.mktemp("pristine") / "journal.db"

    async def write() -> None:
        limits = JournalLimits(min_free_bytes=0)
        journal = Journal(
            path,
            station=STATION,
            utc_now=lambda: datetime(2026, 3, 1, tzinfo=UTC),
            monotonic_ms=lambda: 7,
            limits=limits,
        )
        journal.emit(safety(0), session=None)
        journal.emit(opened(), session="s-1")
        for number in range(COUNT - 3):
            journal.emit(grouped(number), session="s-1")
        journal.emit(closed(), session="s-1")
        await journal.close()

    asyncio.run(write())
    return path


@pytest.fixture
def damaged(pristine: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copy(pristine, tmp_path / "damaged.db"))
