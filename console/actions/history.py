"""`needlework sessions` and `needlework verify`: what happened, and whether the record of it is whole."""

from dataclasses import asdict
from pathlib import Path

from console.exits import Code
from console.records import ends, open_store, opened, session_named
from console.render.record import record_view
from console.render.sessions import SessionLine, sessions_view
from console.render.verify import verify_view
from console.screen import out, print_json, say
from console.trace import moments
from console.trouble import ConsoleError, Told, told_of
from logger.errors import RecordError
from logger.records import session_record
from logger.store import Store
from logger.verify import VerifyResult, verify_journal, verify_store
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


def verify(settings: StationSettings, *, journal: Path | None, store: str | None, as_json: bool) -> int:
    """Prints whether the record is what was journalled: exit code 0 intact, 1 damaged, 2 could not be checked."""
    try:
        results = _results(settings, journal=journal, store=store)
    except (RecordError, ConsoleError) as error:
        found = told_of(error)
        told = found[0] if found else Told("record", str(error))
        raise ConsoleError(told, Code.USAGE) from error
    if as_json:
        print_json([asdict(result) for result in results])
    else:
        console = out()
        for result in results:
            console.print(verify_view(result), soft_wrap=not console.is_terminal)
    return Code.DONE if all(result.verdict == "intact" for result in results) else Code.NO


def _results(settings: StationSettings, *, journal: Path | None, store: str | None) -> list[VerifyResult]:
    """A journal against the store where there is one; a store alone when only that was named."""
    if store is not None and journal is None:
        return _of_store(open_store(store))
    path = journal or settings.journal_path
    if journal is None and not path.is_file():
        raise ConsoleError(
            Told(
                "no_record",
                f"There is no journal at {path}.",
                "So there is nothing to verify.",
                "Name it with --journal, or its state directory with --state; a store alone is verified with --store.",
            )
        )
    place = store or (settings.store_place if journal is None else None)
    if place is None or ("://" not in place and not Path(place).is_file()):
        return [verify_journal(path)]
    anchor = open_store(place)
    try:
        return [verify_journal(path, store=anchor)]
    finally:
        anchor.close()


def _of_store(store: Store) -> list[VerifyResult]:
    try:
        found = [verify_store(store, span.station) for span in store.stations()]
    finally:
        store.close()
    if not found:
        raise ConsoleError(
            Told("empty_store", "The store holds no station's record.", "So there is nothing to verify.")
        )
    return found
