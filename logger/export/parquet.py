"""Parquet, one file a table, its columns typed. Needs duckdb (the extra ``analytics``).

Rows go through a temporary CSV file beside the target, which duckdb reads and writes piece by piece: a year of
telemetry needs no more memory than an hour.
"""

from pathlib import Path
from types import ModuleType
from typing import Final

from logger.errors import ExportError
from logger.export.tables import COLUMNS, Kind, TableName

_TYPES: Final[dict[Kind, str]] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMP WITH TIME ZONE",
}
_MEMORY: Final = "128MB"  # duckdb would take most of the machine's; a pen may be running beside it
_ROWS_A_GROUP: Final = 50_000  # bounds what is held before it is written
_LINE_BYTES: Final = 64 * 1024  # of the tables whose cells are numbers and names; duckdb's buffer is eight lines
_EVENT_LINE_BYTES: Final = 8 * 1024 * 1024  # a body is a cell: no more than the bus carries, its quotes doubled


def duckdb() -> ModuleType:
    """The module. Raises ExportError where it is not installed."""
    try:
        import duckdb as module  # noqa: PLC0415 an extra: imported where it is used
    except ImportError as error:
        raise ExportError(
            "Parquet needs duckdb, which is not installed. Nothing was written. Run "
            '`pip install "needlework[analytics]"`.'
        ) from error
    return module


def write_parquet(rows: Path, target: Path, table: TableName) -> None:
    """Makes ``target`` from the unguarded CSV file ``rows`` of a table. Raises ExportError, OSError."""
    module = duckdb()
    types = ", ".join(f"'{column.name}': '{_TYPES[column.kind]}'" for column in COLUMNS[table])
    reader = (
        f"read_csv({_sql(rows)}, columns = {{{types}}}, header = true, delim = ',', quote = '\"', escape = '\"', "
        "nullstr = '', allow_quoted_nulls = false, strict_mode = true, auto_detect = false, "
        f"max_line_size = {_EVENT_LINE_BYTES if table == 'events' else _LINE_BYTES})"
    )
    form = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROWS_A_GROUP}"
    connection = module.connect(":memory:", config={"memory_limit": _MEMORY, "threads": 1, "temp_directory": ""})
    try:
        connection.execute(f"COPY (SELECT * FROM {reader}) TO {_sql(target)} ({form})")  # noqa: S608 no value is in it
    except module.Error as error:
        raise ExportError(
            f"The table {table} could not be written as Parquet: {str(error).splitlines()[0]} Nothing of it was left "
            "there, and the record is as it was. Look at the free space; `needlework export csv` has the same rows."
        ) from error
    finally:
        connection.close()


def _sql(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
