"""The store behind the recorder: every station's entries, as they were journalled, each chain without a hole.

SQLAlchemy Core over a synchronous driver, used from one thread: a batch is one transaction, and a thread hop for each
costs far less than an asynchronous driver's hop for each statement; the command line reads it without an event loop.

A batch extends a chain or it is not taken: what is stored of a station is at any time an unbroken chain from its first
entry, so `contiguous` is simply the last sequence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    Text,
    create_engine,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from logger.entry import GENESIS, Entry, rises
from logger.errors import StoreUnusable, StoreUnwritable

_FORMAT = 1
_PAGE_ENTRIES = 200

_METADATA = MetaData()
_ABOUT = Table("about", _METADATA, Column("format", Integer, nullable=False))
_ENTRIES = Table(
    "entries",
    _METADATA,
    Column("station", String(63), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("utc_us", BigInteger, nullable=False),
    Column("monotonic_ms", BigInteger, nullable=False),
    Column("session", Text),
    Column("type", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("previous", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("entries_session", "session", "station", "sequence"),
)
_CONFLICTS = Table(
    "conflicts",
    _METADATA,
    Column("station", String(63), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), primary_key=True),
    Column("seen_utc_us", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
_ENTRY_COLUMNS = [
    _ENTRIES.c[name]
    for name in (
        "station",
        "sequence",
        "utc_us",
        "monotonic_ms",
        "session",
        "type",
        "version",
        "body",
        "previous",
        "hash",
    )
]


@dataclass(frozen=True, slots=True)
class StationSpan:
    """What is stored of one station: everything from 1 to ``contiguous``, whose hash is ``hash``."""

    station: str
    contiguous: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as the store knows it, without reading what happened in it."""

    station: str
    session: str
    first: int
    last: int
    opened_utc_us: int
    closed: bool


