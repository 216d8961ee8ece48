"""Who may operate a pen, how deep, and until when. Caps are data a clinic confirms for its own people."""

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field

from controller.datafile import DataModel, FromMm, load_data


class Operator(DataModel):
    """One person's scope: greatest depth in µm, in whose words, and the last day of their qualification."""

    role: Literal["aesthetician", "physician"]
    depth_cap_um: FromMm = Field(alias="depth_cap_mm")
    scope: str
    qualified_until: date


class Operators(DataModel):
    """The operators of a clinic, by pseudonymous id."""

    format: Literal["needlework-operators/1"]
    operators: dict[str, Operator]


def load_operators(path: Path | None = None) -> Operators:
    """The operators in a file, or the examples shipped. Raises DataError."""
    return load_data(Operators, path, "operators.yaml")


def operator_problem(name: str, operator: Operator, today: date) -> tuple[str, str] | None:
    """STUB."""
    if today > operator.qualified_until:
        return (
            "operator_not_qualified",
            f"The qualification of {name} ended on {operator.qualified_until.isoformat()}. Somebody qualified "
            "must operate the pen, or the clinic confirms a new date. Nothing changed.",
        )
    return None
