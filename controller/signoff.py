"""Pure: who may put their name to a closed session, and as what, and who may amend its record.

Signatures and amendments are added, never changed. An amendment is a reason to sign anew: what was signed before it is
shown as signed before it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from controller.events import Event, Meaning, RecordAmended, SessionClosed, SessionOpened, SessionSigned

__all__ = ["Meaning", "SignedSession", "amending_problem", "signed_session", "signing_problem"]


@dataclass(frozen=True, slots=True)
class SignedSession:
    """What signing depends on: who treated, whether the session is closed, and who signed the record as it stands now
    as what."""

    operator: str | None = None
    closed: bool = False
    signed: tuple[tuple[Meaning, str], ...] = field(default=())


def signed_session(events: Iterable[Event]) -> SignedSession:
    """The state of one session's signatures from its events, in order."""
    found = SignedSession()
    for event in events:
        match event:
            case SessionOpened():
                found = SignedSession(event.operator, found.closed, found.signed)
            case SessionClosed():
                found = SignedSession(found.operator, closed=True, signed=found.signed)
            case SessionSigned():
                found = SignedSession(found.operator, found.closed, (*found.signed, (event.meaning, event.by)))
            case RecordAmended():
                found = SignedSession(found.operator, found.closed)
            case _:
                pass
    return found


def signing_problem(session: SignedSession, by: str, role: str, meaning: Meaning) -> tuple[str, str] | None:
    """Why ``by``, in this role, may not sign as this: (because, sentence), or None.

    *Performed* is the word of whoever treated; *reviewed* that of a physician who did not, and follows it; *approved*
    that of a physician who did not treat either, and follows the review.
    """
    earlier: Meaning | None = {"performed": None, "reviewed": "performed", "approved": "reviewed"}[meaning]
    problems: tuple[tuple[bool, str, str], ...] = (
        (session.operator is None, "unknown_session", "There is no such session in this station's record."),
        (not session.closed, "session_open", "The session is still open. Close it, then sign."),
        (
            any(was == meaning for was, _ in session.signed),
            "signed_already",
            f"The session was signed as {meaning} already. A signature is not replaced.",
        ),
        (
            meaning == "performed" and by != session.operator,
            "not_the_operator",
            f"{session.operator} treated; only that person signs as performed.",
        ),
        (
            meaning != "performed" and role != "physician",
            "not_a_physician",
            "A physician reviews and approves. Ask the physician on the team to sign.",
        ),
        (
            meaning != "performed" and by == session.operator,
            "own_session",
            "Nobody reviews or approves their own treatment. Ask another physician.",
        ),
        (
            earlier is not None and not any(was == earlier for was, _ in session.signed),
            f"not_{earlier}_yet",
            f"The record as it stands now is not signed as {earlier} yet; {meaning} follows that.",
        ),
    )
    return _first("sign_", problems, "Nothing was signed.")


def amending_problem(session: SignedSession, by: str, role: str) -> tuple[str, str] | None:
    """Why ``by``, in this role, may not amend the session's record: (because, sentence), or None."""
    problems = (
        (session.operator is None, "unknown_session", "There is no such session in this station's record."),
        (not session.closed, "session_open", "The session is still open. Close it, then amend its record."),
        (
            by != session.operator and role != "physician",
            "not_yours",
            f"{session.operator} treated; that person or a physician amends the record.",
        ),
    )
    return _first("amend_", problems, "Nothing was amended.")


def _first(kind: str, problems: Iterable[tuple[bool, str, str]], so: str) -> tuple[str, str] | None:
    return next(((kind + because, f"{sentence} {so}") for holds, because, sentence in problems if holds), None)
