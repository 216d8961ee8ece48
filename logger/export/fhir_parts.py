"""Pieces of a FHIR bundle: entries with names that are the same each time, references, quantities, times."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from urllib.parse import quote
from uuid import NAMESPACE_URL, UUID, uuid5

from logger.export.fhir_codes import ABSENT, UCUM, Coded, Json

UNITS: Final = {"mm": "mm", "Hz": "Hz", "s": "s", "1": "1"}
"""UCUM's code for each unit that is used."""


@dataclass(slots=True)
class Bundle:
    """A transaction while it is made. Names follow from namespace and record, so that they are the same each time."""

    coded: Coded
    entries: list[Json] = field(default_factory=list)
    _urls: set[str] = field(default_factory=set)

    def name(self, kind: str, key: str) -> str:
        """The urn:uuid of a resource: of the same kind and key always the same."""
        root: UUID = uuid5(NAMESPACE_URL, self.coded.system(kind))
        return f"urn:uuid:{uuid5(root, key)}"

    def add(self, kind: str, key: str, resource: Json, *, kept_current: bool = False) -> Json:
        """Adds a resource and returns a reference to it.

        One with an identifier is made only where it is not there yet; with ``kept_current`` a later export of the same
        session takes the place of an earlier one.
        """
        url, type_ = self.name(kind, key), resource["resourceType"]
        request = {"method": "POST", "url": type_}
        if identifiers := resource.get("identifier"):
            same = f"identifier={quote(identifiers[0]['system'] + '|' + identifiers[0]['value'], safe='')}"
            if kept_current:
                request = {"method": "PUT", "url": f"{type_}?{same}"}
            else:
                request["ifNoneExist"] = same
        if url not in self._urls:
            self._urls.add(url)
            self.entries.append({"fullUrl": url, "resource": resource, "request": request})
        return {"reference": url, "type": type_}

    def identifier(self, kind: str, value: str) -> list[Json]:
        """An identifier in our namespace."""
        return [{"system": self.coded.system(kind), "value": value}]


def moment(at: datetime) -> str:
    """An instant, to the millisecond."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def day(text: str | None) -> str | None:
    """A day as FHIR writes it, None for what is no day."""
    try:
        return date.fromisoformat(text or "").isoformat()
    except ValueError:
        return None


def period(start: datetime, end: datetime | None) -> Json:
    """A period. Its end is left out where the computer's clock was set back behind its start meanwhile."""
    return {"start": moment(start)} | ({"end": moment(end)} if end is not None and end >= start else {})


def thousandths(value: int | None, unit: str) -> Json:
    """A number of thousandths (µm, mHz, ms) as a quantity in ``unit`` (mm, Hz, s), or why there is none."""
    return absent("not-performed", "Not Performed") if value is None else _quantity(value / 1000, unit)


def number(value: int | None) -> Json:
    """A count as a quantity, or that it is not known."""
    return absent("unknown", "Unknown") if value is None else _quantity(value, "1")


def _quantity(value: float, unit: str) -> Json:
    return {"valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": UNITS[unit]}}


def absent(code: str, words: str) -> Json:
    """Why a value is not there."""
    return {"dataAbsentReason": {"coding": [{"system": ABSENT, "code": code, "display": words}]}}
