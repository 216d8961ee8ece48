"""`needlework sessions`: what happened, in a list and one by one."""

from collections import deque
from pathlib import Path

from console.exits import Code
from console.records import ends, opened, session_named, sound_entries
from console.render.record import record_view
from console.render.sessions import SessionLine, sessions_view
from console.screen import out, print_json, say
from console.trace import moments
from logger.errors import RecordDamaged
from logger.record.records import session_record
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
    """Prints the record of one session.

    Raises RecordError, ConsoleError; RecordDamaged behind what it printed, where that is not what was journalled.
    """
    damaged: RecordDamaged | None = None
    with opened(settings, journal=journal, store=store) as place:
        session = session_named(place.source, name)
        entries = list(place.source.session_entries(session))
        try:
            deque(sound_entries(place.source, session), maxlen=0)
        except RecordDamaged as error:
            damaged = error
    record = session_record(entries)
    if as_json:
        print_json(record.model_dump(mode="json"))
    else:
        console = out()
        say(console, record_view(record, moments(entries), width=console.width))
    if damaged is not None:
        raise damaged
    return Code.DONE
