"""Who was treated with what: from a cartridge's lot, a pen, an operator or a time to sessions and back.

What is told of a patient is the pseudonym the record has; who that is, only the site knows. The same walk over entries
makes the answer from a journal and fills the tables that a store answers from.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import ValidationError

from controller.events import PenArmed, PenConnected, SessionClosed, SessionOpened
from logger.journal.entry import Entry

MAX_TEXT: Final = 200
"""Characters of a text that is looked up by; PostgreSQL takes no row of an index beyond 2.7 kB."""

TYPES: Final = ("pen_connected", "session_opened", "pen_armed", "session_closed")
"""Types of events that say what was used; what is needed of the record for a look-back."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for; None is any, and all that is given has to fit.

    ``pen`` is its name at the station or its serial number. The times, in µs since 1970 UTC, bound a span in which the
    session was open: ``until_utc_us`` is the first moment that is not in it.
    """

    lot: str | None = None
    pen: str | None = None
    operator: str | None = None
    since_utc_us: int | None = None
    until_utc_us: int | None = None


@dataclass(frozen=True, slots=True)
class Connected:
    """A pen of this serial number answers to this name at the station."""

    station: str
    sequence: int
    pen: str
    serial: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A session began."""

    station: str
    session: str
    sequence: int
    opened_utc_us: int
    pen: str
    patient: str
    operator: str
    protocol: str


@dataclass(frozen=True, slots=True)
class Used:
    """A session armed a pen with a cartridge. ``unused`` says how its being new was known."""

    station: str
    sequence: int
    session: str
    utc_us: int
    lot: str
    serial: str
    unused: str
    pen: str
    pen_serial: str


@dataclass(frozen=True, slots=True)
class Closed:
    """A session ended."""

    station: str
    session: str
    closed_utc_us: int
    outcome: str


Fact = Connected | Opened | Used | Closed


@dataclass(frozen=True, slots=True)
class SessionUsed:
    """A session and what was used in it, oldest use first; ``closed_utc_us`` and ``outcome`` None while it is open."""

    station: str
    session: str
    opened_utc_us: int
    closed_utc_us: int | None
    outcome: str | None
    patient: str
    operator: str
    protocol: str
    pen: str
    uses: tuple[Used, ...] = ()

    def fits(self, asked: Asked) -> bool:
        """Whether it is one of those that are looked for."""
        end_utc_us = self.opened_utc_us if self.closed_utc_us is None else self.closed_utc_us
        return (
            (asked.lot is None or any(use.lot == kept(asked.lot) for use in self.uses))
            and (
                asked.pen is None
                or self.pen == kept(asked.pen)
                or any(use.pen_serial == kept(asked.pen) for use in self.uses)
            )
            and (asked.operator is None or self.operator == kept(asked.operator))
            and (asked.since_utc_us is None or end_utc_us >= asked.since_utc_us)
            and (asked.until_utc_us is None or self.opened_utc_us < asked.until_utc_us)
        )


@dataclass(slots=True)
class Follower:
    """Goes along a station's entries and tells what was used.

    What it has to know from before its first entry it asks: which pen a session has, and which serial number a pen;
    empty when that is not on record.
    """

    pen_before: Callable[[str, str], str] = lambda _station, _session: ""
    serial_before: Callable[[str, str], str] = lambda _station, _pen: ""
    _pens: dict[tuple[str, str], str] = field(default_factory=dict)
    _serials: dict[tuple[str, str], str] = field(default_factory=dict)

    def facts(self, entries: Iterable[Entry]) -> Iterator[Fact]:
        """What these entries, in order, say of what was used."""
        for entry in entries:
            if entry.type in TYPES:
                try:
                    event = entry.event()
                except ValidationError:
                    continue  # of a later version: it stays in the entries for whoever can read it
                if isinstance(event, PenConnected):
                    pen, serial = kept(event.pen), kept(event.serial)
                    self._serials[entry.station, pen] = serial
                    yield Connected(entry.station, entry.sequence, pen, serial)
                elif entry.session is not None:
                    yield from self._of_session(entry, entry.session, event)

    def _pen_of(self, station: str, session: str) -> str:
        return self._pens.get((station, session)) or self.pen_before(station, session)

    def _of_session(self, entry: Entry, session: str, event: object) -> Iterator[Fact]:
        station = entry.station
        if isinstance(event, SessionOpened):
            pen = kept(event.pen)
            if not self._pen_of(station, session):  # opened twice, the first time counts
                self._pens[station, session] = pen
            texts = (kept(event.patient), kept(event.operator), kept(event.protocol))
            yield Opened(station, session, entry.sequence, entry.utc_us, pen, *texts)
        elif isinstance(event, PenArmed):
            pen = self._pen_of(station, session)
            serial = (self._serials.get((station, pen)) or self.serial_before(station, pen)) if pen else ""
            used = event.cartridge
            yield Used(
                station, entry.sequence, session, entry.utc_us, kept(used.lot), kept(used.serial), used.unused, pen,
                serial,
            )  # fmt: skip
        elif isinstance(event, SessionClosed):
            yield Closed(station, session, entry.utc_us, event.outcome)


def kept(text: str) -> str:
    """Text as every database can keep it and look it up: PostgreSQL has no text with a zero byte in it."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:MAX_TEXT]


def sessions_used(entries: Iterable[Entry]) -> list[SessionUsed]:
    """Every session among the entries of one station, in order, with what was used; for a journal."""
    found: dict[str, SessionUsed] = {}
    uses: dict[str, list[Used]] = {}
    for fact in Follower().facts(entries):
        if isinstance(fact, Opened):
            texts = (fact.patient, fact.operator, fact.protocol, fact.pen)
            opened = SessionUsed(fact.station, fact.session, fact.opened_utc_us, None, None, *texts)
            found.setdefault(fact.session, opened)
        elif isinstance(fact, Used):
            uses.setdefault(fact.session, []).append(fact)
        elif isinstance(fact, Closed) and fact.session in found:
            found[fact.session] = replace(found[fact.session], closed_utc_us=fact.closed_utc_us, outcome=fact.outcome)
    whole = [replace(session, uses=tuple(uses.get(session.session, ()))) for session in found.values()]
    return sorted(whole, key=lambda session: (session.opened_utc_us, session.station, session.session))
