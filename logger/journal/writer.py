"""The one thread that writes the journal: it chains what was emitted, commits it in order, and tries again when it
fails.

Safety rows are committed as soon as the thread gets to run; the others wait for company, at most ``group_ms``. Nothing
emitted overtakes anything emitted before it.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from logger.errors import JournalClosed, JournalDamaged, JournalError, JournalUnwritable
from logger.journal.entry import entry_hash
from logger.journal.file import DATABASE_ERRORS, ROW_HASH, ROW_SEQUENCE, JournalFile, Row
from logger.journal.session_counts import SessionCounts

_LOG = logging.getLogger("needlework.journal")

_ROWS_PER_COMMIT = 500  # bounds how long a safety row waits behind a backlog
# A cursor with no entry to ride along with is worth a commit of its own only so often: losing it costs a re-send.
_CURSOR_ALONE_S = 1.0


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """How much waits, how long, and how much disk is kept free."""

    max_queued_entries: int = 20_000  # hours of one pen
    max_queued_bytes: int = 64 * 1024 * 1024
    nearly_full: float = 0.8  # beyond this share of the queue, problem() says so and only safety rows are taken
    min_free_bytes: int = 64 * 1024 * 1024  # several long sessions with room to close them in good order
    group_ms: int = 100  # longest that an entry which is no safety row waits for its commit
    retry_ms: int = 500  # between attempts after a failed commit
    flush_deadline_ms: int = 5_000  # a disk that takes longer is not usable for a treatment


class Pending(NamedTuple):
    """An emitted event that is not on the disk yet."""

    utc_us: int
    monotonic_ms: int
    session: str | None
    type: str
    version: int
    body: bytes
    durable: bool


class Waiter(NamedTuple):
    """Somebody on an event loop waiting for ``sequence`` to be on the disk."""

    sequence: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]
    fails: bool  # told of a failed attempt, rather than left to wait for the next one


class JournalWriter:
    """The queue and its thread. Every method may be called from any thread."""

    def __init__(self, file: JournalFile, limits: JournalLimits) -> None:
        self._file = file
        self._limits = limits
        self._station = file.station.encode()
        self._counts = SessionCounts(file.still_open)
        self._changed = threading.Condition()
        self._queue: deque[Pending] = deque()
        self._queued_bytes = 0
        self._looked = False  # group_ms went by since the last commit
        self._urgent = False
        self._chained: list[Row] = []  # chained and not on the disk yet; rows of a failed commit stay here as they are
        self._hashing = 0  # taken from the queue, and not chained yet
        self._waiters: list[Waiter] = []
        self._closing = False
        self._failure: JournalError | None = None
        self._damage: JournalDamaged | None = None
        self._cursor = file.acknowledged
        self._cursor_written = 0.0
        self._last_attempt = 0.0
        self._last_attempt_made = False
        self.lost = 0
        self.emitted = file.last_sequence
        self.committed = file.last_sequence
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    # -- what others call ----------------------------------------------------------------------------------------------

    def put(self, pending: Pending) -> bool:
        """Queues an event; False when there is no room and it was dropped and counted. Raises JournalClosed."""
        with self._changed:
            if self._closing:
                raise JournalClosed(
                    "The journal is closed, so this event is not recorded. Close the journal last, after everything "
                    "that emits."
                )
            if self._full(for_safety_row=pending.durable):
                self.lost += 1
                return False
            self._queue.append(pending)
            self._queued_bytes += len(pending.body)
            self.emitted += 1
            if pending.durable and not self._urgent:
                self._urgent = True
                self._changed.notify_all()
            return True

    def _full(self, *, for_safety_row: bool) -> bool:
        share = 1.0 if for_safety_row else self._limits.nearly_full
        waiting = len(self._queue) + self._hashing + len(self._chained)
        return (
            waiting >= share * self._limits.max_queued_entries
            or self._queued_bytes >= share * self._limits.max_queued_bytes
        )

    @property
    def nearly_full(self) -> bool:
        """The queue is beyond the share at which only safety rows are taken."""
        with self._changed:
            return self._full(for_safety_row=False)

    @property
    def failure(self) -> JournalError | None:
        """Why the last commit failed; None when it did not."""
        if not self._thread.is_alive() and not self._closing:
            return JournalUnwritable(
                f"The journal {self._file.path} is no longer written: its thread ended by a fault of this program. "
                "Nothing more is recorded. End the session and restart the station."
            )
        return self._damage or self._failure

    @property
    def waiting(self) -> int:
        """Entries emitted and not on the disk yet."""
        return self.emitted - self.committed

    @property
    def acknowledged(self) -> int:
        """The outbox's cursor, as last moved."""
        return self._cursor

    def acknowledge(self, sequence: int) -> None:
        """Moves the outbox's cursor to ``sequence``, at most to what is on the disk; it is written with what comes
        next.
        """
        with self._changed:
            self._cursor = max(0, min(sequence, self.committed))

    def wait_for(
        self, sequence: int, loop: asyncio.AbstractEventLoop, *, urgently: bool
    ) -> asyncio.Future[None] | None:
        """A future of ``loop`` done when ``sequence`` is on the disk, None when it is already.

        ``urgently`` commits what waits now, and makes the future fail as soon as an attempt does.
        """
        with self._changed:
            if self.committed >= sequence:
                return None
            if self._damage is not None and urgently:
                raise self._damage
            future: asyncio.Future[None] = loop.create_future()
            self._waiters.append(Waiter(sequence, loop, future, urgently))
            if urgently and not self._urgent:
                self._urgent = True
                self._changed.notify_all()
            return future

    def forget(self, future: asyncio.Future[None]) -> None:
        """The waiter went away."""
        with self._changed:
            self._waiters = [waiter for waiter in self._waiters if waiter.future is not future]

    def stop(self) -> None:
        """Takes no more; the thread makes one last attempt and ends."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Waits for the thread; False when it still runs."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # -- the thread ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._wait_for_work():
                    return
                batch: list[Pending] = []
                if not self._chained:
                    batch = [self._queue.popleft() for _ in range(min(_ROWS_PER_COMMIT, len(self._queue)))]
                    self._hashing = len(batch)
                if not self._queue:
                    self._urgent = False
                cursor = self._cursor if self._cursor != self._file.acknowledged else None
            if batch:
                rows = self._hashed(batch)  # megabytes of them take milliseconds, for which nobody who emits waits
                grown_bytes = sum(len(row[-1]) for row in rows) - sum(len(one.body) for one in batch)
                with self._changed:
                    self._chained, self._hashing = rows, 0
                    self._queued_bytes += grown_bytes
            try:
                if self._failure is not None:
                    self._file.reopen()
                    self._drop_what_is_on_disk()
                self._file.append(self._chained, cursor)
                if cursor is not None:
                    self._cursor_written = time.monotonic()
            except (*DATABASE_ERRORS, JournalDamaged, OSError) as error:
                self._note_failure(error)
            else:
                self._note_success()

    def _wait_for_work(self) -> bool:
        """Returns True when there is something to commit now, False when the thread is to end.

        Nobody wakes the thread for an entry that is no safety row: it looks by itself every ``group_ms``, because
        waking it costs the control loop more than the entry does.
        """
        group_s = self._limits.group_ms / 1000
        while True:
            if self._closing:
                return self._one_attempt_more()
            now = time.monotonic()
            if self._damage is not None:
                pause_s = None
            elif self._failure is not None:
                pause_s = self._last_attempt + self._limits.retry_ms / 1000 - now
                if pause_s <= 0:
                    return True
            else:
                if self._queue and (self._urgent or self._looked):
                    self._looked = False
                    return True
                if self._cursor != self._file.acknowledged and now - self._cursor_written >= _CURSOR_ALONE_S:
                    return True
                self._urgent = False
                pause_s = group_s
            self._looked = not self._changed.wait(pause_s)

    def _one_attempt_more(self) -> bool:
        """While closing: whether to commit once more. A commit that fails then is not tried again for ever."""
        if self._damage is not None:
            return False
        if self._failure is not None:
            last_attempt_made, self._last_attempt_made = self._last_attempt_made, True
            return not last_attempt_made
        return bool(self._queue) or self._cursor != self._file.acknowledged

    def _hashed(self, batch: list[Pending]) -> list[Row]:
        """What was emitted, with its sequence and hash."""
        rows: list[Row] = []
        sequence, previous = self._file.last_sequence, self._file.last_hash
        for utc_us, monotonic_ms, session, type_, version, body, _durable in batch:
            sequence += 1
            said = self._counts.take(session, type_, body)
            digest = entry_hash(self._station, previous, sequence, utc_us, monotonic_ms, session, type_, version, said)
            rows.append((sequence, utc_us, monotonic_ms, session, type_, version, previous, digest, said))
            previous = digest
        return rows

    def _drop_what_is_on_disk(self) -> None:
        """After a failed commit: it may have reached the disk.

        Raises JournalDamaged when the disk holds something else.
        """
        on_disk = self._file.last_sequence
        if on_disk == self.committed:
            return
        for index, row in enumerate(self._chained):
            if row[ROW_SEQUENCE] == on_disk and row[ROW_HASH] == self._file.last_hash:
                self._forget_rows(index + 1)
                return
        raise JournalDamaged(
            f"The journal {self._file.path} ends at entry {on_disk}, but {self.committed} was written last: somebody "
            "else changed it. Nothing more is appended to it, so no treatment may go on. Keep the file and run "
            "`needlework verify`."
        )

    def _forget_rows(self, count: int) -> None:
        """The first ``count`` chained rows are on the disk."""
        self._queued_bytes -= sum(len(row[-1]) for row in self._chained[:count])
        del self._chained[:count]

    def _note_success(self) -> None:
        with self._changed:
            if self._failure is not None:
                _LOG.warning("journal: writable again, %d entries caught up", len(self._chained))
            self._failure = None
            self._forget_rows(len(self._chained))
            self.committed = self._file.last_sequence
            done = [waiter for waiter in self._waiters if waiter.sequence <= self.committed]
            self._waiters = [waiter for waiter in self._waiters if waiter.sequence > self.committed]
        for waiter in done:
            _tell(waiter, None)

    def _note_failure(self, error: Exception) -> None:
        with self._changed:
            self._last_attempt = time.monotonic()
            if isinstance(error, JournalDamaged):
                self._damage = error
                told: JournalError = error
            else:
                told = JournalUnwritable(
                    f"The journal {self._file.path} cannot be written: {error}. {self.waiting} entries wait in memory "
                    f"and are tried again every {self._limits.retry_ms} ms; they are lost if this process ends first. "
                    "Free space on the disk or restore write access; start no treatment until then."
                )
                if self._failure is None:
                    _LOG.error("journal: %s", told)
                self._failure = told
            failed = [waiter for waiter in self._waiters if waiter.fails]
            self._waiters = [waiter for waiter in self._waiters if not waiter.fails]
        for waiter in failed:
            _tell(waiter, told)


def _tell(waiter: Waiter, error: JournalError | None) -> None:
    """Completes a future on its own loop; a loop that is closed needs no telling."""

    def complete() -> None:
        if waiter.future.done():
            return
        if error is None:
            waiter.future.set_result(None)
        else:
            waiter.future.set_exception(error)

    try:
        waiter.loop.call_soon_threadsafe(complete)
    except RuntimeError:
        _LOG.debug("journal: the loop of a waiter is closed")
