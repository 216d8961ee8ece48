"""The site's memory of its patients, for the controller: in a thread of its own, each call with a deadline.

What a station that died did not get to keep is told again from its journal when it starts the next time.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import TypeVar

from pydantic import ValidationError

from controller.events import Event
from controller.history import Approval, ClosedSession, OpenedSession, PatientHistory, visit_of
from controller.ports import MemoryUnavailable
from logger.errors import RecordError
from logger.journal.entry import Entry
from logger.journal.journal import Journal
from logger.journal.reader import JournalReader
from station.process.worker import Worker, WorkerBusy
from station.site.history_file import HistoryFile

DEADLINE_S = 2.0
"""A disk that takes longer for a few rows is no disk to treat on."""
WAITING_MAX = 32
RETRY_S = 1.0
_MICROSECONDS = 1_000_000

Result = TypeVar("Result")


class SiteHistory:
    """The visits, answers and approvals of a site: the part of :class:`controller.ports.SiteMemory` about people."""

    def __init__(self, file: HistoryFile, *, deadline_s: float = DEADLINE_S) -> None:
        self._file = file
        self._deadline_s = deadline_s
        self.settled = asyncio.Event()
        """Set while every session that closed is kept."""
        self.settled.set()
        self._worker = Worker("history", deadline_s=deadline_s, waiting_max=WAITING_MAX)

    async def patient(self, patient: str) -> PatientHistory:
        """Everything known of a patient; an empty history for a new one. Raises MemoryUnavailable."""
        try:
            async with asyncio.timeout(self._deadline_s):
                await self.settled.wait()
        except TimeoutError as error:
            raise MemoryUnavailable(
                "The session that closed before this is not in the patients' history yet. Earlier visits are not known "
                "for sure, so no session is prepared; STOP works all the same. Try again; `needlework doctor` looks at "
                "the disk."
            ) from error
        return await self._do(lambda: self._file.patient(patient))

    async def keep(self, journal: JournalReader, session: str) -> None:
        """A session as its journal has it. Raises MemoryUnavailable, JournalError."""
        await self._do(lambda: keep_session(self._file, journal, session))

    async def opened(self, session: OpenedSession) -> None:
        """A session began. Raises MemoryUnavailable."""
        await self._do(lambda: self._file.opened(session))

    async def closed(self, session: str, closed: ClosedSession) -> None:
        """A session ended. Raises MemoryUnavailable."""
        await self._do(lambda: self._file.closed(session, closed))

    async def approve(self, approval: Approval) -> None:
        """A physician approved something. Raises MemoryUnavailable."""
        await self._do(lambda: self._file.approve(approval))

    async def last_day(self, patient: str) -> str | None:
        """The last day (ISO) a session of this patient was opened. Raises MemoryUnavailable."""
        return await self._do(lambda: self._file.last_day(patient))

    async def sessions_of(self, patient: str) -> tuple[str, ...]:
        """Every session of a patient. Raises MemoryUnavailable."""
        return await self._do(lambda: self._file.sessions_of(patient))

    async def forget(self, patient: str) -> None:
        """Destroys what is kept of a patient. Raises MemoryUnavailable."""
        await self._do(lambda: self._file.forget(patient))

    async def close(self) -> None:
        """Ends the thread, then releases the file."""
        await self._worker.close()
        self._file.close()

    async def _do(self, call: Callable[[], Result]) -> Result:
        try:
            return await self._worker.do(call)
        except WorkerBusy as busy:
            raise MemoryUnavailable(
                f"The patients' history does not answer: {busy}. Earlier visits and approvals are not known without "
                "it, so no session is prepared; STOP works all the same. Try again; `needlework doctor` looks at the "
                "disk."
            ) from busy


def keep_what_is_recorded(file: HistoryFile, journal: JournalReader) -> int:
    """Tells the history every closed session of the journal that it does not have whole; how many there were.

    Raises MemoryUnavailable, JournalError.
    """
    known = file.complete()
    missed = [span.session for span in journal.sessions() if span.closed and span.session not in known]
    for session in missed:
        keep_session(file, journal, session)
    return len(missed)


def keep_session(file: HistoryFile, journal: JournalReader, session: str) -> None:
    """Tells the history a session as its journal has it. May be repeated.

    Answers and consent references are not journalled: what is known of them stays as it is. Raises MemoryUnavailable,
    JournalError.
    """
    visit = visit_of(session, _events(journal.session_entries(session, without="input_chunk")))
    if visit is None:
        return
    opened, closed = visit
    file.opened(opened)
    if closed is not None:
        file.closed(session, closed)


def _events(entries: Iterator[Entry]) -> Iterator[tuple[date, Event]]:
    """The events of entries with their day. What another version wrote and this one cannot read is left out."""
    for entry in entries:
        try:
            event = entry.event()
        except ValidationError:
            continue
        yield datetime.fromtimestamp(entry.utc_us / _MICROSECONDS, UTC).date(), event


class HistoryKeeper:
    """Tells the history each session that closes, from the journal, so that neither can say what the other does not.

    Until it is told, nobody's history is given out: a session prepared at once afterwards would not know of it.
    """

    def __init__(self, memory: SiteHistory, journal: Journal) -> None:
        self._memory = memory
        self._journal = journal
        self._closed: asyncio.Queue[str] = asyncio.Queue()

    def closed(self, session: str) -> None:
        """A session closed; its last entry is on its way to the disk."""
        self._memory.settled.clear()
        self._closed.put_nowait(session)

    async def run(self) -> None:
        """Runs until cancelled. What was not kept then is found at the next start."""
        while True:
            session = await self._closed.get()
            while not await self._kept(session):
                await asyncio.sleep(RETRY_S)
            if self._closed.empty():
                self._memory.settled.set()

    async def _kept(self, session: str) -> bool:
        try:
            await self._journal.flush()
            await self._memory.keep(self._journal.reader, session)
        except (RecordError, MemoryUnavailable):
            return False
        return True
