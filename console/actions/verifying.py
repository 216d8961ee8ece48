"""`needlework verify`: is a journal, a store or an exported record what was journalled, and against which anchor."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.progress import Progress as Bar

from console.exits import Code
from console.records import open_store
from console.render.verify import verify_view
from console.screen import err, out, print_json
from console.trouble import ConsoleError, Told, told_of
from logger.errors import RecordError
from logger.incident.checking import is_bundle, verify_bundle
from logger.journal.file import APPLICATION_ID
from logger.proof.anchors import Anchor, read_anchor
from logger.proof.checkpoints import KEY_ID_CHARS, key_id
from logger.proof.verify import Progress, VerifyResult, verify_journal, verify_store
from logger.sqlite_files import read_only_uri
from logger.store.store import Store
from station.record.station_key import public_key_at
from station.settings import StationSettings

_SQLITE = b"SQLite format 3\0"
"""The first bytes of every journal, and of a store in a file."""


@dataclass(frozen=True, slots=True)
class Against:
    """What a record is held against beside the store: anchors somebody noted, and ids of keys."""

    anchors: tuple[Anchor, ...] = ()
    trusted: frozenset[str] = frozenset()


def verify(
    settings: StationSettings,
    place: str | None,
    *,
    journal: Path | None,
    store: str | None,
    anchors: Sequence[str],
    keys: Sequence[str],
    as_json: bool,
) -> int:
    """Prints whether the record is what was journalled: exit code 0 intact, 1 damaged, 2 could not be checked.

    ``place`` is a journal, a store or an exported file, whichever it turns out to be.
    """
    try:
        against = Against(tuple(read_anchor(one) for one in anchors), frozenset(_key(one) for one in keys))
        if place is not None:
            if journal is not None or store is not None:
                raise _usage("A file is given and --journal or --store too.", "Give one of them.")
            journal, store, bundle = _kind_of(place)
        else:
            bundle = None
        with _shown() as progress:
            if bundle is not None:
                given = against.anchors, against.trusted
                results = [verify_bundle(bundle, anchors=given[0], trusted=given[1], progress=progress)]
            else:
                results = _results(settings, journal, store, against, progress)
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


@contextmanager
def _shown() -> Iterator[Progress | None]:
    """A bar on a terminal, for what takes long; nothing into a pipe."""
    console = err()
    if not console.is_terminal:
        yield None
        return
    with Bar(console=console, transient=True) as bar:
        task = bar.add_task("verifying", total=None)

        def progress(done: int, of: int | None) -> None:
            bar.update(task, completed=done, total=of)

        yield progress


def _key(text: str) -> str:
    said = text.strip().lower()
    if len(said) != KEY_ID_CHARS or any(one not in "0123456789abcdef" for one in said):
        raise _usage(
            f"{text!r} is no key's id.", f"One has {KEY_ID_CHARS} hexadecimal digits, as verify and reports print it."
        )
    return said


def _usage(what: str, do: str) -> ConsoleError:
    return ConsoleError(Told("usage", what, "Nothing was verified.", do), Code.USAGE)


def _kind_of(place: str) -> tuple[Path | None, str | None, Path | None]:
    """A journal, a store or a bundle: the one that a place is."""
    if "://" in place:
        return None, place, None
    path = Path(place)
    try:
        if is_bundle(path):
            return None, None, path
        if _begins_as_another(path):
            raise ConsoleError(
                Told(
                    "not_ours",
                    f"{path} is none of ours: neither a journal, nor a store, nor an exported record.",
                    "Nothing was verified.",
                    "Give the right file. If this was a journal that something wrote over: keep it, and hold it "
                    "against the recorder's store with --journal and --store.",
                )
            )
    except OSError as error:
        raise _usage(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error
    try:
        with closing(sqlite3.connect(read_only_uri(path), uri=True)) as connection:
            is_journal = connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    except (sqlite3.Error, UnicodeDecodeError):
        return path, None, None  # a journal's own reader says best what is wrong with it
    return (None, place, None) if "conflicts" in tables and not is_journal else (path, None, None)


def _begins_as_another(path: Path) -> bool:
    """Whether a file is another program's. An empty one, and one that begins with zeros, may be a ruined journal."""
    with path.open("rb") as file:
        begin = file.read(len(_SQLITE))
    return begin != _SQLITE and any(begin)


def _results(
    settings: StationSettings, journal: Path | None, store: str | None, against: Against, progress: Progress | None
) -> list[VerifyResult]:
    """A journal against the store where there is one; a store alone when only that was named."""
    if store is not None and journal is None:
        return _of_store(open_store(store), against, progress)
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
    anchor = None if place is None or ("://" not in place and not Path(place).is_file()) else open_store(place)
    try:
        result = verify_journal(path, store=anchor, anchors=against.anchors, trusted=against.trusted, progress=progress)
    finally:
        if anchor is not None:
            anchor.close()
    return [_by_this_machine(result, settings) if journal is None else result]


def _by_this_machine(result: VerifyResult, settings: StationSettings) -> VerifyResult:
    """With a note where the station's own journal is signed by another key than the one that is here."""
    public_key = public_key_at(settings.station_key_path)
    if public_key is None or not result.signed_by or key_id(public_key) == result.signed_by:
        return result
    note = f"The key of this machine is {key_id(public_key)}; the last checkpoint is signed by {result.signed_by}."
    return replace(result, notes=(*result.notes, note))


def _of_store(store: Store, against: Against, progress: Progress | None) -> list[VerifyResult]:
    try:
        spans = store.stations()
        if len(spans) > 1 and (against.anchors or against.trusted):
            names = ", ".join(span.station for span in spans)
            raise _usage(
                f"The store holds {len(spans)} stations: {names}.",
                "An anchor or a key is one station's: give the station's journal or an exported record with it.",
            )
        found = [
            verify_store(store, span.station, anchors=against.anchors, trusted=against.trusted, progress=progress)
            for span in spans
        ]
    finally:
        store.close()
    if not found:
        raise ConsoleError(
            Told("empty_store", "The store holds no station's record.", "So there is nothing to verify.")
        )
    return found
