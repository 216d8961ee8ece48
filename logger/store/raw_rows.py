"""Rows of an SQLite store as they are, for whoever verifies: the file may have decayed, or somebody wrote into it.

A column can then hold any kind of value, and text that is none. A PostgreSQL keeps its columns' kinds itself.
"""

from typing import Any, Final

from sqlalchemy import Connection

from logger.journal.entry import Entry
from logger.journal.rows import COLUMNS, entry_of, loose_text

_PAGE: Final = f"SELECT {COLUMNS} FROM entries WHERE station = ?{{}} ORDER BY sequence LIMIT ?"  # noqa: S608 our own columns
_NEXT_STATION: Final = (
    "SELECT CAST(min(station) AS BLOB) FROM entries WHERE station > CAST(? AS TEXT) AND station < x''"  # x'' ends text
)
_OF_OTHER_KINDS: Final = (
    "SELECT count(*) FROM entries WHERE typeof(station) != 'text' OR typeof(sequence) != 'integer' OR "
    "typeof(utc_us) != 'integer' OR typeof(monotonic_ms) != 'integer' OR typeof(session) NOT IN ('text', 'null') OR "
    "typeof(type) != 'text' OR typeof(version) != 'integer' OR typeof(body) != 'blob' OR typeof(previous) != 'blob' "
    "OR typeof(hash) != 'blob'"
)


class Rows:
    """One station's rows, page by page, each with the value it is sorted by."""

    def __init__(self, station: str) -> None:
        self._station = station
        self._last: Any = None

    def page(self, connection: Connection, limit: int) -> list[Entry] | None:
        """The next rows; empty at the end, None where the rows do not rise: an index that leads in circles.

        Raises SQLAlchemyError.
        """
        after = () if self._last is None else (_bindable(self._last),)
        sql = _PAGE.format(" AND sequence > ?" if after else "")
        driver: Any = connection.connection.driver_connection
        before, driver.text_factory = driver.text_factory, loose_text
        try:
            rows = connection.exec_driver_sql(sql, (self._station, *after, limit)).fetchall()
        finally:
            driver.text_factory = before
        for row in rows:
            if self._last is not None and _rank(row[0]) <= _rank(self._last):
                return None
            self._last = row[0]
        return [entry_of(self._station, row) for row in rows]


def stations(connection: Connection) -> list[str]:
    """Every station with a name that can be read, in order. Raises SQLAlchemyError."""
    names: list[str] = []
    last: bytes | None = b""
    while (last := connection.exec_driver_sql(_NEXT_STATION, (last,)).scalar()) is not None:
        try:
            names.append(last.decode())
        except UnicodeDecodeError:
            continue  # its rows are missing in the chain they belong to, which says so
    return names


def of_other_kinds(connection: Connection) -> int:
    """How many rows hold a value of a kind that no recorder stores there. Raises SQLAlchemyError."""
    return int(connection.exec_driver_sql(_OF_OTHER_KINDS).scalar() or 0)


def _rank(value: object) -> tuple[int, Any]:
    """As SQLite sorts: nothing, numbers, text, bytes."""
    if value is None:
        return 0, 0
    if isinstance(value, int | float):
        return 1, value
    return (2, value.encode(errors="surrogateescape")) if isinstance(value, str) else (3, value)


def _bindable(value: Any) -> Any:
    """What SQLite takes back: text that is none cannot be bound, and b"" is the next above all text."""
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return b""
    return value
