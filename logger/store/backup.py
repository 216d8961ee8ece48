"""Backup and restore of a store, while it is used.

A backup of either kind of database is itself a store: one SQLite file with the same tables, which every command reads
and `verify` verifies, with no server. It is a picture of one moment: an SQLite store is copied page by page by SQLite's
own online backup, a PostgreSQL store row by row in one repeatable-read transaction; neither holds a recorder up. It can
be restored into either kind, since what is moved are tables and no dump in one database's language.
"""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table, func, insert, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from logger.errors import StoreOccupied, StoreUnusable, StoreUnwritable
from logger.proof.verify import VerifyResult, verify_store
from logger.sqlite_files import read_only_uri
from logger.store.place import WRITES, cause, engine_to_read, engine_to_write, shown, url_of
from logger.store.projections import PROJECTIONS, project_again
from logger.store.schema import migrate, revision_of
from logger.store.store import Store
from logger.store.tables import ABOUT, METADATA

Progress = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is done, and of how much."""

_PAGES: Final = 2000
"""Pages copied between two looks at the progress: 8 MB, a few hundredths of a second."""
_ROWS: Final = 2000
_COPIED: Final = [table for table in METADATA.sorted_tables if table not in (ABOUT, *PROJECTIONS)]


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that was made, and what verifying each station's chain in it found."""

    place: str
    entries: int
    stations: tuple[VerifyResult, ...]

    @property
    def intact(self) -> bool:
        """Whether every chain in it is."""
        return all(result.verdict == "intact" for result in self.stations)


def back_up(where: str | Path, to: Path, progress: Progress) -> Copied:
    """Copies the store into the new file ``to`` and verifies it. The file is there once it is whole and on the disk.

    Raises StoreOccupied, StoreUnusable, OSError.
    """
    url = url_of(where)
    with _new_file(to) as part:
        if url.get_backend_name() == "sqlite":
            _copy_file(Path(url.database or ""), part, shown(where), progress)
        else:
            _copy_rows_out(where, part, progress)
        return _verified(part, str(to), progress)


def restore(source: Path, where: str | Path, progress: Progress) -> Copied:
    """Fills the empty or absent store ``where`` from a backup of unbroken chains, then verifies it; all or nothing.

    What else is found, a signature that is worth nothing, comes with it and is told of: one station that signs wrongly
    keeps nobody else's record from being restored.

    Raises StoreOccupied, StoreUnusable, StoreUnwritable, OSError.
    """
    found = _verified(source, str(source), progress)
    worst = next((result for result in found.stations if not result.unbroken), None)
    if worst is not None:
        raise StoreUnusable(
            f"The backup {source} is damaged. {worst.sentence()} Nothing was restored: stations would continue a chain "
            "that is broken. Restore an older backup; the stations send again what it lacks. This one can still be "
            "read: name it with --store."
        )
    url = url_of(where)
    if url.get_backend_name() == "sqlite":
        place = Path(url.database or "")
        with _new_file(place) as part:
            _copy_file(source, part, str(source), progress)
            Store.open(part).close()  # brings an older one up to date
            return _verified(part, shown(where), progress)
    _copy_rows_in(source, where, progress)
    store = Store.open_to_read(where)
    with closing(store):
        return _verify(store, shown(where), progress)


def _copy_file(source: Path, to: Path, name: str, progress: Progress) -> None:
    """SQLite's online backup, of one moment: the reading transaction is held, or each commit would begin it anew."""
    try:
        with (
            closing(sqlite3.connect(read_only_uri(source), uri=True, isolation_level=None)) as old,
            closing(sqlite3.connect(to, isolation_level=None)) as new,
        ):
            old.execute("BEGIN")
            old.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            old.backup(new, pages=_PAGES, progress=lambda _, left, total: progress("copying", total - left, total))
            new.execute("PRAGMA journal_mode = DELETE")  # one file, with no log beside it
    except sqlite3.Error as error:
        raise StoreUnusable(
            f"The store {name} cannot be copied: {error}. No copy was made. Check that it is a recorder's store, "
            "whole, that this user may read it, and that there is room for the copy."
        ) from error


