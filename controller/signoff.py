"""Pure: who may put their name to a closed session, and as what. Signatures are added, never changed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from controller.events import Event, SessionClosed, SessionOpened, SessionSigned

Meaning = Literal["performed", "reviewed"]


@dataclass(frozen=True, slots=True)
class SignedSession:
    """What signing depends on: who treated, whether the session is closed, and who signed as what."""

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
            case _:
                pass
    return found


def signing_problem(session: SignedSession, by: str, role: str, meaning: Meaning) -> tuple[str, str] | None:
    """Why ``by``, in this role, may not sign as this: (because, sentence), or None.

    *Performed* is the word of whoever treated; *reviewed* that of a physician who did not, and follows it.
    """
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
            meaning == "reviewed" and role != "physician",
            "not_a_physician",
            "A physician reviews. Ask the physician on the team to sign.",
        ),
        (
            meaning == "reviewed" and by == session.operator,
            "own_session",
            "Nobody reviews their own treatment. Ask another physician.",
        ),
        (
            meaning == "reviewed" and not any(was == "performed" for was, _ in session.signed),
            "not_performed_yet",
            f"{session.operator} has not signed as performed yet; review follows that.",
        ),
    )
    return next(
        (("sign_" + because, f"{sentence} Nothing was signed.") for holds, because, sentence in problems if holds), None
    )
