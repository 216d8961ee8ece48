"""Signatures on closed sessions, and amendments of their records: checked against the journal, then journalled.

Nothing that was written is changed. An amendment's text is kept at the site before its event is journalled: a text
without an event says nothing, an event without its text would be a loss.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from controller.errors import ControlRefused
from controller.events import AmendedAspect, AmendmentReason, Event, RecordAmended, SessionSigned
from controller.operators import Operators
from controller.signoff import Meaning, SignedSession, amending_problem, signed_session, signing_problem
from logger.journal.journal import Journal
from logger.journal.reader import JournalReader
from station.site.amendments import SALT_BYTES, Amendments, AmendmentText, text_sha256


@dataclass(slots=True)
class _Read:
    """What a session's entries come to for signing and amending it; ``hashes`` by sequence."""

    state: SignedSession
    hashes: dict[int, bytes] = field(default_factory=dict)
    closed_at: int = 0

    @property
    def last(self) -> int:
        return max(self.hashes, default=0)


class SignOff:
    """Takes signatures and amendments for the sessions of one station's journal, one at a time."""

    def __init__(
        self,
        journal: Journal,
        operators: Operators,
        amendments: Amendments,
        *,
        utc_now: Callable[[], datetime],
        added: Callable[[], None] = lambda: None,
    ) -> None:
        """``added`` is called after each one that reached the disk."""
        self._journal = journal
        self._operators = operators
        self._amendments = amendments
        self._utc_now = utc_now
        self._added = added
        self._signing = asyncio.Lock()

    async def sign(self, session: str, by: str, account_role: str, meaning: Meaning) -> SessionSigned:
        """Signs what the session's record is up to now; on the disk on return. Raises ControlRefused, JournalError."""
        role = self._role(by, account_role)
        async with self._signing:  # two signatures of one meaning must not pass each other's check
            read = await self._read(session)
            problem = signing_problem(read.state, by, role, meaning)
            if problem is not None:
                raise ControlRefused(*problem)
            signed = SessionSigned(
                by=by,
                role=role,
                meaning=meaning,
                covers_sequence=read.last,
                covers_hash=read.hashes[read.last].hex(),
            )
            await self._journalled(signed, session)
        return signed

    async def amend(
        self,
        session: str,
        by: str,
        account_role: str,
        *,
        aspect: AmendedAspect,
        reason: AmendmentReason,
        text: str,
        entry: int | None = None,
    ) -> RecordAmended:
        """Amends a session's record: of the entry with sequence ``entry``, its closing one where None is named.

        ``text`` stays at the site. On the disk on return. Raises ControlRefused, JournalError, MemoryUnavailable.
        """
        role = self._role(by, account_role)
        async with self._signing:
            read = await self._read(session)
            problem = amending_problem(read.state, by, role)
            amends = read.closed_at if entry is None else entry
            if problem is None and amends not in read.hashes:
                problem = (
                    "amend_unknown_entry",
                    f"The session {session} has no entry {amends}. `needlework sessions show {session} --json` names "
                    "the first and the last. Nothing was amended.",
                )
            if problem is not None:
                raise ControlRefused(*problem)
            salt = secrets.token_bytes(SALT_BYTES)
            amended = RecordAmended(
                session=session,
                aspect=aspect,
                reason=reason,
                amends_sequence=amends,
                amends_hash=read.hashes[amends].hex(),
                by=by,
                role=role,
                text_sha256=text_sha256(salt, text),
            )
            kept = AmendmentText(amended.text_sha256, session, self._utc_now().isoformat(), by, salt, text)
            await self._amendments.keep(kept)
            await self._journalled(amended, session)
        return amended

    def _role(self, by: str, account_role: str) -> str:
        """A physician who treats nobody is in no operators file, and reviews all the same."""
        if account_role == "physician":
            return account_role
        known = self._operators.operators.get(by)
        return known.role if known is not None else "none"

    async def _journalled(self, event: Event, session: str) -> None:
        self._journal.emit(event, session=session)
        await self._journal.flush()
        self._added()

    async def _read(self, session: str) -> _Read:
        await self._journal.flush()
        return await asyncio.to_thread(_read, self._journal.reader, session)


def _read(reader: JournalReader, session: str) -> _Read:
    """A session as its entries tell it; of a session that is not there, nothing."""
    events: list[Event] = []
    read = _Read(SignedSession())
    # Its pictures of the pen twenty times a second say nothing here, and are nearly all there is to read.
    for entry in reader.session_entries(session, without="input_chunk"):
        read.hashes[entry.sequence] = entry.hash
        if entry.type == "session_closed":
            read.closed_at = entry.sequence
        try:
            events.append(entry.event())
        except ValidationError:
            continue  # written by a later version
    read.state = signed_session(events)
    return read
