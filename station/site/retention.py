"""How long a site keeps what it knows of a person: figures with their source, from a file; and what follows. Pure.

The figures are the clinic's, by the law of its place. What cannot be known refuses: nothing is erased on a guess.
"""

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field

from controller.datafile import DataModel, load_data
from controller.operators import Confirmation
from station.errors import KeyMapRefused, Trouble
from station.site.keymap import Person


class Retention(DataModel):
    """A retention file. Years after the last visit; ages in years; ``confirmed`` None is an example nobody answers for.

    ``minors_until_age`` counts for whoever was younger than ``majority_age`` at the last visit.
    """

    format: Literal["needlework-retention/1"]
    keep_years: int = Field(ge=1, le=100)
    majority_age: int = Field(ge=12, le=25)
    minors_until_age: int = Field(ge=12, le=100)
    source: str = Field(min_length=1)
    confirmed: Confirmation | None
    hold_reasons: dict[str, str] = Field(min_length=1)


def load_retention(path: Path | None = None) -> Retention:
    """The retention file of the clinic, or the example shipped. Raises DataError."""
    return load_data(Retention, path, "retention.yaml")


def years_later(day: date, years: int) -> date:
    """The same day so many years later; 29 February becomes 1 March where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def kept_until(retention: Retention, born: date, last_visit: date) -> date:
    """The first day on which somebody may be erased."""
    until = years_later(last_visit, retention.keep_years)
    if last_visit < years_later(born, retention.majority_age):
        until = max(until, years_later(born, retention.minors_until_age))
    return until


def check_erasure(retention: Retention, person: Person, last_visit: date | None, today: date, *, demo: bool) -> None:
    """Raises KeyMapRefused for what has to be kept. ``last_visit`` None is somebody who was never treated."""
    if person.hold:
        why = retention.hold_reasons.get(person.hold, "a reason no longer listed")
        raise _refused(
            "legal_hold",
            f"{person.pseudonym} is on hold: {person.hold} ({why}).",
            "A physician or manager lifts the hold when its reason is gone: `needlework patients hold --release`.",
        )
    if last_visit is None:
        return
    if retention.confirmed is None and not demo:
        raise _refused(
            "retention_unconfirmed",
            "How long this clinic keeps its records was confirmed by nobody: the figures are an example.",
            "Name the clinic's retention file in NEEDLEWORK_RETENTION, with who confirmed it.",
        )
    if person.born is None:
        raise _refused(
            "birth_date_unknown",
            f"The birth date of {person.pseudonym} is not known, and minors' records are kept longer.",
            "Enter it with `needlework patients rename --born`, then erase.",
        )
    until = kept_until(retention, person.born, last_visit)
    if today < until:
        raise _refused(
            "retention",
            f"{person.pseudonym} was treated last on {last_visit.isoformat()} and is kept until {until.isoformat()} "
            f"({retention.source}).",
            f"Erase on {until.isoformat()} or later. A wrong figure is corrected in the retention file.",
        )


def record_unread(pseudonym: str, error: Exception) -> Trouble:
    """Why nobody is erased while the record cannot be asked."""
    return Trouble(
        "record_unread",
        f"When {pseudonym} was treated last is not known: {error}",
        "Nothing was erased: another station may have treated this patient since.",
        "Try again when the record can be read; `needlework doctor` looks at the journal, `needlework store check` at "
        "the store.",
    )


def _refused(code: str, what: str, do: str) -> KeyMapRefused:
    return KeyMapRefused(Trouble(code, what, "Nothing was erased.", do))
