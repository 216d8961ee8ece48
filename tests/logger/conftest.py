"""Journals, stores, and a house with a broker in it, for the record's tests."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from logger.journal import Journal
from logger.journal_writer import JournalLimits
from logger.store import Store
from tests.fixtures_brokers import STATION, BrokerProcess
from tests.logger.house import House
from tests.logger.making import Clock

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


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    found = Store.open(tmp_path / "store.db")
    yield found
    found.close()


@pytest.fixture
def house(broker: BrokerProcess, open_journal: OpenJournal, store: Store) -> House:
    """Journal, store and a running broker."""
    return House(broker, open_journal(), store)
