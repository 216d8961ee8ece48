"""Which pens are in quarantine, as far as this station knows: an SQLite file, its owner's alone. Used from one thread.

What was done here is noted at once, what the site says as often as it is asked. An end counts for good, whichever of
the two is heard first: both are kept by the quarantine's id.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.pen_kept import Quarantined
from logger.record.pens import PenName
from logger.sqlite_files import create_private

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS quarantines (quarantine TEXT PRIMARY KEY, model TEXT NOT NULL, serial TEXT NOT NULL, "
    "because TEXT NOT NULL, by TEXT NOT NULL, on_day TEXT NOT NULL, station TEXT NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS quarantines_pen ON quarantines (serial, model)",
    "CREATE TABLE IF NOT EXISTS released (quarantine TEXT PRIMARY KEY) STRICT",
    "CREATE TABLE IF NOT EXISTS heard (one INTEGER PRIMARY KEY CHECK (one = 1), utc_us INTEGER NOT NULL) STRICT",
)


@dataclass(frozen=True, slots=True)
class KnownQuarantine:
    """A quarantine and whose it is."""

    pen: PenName
    quarantined: Quarantined


class PensFile:
    """The file, opened for each question: there are few, and a file that was restored is seen.

    Every method raises sqlite3.Error; what SQLite keeps in it that nobody wrote, ValueError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def open_quarantines(self, pen: PenName) -> list[Quarantined]:
        """Those of a pen that nobody ended, oldest first."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT quarantine, because, by, on_day, station FROM quarantines WHERE serial = ? AND model = ? AND "
                "quarantine NOT IN (SELECT quarantine FROM released) ORDER BY on_day, quarantine",
                (pen.serial, pen.model),
            ).fetchall()
        names = ("quarantine", "because", "by", "on", "station")
        return [Quarantined.model_validate(dict(zip(names, row, strict=True))) for row in rows]

    def quarantine(self, known: KnownQuarantine) -> None:
        """Notes one; it may be said again."""
        self.take((known,), ())

    def release(self, quarantines: Iterable[str]) -> None:
        """Notes that these are ended; it may be said again, and before they are known."""
        self.take((), quarantines)

    def take(self, known: Iterable[KnownQuarantine], released: Iterable[str], heard_utc_us: int | None = None) -> None:
        """Notes what the record says, and when the whole site was heard, all of it at once."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            for one in known:
                found = one.quarantined
                connection.execute(
                    "INSERT OR IGNORE INTO quarantines VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (found.quarantine, one.pen.model, one.pen.serial, found.because, found.by, found.on, found.station),
                )
            for name in released:
                connection.execute("INSERT OR IGNORE INTO released VALUES (?)", (name,))
            if heard_utc_us is not None:
                connection.execute("INSERT OR REPLACE INTO heard VALUES (1, ?)", (heard_utc_us,))
            connection.execute("COMMIT")

    def heard_utc_us(self) -> int | None:
        """When the whole site was last heard, or None."""
        with self._open() as connection:
            row = connection.execute("SELECT utc_us FROM heard").fetchone()
        return None if row is None else int(row[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        create_private(self.path)
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")  # a quarantine that was noted survives a power cut
            for statement in _SCHEMA:
                connection.execute(statement)
            yield connection
        finally:
            connection.close()
