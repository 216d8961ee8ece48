"""`needlework export`: the record as files for other programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from console.exits import Code
from console.records import Place, Source, every_sound_entry, opened, session_named, sound_entries
from console.screen import err, print_json
from console.trouble import ConsoleError, Told
from logger.export.fhir import session_bundle
from logger.export.fhir_codes import Coded, Coding
from logger.export.fhir_file import write_bundle
from logger.export.tabular import Form, export_tables
from logger.journal.entry import Entry
from station.settings import StationSettings

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is exported: one session, or all that were opened from a day on and before another (UTC)."""

    session: str | None
    since: date | None
    until: date | None

    def has(self, utc_us: int) -> bool:
        """Whether a moment is in the time that was asked for."""
        return (self.since is None or utc_us >= _midnight(self.since)) and (
            self.until is None or utc_us < _midnight(self.until)
        )


def tables(
    settings: StationSettings,
    choice: Choice,
    folder: Path,
    form: Form,
    *,
    journal: Path | None,
    store: str | None,
    force: bool,
    as_json: bool,
) -> int:
    """Writes the tables and says how many rows each has. Raises RecordError, ConsoleError."""
    if choice.session is not None and (choice.since or choice.until):
        raise ConsoleError(
            Told(
                "one_or_the_other",
                "A session and a time are two ways to choose, and both were given.",
                "Nothing was written.",
                "Name the session, or give --since and --until.",
            ),
            Code.USAGE,
        )
    if choice.since is not None and choice.until is not None and choice.since >= choice.until:
        raise ConsoleError(
            Told(
                "no_time",
                f"There is no day from {choice.since} on and before {choice.until}.",
                "Nothing was written.",
                "--until names the first day that is not in it; give it one after --since.",
            ),
            Code.USAGE,
        )
    with opened(settings, journal=journal, store=store) as place:
        rows = export_tables(_sessions(place, choice), _others(place.source, choice), folder, form, force=force)
    if as_json:
        print_json({"folder": str(folder), "rows": rows})
    else:
        said = ", ".join(f"{table} {count}" for table, count in rows.items())
        err().print(f"{folder}, rows written: {said}. From {place.name}; patients are pseudonyms.")
        if not rows["sessions"]:
            when = " in that time" if choice.since or choice.until else ""
            err().print(f"No session was opened{when}: `sessions`, `zones` and `telemetry` hold their headings alone.")
    return Code.DONE


def fhir(
    settings: StationSettings,
    session: str,
    target: Path,
    *,
    journal: Path | None,
    store: str | None,
    force: bool,
    as_json: bool,
) -> int:
    """Writes one session as a FHIR bundle. Raises RecordError, ConsoleError."""
    code = settings.fhir_procedure
    coded = Coded(settings.fhir_namespace, None if code is None else Coding.parse(code))
    with opened(settings, journal=journal, store=store) as place:
        name = session_named(place.source, session)
        bundle = session_bundle(sound_entries(place.source, name), coded)
    write_bundle(bundle, target, force=force)
    if as_json:
        print_json({"file": str(target), "session": name, "resources": len(bundle["entry"])})
    else:
        count = len(bundle["entry"])
        err().print(f"{target}: {count} resources of session {name}. From {place.name}; the patient is a pseudonym.")
    return Code.DONE


def _sessions(place: Place, choice: Choice) -> Iterator[Iterator[Entry]]:
    """The entries of each session that was chosen, oldest first."""
    if choice.session is not None:
        yield sound_entries(place.source, session_named(place.source, choice.session))
        return
    for span in place.source.sessions():
        if choice.has(span.opened_utc_us):
            yield sound_entries(place.source, span.session)


def _others(source: Source, choice: Choice) -> Iterator[Entry]:
    """Entries of no session: the station's coming and going, pens, accounts. None where one session was asked for."""
    if choice.session is not None:
        return
    for entry in every_sound_entry(source):
        if entry.session is None and choice.has(entry.utc_us):
            yield entry


def _midnight(day: date) -> int:
    return (datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH) // _US
