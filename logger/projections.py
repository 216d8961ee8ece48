"""The store's tables that hold nothing the entries do not: what was used in which session, ready to be looked up.

They are filled in the transaction that stores the entries, and made anew from them when the tables were changed. A
question then costs the same however long the record has grown.
"""

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, true, tuple_, update

from logger.entry import Entry
from logger.lookback import TYPES, Asked, Closed, Connected, Fact, Follower, Opened, SessionUsed, Used, kept
from logger.store_tables import CARTRIDGE_USES, ENTRIES, ENTRY_COLUMNS, PENS_CONNECTED, SESSIONS_USED

SERIAL_START_CHARS: Final = 16
"""What uses are looked up by: as much of a serial number as a pen can hold. Who asks decides which are meant."""

_USE: Final = tuple(Used.__dataclass_fields__)
_SESSION: Final = tuple(name for name in SessionUsed.__dataclass_fields__ if name != "uses")
_TELLING: Final = (
    select(*ENTRY_COLUMNS)
    .where(ENTRIES.c.type.in_(TYPES), ENTRIES.c.sequence > 0)
    .order_by(ENTRIES.c.station, ENTRIES.c.sequence)
)
PROJECTIONS: Final = (CARTRIDGE_USES, SESSIONS_USED, PENS_CONNECTED)


def project(connection: Connection, entries: Iterable[Entry]) -> None:
    """Notes what entries that were just stored say of what was used. Raises SQLAlchemyError."""

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


def project_again(connection: Connection) -> None:
    """Makes these tables anew from the entries. Raises SQLAlchemyError."""
    for table in PROJECTIONS:
        connection.execute(delete(table))
    project(connection, [Entry(*row) for row in connection.execute(_TELLING)])


def differences(connection: Connection) -> list[str]:
    """Where these tables are not what the entries say, in sentences. Raises SQLAlchemyError."""
    used: list[Used] = []
    opened: set[tuple[str, str]] = set()
    for fact in Follower().facts(Entry(*row) for row in connection.execute(_TELLING)):
        if isinstance(fact, Used):
            used.append(fact)
        elif isinstance(fact, Opened):
            opened.add((fact.station, fact.session))
    found = []
    if sorted(used, key=_place) != sorted(_uses(connection, true()), key=_place):
        found.append("cartridges used")
    table = SESSIONS_USED.c
    if opened != {(row.station, row.session) for row in connection.execute(select(table.station, table.session))}:
        found.append("sessions")
    return [
        f"What is looked up of {what} is not what the entries say: a look-back would miss some. The entries stand; "
        "`needlework store migrate` makes it anew."
        for what in found
    ]


def _place(use: Used) -> tuple[str, int]:
    return use.station, use.sequence


def _note(connection: Connection, fact: Fact) -> None:
    if isinstance(fact, Used):
        row = asdict(fact) | {"serial_start": fact.serial[:SERIAL_START_CHARS]}
        connection.execute(insert(CARTRIDGE_USES).values(row))
    elif isinstance(fact, Connected):
        connection.execute(insert(PENS_CONNECTED).values(asdict(fact)))
    else:
        _note_session(connection, fact)


def _note_session(connection: Connection, fact: Opened | Closed) -> None:
    this = and_(SESSIONS_USED.c.station == fact.station, SESSIONS_USED.c.session == fact.session)
    if isinstance(fact, Closed):
        values = {"closed_utc_us": fact.closed_utc_us, "outcome": fact.outcome}
        connection.execute(update(SESSIONS_USED).where(this).values(values))
    elif connection.execute(select(SESSIONS_USED.c.session).where(this)).first() is None:
        connection.execute(insert(SESSIONS_USED).values(asdict(fact)))


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


def _uses(connection: Connection, wanted: ColumnElement[bool]) -> list[Used]:
    uses = CARTRIDGE_USES.c
    query = select(*(uses[name] for name in _USE)).where(wanted)
    rows = connection.execute(query.order_by(uses.utc_us, uses.station, uses.sequence))
    return [Used(*row) for row in rows]
