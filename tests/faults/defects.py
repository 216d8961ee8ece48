"""Planted defects of the record: proof that the rounds of kills can fail. Each is put into one process of the house.

None of them is a flag of the product: a child process replaces one function before its part begins.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from logger.bus.publisher import Publisher
from logger.bus.recorder import Recorder
from logger.journal.entry import Entry
from logger.journal.file import JournalFile
from logger.journal.journal import Journal
from logger.store import place as store_place
from logger.store import store as store_module
from logger.store.place import WRITES
from logger.store.store import Appended, StationSpan, Store
from logger.store.tables import ENTRIES, ENTRY_COLUMNS


@dataclass(frozen=True, slots=True)
class RecordDefect:
    """One defect: the ``part`` it is planted in (``load`` or ``recorder``), what it does, whose death shows it."""

    name: str
    part: str
    what: str
    plant: Callable[[], None]
    victims: tuple[str, ...]
    rounds: int = 4


def _receipt_before_commit() -> None:
    waiting: list[Any] = []

    async def take(self: Recorder, there: Any, read: Any) -> None:
        if not read.entries:
            return
        last = read.entries[-1]
        await self._send_receipt(there.bus, self._receipt(StationSpan(last.station, last.sequence, last.hash)))
        waiting.append(read)
        if len(waiting) > 1:
            await self._in_thread(lambda: self._store.append(waiting.pop(0).entries, seen_utc_us=1))

    Recorder._take = take  # type: ignore[method-assign]


def _cursor_by_the_broker() -> None:
    original = Publisher._send_batch

    async def send(self: Publisher, bus: Any) -> bool:
        sent = await original(self, bus)
        self._journal.acknowledge(self._sent)
        return sent

    Publisher._send_batch = send  # type: ignore[method-assign]


def _insert_or_replace() -> None:
    def append(self: Store, entries: Sequence[Entry], *, seen_utc_us: int) -> Appended:
        names = [column.name for column in ENTRY_COLUMNS]
        statement = sqlite_insert(ENTRIES).prefix_with("OR REPLACE")
        writing = self._engine.connect().execution_options(**{WRITES: True})
        with writing as connection, connection.begin():
            connection.execute(statement, [{name: getattr(entry, name) for name in names} for entry in entries])
            return Appended(store_module._span(connection, entries[0].station), len(entries), 0)

    Store.append = append  # type: ignore[method-assign]


def _duplicate_not_compared() -> None:
    store_module._differing = lambda *_asked: None  # type: ignore[assignment]


def _store_not_synced() -> None:
    original = store_place._set_up_sqlite

    def set_up(connection: Any, record: object) -> None:
        original(connection, record)
        connection.execute("PRAGMA synchronous = OFF")

    store_place._set_up_sqlite = set_up


def _journal_less_than_full() -> None:
    original = JournalFile._connect

    def connect(self: JournalFile) -> Any:
        connection = original(self)
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    JournalFile._connect = connect  # type: ignore[method-assign]


def _flush_does_not_wait() -> None:
    async def flush(_self: Journal) -> None:
        return None

    Journal.flush = flush  # type: ignore[method-assign]


RECORD_DEFECTS = (
    RecordDefect(
        "receipt before commit", "recorder", "a batch is receipted, and stored with the next",
        _receipt_before_commit, ("recorder",),
    ),
    RecordDefect(
        "cursor by the broker", "load", "the broker's acknowledgement moves the outbox's cursor",
        _cursor_by_the_broker, ("recorder",),
    ),
    RecordDefect(
        "insert or replace", "recorder", "what comes again replaces what is stored",
        _insert_or_replace, ("recorder",), rounds=1,
    ),
    RecordDefect(
        "duplicate not compared", "recorder", "what is stored already is taken for the same",
        _duplicate_not_compared, ("recorder",), rounds=1,
    ),
    RecordDefect(
        "store not synced", "recorder", "SQLite's `synchronous=OFF` in the store",
        _store_not_synced, ("power",),
    ),
    RecordDefect(
        "journal less than FULL", "load", "SQLite's `synchronous=NORMAL` in the journal",
        _journal_less_than_full, ("power",),
    ),
    RecordDefect(
        "flush does not wait", "load", "the journal says durable before the disk does",
        _flush_does_not_wait, ("load",),
    ),
)  # fmt: skip
"""Every defect the rounds have to catch."""


def plant(name: str) -> None:
    """Plants the defect of that name in this process, for good."""
    next(defect for defect in RECORD_DEFECTS if defect.name == name).plant()
