"""Signatures on closed sessions: checked against the journal, then journalled. Nothing that was written is changed."""

import asyncio
from collections.abc import Iterator

from pydantic import ValidationError

from controller.errors import ControlRefused
from controller.events import Event, SessionSigned
from controller.operators import Operators
from controller.signoff import Meaning, signed_session, signing_problem
from logger.journal import Journal
from logger.journal_reader import JournalReader


class SignOff:
    """Takes signatures for the sessions of one station's journal, one at a time."""

    def __init__(self, journal: Journal, operators: Operators) -> None:
        self._journal = journal
        self._operators = operators
        self._signing = asyncio.Lock()

    async def sign(self, session: str, by: str, meaning: Meaning) -> SessionSigned:
        """Signs; on the disk on return. Raises ControlRefused, JournalError."""
        known = self._operators.operators.get(by)
        role = known.role if known is not None else "none"
        async with self._signing:  # two signatures of one meaning must not pass each other's check
            await self._journal.flush()
            state = await asyncio.to_thread(lambda: signed_session(_events(self._journal.reader, session)))
            problem = signing_problem(state, by, role, meaning)
            if problem is not None:
                raise ControlRefused(*problem)
            signed = SessionSigned(by=by, role=role, meaning=meaning)
            self._journal.emit(signed, session=session)
            await self._journal.flush()
        return signed


def _events(reader: JournalReader, session: str) -> Iterator[Event]:
    for entry in reader.session_entries(session):
        if entry.type == "input_chunk":
            continue  # a picture of the pen twenty times a second: nothing of it matters here
        try:
            yield entry.event()
        except ValidationError:
            continue  # written by a later version
