"""An SQLite file that never leaves the machine: made for its owner alone, checked when opened, changed as a whole.

A file that is damaged or of another kind is refused and left as it is. Used by one thread at a time.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from logger.sqlite_files import create_private

_BUSY_TIMEOUT_S = 2.0


class PrivateDatabase:
    """The file, opened. Whatever SQLite says against it is raised as ``trouble`` puts it.

    ``application_id`` tells the file from those of other kinds; ``schema`` makes what is not there yet.
    """

    def __init__(self, path: Path, application_id: int, schema: str, trouble: Callable[[Exception], Exception]) -> None:
        """Opens ``path``, made where absent."""
        self._trouble = trouble
        create_private(path)
        with self.reading():
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_S
            )
            try:
                self._begin(application_id, schema)
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Releases the file. Safe to call twice."""
        self._connection.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While inside, what SQLite or a value it holds is wrong with is raised as this file's trouble."""
        try:
            yield
        except (sqlite3.Error, ValueError) as error:
            raise self._trouble(error) from error

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction, on the disk when it ends: all of it, or nothing."""
        with self.reading():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def execute(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        """One statement."""
        return self._connection.execute(sql, values)

    def _begin(self, application_id: int, schema: str) -> None:
        kind = self.execute("PRAGMA application_id").fetchone()[0]
        tables = self.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if kind != application_id and (kind or tables):
            raise sqlite3.DatabaseError("it is a database of another kind")
        if tables and self.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("its content is damaged")
        self.execute("PRAGMA synchronous = FULL")
        self.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten in the file
        self.execute(f"PRAGMA application_id = {application_id}")
        self._connection.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")  # one write to the disk, not one a table
