"""This station's use ledger on its disk: an SQLite file, its owner's alone. Used from one thread."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.cartridges import same_cartridge, serial_key
from logger.sqlite_files import create_private

_COLUMNS = "session, lot, serial, unused, utc_us, result"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS uses (session TEXT NOT NULL, lot TEXT NOT NULL, serial TEXT NOT NULL, "
    "serial_start TEXT NOT NULL, unused TEXT NOT NULL, utc_us INTEGER NOT NULL, result TEXT NOT NULL DEFAULT '', "
    "settled INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (session, lot, serial)) STRICT",
    "CREATE INDEX IF NOT EXISTS uses_serial ON uses(serial_start)",
    "CREATE INDEX IF NOT EXISTS uses_unsettled ON uses(utc_us) WHERE settled = 0",
)


@dataclass(frozen=True, slots=True)
class NotedUse:
    """A session uses a cartridge. ``result`` is what a later comparison found, empty before the first."""

    session: str
    lot: str
    serial: str
    unused: str
    utc_us: int
    result: str = ""


class LedgerFile:
    """The file, opened for each question: there are few, and a file that was replaced or restored is seen.

    Every method raises sqlite3.Error.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def used(self, lot: str, serial: str) -> NotedUse | None:
        """The first use of a cartridge, or None."""
        with self._open() as connection:
            return next(iter(_uses(connection, lot, serial)), None)

    def note(self, use: NotedUse) -> NotedUse | None:
        """Notes a use, once for its session; instead returns the use of another session where there is one."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            other = next(
                (found for found in _uses(connection, use.lot, use.serial) if found.session != use.session), None
            )
            if other is None:
                connection.execute(
                    "INSERT OR IGNORE INTO uses (session, lot, serial, serial_start, unused, utc_us) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (use.session, use.lot, use.serial, serial_key(use.serial), use.unused, use.utc_us),
                )
            connection.execute("COMMIT")
        return other

    def unsettled(self) -> list[NotedUse]:
        """Uses still to be compared with the site's, oldest first."""
        with self._open() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM uses WHERE settled = 0 ORDER BY utc_us")  # noqa: S608 our own columns
            return [NotedUse(*row) for row in rows]

    def compared(self, use: NotedUse, result: str, *, settled: bool) -> None:
        """Notes what a comparison found, and whether it was the last one."""
        with self._open() as connection:
            connection.execute(
                "UPDATE uses SET result = ?, settled = ? WHERE session = ? AND lot = ? AND serial = ?",
                (result, int(settled), use.session, use.lot, use.serial),
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        create_private(self.path)
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")  # a use that was noted survives a power cut
            for statement in _SCHEMA:
                connection.execute(statement)
            yield connection
        finally:
            connection.close()


def _uses(connection: sqlite3.Connection, lot: str, serial: str) -> list[NotedUse]:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM uses WHERE serial_start = ? AND serial != '' ORDER BY utc_us",  # noqa: S608 our own columns
        (serial_key(serial),),
    )
    uses = [NotedUse(*row) for row in rows]
    return [use for use in uses if same_cartridge(lot, serial, use.lot, use.serial)]
