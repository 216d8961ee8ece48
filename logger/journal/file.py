"""The journal's SQLite file: its schema, and the one connection that writes it.

WAL, so that other processes read while the station writes; ``synchronous=FULL``, so that a commit is on the disk when
it returns. ``body`` is the last column, so that a reader of the others never touches its overflow pages.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from logger.errors import JournalDamaged, JournalRuined, JournalUnusable
from logger.journal.entry import GENESIS, HASH_BYTES
from logger.sqlite_files import create_private

FORMAT = 2
"""2: new entries are hashed over their content's digest. A version before it would take them for changed ones."""
READ_FORMATS = (1, 2)
APPLICATION_ID = 0x4E574A31  # "NWJ1", so that `file` and we can tell a journal from any other database

_SCHEMA = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    "CREATE TABLE about (station TEXT NOT NULL, format INTEGER NOT NULL) STRICT",
    "CREATE TABLE outbox (acknowledged INTEGER NOT NULL) STRICT",
    "CREATE TABLE entries (sequence INTEGER PRIMARY KEY CHECK (sequence > 0), utc_us INTEGER NOT NULL, monotonic_ms "
    "INTEGER NOT NULL, session TEXT, type TEXT NOT NULL, version INTEGER NOT NULL, previous BLOB NOT NULL, hash BLOB "
    "NOT NULL, body BLOB NOT NULL) STRICT",
    "CREATE INDEX entries_session ON entries(session) WHERE session IS NOT NULL",
    "CREATE INDEX entries_marks ON entries(type, session) WHERE type IN ('session_opened', 'session_closed')",
)

Row = tuple[int, int, int, str | None, str, int, bytes, bytes, bytes]
"""sequence, utc_us, monotonic_ms, session, type, version, previous, hash, body: a row of ``entries``."""

ROW_SEQUENCE: Final = 0
ROW_HASH: Final = 7

DATABASE_ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged file can raise: Python cannot always read SQLite's own words about it."""

# A reader that checkpoints or a backup holds the file for milliseconds; the writer waits that out.
_BUSY_TIMEOUT_MS = 2000


