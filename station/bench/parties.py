"""What a certificate says beside measurements, from a file: who it is for, what was agreed, every free word."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from controller.datafile import DataModel, Day, Words, parse_data, read_bounded
from station.bench.certifying import Parties
from station.bench.laboratory import Laboratory, address_of


class PartiesFile(DataModel):
    """The file. What it leaves out is left out; ``due_on`` is for a customer who asked for a date."""

    customer: Laboratory | None = None
    people: dict[str, Words] = Field(default_factory=dict)
    performed_at: Literal["laboratory", "customer", "elsewhere"] | None = None
    place: Words | None = None
    received_on: Day | None = None
    due_on: Day | None = None
    condition: Words | None = None
    deviations: tuple[Words, ...] | None = None
    remarks: tuple[Words, ...] | None = None
    customer_said: tuple[Words, ...] | None = None


def read_parties(path: Path, so_far: Parties | None = None) -> Parties:
    """What a file says, over what is known ``so_far``. Raises DataError naming file, line and reason."""
    said = parse_data(PartiesFile, read_bounded(path), str(path))
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
