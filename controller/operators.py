"""Who may operate a pen, how deep, and until when. Caps are data a clinic confirms for its own people.

What a licence allows differs by place and by training, and no table of it would stay right. So the file holds what the
clinic confirmed for each person, who confirmed it and when, and the words it is quoted in.
"""

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field

from controller.datafile import DataModel, FromMm, load_data

NAME = r"^[a-z0-9][a-z0-9-]{1,31}$"
"""An operator's id: a pseudonym or initials, never a full name; it stands in every record."""


class Confirmation(DataModel):
    """That somebody at the clinic looked at a licence and put a number to it."""

    by: str = Field(min_length=1)
    on: date


class Operator(DataModel):
    """One person's scope of practice as the clinic confirmed it.

    ``depth_cap_um`` is the greatest depth without a physician's approval, ``scope`` the words people and records read
    it in ("Arizona aesthetician, as confirmed by this clinic"). ``licence`` is the number on it, None for somebody who
    has none; it never leaves this file. ``qualified_until`` is the last day it counts.
    """

    role: Literal["aesthetician", "physician"]
    licence: str | None = Field(min_length=1)
    depth_cap_um: FromMm = Field(alias="depth_cap_mm")
    scope: str = Field(min_length=1)
    confirmed: Confirmation
    qualified_until: date


class Operators(DataModel):
    """The operators of a clinic, by pseudonymous id."""

    format: Literal["needlework-operators/2"]
    operators: dict[str, Operator]


def load_operators(path: Path | None = None) -> Operators:
    """The operators in a file, or the examples shipped. Raises DataError."""
    return load_data(Operators, path, "operators.yaml")


def operator_problem(name: str, operator: Operator, today: date) -> tuple[str, str] | None:
    """Why this person may not treat today: what refuses (for programs) and a sentence; None when they may."""
    if operator.licence is None:
        return (
            "operator_without_licence",
            f"No licence is on file for {name}. Somebody with one must treat, or the clinic enters the licence "
            "in its operators file. Nothing changed.",
        )
    if today < operator.confirmed.on:
        return (
            "operator_not_confirmed",
            f"The scope of {name} counts from {operator.confirmed.on.isoformat()}, which is not yet. Somebody "
            "confirmed must treat; if that day has passed, this computer's clock is wrong. Nothing changed.",
        )
    if today > operator.qualified_until:
        return (
            "operator_not_qualified",
            f"The qualification of {name} ended on {operator.qualified_until.isoformat()}. Somebody qualified "
            "must operate the pen, or the clinic confirms a new date. Nothing changed.",
        )
    return None
