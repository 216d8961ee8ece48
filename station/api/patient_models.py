"""What goes in and out of the local API about patients by name. It stays between a station and its own clients."""

from datetime import date
from typing import Self

from pydantic import Field

from controller.plan import Pseudonym
from station.api.models import Asked, Told
from station.site.keymap import Details, Line, Person
from station.site.keymap_file import Look


class FindPatients(Asked):
    """Parts of a name, a birth date (2001-02-03) or a chart number; empty means everybody."""

    text: Line = ""


class AddPatient(Asked):
    """Somebody new. ``pseudonym`` is one from before there was a key map; ``another``: not the one of the same name.

    ``request`` is an id that the caller made, 16 random bytes in hexadecimal: with it the call may be made again.
    """

    said: Details
    pseudonym: Pseudonym | None = None
    another: bool = False
    request: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")


class ErasePatient(Asked):
    """Destroys who is behind a pseudonym. ``confirm`` is that pseudonym once more."""

    confirm: Pseudonym


class PersonTold(Told):
    """A patient as the site knows them."""

    pseudonym: str
    name: str = Field(repr=False)
    born: date | None = Field(repr=False)
    contact: str = Field(repr=False)
    chart: str = Field(repr=False)
    photos: tuple[str, ...] = Field(repr=False)
    hold: str

    @classmethod
    def of(cls, person: Person) -> Self:
        """A person, to be told."""
        return cls(
            pseudonym=person.pseudonym,
            name=person.name,
            born=person.born,
            contact=person.contact,
            chart=person.chart,
            photos=person.photos,
            hold=person.hold,
        )


class PeopleTold(Told):
    """Patients, by pseudonym."""

    people: tuple[PersonTold, ...]


class LookTold(Told):
    """Somebody read a name (µs since 1970 UTC), by which command."""

    at_us: int
    who: str
    what: str
    pseudonym: str

    @classmethod
    def of(cls, look: Look) -> Self:
        """A reading, to be told."""
        return cls(at_us=look.at_us, who=look.who, what=look.what, pseudonym=look.pseudonym)


class LooksTold(Told):
    """Who read names, oldest first."""

    looks: tuple[LookTold, ...]