class JournalFile:
    """The writing connection. Not thread-safe: one thread at a time, the writer's once it runs.

    ``last_sequence`` and ``last_hash`` are those of the last entry on disk, ``acknowledged`` the outbox's cursor,
    ``still_open`` the sessions that no entry closed when it was opened, each with its entries from its opening on.
    """

    def __init__(self, path: Path, station: str) -> None:
        """Opens, and creates what is absent. Raises JournalUnusable or JournalDamaged."""
        self.path = path
        self.station = station
        try:
            self._connection = self._connect()
            try:
                self._prepare()
                self.last_sequence, self.last_hash = self._last()
                self.acknowledged = self._cursor()
                self.still_open = self._still_open()
                self._check_end()
            except BaseException:
                self._connection.close()
                raise
        except DATABASE_ERRORS as error:
            raise JournalUnusable(
                f"The journal {path} cannot be opened: {error}. Nothing can be recorded, so no treatment may start. "
                "Check the disk and the folder's permissions; if the file is damaged, keep it and run `needlework "
                "verify` on it."
            ) from error

    def _connect(self) -> sqlite3.Connection:
        create_private(self.path)
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_MS / 1000
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self) -> None:
        """Creates the tables in an empty file; checks what a filled one says of itself."""
        execute = self._connection.execute
        if execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
            # One transaction, so that a crash in the middle leaves an empty file and not half a journal.
            execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                execute(statement)
            execute("INSERT INTO about VALUES (?, ?)", (self.station, FORMAT))
            execute("INSERT INTO outbox VALUES (0)")
            execute("COMMIT")
            return
        check_is_journal(self._connection, self.path)
        owner = execute("SELECT station FROM about").fetchone()[0]
        if owner != self.station:
            raise JournalUnusable(
                f"The journal {self.path} belongs to station {owner}, not to {self.station}. Two stations in one "
                f"journal would break its chain. Name this station {owner}, or give it a journal of its own."
            )
        execute("UPDATE about SET format = ? WHERE format < ?", (FORMAT, FORMAT))

    def _last(self) -> tuple[int, bytes]:
        row = self._connection.execute(
            "SELECT sequence, hash FROM entries WHERE sequence > 0 ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return 0, GENESIS
        sequence, last_hash = row
        if len(last_hash) != HASH_BYTES:
            raise JournalDamaged(
                f"The last entry of the journal {self.path}, {sequence}, has no proper hash: it was changed. Nothing "
                "is appended to it. Keep the file, run `needlework verify`, and start with a new journal."
            )
        return sequence, last_hash

    def _still_open(self) -> dict[str, int]:
        rows = self._connection.execute(
            "SELECT entries.session, count(*) FROM (SELECT session, min(sequence) AS first FROM entries AS begins "
            "WHERE type = 'session_opened' AND sequence > 0 AND NOT EXISTS (SELECT 1 FROM entries AS ends WHERE "
            "ends.type = 'session_closed' AND ends.session = begins.session AND ends.sequence > 0) GROUP BY session) "
            "AS opened JOIN entries ON entries.session = opened.session AND entries.sequence >= first "
            "GROUP BY entries.session"
        )
        return dict(rows.fetchall())

    def _cursor(self) -> int:
        row = self._connection.execute("SELECT acknowledged FROM outbox").fetchone()
        return 0 if row is None else int(row[0])

    def _check_end(self) -> None:
        if self.acknowledged > self.last_sequence:
            raise JournalDamaged(
                f"The journal {self.path} ends at entry {self.last_sequence}, but it notes that the recorder confirmed "
                f"entries up to {self.acknowledged}: its end was cut. Nothing is appended to it. Keep the file, run "
                "`needlework verify`, and start with a new journal."
            )

    def append(self, rows: Sequence[Row], acknowledged: int | None) -> None:
        """Commits ``rows`` and, unless None, the cursor, to the disk. Raises sqlite3.Error; nothing is kept then."""
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            if rows:
                self._connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            if acknowledged is not None:
                execute("UPDATE outbox SET acknowledged = ?", (acknowledged,))
            execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        if rows:
            self.last_sequence, self.last_hash = rows[-1][ROW_SEQUENCE], rows[-1][ROW_HASH]
        if acknowledged is not None:
            self.acknowledged = acknowledged

    def reopen(self) -> None:
        """After a failed commit: a new connection, and the truth about what is on disk. Raises sqlite3.Error.

        A commit that failed in its last step may have reached the file all the same. The log is written back into the
        database, which forces its pages to the disk anew, before ``last_sequence`` is believed: after a failed sync the
        system may call pages written that are not.
        """
        self._connection.close()
        self._connection = self._connect()
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self.last_sequence, self.last_hash = self._last()
        self.acknowledged = self._cursor()

    def close(self) -> None:
        """Closes the file, the log written back. Safe to call twice."""
        self._connection.close()


def check_is_journal(connection: sqlite3.Connection, path: Path) -> None:
    """Raises JournalUnusable when the open database is no journal, or one of another format."""
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    ours, whole = application_id == APPLICATION_ID, {"about", "entries", "outbox"} <= tables
    if not tables or ours != whole:
        raise JournalRuined(
            f"{path} is empty, or parts of a journal are missing from it. If it was one, keep the file as it is, and "
            "compare with the recorder's store."
        )
    if not ours:
        raise JournalUnusable(f"{path} is not a journal of this product. Give the path of a station's journal.")
    row = connection.execute("SELECT format FROM about").fetchone()
    if row is None or row[0] not in READ_FORMATS:
        raise JournalUnusable(
            f"The journal {path} has format {row and row[0]}, this version reads up to {FORMAT}. Use the version that "
            "wrote it."
        )
