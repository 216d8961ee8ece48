"""CSV by RFC 4180: UTF-8, CRLF, a header row; empty is *not known*, ``""`` is an empty text.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-`` or ``@`` for a formula, and runs it. Text that begins so
gets an apostrophe before it. Numbers are numbers and are left alone.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import IO, Any, Final

from logger.export.tables import COLUMNS, Kind, Row, TableName

_QUOTED: Final = frozenset(',"\r\n')
# The ASCII signs, their full-width twins, and the characters some programs skip before they look.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class CsvTable:
    """Writes the rows of one table into a file opened as text with ``newline=""``."""

    def __init__(self, file: IO[str], table: TableName, *, guarded: bool = True) -> None:
        """Writes the header. ``guarded`` is for files that people open; programs get text as it is."""
        self._file = file
        formats: dict[Kind, Callable[[Any], str]] = {
            "text": _guarded if guarded else quoted,
            "integer": str,
            "boolean": _boolean,
            "time": _moment,
        }
        # A format for each column and not a question for each value: a year has a hundred million of them.
        self._formats = [formats[column.kind] for column in COLUMNS[table]]
        self._line([column.name for column in COLUMNS[table]])

    def take(self, row: Row) -> None:
        """One row. Raises OSError."""
        self._line(
            ["" if value is None else form(value) for form, value in zip(self._formats, row, strict=True)],
        )

    def _line(self, cells: Sequence[str]) -> None:
        self._file.write(",".join(cells) + "\r\n")


def quoted(text: str) -> str:
    """A text as a cell."""
    if text and _QUOTED.isdisjoint(text) and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'


def _guarded(text: str) -> str:
    return quoted(f"'{text}" if text.startswith(_FORMULA) else text)


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _moment(at: datetime) -> str:
    """UTC, to the microsecond."""
    return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
