"""The store behind the recorder: every station's entries, as they were journalled, each chain without a hole.

SQLAlchemy Core over a synchronous driver, used from one thread: a batch is one transaction, and a thread hop for each
costs far less than an asynchronous driver's hop for each statement; the command line reads it without an event loop.

A batch extends a chain or it is not taken: what is stored of a station is at any time an unbroken chain from its first
entry, so `contiguous` is simply the last sequence.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    func,
    select,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from logger.errors import StoreUnusable, StoreUnwritable
from logger.journal.entry import GENESIS, Entry, follows, rises
from logger.record.lookback import Asked, SessionUsed, Used, kept
from logger.record.pens import PEN_TYPES, PenName, Told
from logger.store import raw_rows
from logger.store.conflicts import Conflict, conflict_of, keep_conflict, keep_notices, select_conflicts
from logger.store.key_pins import KeyPins
from logger.store.place import WRITES, cause, engine_to_read, engine_to_write, shown, url_of
from logger.store.projections import project, select_sessions, select_told, select_uses
from logger.store.reading import Reading
from logger.store.rows import insert_entries
from logger.store.schema import HEAD, migrate, revision_of
from logger.store.tables import ENTRIES, ENTRY_COLUMNS, FREQUENT, SESSIONS_USED, TOLD

_LAST_SEQUENCE = 2**63 - 1  # what is above that is no number: SQLite sorts text behind all of them
_PAGE_ENTRIES = 200


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
class Appended:
    """What became of a batch.

    ``gap``: it begins beyond what is stored. ``conflict``: its first entry refused, and why. ``notices``: what was
    stored and is worth a look all the same, such as another key of the station's.
    """

    span: StationSpan
    stored: int
    duplicates: int
    gap: bool = False
    conflict: Conflict | None = None
    notices: tuple[Conflict, ...] = ()


class Store:
    """A store, open. Not thread-safe for writing: one thread appends."""

    def __init__(self, engine: Engine, where: str) -> None:
        """Use :meth:`open`."""
        self._engine = engine
        self._where = where
        self._pins = KeyPins()

    @classmethod
    def open_to_read(cls, where: str | Path) -> "Store":
        """Opens a store that is there, and writes nothing: no table, and with SQLite no file beside it.

        An older version's store is read as it is. Raises StoreUnusable.
        """
        url = url_of(where)
        engine: Engine | None = None
        try:
            engine = engine_to_read(url)
            with engine.connect() as connection:
                _not_empty(revision_of(connection, where), where)
        except SQLAlchemyError as error:
            _dispose(engine)
            raise StoreUnusable(
                f"The store {shown(where)} cannot be read: {cause(error)}. Check that it is a recorder's store, whole, "
                "and that this user may read it."
            ) from error
        except StoreUnusable:
            _dispose(engine)
            raise
        return cls(engine, shown(where))

    @classmethod
    def open(cls, where: str | Path) -> "Store":
        """Opens the SQLite file at a path, or a database at a URL; creates the tables in an empty one.

        An older SQLite file, which is this recorder's alone, gets today's tables; an older database, which others use
        too, is left to `needlework store migrate`. Raises StoreUnusable.
        """
        url = url_of(where)
        engine: Engine | None = None
        try:
            engine = engine_to_write(url)
            _prepare(engine, where)
        except SQLAlchemyError as error:
            _dispose(engine)
            raise StoreUnusable(
                f"The store {shown(where)} cannot be opened: {cause(error)}. No receipts are given, so the stations "
                "keep everything and send it again. Check the path, the permissions and the free space, or that the "
                "database answers."
            ) from error
        except StoreUnusable:
            _dispose(engine)
            raise
        return cls(engine, shown(where))

    def close(self) -> None:
        """Releases the database. Safe to call twice."""
        self._engine.dispose()

    # -- writing -------------------------------------------------------------------------------------------------------

    def append(self, entries: Sequence[Entry], *, seen_utc_us: int) -> Appended:
        """Stores what is new in ``entries`` (one station's, in order, hashes checked) in one transaction; durable on
        return.

        What is stored already is compared and counted; the first entry that differs from what is stored, or does not
        follow it, is kept as evidence, and neither it nor what comes after it is taken. Raises StoreUnwritable, and
        ValueError for entries that do not follow each other: with them a chain would get a hole.
        """
        if not all(map(follows, entries[1:], entries)):
            raise ValueError("entries that do not follow each other were given to a store")
        try:
            try:
                return self._append(entries, seen_utc_us)
            except DBAPIError as error:
                self._pins.forget(entries[0].station)
                if not (error.connection_invalidated or isinstance(error, IntegrityError)):
                    raise
                # The connection was lost, maybe behind the commit; or another recorder stored the same meanwhile. What
                # was stored is found there now, and counts as stored before.
                return self._append(entries, seen_utc_us)
        except SQLAlchemyError as error:
            self._pins.forget(entries[0].station)
            raise StoreUnwritable(
                f"The store {self._where} cannot be written: {cause(error)}. Nothing of this batch was stored and no "
                "receipt is given, so the station sends it again. Check the disk's free space and that the database "
                "answers."
            ) from error

    def _append(self, entries: Sequence[Entry], seen_utc_us: int) -> Appended:
        station = entries[0].station
        with self._engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
            span = _span(connection, station)
            known = [entry for entry in entries if entry.sequence <= span.contiguous]
            fresh = [entry for entry in entries if entry.sequence > span.contiguous]
            conflict = _differing(connection, station, known, seen_utc_us)
            if conflict is None and fresh and fresh[0].sequence > span.contiguous + 1:
                return Appended(span, 0, len(known), gap=True)
            if conflict is None and fresh and fresh[0].previous != span.hash:
                conflict = conflict_of(fresh[0], seen_utc_us, f"it does not follow the stored entry {span.contiguous}")
                keep_conflict(connection, conflict, fresh[0])
            if conflict is not None:
                return Appended(span, 0, 0, conflict=conflict)
            if fresh:
                insert_entries(connection, fresh)
                project(connection, fresh)
                span = StationSpan(station, fresh[-1].sequence, fresh[-1].hash)
            notices = keep_notices(connection, self._pins.look(connection, fresh), seen_utc_us)
            return Appended(span, len(fresh), len(known), notices=notices)

    # -- reading -------------------------------------------------------------------------------------------------------

    def span(self, station: str) -> StationSpan:
        """What is stored of ``station``; contiguous 0 when nothing. Raises StoreUnusable."""
        with self._reading() as connection:
            return _span(connection, station)

    def stations(self) -> list[StationSpan]:
        """What is stored of every station, by name. Raises StoreUnusable."""
        if self._engine.dialect.name == "sqlite":
            with self._reading() as connection:
                return [_span(connection, name) for name in raw_rows.stations(connection)]
        spans: list[StationSpan] = []
        following = select(func.min(ENTRIES.c.station))
        with self._reading() as connection:
            # From one name to the next by the index: DISTINCT would read every entry.
            name = connection.execute(following).scalar()
            while name is not None:
                spans.append(_span(connection, name))
                name = connection.execute(following.where(ENTRIES.c.station > name)).scalar()
        return spans

    def entries(self, station: str, after: int = 0) -> Iterator[Entry]:
        """A station's entries with a sequence greater than ``after``, in order, in pages. Raises StoreUnusable."""
        return self._pages(select(*ENTRY_COLUMNS).where(ENTRIES.c.station == station), after)

    def entries_of(self, types: Sequence[str], after: Mapping[str, int] | None = None) -> Iterator[Entry]:
        """Every entry of some types, in order, one station after the other, in pages; of a station in ``after`` those
        with a greater sequence. Raises StoreUnusable."""
        wanted = select(*ENTRY_COLUMNS).where(ENTRIES.c.type.in_(types), *(() if FREQUENT in types else (TOLD,)))
        for span in self.stations():
            yield from self._pages(wanted.where(ENTRIES.c.station == span.station), (after or {}).get(span.station, 0))

    def type_counts(self) -> dict[str, int]:
        """How many entries there are of each type, of all stations. Raises StoreUnusable."""
        query = select(ENTRIES.c.type, func.count()).where(ENTRIES.c.sequence > 0).group_by(ENTRIES.c.type)
        with self._reading() as connection:
            return {str(type_): int(number) for type_, number in connection.execute(query.order_by(ENTRIES.c.type))}

    def every_row(self, station: str) -> Iterator[Entry]:
        """As :meth:`entries`, and whatever else is there, of whatever kind: for whoever verifies."""
        if self._engine.dialect.name != "sqlite":
            yield from self._pages(select(*ENTRY_COLUMNS).where(ENTRIES.c.station == station), None)
            return
        rows, last = raw_rows.Rows(station), 0
        while True:
            with self._reading() as connection:
                page = rows.page(connection, _PAGE_ENTRIES)
            if page is None:
                raise self._repeats(last)
            if not page:
                return
            yield from page
            last = page[-1].sequence

    def session_entries(self, session: str, types: Sequence[str] = ()) -> Iterator[Entry]:
        """Every entry of one session, or those of some types, in order, in pages. Raises StoreUnusable."""
        query = select(*ENTRY_COLUMNS).where(ENTRIES.c.session == session)
        return self._pages(query.where(ENTRIES.c.type.in_(types)) if types else query, 0)

    def sessions(self) -> list[StoredSession]:
        """Every session, oldest first. Raises StoreUnusable."""
        spans = (
            select(
                ENTRIES.c.station,
                ENTRIES.c.session,
                func.min(ENTRIES.c.sequence).label("first"),
                func.max(ENTRIES.c.sequence).label("last"),
            )
            .where(ENTRIES.c.session.is_not(None), ENTRIES.c.sequence > 0)
            .group_by(ENTRIES.c.station, ENTRIES.c.session)
            .subquery()
        )
        ends = ENTRIES.alias("ends")
        closed = (
            select(ends.c.sequence)
            .where(
                ends.c.session == spans.c.session,
                ends.c.station == spans.c.station,
                ends.c.type == "session_closed",
                ends.c.sequence > 0,
            )
            .exists()
        )
        query = (
            select(spans, ENTRIES.c.utc_us, closed)
            .join(ENTRIES, (ENTRIES.c.station == spans.c.station) & (ENTRIES.c.sequence == spans.c.first))
            .order_by(ENTRIES.c.utc_us, spans.c.station, spans.c.first)
        )
        with self._reading() as connection:
            return [StoredSession(*row) for row in connection.execute(query)]

    def conflicts(self, station: str) -> list[Conflict]:
        """What was refused of a station, or told of. Raises StoreUnusable."""
        with self._reading() as connection:
            return select_conflicts(connection, station)

    def newest(self, station: str, type_: str, upto: int) -> Entry | None:
        """The newest entry of a type with a sequence of at most ``upto``. Raises StoreUnusable."""
        query = (
            select(*ENTRY_COLUMNS)
            .where(ENTRIES.c.station == station, ENTRIES.c.type == type_, ENTRIES.c.sequence.between(1, upto))
            .order_by(ENTRIES.c.sequence.desc())
            .limit(1)
        )
        with self._reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else Entry(*row)

    def pinned_key(self, station: str) -> str | None:
        """The id of the first key that a station announced; None where it announced none. Raises StoreUnusable."""
        with self._reading() as connection:
            return self._pins.first(connection, station)

    def uses(self, serial: str) -> list[Used]:
        """Every use of cartridges whose serial number begins as this one does, oldest first. Raises StoreUnusable."""
        with self._reading() as connection:
            return select_uses(connection, serial)

    def look_back(self, asked: Asked) -> list[SessionUsed]:
        """The sessions that fit, oldest first, with what was used in them. Raises StoreUnusable."""
        with self._reading() as connection:
            return select_sessions(connection, asked)

    def told_of_pens(self, pen: PenName | None = None, types: Sequence[str] = PEN_TYPES) -> list[Told]:
        """What the record tells of a pen itself, or of every one; oldest first. Raises StoreUnusable."""
        with self._reading() as connection:
            return select_told(connection, pen, types)

    def last_opened(self, patient: str) -> int | None:
        """When the last session of a pseudonym was opened, at any station (µs since 1970 UTC). Raises StoreUnusable."""
        query = select(func.max(SESSIONS_USED.c.opened_utc_us)).where(SESSIONS_USED.c.patient == kept(patient))
        with self._reading() as connection:
            return connection.execute(query).scalar()

    def _pages(self, query: Select[Any], after: int | None) -> Iterator[Entry]:
        query = query.order_by(ENTRIES.c.sequence).limit(_PAGE_ENTRIES)
        while True:
            following = query if after is None else query.where(ENTRIES.c.sequence > after)
            with self._reading() as connection:
                page = [Entry(*row) for row in connection.execute(following)]
            if not page:
                return
            if not rises(page, page[0].sequence - 1 if after is None else after):
                raise self._repeats(after or 0)
            yield from page
            after = page[-1].sequence

    def _repeats(self, after: int) -> StoreUnusable:
        return StoreUnusable(
            f"The store {self._where} cannot be read behind entry {after}: it is damaged and repeats itself. Restore "
            "it from a backup; the stations send again what is missing then."
        )

    def _reading(self) -> Reading:
        return Reading(self._engine, self._where)


def _dispose(engine: Engine | None) -> None:
    if engine is not None:
        engine.dispose()


def _not_empty(revision: str | None, where: str | Path) -> None:
    if revision is None:
        raise StoreUnusable(
            f"The store {shown(where)} cannot be read: the database is empty. Check that it is a recorder's store."
        )


def _prepare(engine: Engine, where: str | Path) -> None:
    """Sees that today's tables are there. Raises StoreUnusable, SQLAlchemyError."""
    with engine.connect() as connection:
        found = revision_of(connection, where)
    if found == HEAD:
        return
    if found is not None and engine.dialect.name != "sqlite":
        raise StoreUnusable(
            f"The store {shown(where)} has tables of revision {found}, this version needs {HEAD}. Nothing was "
            "changed; the stations keep their records and send them later. Back it up, end every recorder of an older "
            "version that uses it, and run `needlework store migrate`."
        )
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        migrate(connection, where)


def _span(connection: Connection, station: str) -> StationSpan:
    query = (
        select(ENTRIES.c.sequence, ENTRIES.c.hash)
        .where(ENTRIES.c.station == station, ENTRIES.c.sequence.between(1, _LAST_SEQUENCE))
        .order_by(ENTRIES.c.sequence.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return StationSpan(station, 0, GENESIS) if row is None else StationSpan(station, row.sequence, bytes(row.hash))


def _differing(connection: Connection, station: str, known: Sequence[Entry], seen_utc_us: int) -> Conflict | None:
    """The first of ``known`` that is not what is stored under its sequence, kept as evidence."""
    if not known:
        return None
    query = select(ENTRIES.c.sequence, ENTRIES.c.hash).where(
        ENTRIES.c.station == station, ENTRIES.c.sequence.between(known[0].sequence, known[-1].sequence)
    )
    stored = {row.sequence: bytes(row.hash) for row in connection.execute(query)}
    for entry in known:
        if stored.get(entry.sequence) != entry.hash:
            conflict = conflict_of(entry, seen_utc_us, "another entry is stored under its sequence")
            keep_conflict(connection, conflict, entry)
            return conflict
    return None