def _copy_rows_out(where: str | Path, to: Path, progress: Progress) -> None:
    source, target = engine_to_read(url_of(where)), engine_to_write(url_of(to))
    try:
        with (
            source.connect() as reading,
            target.connect().execution_options(**{WRITES: True}) as writing,
        ):
            if revision_of(reading, where) is None:
                raise StoreUnusable(f"The store {shown(where)} is empty. No copy was made.")
            with writing.begin():
                migrate(writing, to)
                _copy_rows(reading, writing, progress)
                project_again(writing)
    except SQLAlchemyError as error:
        raise StoreUnusable(
            f"The store {shown(where)} cannot be copied: {cause(error)}. No copy was made. Check that the database "
            "answers and that there is room for the copy."
        ) from error
    finally:
        source.dispose()
        target.dispose()
    with closing(sqlite3.connect(to, isolation_level=None)) as made:
        made.execute("PRAGMA journal_mode = DELETE")  # as _copy_file leaves it


def _copy_rows_in(source: Path, where: str | Path, progress: Progress) -> None:
    old, new = engine_to_read(url_of(source)), engine_to_write(url_of(where))
    try:
        with old.connect() as reading, new.connect() as writing, writing.begin():
            if revision_of(writing, where) is None:
                migrate(writing, where)
            # A recorder that is running finds the tables locked, gives no receipts, and goes on afterwards.
            writing.exec_driver_sql("LOCK TABLE entries IN EXCLUSIVE MODE")
            for table in _COPIED:
                if writing.execute(select(table).limit(1)).first() is not None:
                    raise _occupied(shown(where))
            _copy_rows(reading, writing, progress)
            project_again(writing)
    except SQLAlchemyError as error:
        raise StoreUnwritable(
            f"The store {shown(where)} cannot be filled: {cause(error)}. It is as empty as it was. Check that the "
            "database answers, that its recorders have ended, and its free space."
        ) from error
    finally:
        old.dispose()
        new.dispose()


def _copy_rows(reading: Connection, writing: Connection, progress: Progress) -> None:
    """Every row but what is made from the others; also from an older store's tables, which lack some columns."""
    there = inspect(reading)
    tables = [table for table in _COPIED if there.has_table(table.name)]
    total = sum(reading.execute(select(func.count()).select_from(table)).scalar() or 0 for table in tables)
    done = 0
    for table in tables:
        names = {column["name"] for column in there.get_columns(table.name)}
        for rows in _chunks(reading, table, names):
            writing.execute(insert(table), rows)
            done += len(rows)
            progress("copying", done, total)


def _chunks(reading: Connection, table: Table, names: set[str]) -> Iterator[list[dict[str, Any]]]:
    query = select(*(column for column in table.c if column.name in names)).order_by(*table.primary_key)
    result = reading.execution_options(yield_per=_ROWS).execute(query)
    for rows in result.mappings().partitions(_ROWS):
        yield [dict(row) for row in rows]


def _verified(file: Path, name: str, progress: Progress) -> Copied:
    if not file.is_file():
        raise StoreUnusable(f"There is no backup at {name}. Nothing was restored. Check the path.")
    with closing(Store.open_to_read(file)) as store:
        return _verify(store, name, progress)


def _verify(store: Store, name: str, progress: Progress) -> Copied:
    spans = store.stations()
    total, done = sum(span.contiguous for span in spans), 0
    results = []
    for span in spans:
        progress("verifying", done, total)
        results.append(verify_store(store, span.station))
        done += span.contiguous
    progress("verifying", done, total)
    return Copied(name, sum(result.count for result in results), tuple(results))


def _occupied(name: str) -> StoreOccupied:
    return StoreOccupied(
        f"There is something at {name} already. Nothing was written: a record is never overwritten. Name a new place, "
        "or move away what is there, with any -wal and -shm files beside it."
    )


@contextmanager
def _new_file(place: Path) -> Iterator[Path]:
    """A file to be written beside ``place``, its owner's alone; it takes that name at the end, unless one is there."""
    for taken in (place, *(place.with_name(place.name + end) for end in ("-wal", "-shm", "-journal"))):
        if os.path.lexists(taken):
            raise _occupied(str(taken))
    handle, name = tempfile.mkstemp(prefix=f".{place.name}.", suffix=".part", dir=place.parent)
    part = Path(name)
    try:
        os.close(handle)
        yield part
        _to_disk(part)
        try:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError as error:
            raise _occupied(str(place)) from error
        part.replace(place)
        _to_disk(place.parent)
    finally:
        for left in (part, *(part.with_name(part.name + end) for end in ("-wal", "-shm", "-journal"))):
            with suppress(FileNotFoundError):
                left.unlink()


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
