"""Which cartridge was used in which session, projected from the entries of all stations into the store.

A look-up has to answer within a second however long the record grows, so the projection is a table with an index and
not a search through the entries. It holds nothing that the entries do not and is made again from them when the store's
tables change.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

from pydantic import ValidationError
from sqlalchemy import Connection, delete, insert, select

from controller.events import PenArmed
from logger.entry import Entry
from logger.store_tables import CARTRIDGE_USES, ENTRIES, ENTRY_COLUMNS

SERIAL_START_CHARS: Final = 16
"""What uses are looked up by: as much of a serial number as a pen can hold. Who asks decides which are meant."""

_USING: Final = ("pen_armed",)
"""Types of events that say that a cartridge is used."""


@dataclass(frozen=True, slots=True)
class CartridgeUsed:
    """A session armed a pen with this cartridge. ``unused`` says how its being new was known."""

    station: str
    sequence: int
    session: str
    utc_us: int
    lot: str
    serial: str
    unused: str


def uses_in(entries: Iterable[Entry]) -> Iterator[CartridgeUsed]:
    """The uses among some entries, in their order; arming again with the same cartridge is one more."""
    for entry in entries:
        if entry.type not in _USING or entry.session is None:
            continue
        try:
            event = entry.event()
        except ValidationError:
            continue  # of a later version: it stays in the entries for whoever can read it
        if isinstance(event, PenArmed):
            used = event.cartridge
            lot, serial = _text(used.lot), _text(used.serial)
            yield CartridgeUsed(entry.station, entry.sequence, entry.session, entry.utc_us, lot, serial, used.unused)


def _text(value: str) -> str:
    """Text as every database can keep it: PostgreSQL has no text with a zero byte in it."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")


def keep_uses(connection: Connection, entries: Iterable[Entry]) -> None:
    """Notes the uses among entries that were just stored. Raises SQLAlchemyError."""
    rows = [asdict(used) | {"serial_start": used.serial[:SERIAL_START_CHARS]} for used in uses_in(entries)]
    if rows:
        connection.execute(insert(CARTRIDGE_USES), rows)


def project_again(connection: Connection) -> None:
    """Makes the table anew from the entries, when it was changed or is new. Raises SQLAlchemyError."""
    connection.execute(delete(CARTRIDGE_USES))
    using = select(*ENTRY_COLUMNS).where(ENTRIES.c.type.in_(_USING)).order_by(ENTRIES.c.station, ENTRIES.c.sequence)
    keep_uses(connection, (Entry(*row) for row in connection.execute(using)))


def select_uses(connection: Connection, serial: str) -> list[CartridgeUsed]:
    """The uses whose serial number begins as ``serial`` does, oldest first. Raises SQLAlchemyError."""
    names = ("station", "sequence", "session", "utc_us", "lot", "serial", "unused")
    query = (
        select(*(CARTRIDGE_USES.c[name] for name in names))
        .where(CARTRIDGE_USES.c.serial_start == _text(serial)[:SERIAL_START_CHARS])
        .order_by(CARTRIDGE_USES.c.utc_us)
    )
    return [CartridgeUsed(*row) for row in connection.execute(query)]
