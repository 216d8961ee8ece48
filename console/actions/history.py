"""`needlework sessions`: what happened, in a list and one by one."""

from pathlib import Path

from console.exits import Code
from console.records import ends, opened, session_named
from console.render.record import record_view
from console.render.sessions import SessionLine, sessions_view
from console.screen import out, print_json, say
from console.trace import moments
from logger.records import session_record
from station.settings import StationSettings


def list_sessions(settings: StationSettings, *, journal: Path | None, store: str | None, as_json: bool) -> int:
    """Prints a line a session, oldest first. Raises RecordError, ConsoleError."""
    with opened(settings, journal=journal, store=store) as place:
        records = [session_record(ends(place.source, span.session)) for span in place.source.sessions()]
    lines = [SessionLine.of(record) for record in records]
    if as_json:
        print_json([line.as_data() for line in lines])
    else:
        console = out()
        say(console, sessions_view(lines, place.name))
    return Code.DONE


def show_session(
    settings: StationSettings, name: str, *, journal: Path | None, store: str | None, as_json: bool
) -> int:
    """Prints the record of one session. Raises RecordError, ConsoleError."""
    with opened(settings, journal=journal, store=store) as place:
        entries = list(place.source.session_entries(session_named(place.source, name)))
    record = session_record(entries)
    if as_json:
        print_json(record.model_dump(mode="json"))
    else:
        console = out()
        say(console, record_view(record, moments(entries), width=console.width))
    return Code.DONE
