"""Reading a journal: by the station's own publisher, and by other processes while the station writes."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logger.errors import JournalRuined, JournalUnusable
from logger.journal.entry import Entry, rises
from logger.journal.file import DATABASE_ERRORS, check_is_journal
from logger.journal.rows import COLUMNS, entry_of, loose_text, value_of
from logger.record.lookback import TYPES, Asked, SessionUsed, sessions_used
from logger.record.pens import PEN_TYPES, PenName, Told, told_of_pens
from logger.sqlite_files import read_only_uri

_PAGE_ENTRIES = 200  # a page of a streamed read: bounds memory, and the time a read transaction holds the log back
_ROWS_AT_ONCE = 32  # of seconds of treating: their memory is used again, not given back and asked for anew
_MAPPED_BYTES = 1 << 40  # as much as the system allows
_BUSY_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class SessionSpan:
    """A session as the journal knows it, without reading what happened in it."""

    session: str
    first: int
    last: int
    opened_utc_us: int
    closed: bool


class JournalReader:
    """A read-only view. Safe to use from several threads; each call is short or streams in pages."""

    def __init__(self, path: Path, *, mapped: bool = False) -> None:
        """Opens ``path`` for reading. Raises JournalUnusable.

        ``mapped`` reads the file by mapping it into memory, twice as fast; not for a process that treats, because a
        file that is cut meanwhile ends it.
        """
        self.path = path
        self._lock = threading.Lock()
        if not path.is_file():
            raise JournalUnusable(
                f"There is no journal at {path}. Check the path; a station creates it when it first starts."
            )
        try:
            self._connection = _connect(path)
            try:
                if mapped:
                    self._connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}").fetchone()
                check_is_journal(self._connection, path)
                row = self._connection.execute("SELECT station FROM about").fetchone()
            except BaseException:
                self._connection.close()
                raise
        except DATABASE_ERRORS as error:
            if _is_about_content(error):
                raise JournalRuined(
                    f"The journal {path} is damaged, it cannot be read as a database: {error}. Keep the file as it is, "
                    "and compare with the recorder's store."
                ) from error
            raise JournalUnusable(
                f"The journal {path} cannot be read: {error}. Check the permissions of the file and its folder."
            ) from error
        self.station: str = "" if row is None else row[0]

    def close(self) -> None:
        """Releases the file. Safe to call twice."""
        with self._lock:
            self._connection.close()

    def _query(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        try:
            with self._lock:
                return self._connection.execute(sql, parameters).fetchall()
        except DATABASE_ERRORS as error:
            raise JournalUnusable(
                f"The journal {self.path} cannot be read: {error}. What was read before stands; run `needlework "
                "verify` on it."
            ) from error

    def read(self, after: int, limit: int, max_bytes: int | None = None) -> list[Entry]:
        """At most ``limit`` entries with a sequence greater than ``after``, in order.

        With ``max_bytes`` it ends before the body bytes exceed it, but returns at least one entry where there is one.
        Raises JournalUnusable.
        """
        entries: list[Entry] = []
        total = 0
        try:
            with self._lock:
                cursor = self._connection.execute(
                    f"SELECT {COLUMNS} FROM entries WHERE sequence > ? ORDER BY sequence LIMIT ?",  # noqa: S608 our own columns
                    (after, limit),
                )
                for row in cursor:
                    entry = entry_of(self.station, row)
                    total += len(entry.body)
                    if max_bytes is not None and entries and total > max_bytes:
                        break
                    entries.append(entry)
                cursor.close()
        except DATABASE_ERRORS as error:
            raise JournalUnusable(
                f"The journal {self.path} cannot be read: {error}. What was read before stands; run `needlework "
                "verify` on it."
            ) from error
        return entries

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Every entry after ``after``, streamed in pages. Raises JournalUnusable."""
        while page := self.read(after, _PAGE_ENTRIES):
            yield from self._rising(page, after)
            after = page[-1].sequence

    def entries_of(self, types: Sequence[str], after: int = 0) -> Iterator[Entry]:
        """Every entry of some types after ``after``, in order, streamed in pages. Raises JournalUnusable."""
        sql = (
            f"SELECT {COLUMNS} FROM entries WHERE type IN ({', '.join('?' * len(types))}) AND sequence > ? "  # noqa: S608 our own columns
            f"ORDER BY sequence LIMIT {_PAGE_ENTRIES}"
        )
        while rows := self._query(sql, (*types, after)):
            page = self._rising([entry_of(self.station, row) for row in rows], after)
            yield from page
            after = page[-1].sequence

    def type_counts(self) -> dict[str, int]:
        """How many entries there are of each type. Raises JournalUnusable."""
        rows = self._query("SELECT type, count(*) FROM entries WHERE sequence > 0 GROUP BY type ORDER BY type")
        return {str(type_): int(number) for type_, number in rows}  # type: ignore[call-overload] # STRICT

    def rows(self) -> Iterator[list[Sequence[Any]]]:
        """Every entry as its row, in pages: sequence, utc_us, monotonic_ms, session, type, version, body, previous,
        hash, of a damaged file with whatever it holds. From now on text that is none is read too. Raises
        JournalUnusable."""
        self._connection.text_factory = loose_text
        after: int | None = None
        sql = f"SELECT {COLUMNS} FROM entries{{}} ORDER BY sequence LIMIT {_ROWS_AT_ONCE}"  # noqa: S608 our own columns
        rows = self._query(sql.format(""))  # from the lowest there is, which in a file somebody changed may be below 1
        while rows:
            last = after
            for row in rows:
                if not isinstance(row[0], int) or (last is not None and row[0] <= last):
                    raise self._repeats(after or 0)
                last = row[0]
            yield rows  # type: ignore[misc]  # a list of tuples is one of sequences
            after = last
            rows = self._query(sql.format(" WHERE sequence > ?"), (after,))

    def entry_of(self, row: Sequence[object]) -> Entry:
        """The entry in a row."""
        return entry_of(self.station, row)

    def session_entries(self, session: str, types: Sequence[str] = (), *, without: str = "") -> Iterator[Entry]:
        """Every entry of one session, or those of some types, in order, streamed in pages; nothing when there is none.

        ``without`` names a type that is left out: of an hour, the telemetry is nearly all there is to read. Raises
        JournalUnusable.
        """
        only = f" AND type IN ({', '.join('?' * len(types))})" if types else ""
        sql = (
            f"SELECT {COLUMNS} FROM entries WHERE session = ?{only} AND type != ? AND sequence > ? "  # noqa: S608 our own columns
            f"ORDER BY sequence LIMIT {_PAGE_ENTRIES}"
        )
        after = 0
        while rows := self._query(sql, (session, *types, without, after)):
            page = [entry_of(self.station, row) for row in rows]
            yield from self._rising(page, after)
            after = page[-1].sequence

    def _rising(self, page: list[Entry], after: int) -> list[Entry]:
        if not rises(page, after):
            raise self._repeats(after)
        return page

    def _repeats(self, after: int) -> JournalUnusable:
        return JournalUnusable(
            f"The journal {self.path} cannot be read behind entry {after}: the file is damaged and repeats itself. "
            "Keep it, and compare with the recorder's store."
        )

    def sessions(self) -> list[SessionSpan]:
        """Every session, oldest first. Raises JournalUnusable."""
        rows = self._query(
            "SELECT spans.session, first, last, entries.utc_us, EXISTS (SELECT 1 FROM entries AS ends "
            "WHERE ends.type = 'session_closed' AND ends.session = spans.session AND ends.sequence > 0) FROM "
            "(SELECT session, min(sequence) AS first, max(sequence) AS last FROM entries WHERE session IS NOT NULL "
            "AND sequence > 0 GROUP BY session) AS spans JOIN entries ON entries.sequence = first ORDER BY first"
        )
        return [SessionSpan(str(s), int(f), int(e), int(at), bool(closed)) for s, f, e, at, closed in rows]  # type: ignore[call-overload] # STRICT

    def look_back(self, asked: Asked) -> list[SessionUsed]:
        """The sessions that fit, oldest first, with what was used in them; reads all of the journal.

        Raises JournalUnusable.
        """
        return [session for session in sessions_used(self.entries_of(TYPES)) if session.fits(asked)]

    def told_of_pens(self, pen: PenName | None = None, types: Sequence[str] = PEN_TYPES) -> list[Told]:
        """What the journal tells of a pen itself, or of every one; oldest first. Raises JournalUnusable."""
        return [told for told in told_of_pens(self.entries_of(types)) if pen in (None, told.pen)]

    def open_sessions(self) -> list[str]:
        """Sessions that were opened and never closed, oldest first: what a crash leaves behind.

        Raises JournalUnusable.
        """
        rows = self._query(
            "SELECT session FROM entries AS begins WHERE type = 'session_opened' AND session IS NOT NULL AND "
            "sequence > 0 AND NOT EXISTS (SELECT 1 FROM entries AS ends WHERE ends.type = 'session_closed' AND "
            "ends.session = begins.session AND ends.sequence > 0) ORDER BY sequence"
        )
        return [str(session) for (session,) in rows]

    def last(self) -> tuple[int, bytes] | None:
        """Sequence and hash of the last entry, or None. Raises JournalUnusable."""
        rows = self._query("SELECT sequence, hash FROM entries WHERE sequence > 0 ORDER BY sequence DESC LIMIT 1")
        return None if not rows else (rows[0][0], rows[0][1])  # type: ignore[return-value] # the schema is STRICT

    def hash_of(self, sequence: int) -> bytes | None:
        """The hash of one entry, or None when there is none. Raises JournalUnusable."""
        rows = self._query("SELECT hash FROM entries WHERE sequence = ?", (sequence,))
        return None if not rows else rows[0][0]  # type: ignore[return-value] # the schema is STRICT

    def newest(self, type_: str, upto: int) -> Entry | None:
        """The newest entry of a type with a sequence of at most ``upto``. Raises JournalUnusable."""
        rows = self._query(
            f"SELECT {COLUMNS} FROM entries WHERE type = ? AND sequence > 0 AND sequence <= ? "  # noqa: S608 our own columns
            "ORDER BY sequence DESC LIMIT 1",
            (type_, upto),
        )
        return entry_of(self.station, rows[0]) if rows else None

    def signing_key(self) -> str | None:
        """The id of the key that the record was signed with last, or that was announced last; None where there is none.

        Raises JournalUnusable.
        """
        rows = self._query(
            "SELECT json_extract(CAST(body AS TEXT), '$.key_id') FROM entries WHERE type IN ('station_key', "
            "'journal_checkpoint') AND sequence > 0 ORDER BY sequence DESC LIMIT 1"
        )
        return value_of(str, rows[0][0]) if rows else None

    def acknowledged(self) -> int:
        """The outbox's cursor: up to which entry the recorder confirmed. Raises JournalUnusable."""
        rows = self._query("SELECT acknowledged FROM outbox")
        return value_of(int, rows[0][0]) if rows else 0

    def file_problems(self, limit: int = 20) -> list[str]:
        """What SQLite's own check finds wrong with the file's structure; empty when nothing."""
        try:
            rows = self._query(f"PRAGMA integrity_check({int(limit)})")
        except JournalUnusable as error:
            return [str(error)]
        found = [str(row[0]) for row in rows]
        return [] if found == ["ok"] else found


def _is_about_content(error: Exception) -> bool:
    """Whether an error in opening says that the bytes are no database, and not that they cannot be had."""
    # Text that is no text is an OperationalError of Python's, without a code of SQLite's.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return not isinstance(error, sqlite3.OperationalError) or code == sqlite3.SQLITE_ERROR


def _connect(path: Path) -> sqlite3.Connection:
    """A read-only connection that leaves nothing behind."""
    return sqlite3.connect(
        read_only_uri(path), uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_S
    )
