"""The journal: every event of this station, in order, on this machine's disk, each entry holding the hash of the one
before.

Appending never waits for the disk: :meth:`Journal.emit` queues, one thread writes (`logger.journal.writer`). Who needs
to know that it is on the disk awaits :meth:`Journal.flush`. What the broker and the recorder still have to get is a
cursor in the same file, moved by the recorder's receipts alone.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from controller.events import Event
from logger.bus.topics import check_name
from logger.errors import JournalFull, JournalUnwritable
from logger.journal.disk_room import DiskRoom
from logger.journal.entry import MAX_NAME
from logger.journal.file import JournalFile
from logger.journal.ownership import Ownership
from logger.journal.reader import JournalReader
from logger.journal.writer import JournalLimits, JournalWriter, Pending

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
ROOM = 20
"""So many times the disk's reserve is plenty; the last tenth of it is told as nearly full."""

_MIB = 1024 * 1024


class Journal:
    """A station's journal, open for writing; this process owns it until :meth:`close`.

    ``utc_now`` gives an aware wall time, ``monotonic_ms`` the clock the control loop's own times are read from.
    """

    def __init__(
        self,
        path: Path,
        *,
        station: str,
        utc_now: Callable[[], datetime],
        monotonic_ms: Callable[[], int],
        limits: JournalLimits | None = None,
    ) -> None:
        """Opens ``path``, created when absent, and starts the writer.

        Raises TopicError for a station name that cannot stand in a topic, JournalBusy, JournalUnusable, JournalDamaged.
        """
        check_name("station", station)
        self.path = path
        self.station = station
        self._utc_now = utc_now
        self._monotonic_ms = monotonic_ms
        self._limits = limits or JournalLimits()
        self._ownership = Ownership(path)
        try:
            self._file = JournalFile(path, station)
            try:
                self.reader = JournalReader(path)
            except BaseException:
                self._file.close()
                raise
        except BaseException:
            self._ownership.release()
            raise
        self._writer = JournalWriter(self._file, self._limits)
        self._room = DiskRoom(path.parent)
        self._closed = False

    def emit(self, event: Event, *, session: str | None) -> None:
        """Queues ``event`` for the journal and returns at once; may be called from any thread.

        A durable event is committed right away, another within ``group_ms``, always in the order of the calls. When the
        queue is full the event is dropped and counted: :meth:`problem` and :meth:`flush` say so. Raises JournalClosed,
        and ValueError for a session that is no name of 1 to 200 printable ASCII characters.
        """
        if session is not None and not (session.isascii() and session.isprintable() and 0 < len(session) <= MAX_NAME):
            raise ValueError(f"a session is named by 1 to {MAX_NAME} printable ASCII characters, not {session!r}")
        self._writer.put(
            Pending(
                (self._utc_now() - _EPOCH) // _MICROSECOND,
                self._monotonic_ms(),
                session,
                event.type,
                event.version,
                event.model_dump_json().encode(),
                event.durable,
            )
        )

    async def flush(self) -> None:
        """Returns when everything emitted before this call is on the disk.

        Raises JournalUnwritable when the attempt fails or takes longer than ``flush_deadline_ms`` (the entries stay
        queued and are tried again), JournalFull when entries were dropped, JournalDamaged.
        """
        if self._writer.lost:
            raise JournalFull(self._lost_sentence())
        await self._on_disk(self._writer.emitted, self._limits.flush_deadline_ms / 1000)

    async def _on_disk(self, sequence: int, deadline_s: float) -> None:
        future = self._writer.wait_for(sequence, asyncio.get_running_loop(), urgently=True)
        if future is None:
            return
        try:
            async with asyncio.timeout(deadline_s):
                await future
        except TimeoutError as error:
            raise JournalUnwritable(
                f"The journal {self.path} did not reach the disk within {deadline_s:g} s. The entries wait in memory "
                "and are still being written. Start no treatment until the disk answers."
            ) from error
        finally:
            self._writer.forget(future)

    async def wait_committed(self, after: int) -> int:
        """Waits until an entry with a sequence greater than ``after`` is on the disk; returns the newest such sequence.

        Waits for as long as nothing happens: its caller cancels it.
        """
        future = self._writer.wait_for(after + 1, asyncio.get_running_loop(), urgently=False)
        if future is not None:
            try:
                await future
            finally:
                self._writer.forget(future)
        return self._writer.committed

    def fill_permille(self) -> int:
        """How near the disk is to what is kept free for the record, 0 to 1000 ‰; 0 when it cannot be read.

        It begins to rise when less than :data:`ROOM` times the reserve is free beyond the reserve.
        """
        reserve = self._limits.min_free_bytes
        try:
            free = self._room.free_bytes()
        except OSError:
            return 0
        return min(1000, max(0, 1000 - (free - reserve) * 1000 // max(1, ROOM * reserve)))

    def problem(self) -> str | None:
        """Why the journal does not accept a treatment now, in one sentence with the remedy; None when it does."""
        writer = self._writer
        if self._closed:
            return f"The journal {self.path} is closed: nothing is recorded. Restart the station."
        if writer.failure is not None:
            return str(writer.failure)
        if writer.lost:
            return self._lost_sentence()
        if writer.nearly_full:
            return (
                f"The journal {self.path} is falling behind: {writer.waiting} entries wait to be written. Start no "
                "treatment; find what keeps the disk busy."
            )
        try:
            free = self._room.free_bytes()
        except OSError as error:
            return f"The disk of the journal {self.path} fails: {error.strerror}. Check that it is there."
        if free < self._limits.min_free_bytes:
            return (
                f"Only {free // _MIB} MiB are free on the disk of the journal {self.path}, "
                f"{self._limits.min_free_bytes // _MIB} MiB are kept for the record. Free space before a treatment."
            )
        return None

    def _lost_sentence(self) -> str:
        return (
            f"{self._writer.lost} entries could not be kept: the journal {self.path} was not writable for too long. "
            "The record of this station's run is incomplete. End the session, note the fact, and restart the station."
        )

    @property
    def committed(self) -> int:
        """Sequence of the newest entry on the disk; 0 when there is none."""
        return self._writer.committed

    @property
    def acknowledged(self) -> int:
        """The outbox's cursor: the highest sequence that the recorder said it stored durably, with all before it."""
        return self._writer.acknowledged

    @property
    def lost(self) -> int:
        """Entries dropped since the journal was opened because the queue was full."""
        return self._writer.lost

    def acknowledge(self, sequence: int) -> None:
        """Moves the outbox's cursor, also backwards: a restored store asks for what it has lost.

        For the publisher only.
        """
        self._writer.acknowledge(sequence)

    async def close(self) -> None:
        """Writes what waits, ends the writer and gives the journal up. Safe to call twice.

        Raises JournalUnwritable when entries could not be written: they are gone with this process.
        """
        if self._closed:
            return
        self._closed = True
        self._writer.stop()
        ended = await asyncio.to_thread(self._writer.join, self._limits.flush_deadline_ms / 1000)
        await asyncio.to_thread(self._room.close, self._limits.flush_deadline_ms / 1000)
        self.reader.close()
        if ended:
            self._file.close()
            self._ownership.release()
        if self._writer.waiting:
            raise JournalUnwritable(
                f"{self._writer.waiting} entries could not be written to the journal {self.path} before the station "
                "ended and are lost. The record of the last session is incomplete; note the fact. Free or repair the "
                "disk."
            ) from self._writer.failure

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
