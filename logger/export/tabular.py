"""Writes the tables of the record into a folder, as CSV or as Parquet, while the record is read once."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from logger.export.csv_files import CsvTable
from logger.export.files import check_free, make_private, whole_files
from logger.export.parquet import duckdb, write_parquet
from logger.export.tables import COLUMNS, Row, TableName, event_row, is_read, take_session
from logger.journal.entry import Entry

Form = Literal["csv", "parquet"]


def export_tables(
    sessions: Iterable[Iterable[Entry]], others: Iterable[Entry], folder: Path, form: Form, *, force: bool
) -> dict[TableName, int]:
    """Writes ``folder``/<table>.<form> for every table; the number of rows of each.

    ``sessions`` are the entries of each session, in order; ``others`` are entries of no session, which are events. The
    folder is made where there is none. Raises ExportError; what the entries' source raises passes through, and no file
    is left then either.
    """
    if form == "parquet":
        duckdb()  # before a year is read for nothing
    targets = {table: folder / f"{table}.{form}" for table in COLUMNS}
    if not force:
        check_free(list(targets.values()))
    if form == "csv":
        with whole_files(list(targets.values()), force=force) as parts:
            return _write({table: parts[path] for table, path in targets.items()}, sessions, others, guarded=True)
    with whole_files(list(targets.values()), force=force) as parts, ExitStack() as scratch:
        rows = {table: part.with_suffix(".rows") for table, part in zip(targets, parts.values(), strict=True)}
        for path in rows.values():
            scratch.callback(path.unlink, missing_ok=True)
            make_private(path)
        count = _write(rows, sessions, others, guarded=False)
        for table, path in targets.items():
            write_parquet(rows[table], parts[path], table)
            rows[table].unlink()
        return count


def _write(
    paths: dict[TableName, Path], sessions: Iterable[Iterable[Entry]], others: Iterable[Entry], *, guarded: bool
) -> dict[TableName, int]:
    count = dict.fromkeys(COLUMNS, 0)
    with ExitStack() as open_files:
        tables = {
            table: CsvTable(
                open_files.enter_context(path.open("w", encoding="utf-8", newline="")), table, guarded=guarded
            )
            for table, path in paths.items()
        }

        def take(table: TableName, row: Row) -> None:
            tables[table].take(row)
            count[table] += 1

        for entries in sessions:
            take_session(entries, take)
        for entry in others:
            take("events", event_row(entry, read=is_read(entry)))
    return count
