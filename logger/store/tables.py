"""The tables of the recorder's store."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import BigInteger, Column, Dialect, Index, Integer, LargeBinary, MetaData, String, Table, Text, text


class _Bytes(LargeBinary):
    """Bytes; of a file somebody changed also where the column holds something else, so that its entry can be read.

    Such a value becomes an empty one: the entry's hash then gives it away.
    """

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], bytes]:
        """See SQLAlchemy."""
        return lambda value: bytes(value) if isinstance(value, bytes | bytearray | memoryview) else b""


_STATION = String(63).with_variant(String(63, collation="C"), "postgresql")
"""A station's name, compared by its bytes: SQLite does that anyway, PostgreSQL by the server's language."""

FREQUENT = "input_chunk"
"""The type that nearly all entries of a treatment have: what the pen was told and said, second by second."""
TOLD = text(f"type <> '{FREQUENT}'")
"""The others, few enough to be gone through for years. A database uses their index where a query has this very term."""

METADATA = MetaData()
ABOUT = Table("about", METADATA, Column("format", Integer, nullable=False))
ENTRIES = Table(
    "entries",
    METADATA,
    Column("station", _STATION, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("utc_us", BigInteger, nullable=False),
    Column("monotonic_ms", BigInteger, nullable=False),
    Column("session", Text),
    Column("type", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("previous", _Bytes(32), nullable=False),
    Column("hash", _Bytes(32), nullable=False),
    Column("body", _Bytes, nullable=False),
    Index("entries_session", "session", "station", "sequence"),
    Index("entries_told", "station", "sequence", "type", sqlite_where=TOLD, postgresql_where=TOLD),
)
CONFLICTS = Table(
    "conflicts",
    METADATA,
    Column("station", _STATION, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", _Bytes(32), primary_key=True),
    Column("seen_utc_us", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", _Bytes, nullable=False),
)
CARTRIDGE_USES = Table(
    "cartridge_uses",
    METADATA,
    Column("station", _STATION, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("session", Text, nullable=False),
    Column("utc_us", BigInteger, nullable=False),
    Column("lot", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("serial_start", Text, nullable=False),
    Column("unused", Text, nullable=False),
    Column("pen", Text, nullable=False, server_default=""),
    Column("pen_serial", Text, nullable=False, server_default=""),
    Index("cartridge_uses_serial", "serial_start"),
    Index("cartridge_uses_lot", "lot"),
    Index("cartridge_uses_pen", "pen_serial"),
    Index("cartridge_uses_session", "session", "station"),
)
"""A projection: everything in it can be made again from ``entries``."""
SESSIONS_USED = Table(
    "sessions_used",
    METADATA,
    Column("station", _STATION, primary_key=True),
    Column("session", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("opened_utc_us", BigInteger, nullable=False),
    Column("closed_utc_us", BigInteger),
    Column("outcome", Text),
    Column("patient", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("pen", Text, nullable=False),
    Index("sessions_used_opened", "opened_utc_us"),
    Index("sessions_used_operator", "operator"),
    Index("sessions_used_pen", "pen"),
)
"""A projection: each session with whom and by whom. ``patient`` is the pseudonym that the entries have."""
PENS_CONNECTED = Table(
    "pens_connected",
    METADATA,
    Column("station", _STATION, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("pen", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Index("pens_connected_pen", "station", "pen", "sequence"),
)
"""A projection: which pen answered to a name from an entry on."""
PENS_TOLD = Table(
    "pens_told",
    METADATA,
    Column("station", _STATION, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("utc_us", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Index("pens_told_serial", "serial", "model"),
    Index("pens_told_type", "type"),
)
"""A projection: which entries tell of a pen itself: quarantine, certificates, repairs, parts, health."""
ENTRY_COLUMNS = [
    ENTRIES.c[name]
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
