"""Who is behind a pseudonym, as data that several stations can bring together in any order. Pure.

What is known of a person is a set of *revisions*, each saying anew some of the fields; the person is what they come to,
in the order of their times. Nothing is changed in place, so bringing two key maps together is the union of their
revisions: nothing is lost, nothing is there twice, and the order does not matter. An erased pseudonym has a
tombstone, which wins over every revision, wherever that comes from. Each person has a data key of their own; what is
sealed with it is unreadable once the data key is gone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from controller.plan import Pseudonym

Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A line that a person typed."""


class Details(BaseModel):
    """What a person at the site says of a patient; None says nothing of that field, an empty text takes it away.

    ``photos`` are references to files that stay where they are, ``chart`` is the number of the clinic's own chart,
    ``hold`` a reason of the retention file for which nothing may be erased.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Line | None = None
    born: date | None = None
    contact: Line | None = None
    chart: Line | None = None
    photos: tuple[Line, ...] | None = Field(default=None, max_length=200)
    hold: Line | None = None


class Revision(BaseModel):
    """Details said at one moment (µs since 1970 UTC) by one person of the site. ``id`` is random."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    id: str
    at_us: int
    by: str
    said: Details


@dataclass(frozen=True, slots=True)
class Person:
    """A patient as the site knows them. ``since_us`` is when they were entered."""

    pseudonym: str
    name: str = field(repr=False)
    born: date | None = field(repr=False)
    contact: str = field(repr=False)
    chart: str = field(repr=False)
    photos: tuple[str, ...] = field(repr=False)
    hold: str
    since_us: int


def person_of(pseudonym: str, revisions: Iterable[Revision]) -> Person:
    """What the revisions come to: of each field the newest one that says something."""
    ordered = sorted(revisions, key=lambda one: (one.at_us, one.id))
    said: dict[str, object] = {}
    for revision in ordered:
        said |= {name: value for name, value in revision.said if value is not None}
    details = Details.model_validate(said)
    return Person(
        pseudonym=pseudonym,
        name=details.name or "",
        born=details.born,
        contact=details.contact or "",
        chart=details.chart or "",
        photos=details.photos or (),
        hold=details.hold or "",
        since_us=ordered[0].at_us if ordered else 0,
    )


def matches(person: Person, text: str) -> bool:
    """Whether a person is meant by what was typed: parts of the name in any order, a birth date, a chart number."""
    words = text.casefold().split()
    if not words:
        return False
    name = person.name.casefold()
    born = person.born.isoformat() if person.born is not None else ""
    return all(word in name or word == born or word == person.chart.casefold() for word in words)


def same_person(one: Person, other: Person) -> bool:
    """Whether two entries are probably one person: the same name, written in any case, and birth date."""
    return (
        one.pseudonym != other.pseudonym
        and one.name.casefold().split() == other.name.casefold().split()
        and one.born == other.born
        and one.born is not None
    )


def alike(people: Iterable[Person]) -> tuple[tuple[str, str], ...]:
    """Pairs of entries that are probably one person, each entry with the first of its kind."""
    first: dict[tuple[object, ...], str] = {}
    pairs = []
    for person in people:
        if person.born is None:
            continue
        known = first.setdefault((*person.name.casefold().split(), person.born), person.pseudonym)
        if known != person.pseudonym:
            pairs.append((known, person.pseudonym))
    return tuple(pairs)


# Bringing key maps together -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """A person's data key, and their revisions by id, each sealed with it."""

    data_key: bytes = field(repr=False)
    revisions: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, order=True)
class Tombstone:
    """That a pseudonym was erased: when (µs since 1970 UTC), by whom."""

    at_us: int
    by: str


@dataclass(frozen=True, slots=True)
class KeyMap:
    """A whole key map. ``visited`` is the last day (ISO) each pseudonym was treated, as far as its station knew."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    tombstones: Mapping[str, Tombstone] = field(default_factory=dict)
    visited: Mapping[str, str] = field(default_factory=dict)


class KeyMapConflict(Exception):
    """Two key maps have different people under one pseudonym: they are not of one site."""


def merge(one: KeyMap, other: KeyMap) -> KeyMap:
    """Everything of both. Commutative, associative, idempotent. Raises KeyMapConflict."""
    tombstones = dict(one.tombstones)
    for pseudonym, stone in other.tombstones.items():
        tombstones[pseudonym] = min(stone, tombstones.get(pseudonym, stone))
    entries: dict[str, Entry] = {}
    for pseudonym, entry in (*one.entries.items(), *other.entries.items()):
        if pseudonym in tombstones:
            continue
        known = entries.get(pseudonym)
        if known is not None and known.data_key != entry.data_key:
            raise KeyMapConflict(f"{pseudonym} stands for different people in the two key maps")
        revisions = dict(known.revisions) if known is not None else {}
        for number, sealed in entry.revisions.items():
            revisions[number] = max(sealed, revisions.get(number, sealed))
        entries[pseudonym] = Entry(entry.data_key, revisions)
    visited = dict(one.visited)
    for pseudonym, day in other.visited.items():
        visited[pseudonym] = max(day, visited.get(pseudonym, day))
    return KeyMap(entries, tombstones, {name: day for name, day in visited.items() if name not in tombstones})


class EntryForm(BaseModel):
    """An entry in a file; bytes in hexadecimal."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    data_key: str
    revisions: dict[str, str]


class KeyMapForm(BaseModel):
    """A key map in a file, which is sealed as a whole."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    entries: dict[Pseudonym, EntryForm]
    tombstones: dict[Pseudonym, tuple[int, str]]
    visited: dict[Pseudonym, date]

    @classmethod
    def of(cls, keymap: KeyMap) -> "KeyMapForm":
        """A key map, to be written."""
        return cls(
            entries={
                name: EntryForm(
                    data_key=entry.data_key.hex(),
                    revisions={number: sealed.hex() for number, sealed in entry.revisions.items()},
                )
                for name, entry in keymap.entries.items()
            },
            tombstones={name: (stone.at_us, stone.by) for name, stone in keymap.tombstones.items()},
            visited={name: date.fromisoformat(day) for name, day in keymap.visited.items()},
        )

    def keymap(self) -> KeyMap:
        """The key map that was written. Raises ValueError."""
        return KeyMap(
            {
                name: Entry(
                    bytes.fromhex(form.data_key),
                    {number: bytes.fromhex(sealed) for number, sealed in form.revisions.items()},
                )
                for name, form in self.entries.items()
            },
            {name: Tombstone(*stone) for name, stone in self.tombstones.items()},
            {name: day.isoformat() for name, day in self.visited.items()},
        )
