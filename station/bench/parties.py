"""What a certificate says beside measurements, from a file: who it is for, what was agreed, every free word."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from controller.datafile import DataModel, Day, Words, parse_data, read_bounded
from controller.errors import DataError
from controller.operators import NAME
from station.bench.certifying import Parties
from station.bench.laboratory import Laboratory, address_of

Lines = Annotated[tuple[Words, ...], Field(max_length=20)]
"""As many as fit beside measurements."""


class PartiesFile(DataModel):
    """The file. What it leaves out is left out; ``due_on`` is for a customer who asked for a date."""

    customer: Laboratory | None = None
    people: dict[Annotated[str, Field(pattern=f"^{NAME}$")], Words] = Field(default_factory=dict, max_length=20)
    performed_at: Literal["laboratory", "customer", "elsewhere"] | None = None
    place: Words | None = None
    received_on: Day | None = None
    due_on: Day | None = None
    condition: Words | None = None
    deviations: Lines | None = None
    remarks: Lines | None = None
    customer_said: Lines | None = None


def read_parties(path: Path, measured_on: date, so_far: Parties | None = None) -> Parties:
    """What a file says, over what is known ``so_far``; ``measured_on`` is the day that it cannot be due before.

    Raises DataError naming file, line and reason.
    """
    said = parse_data(PartiesFile, read_bounded(path), str(path))
    if said.due_on is not None and said.due_on < measured_on:
        raise DataError(
            f"{path}: due_on: {said.due_on.isoformat()} is before the day of measuring, {measured_on.isoformat()}: no "
            "station would arm the pen. Write the day that the customer asked for. Nothing was issued."
        )
    known = so_far or Parties()
    return replace(
        known,
        customer=known.customer if said.customer is None else address_of(said.customer),
        people={**known.people, **said.people},
        performed_at=said.performed_at or known.performed_at,
        place=said.place or known.place,
        received_on=known.received_on if said.received_on is None else said.received_on.isoformat(),
        due_on=known.due_on if said.due_on is None else said.due_on.isoformat(),
        condition=said.condition or known.condition,
        deviations=known.deviations if said.deviations is None else said.deviations,
        remarks=known.remarks if said.remarks is None else said.remarks,
        customer_said=known.customer_said if said.customer_said is None else said.customer_said,
    )
