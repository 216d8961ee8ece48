"""Journals, stores and events for the record's tests."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.events import Event, Refused, SessionClosed, SessionOpened, SetpointChanged
from logger.entry import GENESIS, Entry, entry_hash
from logger.journal import Journal
from logger.journal_writer import JournalLimits
from logger.store import Store
from tests.fixtures_brokers import STATION

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


class Clock:
    """A clock that moves a millisecond each time it is read."""

    def __init__(self) -> None:
        self.elapsed_ms = 0

    def utc_now(self) -> datetime:
        return START + timedelta(milliseconds=self.elapsed_ms)

    def monotonic_ms(self) -> int:
        self.elapsed_ms += 1
        return self.elapsed_ms


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


def grouped(number: int) -> Event:
    """An event that is no safety row."""
    return SetpointChanged(depth_commanded_um=number, rate_commanded_mhz=100_000, note=f"number {number}")


def safety(number: int) -> Event:
    """An event that is a safety row."""
    return Refused(asked=f"number {number}", because="a test", sentence="It was refused – µ.")


def opened(zone: str = "cheek") -> SessionOpened:
    """A session's beginning."""
    return SessionOpened(
        pen="pen-1", patient="p-7f3a", operator="op-2", protocol="scars", library="library-1", zone=zone, skin="thick",
        demo=True, checklist={"consent": True},
    )  # fmt: skip


def closed() -> SessionClosed:
    """A session's end."""
    return SessionClosed(outcome="completed", reason="finished", doses=())


def chain(count: int, *, station: str = STATION, after: Entry | None = None, salt: str = "") -> list[Entry]:
    """``count`` entries that follow ``after``, or begin a chain."""
    previous, sequence = (GENESIS, 0) if after is None else (after.hash, after.sequence)
    entries = []
    for number in range(sequence + 1, sequence + count + 1):
        body = safety(number).model_dump_json().encode() + salt.encode()
        fields = (previous, number, number * 1000, number, None, "refused", 1, body)
        entry = Entry(station, number, number * 1000, number, None, "refused", 1, body, previous, b"")
        digest = entry_hash(station.encode(), *fields)
        entries.append(Entry(station, number, number * 1000, number, None, "refused", 1, body, previous, digest))
        previous = digest
        assert entry.computed_hash() == digest
    return entries
