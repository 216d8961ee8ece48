"""The store's tables that hold nothing the entries do not: what was used in which session, ready to be looked up.

They are filled in the transaction that stores the entries, and made anew from them when the tables were changed. A
question then costs the same however long the record has grown.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, insert, or_, select, tuple_, update

from logger.journal.entry import Entry
from logger.record.lookback import TYPES, Asked, Closed, Connected, Fact, Follower, Opened, SessionUsed, Used, kept
from logger.record.pens import PEN_TYPES, PenName, Told, told_of_pens
from logger.store.tables import CARTRIDGE_USES, ENTRIES, ENTRY_COLUMNS, PENS_CONNECTED, PENS_TOLD, SESSIONS_USED

SERIAL_START_CHARS: Final = 16
"""What uses are looked up by: as much of a serial number as a pen can hold. Who asks decides which are meant."""

_USE: Final = tuple(Used.__dataclass_fields__)
_SESSION: Final = tuple(name for name in SessionUsed.__dataclass_fields__ if name != "uses")
_TELLING: Final = (
    select(*ENTRY_COLUMNS)
    .where(ENTRIES.c.type.in_((*TYPES, *PEN_TYPES)), ENTRIES.c.sequence > 0)
    .order_by(ENTRIES.c.station, ENTRIES.c.sequence)
)
PROJECTIONS: Final = (CARTRIDGE_USES, SESSIONS_USED, PENS_CONNECTED, PENS_TOLD)
_TABLES: Final = {Used: CARTRIDGE_USES, Opened: SESSIONS_USED, Connected: PENS_CONNECTED}
_WHAT: Final = {
    CARTRIDGE_USES: "cartridges used",
    SESSIONS_USED: "sessions",
    PENS_CONNECTED: "pens",
    PENS_TOLD: "quarantines, repairs and certificates",
}

_Row = dict[str, object]


def project(connection: Connection, entries: Sequence[Entry]) -> None:
    """Notes what entries that were just stored say of what was used, and of pens. Raises SQLAlchemyError."""

    def pen_before(station: str, session: str) -> str:
        table = SESSIONS_USED.c
        query = select(table.pen).where(table.station == station, table.session == session)
        return connection.execute(query).scalar() or ""

    def serial_before(station: str, pen: str) -> str:
        table = PENS_CONNECTED.c
        query = select(table.serial).where(table.station == station, table.pen == pen)
        return connection.execute(query.order_by(table.sequence.desc()).limit(1)).scalar() or ""

    for fact in Follower(pen_before, serial_before).facts(entries):
        _note(connection, fact)
    for told in told_of_pens(entries):
        connection.execute(insert(PENS_TOLD).values(_row_of_pen(told)))


def project_again(connection: Connection) -> None:
    """Makes these tables anew from the entries. Raises SQLAlchemyError."""
    for table in PROJECTIONS:
        connection.execute(delete(table))
    project(connection, [Entry(*row) for row in connection.execute(_TELLING)])


def differences(connection: Connection) -> list[str]:
    """Where these tables are not what the entries say, row by row and column by column, in sentences.

    Raises SQLAlchemyError.
    """
    ought: dict[Table, dict[tuple[object, ...], _Row]] = {table: {} for table in PROJECTIONS}
    entries = [Entry(*row) for row in connection.execute(_TELLING)]
    for told in told_of_pens(entries):
        row = _row_of_pen(told)
        ought[PENS_TOLD][_key(PENS_TOLD, row)] = row
    for fact in Follower().facts(entries):
        if isinstance(fact, Closed):
            opened = ought[SESSIONS_USED].get((fact.station, fact.session))
            if opened is not None:
                opened |= _end(fact)
        else:
            table = _TABLES[type(fact)]
            row = _row(fact)
            ought[table].setdefault(_key(table, row), row)
    return [
        f"What is looked up of {what} is not what the entries say: a look-back would miss some, or say something else "
        "of them. The entries stand; `needlework store migrate` makes it anew."
        for table, what in _WHAT.items()
        if not _is(connection, table, ought[table])
    ]


def _is(connection: Connection, table: Table, ought: dict[tuple[object, ...], _Row]) -> bool:
    """Whether a table has these rows and no other."""
    for found in connection.execute(select(table)):
        row = dict(found._mapping)  # noqa: SLF001 SQLAlchemy's public name for it
        if ought.pop(_key(table, row), None) != row:
            return False
    return not ought


def _key(table: Table, row: _Row) -> tuple[object, ...]:
    return tuple(row[column.name] for column in table.primary_key)


def _row(fact: Used | Opened | Connected) -> _Row:
    """The row that a fact is kept as."""
    if isinstance(fact, Used):
        return asdict(fact) | {"serial_start": fact.serial[:SERIAL_START_CHARS]}
    if isinstance(fact, Opened):
        return asdict(fact) | {"closed_utc_us": None, "outcome": None}
    return asdict(fact)


def _row_of_pen(told: Told) -> _Row:
    return {
        "station": told.station,
        "sequence": told.sequence,
        "utc_us": told.utc_us,
        "type": told.event.type,
        "model": told.pen.model,
        "serial": told.pen.serial,
    }


def _end(fact: Closed) -> _Row:
    """What a session's end adds to its row."""
    return {"closed_utc_us": fact.closed_utc_us, "outcome": fact.outcome}


