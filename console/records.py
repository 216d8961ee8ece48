"""Finds sessions in a journal or in a recorder's store, whichever there is."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.trouble import ConsoleError, Told
from controller.datafile import nearest
from logger.journal.entry import Entry
from logger.journal.reader import JournalReader
from logger.proof.soundness import sound_chain, sound_session
from logger.store.place import shown
from logger.store.store import Store
from station.settings import StationSettings

NEWEST = "last"
"""Stands for the newest session where an id is asked for."""
ENDS = ("session_opened", "session_closed", "session_signed", "record_amended")
"""The entries that say how a session began and ended."""

Source = JournalReader | Store
"""Where sessions are read from."""


@dataclass(frozen=True, slots=True)
class Place:
    """An open source and its name for people."""

    source: Source
    name: str


@contextmanager
def opened(settings: StationSettings, *, journal: Path | None, store: str | None) -> Iterator[Place]:
    """The journal or the store that was named; else this station's journal, else its store.

    Raises ConsoleError when there is neither, RecordError when it cannot be read.
    """
    place = _open(settings, journal=journal, store=store)
    try:
        yield place
    finally:
        place.source.close()


def _open(settings: StationSettings, *, journal: Path | None, store: str | None) -> Place:
    if store is not None:
        return Place(open_store(store), f"the store {shown(store)}")
    if journal is not None:
        return Place(JournalReader(journal), f"the journal {journal}")
    if settings.journal_path.is_file():
        return Place(JournalReader(settings.journal_path), f"the journal {settings.journal_path}")
    if "://" in settings.store_place or Path(settings.store_place).is_file():
        return Place(open_store(settings.store_place), f"the store {shown(settings.store_place)}")
    raise ConsoleError(
        Told(
            "no_record",
            f"There is no record in {settings.state_dir}.",
            "No station has run there yet, or it keeps its record elsewhere.",
            "Name the place with --state, --journal or --store.",
        )
    )


def where_to_look(
    settings: StationSettings, journal: Path | None, store: str | None
) -> list[tuple[str | None, Path | None]]:
    """What was named, each as (store, journal); else the store, for the whole site, and behind it this station's
    journal, which is ahead."""
    if journal is not None or store is not None:
        return [(store, journal)]
    place = settings.store_place
    there: list[tuple[str | None, Path | None]] = []
    if "://" in place or Path(place).is_file():
        there.append((place, None))
    if settings.journal_path.is_file() or not there:
        there.append((None, None))
    return there


def ends(source: Source, session: str) -> Iterator[Entry]:
    """Who and what, how it ended and who signed, without reading all of a session."""
    return source.session_entries(session, ENDS)


def sound_entries(source: Source, session: str) -> Iterator[Entry]:
    """Every entry of a session, checked as it is read. Raises RecordDamaged at the first that is not sound."""

    def after(station: str, sequence: int) -> Iterator[Entry]:
        return source.entries(sequence) if isinstance(source, JournalReader) else source.entries(station, sequence)

    return sound_session(source.session_entries(session), after)


def entries_of(source: Source, types: Sequence[str], after: Mapping[str, int]) -> Iterator[Entry]:
    """The entries of some types, of a journal or of every station in a store, one station after the other; of each
    those with a greater sequence than ``after`` has for it."""
    if isinstance(source, JournalReader):
        return source.entries_of(types, after.get(source.station, 0))
    return source.entries_of(types, after)


def every_sound_entry(source: Source) -> Iterator[Entry]:
    """As :func:`every_entry`, checked as it is read. Raises RecordDamaged at the first that is not sound."""
    return sound_chain(every_entry(source))


def every_entry(source: Source) -> Iterator[Entry]:
    """Everything in a journal, or of every station in a store, one station after the other."""
    if isinstance(source, JournalReader):
        yield from source.entries()
        return
    for span in source.stations():
        yield from source.entries(span.station)


def open_store(place: str) -> Store:
    """A store that is there already: reading one must not create it. Raises ConsoleError, StoreUnusable."""
    path = place.removeprefix("sqlite:///") if place.startswith("sqlite:///") else place
    if "://" not in path and not Path(path).is_file():
        raise ConsoleError(
            Told(
                "no_store",
                f"There is no store at {path}.",
                "Nothing was created.",
                "Check the path given with --store.",
            )
        )
    return Store.open_to_read(place)


def session_named(source: Source, name: str) -> str:
    """The session whose id is ``name``, begins with it, or is the newest. Raises ConsoleError with the nearest ids."""
    known = [span.session for span in source.sessions()]
    if not known:
        raise ConsoleError(
            Told("no_session", "There is no session in this record yet.", "", "The first `needlework treat` makes one.")
        )
    if name == NEWEST:
        return known[-1]
    if name in known:
        return name
    found = [session for session in known if name and session.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        what = f"{len(found)} sessions begin with {name!r}: {', '.join(found[-3:])}."
        raise ConsoleError(Told("several_sessions", what, "", "Give more of the id."))
    raise ConsoleError(
        Told(
            "no_session",
            f"There is no session {name!r} in this record.",
            "",
            f"{nearest(name, known)} `needlework sessions list` names them all.",
        )
    )
