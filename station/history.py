"""The site's memory of its patients, for the controller: in a thread of its own, each call with a deadline.

What a station that died did not get to keep is told again from its journal when it starts the next time.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import TypeVar

from pydantic import ValidationError

from controller.events import Event
from controller.history import Approval, ClosedSession, OpenedSession, PatientHistory, visit_of
from controller.ports import MemoryUnavailable
from logger.entry import Entry
from logger.journal_reader import JournalReader
from station.history_file import HistoryFile
from station.worker import Worker, WorkerBusy

DEADLINE_S = 2.0
"""A disk that takes longer for a few rows is no disk to treat on."""
WAITING_MAX = 32
_MICROSECONDS = 1_000_000

Result = TypeVar("Result")


class SiteHistory:
    """The visits, answers and approvals of a site: the part of :class:`controller.ports.SiteMemory` about people."""

    def __init__(self, file: HistoryFile, *, deadline_s: float = DEADLINE_S) -> None:
        self._file = file
        self._worker = Worker("history", deadline_s=deadline_s, waiting_max=WAITING_MAX)

    async def patient(self, patient: str) -> PatientHistory:
        """Everything known of a patient; an empty history for a new one. Raises MemoryUnavailable."""
        return await self._do(lambda: self._file.patient(patient))

    async def opened(self, session: OpenedSession) -> None:
        """A session began. Raises MemoryUnavailable."""
        await self._do(lambda: self._file.opened(session))

    async def closed(self, session: str, closed: ClosedSession) -> None:
        """A session ended. Raises MemoryUnavailable."""
        await self._do(lambda: self._file.closed(session, closed))

    async def approve(self, approval: Approval) -> None:
        """A physician approved something. Raises MemoryUnavailable."""
        await self._do(lambda: self._file.approve(approval))

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
    """Tells the history every session of the journal of which it does not know beginning and end; how many.

    May be repeated. Answers, consent references and which approvals were needed are not journalled: what is known of
    them stays as it is, and an approval whose need is not known counts as used. Raises MemoryUnavailable, JournalError.
    """
    known = file.complete()
    kept = 0
    for span in journal.sessions():
        if not span.closed or span.session in known:
            continue
        visit = visit_of(span.session, _events(journal.session_entries(span.session)))
        if visit is None:
            continue
        opened, closed = visit
        if closed is None:
            continue
        file.opened(opened)
        file.closed(span.session, closed)
        kept += 1
    return kept


def _events(entries: Iterator[Entry]) -> Iterator[tuple[date, Event]]:
    """The events of entries with their day. What another version wrote and this one cannot read is left out."""
    for entry in entries:
        if entry.type == "input_chunk":
            continue  # twenty pictures of a pen: nothing of it is told here
        try:
            event = entry.event()
        except ValidationError:
            continue
        yield datetime.fromtimestamp(entry.utc_us / _MICROSECONDS, UTC).date(), event