def _note(connection: Connection, fact: Fact) -> None:
    if isinstance(fact, Closed):
        this = and_(SESSIONS_USED.c.station == fact.station, SESSIONS_USED.c.session == fact.session)
        connection.execute(update(SESSIONS_USED).where(this).values(_end(fact)))
        return
    if isinstance(fact, Opened):
        this = and_(SESSIONS_USED.c.station == fact.station, SESSIONS_USED.c.session == fact.session)
        if connection.execute(select(SESSIONS_USED.c.session).where(this)).first() is not None:
            return
    connection.execute(insert(_TABLES[type(fact)]).values(_row(fact)))


def select_uses(connection: Connection, serial: str) -> list[Used]:
    """The uses whose serial number begins as ``serial`` does, oldest first. Raises SQLAlchemyError."""
    return _uses(connection, CARTRIDGE_USES.c.serial_start == kept(serial)[:SERIAL_START_CHARS])


def select_sessions(connection: Connection, asked: Asked) -> list[SessionUsed]:
    """The sessions that fit, oldest first, each with what was used. Raises SQLAlchemyError."""
    sessions, uses = SESSIONS_USED.c, CARTRIDGE_USES.c
    key, key_of_use = tuple_(sessions.station, sessions.session), tuple_(uses.station, uses.session)
    wanted: list[ColumnElement[bool]] = []
    if asked.lot is not None:
        wanted.append(key.in_(select(uses.station, uses.session).where(uses.lot == kept(asked.lot))))
    if asked.pen is not None:
        by_serial = select(uses.station, uses.session).where(uses.pen_serial == kept(asked.pen))
        wanted.append(or_(sessions.pen == kept(asked.pen), key.in_(by_serial)))
    if asked.operator is not None:
        wanted.append(sessions.operator == kept(asked.operator))
    if asked.since_utc_us is not None:
        wanted.append(func.coalesce(sessions.closed_utc_us, sessions.opened_utc_us) >= asked.since_utc_us)
    if asked.until_utc_us is not None:
        wanted.append(sessions.opened_utc_us < asked.until_utc_us)
    those = select(sessions.station, sessions.session).where(*wanted)
    used: dict[tuple[str, str], list[Used]] = {}
    for use in _uses(connection, key_of_use.in_(those)):
        used.setdefault((use.station, use.session), []).append(use)
    query = select(*(sessions[name] for name in _SESSION)).where(*wanted)
    rows = connection.execute(query.order_by(sessions.opened_utc_us, sessions.station, sessions.session))
    found = [SessionUsed(*row) for row in rows]
    return [replace(session, uses=tuple(used.get((session.station, session.session), ()))) for session in found]


def select_told(connection: Connection, pen: PenName | None, types: Sequence[str]) -> list[Told]:
    """What is told of a pen, or of every one, by events of some types; oldest first. Raises SQLAlchemyError."""
    told = PENS_TOLD.c
    wanted: list[ColumnElement[bool]] = [told.type.in_(types)]
    if pen is not None:
        wanted += [told.serial == pen.serial, told.model == pen.model]
    this = and_(ENTRIES.c.station == told.station, ENTRIES.c.sequence == told.sequence)
    query = select(*ENTRY_COLUMNS).join(PENS_TOLD, this).where(*wanted)
    rows = connection.execute(query.order_by(told.utc_us, told.station, told.sequence))
    return list(told_of_pens(Entry(*row) for row in rows))


def _uses(connection: Connection, wanted: ColumnElement[bool]) -> list[Used]:
    uses = CARTRIDGE_USES.c
    query = select(*(uses[name] for name in _USE)).where(wanted)
    rows = connection.execute(query.order_by(uses.utc_us, uses.station, uses.sequence))
    return [Used(*row) for row in rows]