@dataclass(frozen=True, slots=True)
class Conflict:
    """An entry that was refused because the store has another one in its place."""

    station: str
    sequence: int
    hash: bytes
    seen_utc_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch.

    ``gap``: it begins beyond what is stored. ``conflict``: its first entry refused, and why.
    """

    span: StationSpan
    stored: int
    duplicates: int
    gap: bool = False
    conflict: Conflict | None = None


class Store:
    """A store, open. Not thread-safe for writing: one thread appends."""

    def __init__(self, engine: Engine, where: str) -> None:
        """Use :meth:`open`."""
        self._engine = engine
        self._where = where

    @classmethod
    def open(cls, where: str | Path) -> "Store":
        """Opens the SQLite file at a path, or a database at an SQLAlchemy URL; creates the tables in an empty one.

        Raises StoreUnusable.
        """
        url = where if isinstance(where, str) and "://" in where else f"sqlite:///{Path(where).resolve()}"
        engine: Engine | None = None
        try:
            engine = create_engine(url)
            if engine.dialect.name == "sqlite":
                event.listen(engine, "connect", _set_up_sqlite)
            store = cls(engine, str(where))
            store._prepare()
        except SQLAlchemyError as error:
            if engine is not None:
                engine.dispose()
            raise StoreUnusable(
                f"The store {where} cannot be opened: {_cause(error)}. No receipts are given, so the stations keep "
                "everything and send it again. Check the path, the permissions and the free space."
            ) from error
        except StoreUnusable:
            if engine is not None:
                engine.dispose()
            raise
        return store

    def _prepare(self) -> None:
        with self._engine.begin() as connection:
            _METADATA.create_all(connection)
            found = connection.execute(select(_ABOUT.c.format)).scalar()
            if found is None:
                connection.execute(insert(_ABOUT).values(format=_FORMAT))
            elif found != _FORMAT:
                raise StoreUnusable(
                    f"The store {self._where} has format {found}, this version reads format {_FORMAT}. Use the version "
                    "that wrote it."
                )

    def close(self) -> None:
        """Releases the database. Safe to call twice."""
        self._engine.dispose()

    # -- writing -------------------------------------------------------------------------------------------------------

    def append(self, entries: Sequence[Entry], *, seen_utc_us: int) -> Appended:
        """Stores what is new in ``entries`` (one station's, in order, hashes checked) in one transaction; durable on
        return.

        What is stored already is compared and counted; the first entry that differs from what is stored, or does not
        follow it, is kept as evidence, and neither it nor what comes after it is taken. Raises StoreUnwritable.
        """
        station = entries[0].station
        try:
            with self._engine.begin() as connection:
                span = _span(connection, station)
                known = [entry for entry in entries if entry.sequence <= span.contiguous]
                fresh = [entry for entry in entries if entry.sequence > span.contiguous]
                conflict = _differing(connection, station, known, seen_utc_us)
                if conflict is None and fresh and fresh[0].sequence > span.contiguous + 1:
                    return Appended(span, 0, len(known), gap=True)
                if conflict is None and fresh and fresh[0].previous != span.hash:
                    conflict = _conflict(
                        fresh[0], seen_utc_us, f"it does not follow the stored entry {span.contiguous}"
                    )
                    _keep(connection, conflict, fresh[0])
                if conflict is not None:
                    return Appended(span, 0, 0, conflict=conflict)
                if fresh:
                    connection.execute(insert(_ENTRIES), [_row(entry) for entry in fresh])
                    span = StationSpan(station, fresh[-1].sequence, fresh[-1].hash)
                return Appended(span, len(fresh), len(known))
        except SQLAlchemyError as error:
            raise StoreUnwritable(
                f"The store {self._where} cannot be written: {_cause(error)}. Nothing of this batch was stored and no "
                "receipt is given, so the station sends it again. Check the disk's free space and that the database "
                "answers."
            ) from error

    # -- reading -------------------------------------------------------------------------------------------------------

    def span(self, station: str) -> StationSpan:
        """What is stored of ``station``; contiguous 0 when nothing. Raises StoreUnusable."""
        with self._reading() as connection:
            return _span(connection, station)

    def stations(self) -> list[StationSpan]:
        """What is stored of every station, by name. Raises StoreUnusable."""
        spans: list[StationSpan] = []
        following = select(func.min(_ENTRIES.c.station))
        with self._reading() as connection:
            # From one name to the next by the index: DISTINCT would read every entry.
            name = connection.execute(following).scalar()
            while name is not None:
                spans.append(_span(connection, name))
                name = connection.execute(following.where(_ENTRIES.c.station > name)).scalar()
        return spans

    def entries(self, station: str, after: int = 0) -> Iterator[Entry]:
        """A station's entries with a sequence greater than ``after``, in order, in pages. Raises StoreUnusable."""
        return self._pages(select(*_ENTRY_COLUMNS).where(_ENTRIES.c.station == station), after)

    def session_entries(self, session: str) -> Iterator[Entry]:
        """Every entry of one session, in order, in pages. Raises StoreUnusable."""
        return self._pages(select(*_ENTRY_COLUMNS).where(_ENTRIES.c.session == session), 0)

    def sessions(self) -> list[StoredSession]:
        """Every session, oldest first. Raises StoreUnusable."""
        spans = (
            select(
                _ENTRIES.c.station,
                _ENTRIES.c.session,
                func.min(_ENTRIES.c.sequence).label("first"),
                func.max(_ENTRIES.c.sequence).label("last"),
            )
            .where(_ENTRIES.c.session.is_not(None))
            .group_by(_ENTRIES.c.station, _ENTRIES.c.session)
            .subquery()
        )
        ends = _ENTRIES.alias("ends")
        closed = (
            select(ends.c.sequence)
            .where(
                ends.c.session == spans.c.session, ends.c.station == spans.c.station, ends.c.type == "session_closed"
            )
            .exists()
        )
        query = (
            select(spans, _ENTRIES.c.utc_us, closed)
            .join(_ENTRIES, (_ENTRIES.c.station == spans.c.station) & (_ENTRIES.c.sequence == spans.c.first))
            .order_by(_ENTRIES.c.utc_us, spans.c.station, spans.c.first)
        )
        with self._reading() as connection:
            return [StoredSession(*row) for row in connection.execute(query)]

    def conflicts(self, station: str) -> list[Conflict]:
        """What was refused of a station because something else stood in its place. Raises StoreUnusable."""
        columns = [_CONFLICTS.c[name] for name in ("station", "sequence", "hash", "seen_utc_us", "reason")]
        query = select(*columns).where(_CONFLICTS.c.station == station).order_by(_CONFLICTS.c.sequence)
        with self._reading() as connection:
            return [Conflict(*row) for row in connection.execute(query)]

    def _pages(self, query: Select[Any], after: int) -> Iterator[Entry]:
        query = query.order_by(_ENTRIES.c.sequence).limit(_PAGE_ENTRIES)
        while True:
            with self._reading() as connection:
                page = [Entry(*row) for row in connection.execute(query.where(_ENTRIES.c.sequence > after))]
            if not page:
                return
            if not rises(page, after):
                raise StoreUnusable(
                    f"The store {self._where} cannot be read behind entry {after}: it is damaged and repeats itself. "
                    "Restore it from a backup; the stations send again what is missing then."
                )
            yield from page
            after = page[-1].sequence

    def _reading(self) -> "_Reading":
        return _Reading(self._engine, self._where)


class _Reading:
    """A connection for reading, whose errors say what they mean."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self._where = where

    def __enter__(self) -> Connection:
        try:
            self._connection = self._engine.connect()
        except SQLAlchemyError as error:
            raise self._unusable(error) from error
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._connection.close()
        if isinstance(error, SQLAlchemyError):
            raise self._unusable(error) from error

    def _unusable(self, error: SQLAlchemyError) -> StoreUnusable:
        return StoreUnusable(
            f"The store {self._where} cannot be read: {_cause(error)}. Check that it is there and whole."
        )


def _set_up_sqlite(connection: Any, _record: object) -> None:
    """FULL, because a receipt promises that the entries are on the disk."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _span(connection: Connection, station: str) -> StationSpan:
    query = (
        select(_ENTRIES.c.sequence, _ENTRIES.c.hash)
        .where(_ENTRIES.c.station == station)
        .order_by(_ENTRIES.c.sequence.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return StationSpan(station, 0, GENESIS) if row is None else StationSpan(station, row.sequence, bytes(row.hash))


def _differing(connection: Connection, station: str, known: Sequence[Entry], seen_utc_us: int) -> Conflict | None:
    """The first of ``known`` that is not what is stored under its sequence, kept as evidence."""
    if not known:
        return None
    query = select(_ENTRIES.c.sequence, _ENTRIES.c.hash).where(
        _ENTRIES.c.station == station, _ENTRIES.c.sequence.between(known[0].sequence, known[-1].sequence)
    )
    stored = {row.sequence: bytes(row.hash) for row in connection.execute(query)}
    for entry in known:
        if stored.get(entry.sequence) != entry.hash:
            conflict = _conflict(entry, seen_utc_us, "another entry is stored under its sequence")
            _keep(connection, conflict, entry)
            return conflict
    return None


def _conflict(entry: Entry, seen_utc_us: int, reason: str) -> Conflict:
    return Conflict(entry.station, entry.sequence, entry.hash, seen_utc_us, reason)


def _keep(connection: Connection, conflict: Conflict, entry: Entry) -> None:
    """Keeps the refused entry as evidence; the same one again is kept once."""
    try:
        with connection.begin_nested():
            connection.execute(
                insert(_CONFLICTS).values(
                    station=conflict.station,
                    sequence=conflict.sequence,
                    hash=conflict.hash,
                    seen_utc_us=conflict.seen_utc_us,
                    reason=conflict.reason,
                    body=entry.body,
                )
            )
    except IntegrityError:
        return


def _row(entry: Entry) -> dict[str, object]:
    return {
        "station": entry.station,
        "sequence": entry.sequence,
        "utc_us": entry.utc_us,
        "monotonic_ms": entry.monotonic_ms,
        "session": entry.session,
        "type": entry.type,
        "version": entry.version,
        "previous": entry.previous,
        "hash": entry.hash,
        "body": entry.body,
    }


def _cause(error: SQLAlchemyError) -> str:
    """The database's own words, without SQLAlchemy's statement and link."""
    return str(getattr(error, "orig", None) or error)
