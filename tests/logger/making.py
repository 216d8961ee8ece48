"""Clocks, events and chains for the record's tests."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.events import Event, Refused, SessionClosed, SessionOpened, SetpointChanged
from logger.journal.entry import GENESIS, Entry, entry_hash
from logger.journal.reader import JournalReader
from logger.store.store import Store
from tests.fixtures_brokers import STATION

COUNT = 24
"""Entries of the journal that tests copy and damage."""

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


def sql(path: Path, *statements: str) -> None:
    """Changes a database behind its owner's back."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    for statement in statements:
        connection.execute(statement)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def store_of(path: Path, tmp_path: Path, upto: int = COUNT) -> Store:
    """A store that has the journal\'s first entries, open."""
    store = Store.open(tmp_path / "anchor.db")
    reader = JournalReader(path)
    store.append(reader.read(0, upto), seen_utc_us=0)
    reader.close()
    return store
