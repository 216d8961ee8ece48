"""What `needlework treat` was asked for: the session to prepare, or the open one that is taken up again."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from console.answers import AnswersFile, answers_of
from console.exits import Code
from console.trouble import ConsoleError, Told
from controller.history import VisitSummary
from controller.plan import SessionPlan, is_pseudonym
from controller.view import PenView
from station.api.models import PatientTold

LAST = "last"
"""Stands for the patient's interrupted session where one is resumed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says of the session to prepare; empty where it says nothing.

    ``repeat``: protocol, skin and zones are those of the last visit, and so are depth and rate once the pen is armed.
    """

    operator: str
    pen: str = ""
    patient: str = ""
    protocol: str = ""
    skin: str = ""
    zone: str = ""
    cartridge: str | None = None
    confirmed: tuple[str, ...] = field(default=())
    zones: tuple[str, ...] = ()
    answers: AnswersFile = field(default_factory=AnswersFile)
    consent: str = ""
    code: str = ""
    interval_reason: str = ""
    resume: str = ""
    repeat: bool = False
    find: str = field(default="", repr=False)


def check_patient(patient: str, *, instead: str = "") -> None:
    """Raises ConsoleError for what cannot be a pseudonym: a word without any digit may be somebody's name.

    ``instead`` is what else can be done where none is at hand.
    """
    if patient and not is_pseudonym(patient):
        raise ConsoleError(
            Told(
                "not_a_pseudonym",
                "A patient is given by a pseudonym, never a name: 4 to 40 letters (A to Z), digits and hyphens, "
                "one digit at least.",
                "Nothing was sent; the record never holds who a patient is.",
                f"Give the patient's pseudonym{instead}.",
            ),
            Code.USAGE,
        )


def new_patient() -> str:
    """A random pseudonym; its last character is a digit, so that it is never taken for a name."""
    return f"p-{secrets.token_hex(4)}{secrets.randbelow(10)}"


def check_open(asked: Asked, view: PenView) -> None:
    """Raises ConsoleError when the open session is not the one asked for."""
    if asked.patient and asked.patient != view.patient:
        whose, give = f"of patient {view.patient}", "that patient"
    elif asked.operator != view.operator:
        whose, give = f"of patient {view.patient}, treated by {view.operator},", "that operator"
    else:
        return
    raise ConsoleError(
        Told(
            "other_session",
            f"The session {view.session} {whose} is open; give {give}, or close it first.",
            "Nothing was sent.",
            f"`needlework treat --operator {view.operator}` with the line `close` closes it.",
        )
    )


def taken_up(asked: Asked, view: PenView) -> str:
    """Whose session is taken up, in a line, and what of the command line does not change it."""
    said = f"The open session of patient {view.patient}, operator {view.operator}, zone {view.zone} is taken up."
    if asked.zone and asked.zone != view.zone:
        said += f" {view.zone} is in force, not {asked.zone}: `zone {asked.zone}` declares it."
    given = {
        "protocol": asked.protocol,
        "skin": asked.skin,
        "zones": asked.zones,
        "answers": asked.answers != AnswersFile(),
        "consent": asked.consent,
        "cartridge": asked.cartridge or asked.code,
        "interval reason": asked.interval_reason,
        "session to resume": asked.resume,
    }
    ignored = [name for name, value in given.items() if value]
    if ignored:
        said += (
            f" It stays as it was prepared; what was given is not taken: {', '.join(ignored)}. "
            "To prepare it anew with that, close it first (the line `close`), then give the same command again."
        )
    settled = [item for item in asked.confirmed if item not in view.missing]
    if settled:
        said += f" Not open on its checklist, so not confirmed again: {', '.join(settled)}."
    return said


def last_visit(told: PatientTold) -> VisitSummary | None:
    """The newest visit at which skin was treated."""
    return next((visit for visit in reversed(told.visits) if visit.treated), None)


def as_before(asked: Asked, visit: VisitSummary) -> dict[str, object]:
    """Protocol, skin and zones of a visit, for a plan, where the command line says nothing else."""
    zones = asked.zones or tuple(zone.zone for zone in visit.zones)
    return {
        "protocol": asked.protocol or visit.protocol,
        "skin": asked.skin or visit.skin,
        "zones": zones,
        "zone": asked.zone or (zones[0] if zones else ""),
    }


def plan_of(asked: Asked, told: PatientTold, library_questions: Mapping[str, object]) -> SessionPlan:
    """The session asked for by the command line alone, nothing assumed. Raises ConsoleError for what is missing."""
    resumes, visit = resumed_by(asked, told), last_visit(told)
    whole: dict[str, object] = {
        "protocol": asked.protocol,
        "skin": asked.skin,
        "zones": asked.zones,
        "zone": asked.zone or next(iter(asked.zones), ""),
    }
    if resumes is not None and told.interrupted is not None:
        whole = as_before(asked, told.interrupted)
    elif asked.repeat:
        if visit is None:
            what = f"This site knows of no treatment of the patient {told.patient} that could be repeated."
            raise ConsoleError(Told("nothing_to_repeat", what, "No session was prepared.", "Leave --repeat out."))
        whole = as_before(asked, visit)
    missing = [f"--{name}" for name in ("protocol", "skin", "zone") if not whole[name]]
    if missing:
        raise ConsoleError(
            Told("usage", f"To prepare a session {', '.join(missing)} must be said.", "No session was prepared."),
            Code.USAGE,
        )
    return SessionPlan.model_validate(
        {
            **whole,
            "patient": told.patient,
            "operator": asked.operator,
            "checklist": dict.fromkeys(asked.confirmed, True),
            "answers": answers_of(asked.answers, told.last_answers, library_questions),
            "accepted": dict(asked.answers.accepted),
            "consent": asked.consent,
            "interval_reason": asked.interval_reason,
            "resumes": resumes,
            "cartridge": asked.cartridge,
            "cartridge_code": asked.code,
            "cartridge_new": asked.cartridge is not None and "cartridge_new_and_sterile" in asked.confirmed,
        }
    )


def resumed_by(asked: Asked, told: PatientTold) -> str | None:
    """The session that is resumed, None for none. Raises ConsoleError when there is none to be."""
    if not asked.resume:
        return None
    left = told.interrupted
    if left is None or asked.resume not in (LAST, left.session):
        known = f"The one that broke off is {left.session}." if left is not None else "No session of theirs broke off."
        what = f"There is no session {asked.resume!r} of the patient {told.patient} to resume. {known}"
        raise ConsoleError(Told("nothing_to_resume", what, "No session was prepared.", "Leave --resume out."))
    return left.session
