"""`needlework lookback`: from a lot, a pen, an operator or a time to sessions, by pseudonym."""

import csv as tables
import io
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from console.exits import Code
from console.records import opened, where_to_look
from console.render.lookback import lookback_view
from console.screen import out, print_json, say
from console.trouble import ConsoleError, Told
from logger.export.files import check_free, write_whole
from logger.record.lookback import Asked, SessionUsed
from station.settings import StationSettings

Names = Callable[[Collection[str]], Mapping[str, str | None]]
"""Who is behind pseudonyms, and how they are reached; None when that is not known. Only the site can say."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_COLUMNS = (
    "station", "session", "opened_at", "closed_at", "outcome", "patient", "operator", "protocol", "pen", "used_at",
    "lot", "serial", "unused", "pen_serial",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Given:
    """What was given on the command line; times are UTC."""

    lot: str | None
    pen: str | None
    operator: str | None
    since: datetime | None
    until: datetime | None

    def asked(self) -> Asked:
        """What is looked for. Raises ConsoleError when nothing was given."""
        if self == Given(None, None, None, None, None):
            told = Told(
                "nothing_asked", "Nothing was named to look for.", "",
                "Give --lot, --pen, --operator, --since or --until; together they narrow the search.",
            )  # fmt: skip
            raise ConsoleError(told, Code.USAGE)
        until = self.until
        if until is not None and until.time() == time():
            until += timedelta(days=1)  # a day is meant whole
        return Asked(self.lot, self.pen, self.operator, _utc_us(self.since), _utc_us(until))


def lookback(
    settings: StationSettings,
    given: Given,
    *,
    csv: Path | None,
    journal: Path | None,
    store: str | None,
    as_json: bool,
    names: Names | None = None,
    force: bool = False,
) -> int:
    """Prints the sessions that fit and what was used in them; with ``names`` the people too.

    Raises RecordError (ExportError for a table that is there already, unless ``force``), ConsoleError.
    """
    asked = given.asked()
    if csv is not None and not force:
        check_free([csv])  # before anybody is looked up
    found: dict[tuple[str, str], SessionUsed] = {}
    places = []
    for where, file in where_to_look(settings, journal, store):
        with opened(settings, journal=file, store=where) as place:
            places.append(place.name)
            found |= {(session.station, session.session): session for session in place.source.look_back(asked)}
    sessions = sorted(found.values(), key=lambda session: (session.opened_utc_us, session.station, session.session))
    people = {} if names is None else names({session.patient for session in sessions})
    if csv is not None:
        _write(csv, sessions, people, force=force)
    if as_json:
        print_json([_data(session, people) for session in sessions])
    else:
        say(out(), lookback_view(sessions, people, " and ".join(places)))
    return Code.DONE if sessions else Code.NO


def _utc_us(moment: datetime | None) -> int | None:
    return None if moment is None else (moment.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def _at(utc_us: int | None) -> str | None:
    if utc_us is None:
        return None
    return (_EPOCH + timedelta(microseconds=utc_us)).isoformat(timespec="seconds")


def _data(session: SessionUsed, people: Mapping[str, str | None]) -> dict[str, object]:
    times = {"opened_at": _at(session.opened_utc_us), "closed_at": _at(session.closed_utc_us)}
    texts = ("station", "session", "outcome", "patient", "operator", "protocol", "pen")
    kept = {name: getattr(session, name) for name in texts}
    person = {"person": people[session.patient]} if people else {}
    return {**kept, **person, **times, "uses": _uses(session)}


def _uses(session: SessionUsed) -> list[dict[str, object]]:
    names = ("lot", "serial", "unused", "pen_serial")
    return [{"used_at": _at(use.utc_us), **{name: getattr(use, name) for name in names}} for use in session.uses]


def _write(file: Path, sessions: list[SessionUsed], people: Mapping[str, str | None], *, force: bool) -> None:
    """A row a use, or one for a session without any; for the owner alone, for there may be names in it."""
    columns = ("person", *_COLUMNS) if people else _COLUMNS
    text = io.StringIO(newline="")
    writer = tables.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    for session in sessions:
        data = _data(session, people)
        for use in _uses(session) or [{}]:
            writer.writerow({name: _cell(value) for name, value in {**data, **use}.items()})
    write_whole(file, lambda into: into.write(text.getvalue().encode()), force=force)


def _cell(value: object) -> object:
    """A value that a spreadsheet takes as text, also where it could be taken for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
