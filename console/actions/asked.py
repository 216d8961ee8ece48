"""What `needlework treat` was asked for: the session to prepare, or the open one that is taken up again."""

import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from console.exits import Code
from console.trouble import ConsoleError, Told
from controller.plan import PSEUDONYM, SessionPlan
from controller.view import PenView


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says of the session to prepare; empty where it says nothing."""

    operator: str
    pen: str = ""
    patient: str = ""
    protocol: str = ""
    skin: str = ""
    zone: str = ""
    cartridge: str | None = None
    confirmed: tuple[str, ...] = field(default=())


def check_patient(patient: str) -> None:
    """Raises ConsoleError for what cannot be a pseudonym."""
    if patient and re.fullmatch(PSEUDONYM, patient) is None:
        raise ConsoleError(
            Told(
                "not_a_pseudonym",
                "--patient takes a pseudonym of 4 to 40 letters (A to Z), digits and hyphens, never a name.",
                "Nothing was sent; the record never holds who a patient is.",
                "Give the patient's pseudonym, or leave --patient out and a random one is made.",
            ),
            Code.USAGE,
        )


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
    if asked.protocol or asked.skin or asked.cartridge:
        said += " Protocol, skin and cartridge stay as they were prepared."
    return said


def plan_of(asked: Asked, checklist: Mapping[str, str]) -> SessionPlan:
    """The session asked for, its checklist (point and text) answered. Raises ConsoleError for what is missing."""
    missing = [f"--{name}" for name in ("protocol", "skin", "zone") if not getattr(asked, name)]
    if missing:
        raise ConsoleError(
            Told("usage", f"To prepare a session {', '.join(missing)} must be said.", "No session was prepared."),
            Code.USAGE,
        )
    answers = {item: item in asked.confirmed for item in checklist} | dict.fromkeys(asked.confirmed, True)
    if sys.stdin.isatty():
        for item in (item for item in checklist if not answers[item]):
            answer = input(f"{checklist[item]}. Confirmed? [y/N] ")
            answers[item] = answer.strip().lower() in ("y", "yes")
    return SessionPlan(
        patient=asked.patient or f"p-{secrets.token_hex(4)}",
        operator=asked.operator,
        protocol=asked.protocol,
        skin=asked.skin,
        zone=asked.zone,
        checklist=answers,
        cartridge=asked.cartridge,
        cartridge_new=asked.cartridge is not None and answers.get("cartridge_new_and_sterile", False),
    )
