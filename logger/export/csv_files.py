"""CSV by RFC 4180: UTF-8, CRLF, a header row; empty is *not known*, ``""`` is an empty text.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-`` or ``@`` for a formula, and runs it. Text that begins so
gets an apostrophe before it. Numbers are numbers and are left alone.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import IO, Final

from logger.export.tables import COLUMNS, Column, Row, TableName, Value

_QUOTED: Final = frozenset(',"\r\n')
# The ASCII signs, their full-width twins, and the characters some programs skip before they look.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class CsvTable:
    """Writes the rows of one table into a file opened as text with ``newline=""``."""

    def __init__(self, file: IO[str], table: TableName, *, guarded: bool = True) -> None:
        """Writes the header. ``guarded`` is for files that people open; programs get text as it is."""
        self._file = file
        self._guarded = guarded
        self._line([column.name for column in columns(table)])

    def take(self, row: Row) -> None:
        """One row. Raises OSError."""
        self._line([self._cell(value) for value in row])

    def _line(self, cells: Sequence[str]) -> None:
        self._file.write(",".join(cells) + "\r\n")

    def _cell(self, value: Value) -> str:
        match value:
            case None:
                return ""
            case bool():
                return "true" if value else "false"
            case int():
                return str(value)
            case datetime():
                return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        guard = "'" if self._guarded and value.startswith(_FORMULA) else ""
        return quoted(guard + value)


def quoted(text: str) -> str:
    """A text as a cell."""
    if text and not _QUOTED.intersection(text) and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'


def columns(table: TableName) -> tuple[Column, ...]:
    """The columns of a table, in their order."""
    return COLUMNS[table]
