"""The seam to the record: the journal as the controller sees it, and what a station owes it after a crash."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from controller.events import ClockStepped, Event, InputChunk, SessionClosed, SetpointChanged, StationStarted
from controller.hosting import CLOCK_STEP_MS
from controller.machine import step
from controller.ports import RecordUnavailable
from controller.recording import replayed
from controller.state import MachineState
from controller.transitions import session_closed
from logger.errors import JournalError
from logger.journal.journal import Journal
from logger.journal.reader import JournalReader

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PROBLEM_FRESH_S = 1.0
"""How long an answer about the disk is good for: asked twenty times a second by every pen, it is looked at once."""


# A chunk of inputs is journalled about once a second, and waits up to 0.1 s for its commit and as long for its turn.
_MAY_MISS = "up to about 1.3 s of telemetry before its end may be missing from the record"


class JournalSink:
    """The journal as one pen's event sink. After ``close`` of the journal nothing may be emitted."""

    def __init__(
        self, journal: Journal, monotonic_s: Callable[[], float], closed: Callable[[str], None] = lambda _: None
    ) -> None:
        """``closed`` hears of each session whose end was queued."""
        self._closed = closed
        self._journal = journal
        self._monotonic_s = monotonic_s
        self._problem: str | None = None
        self._fill_permille = 0
        self._asked_s = -PROBLEM_FRESH_S
        self._note = ""

    def emit(self, event: Event, *, session: str | None) -> None:
        """Queues an event; never waits."""
        if isinstance(event, SetpointChanged):
            self._note = event.note
        self._journal.emit(event, session=session)
        if isinstance(event, SessionClosed) and session is not None:
            self._closed(session)

    def take_note(self) -> str:
        """The note of the newest change of the setpoint, told once: whoever asked for the number is to hear of it."""
        note, self._note = self._note, ""
        return note

    async def flush(self) -> None:
        """Returns when everything emitted is on the disk. Raises RecordUnavailable."""
        try:
            await self._journal.flush()
        except JournalError as error:
            raise RecordUnavailable(str(error)) from error

    def problem(self) -> str | None:
        """Why the journal accepts no treatment, or None; at most ``PROBLEM_FRESH_S`` old."""
        self._look()
        return self._problem

    def fill_permille(self) -> int:
        """How near the disk is to its reserve; as old as :meth:`problem`."""
        self._look()
        return self._fill_permille

    def _look(self) -> None:
        now_s = self._monotonic_s()
        if now_s - self._asked_s >= PROBLEM_FRESH_S:
            self._asked_s = now_s
            self._problem = self._journal.problem()
            self._fill_permille = self._journal.fill_permille()


def ended_in_order(reader: JournalReader) -> bool:
    """The station that wrote this journal last said that it stopped and signed that, and no session stayed open."""
    last = reader.last()
    if last is None:
        return True
    *before, entry = reader.read(max(last[0] - 2, 0), 2)
    if entry.type == "journal_checkpoint" and before:
        entry = before[0]
    elif reader.signing_key() is not None:
        return False
    return entry.type == "station_stopped" and not reader.open_sessions()


async def begin_record(journal: Journal, software: str, now: datetime, *, site: str) -> tuple[str, ...]:
    """Notes that a station of a ``site`` started at ``now``, and closes as interrupted what the one before it left
    open; those sessions.

    Raises JournalError when it does not reach the disk.
    """
    left_open = await asyncio.to_thread(journal.reader.open_sessions)
    went_back_ms = await asyncio.to_thread(clock_went_back_ms, journal.reader, now)
    previous = left_open[-1] if left_open else None
    journal.emit(StationStarted(software=software, previous_session=previous, site=site), session=None)
    if went_back_ms > CLOCK_STEP_MS:
        journal.emit(ClockStepped(by_ms=-went_back_ms), session=None)
    for session in left_open:
        closed = await asyncio.to_thread(interrupted, journal.reader, session)
        journal.emit(closed, session=session)
    await journal.flush()
    return tuple(left_open)


def clock_went_back_ms(reader: JournalReader, now: datetime) -> int:
    """How far the time of day is behind the journal's last entry; 0 when it is not.

    Set back while no station ran, a clock has gone back by at least so much. One set forward cannot be told from a
    station that was off.
    """
    last = reader.last()
    if last is None:
        return 0
    entry = reader.read(last[0] - 1, 1)[0]
    return max(0, entry.utc_us // 1000 - (now - _EPOCH) // timedelta(milliseconds=1))


def interrupted(reader: JournalReader, session: str) -> SessionClosed:
    """How a session that a crash left open is closed, with the doses its recorded inputs come to."""
    reason = f"the station ended without closing the session; {_MAY_MISS}"
    try:
        return session_closed(_replayed_state(reader, session), "interrupted", reason)
    except ValueError as error:
        # Recorded by another version, or damaged: the session is closed all the same; its telemetry stays as it is.
        return SessionClosed(outcome="interrupted", reason=f"{reason}; doses not added up: {error}"[:300], doses=())


def _replayed_state(reader: JournalReader, session: str) -> MachineState:
    """The machine's state after the last recorded input of a session. Raises ValueError for inputs it cannot read."""
    state = MachineState()
    for given, now_ms in replayed(_chunks(reader, session)):
        state = step(state, given, now_ms).state
    return state


def _chunks(reader: JournalReader, session: str) -> Iterator[InputChunk]:
    for entry in reader.session_entries(session):
        if entry.type == "input_chunk":
            yield InputChunk.model_validate_json(entry.body)
