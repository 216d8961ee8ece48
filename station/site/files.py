"""What the stations of a site share, and what is kept of them elsewhere: key, key map and private files, always sealed.

A *share* is the site's keys and its key map under a passphrase: carried by hand to another station, which brings it
together with its own. A *backup* is every private file of a station under the site's key, with the files of its bench.
Neither ever takes back an erasure: what is erased here stays erased, whatever comes in.
"""

import io
import json
import os
import sqlite3
import zipfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import ValidationError

from logger.journal.ownership import Ownership
from logger.sqlite_files import read_only_uri
from logger.whole_file import replace_whole
from station.errors import KeyMapRefused, KeyMapUnusable, Trouble
from station.settings import StationSettings
from station.site import last_visits
from station.site.amendments import erase_texts
from station.site.history_file import HistoryFile
from station.site.kept_files import BenchFiles, bench_files, others_there, put_bench_files
from station.site.key import KeyRing, add_to_ring, merged_rings, read_ring, ring_as_json, ring_of_json
from station.site.keymap import KeyMap, KeyMapConflict, KeyMapForm, Tombstone, alike, merge
from station.site.keymap_file import KeyMapFile
from station.site.retention import check_erasure, load_retention
from station.site.sealing import FILE_MAX_BYTES, CannotOpen, RandomBytes, file_kind, open_file, seal_file

SHARE, BACKUP = "share", "backup"
_MICROSECONDS = 1_000_000
_NAMED = 8
_KEYS, _MAP, _KEY_MAP_NAME = "keys.json", "keymap.json", "keymap.sqlite"


@dataclass(frozen=True, slots=True)
class Joined:
    """What another station's share brought: how many people were new, erased here by it, and who may be one person.

    ``kept`` are those whom the other station erased and this one keeps, each with the reason, until a person decides.
    """

    people: int
    new: int
    erased: int
    alike: tuple[tuple[str, str], ...]
    kept: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Restored:
    """The files a backup put in place, those of the bench apart, and how many of the people in it stay erased."""

    files: tuple[str, ...]
    kept_erased: int
    bench: BenchFiles = field(default_factory=BenchFiles)


def private_files(settings: StationSettings) -> dict[str, Path]:
    """The databases of a station that stay at its site, by their name in a backup."""
    return {
        _KEY_MAP_NAME: settings.key_map_path,
        "history.sqlite": settings.history_path,
        "accounts.sqlite": settings.accounts_path,
        "ledger.sqlite": settings.ledger_path,
        "amendments.sqlite": settings.amendments_path,
        "pens.sqlite": settings.pens_path,
    }


# Sharing --------------------------------------------------------------------------------------------------------------


def share(
    settings: StationSettings, passphrase: str, now_us: int, *, people: bool, random_bytes: RandomBytes = os.urandom
) -> bytes:
    """The site's keys and, with ``people``, its key map, under a passphrase.

    Raises KeyMapUnusable, MemoryUnavailable.
    """
    with closing(_key_map(settings)) as file:
        ring = file.ring(now_us)
        content = file.content() if people else KeyMap()
    if people and settings.history_path.exists():
        with closing(HistoryFile(settings.history_path)) as history:
            days = {name: day for name, day in history.last_days().items() if name in content.entries}
        content = merge(content, KeyMap(visited=days))
    packed = json.dumps({_KEYS: ring_as_json(ring), _MAP: KeyMapForm.of(content).model_dump_json()})
    return seal_file(packed.encode(), SHARE, passphrase, random_bytes)


def join(settings: StationSettings, sealed: bytes, passphrase: str, now_us: int) -> Joined:
    """Brings a share in. Raises KeyMapRefused for what is none, KeyMapUnusable, MemoryUnavailable."""
    try:
        packed = json.loads(open_file(sealed, SHARE, passphrase=passphrase))
        ring, content = ring_of_json(packed[_KEYS]), KeyMapForm.model_validate_json(packed[_MAP]).keymap()
    except (CannotOpen, ValidationError, KeyError, TypeError, ValueError) as error:
        raise _not_taken("The file", _reason(error)) from error
    return join_ring(settings, ring, content, now_us)


def join_ring(settings: StationSettings, ring: KeyRing, content: KeyMap, now_us: int) -> Joined:
    """Brings keys and a key map in; whoever is erased by it is forgotten by the history here too. An erasure that would
    be refused here, for a hold or a visit of which the other station did not know, is not brought in.

    Raises KeyMapRefused, KeyMapUnusable, MemoryUnavailable, RecordError, DataError.
    """
    with closing(_key_map(settings)) as file:
        before, stones = set(file.pseudonyms()), file.tombstones()
        kept = _kept(settings, file, content, ring, now_us)
        spared = {name: stone for name, stone in content.tombstones.items() if name not in kept}
        content = replace(content, tombstones=spared)
        try:
            whole = file.take(content, ring, now_us)
        except KeyMapConflict as error:
            raise _not_taken("The key map", f"{error}: it is of another site") from error
        _forget(settings, file.tombstones())
        people = file.people()
    erased = len(before & (set(whole.tombstones) - stones))
    return Joined(len(people), len(set(whole.entries) - before), erased, alike(people), tuple(sorted(kept.items())))


# Backups --------------------------------------------------------------------------------------------------------------


def backup(settings: StationSettings, now_us: int, *, random_bytes: RandomBytes = os.urandom) -> bytes:
    """Every private file of a station as it is at this moment, and the site's keys, under the newest of them.

    Works while the station runs. Raises KeyMapUnusable, OSError.
    """
    with closing(_key_map(settings)) as file:
        ring = file.ring(now_us)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_KEYS, ring_as_json(ring))
        for name, path in private_files(settings).items():
            if path.is_file():
                archive.writestr(name, _copy(path))
        for name, held in bench_files(settings).items():
            archive.writestr(name, held)
    content = packed.getvalue()
    if len(content) > FILE_MAX_BYTES:
        raise _not_taken("The backup", f"it would have {len(content)} bytes, more than can be sealed at once")
    return seal_file(content, BACKUP, ring[-1], random_bytes)


def restore(
    settings: StationSettings,
    sealed: bytes,
    keys: KeyRing,
    now_us: int,
    *,
    replace: bool,
    erased: Iterable[str] = (),
) -> Restored:
    """Puts the files of a backup in place while no station runs. ``keys`` are those typed in, ``erased`` pseudonyms
    that the record knows as erased: neither they nor those erased here come back.

    A key map that is here already is brought together with the one in the backup; any other file that is here already
    is replaced only with ``replace``, a certificate or calibration under way that is the same here is none of them.
    Raises KeyMapRefused, KeyMapUnusable, MemoryUnavailable, RecordError, OSError.
    """
    ring = merged_rings(read_ring(settings.site_key_path), keys)
    try:
        content = open_file(sealed, BACKUP, keys=ring)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found = {name: archive.read(name) for name in archive.namelist()}
        ring = merged_rings(ring, ring_of_json(found.pop(_KEYS).decode()))
    except (CannotOpen, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise _not_taken("The backup", _reason(error)) from error
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    owner = Ownership(settings.journal_path)  # no station writes meanwhile
    try:
        places = {name: path for name, path in private_files(settings).items() if name in found}
        there = [path.name for name, path in places.items() if name != _KEY_MAP_NAME and _holds(path)]
        there += others_there(settings, found)
        if there and not replace:
            raise KeyMapRefused(
                Trouble(
                    "files_there",
                    f"{_listed(there)} would be replaced.",
                    "Nothing was restored: what they hold and the backup does not would be lost.",
                    "Back up what is there, then restore with --replace.",
                )
            )
        add_to_ring(settings.site_key_path, ring)
        known = _key_map_back(settings, found.get(_KEY_MAP_NAME), ring, frozenset(erased), now_us)
        for name, path in places.items():
            if name != _KEY_MAP_NAME:
                _put(path, found[name])
        bench = put_bench_files(settings, found)
        with closing(_key_map(settings)) as file:
            stones = file.tombstones()
        _forget(settings, stones)
        return Restored(tuple(places), len(known & stones), bench)
    finally:
        owner.release()


def kind_of(sealed: bytes) -> tuple[str, str | None]:
    """What a sealed file is, and the site key it is under; None for a passphrase. Raises KeyMapRefused."""
    try:
        return file_kind(sealed)
    except CannotOpen as error:
        raise _not_taken("The file", str(error)) from error


# Inside ---------------------------------------------------------------------------------------------------------------


def _kept(settings: StationSettings, file: KeyMapFile, content: KeyMap, ring: KeyRing, now_us: int) -> dict[str, str]:
    """Whom the other station erased and this one would not, with the reason."""
    asked = set(content.tombstones) & set(file.pseudonyms())
    if not asked:
        return {}
    retention = load_retention(settings.retention)
    today = datetime.fromtimestamp(now_us / _MICROSECONDS, UTC).date()
    kept: dict[str, str] = {}
    with closing(HistoryFile(settings.history_path)) as history:
        for person in file.people(ring):
            if person.pseudonym not in asked:
                continue
            told = (history.last_day(person.pseudonym), file.visited(person.pseudonym))
            days = [date.fromisoformat(day) for day in told if day is not None]
            recorded = last_visits.in_record(settings, person.pseudonym)
            days += [] if recorded is None else [recorded]
            try:
                check_erasure(retention, person, max(days, default=None), today, demo=False)
            except KeyMapRefused as refused:
                kept[person.pseudonym] = refused.trouble.what
    return kept


def _key_map_back(
    settings: StationSettings, content: bytes | None, ring: KeyRing, erased: frozenset[str], now_us: int
) -> frozenset[str]:
    """The key map of a backup, brought together with what is here, without those erased; whom the backup knew."""
    known: frozenset[str] = frozenset()
    buried = KeyMap(tombstones={name: Tombstone(now_us, "record") for name in erased})
    beside = settings.key_map_path.with_name(_KEY_MAP_NAME + ".restored")
    if content is not None:
        _put(beside, content)
    try:
        came = KeyMap()
        if content is not None:
            with closing(KeyMapFile(beside, settings.site_key_path)) as file:
                known, came = frozenset(file.pseudonyms()), file.content()
                file.take(buried, ring, now_us)  # before it has its name: whoever is erased is never in the key map
            if not settings.key_map_path.exists():
                beside.replace(settings.key_map_path)  # with who looked at whom
        with closing(_key_map(settings)) as file:
            file.take(merge(came, buried), ring, now_us)
    except KeyMapConflict as error:
        raise _not_taken("The backup", f"{error}: it is of another site") from error
    finally:
        beside.unlink(missing_ok=True)
    return known


def _key_map(settings: StationSettings) -> KeyMapFile:
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return KeyMapFile(settings.key_map_path, settings.site_key_path)


def _forget(settings: StationSettings, pseudonyms: Iterable[str]) -> None:
    with closing(HistoryFile(settings.history_path)) as history:
        for pseudonym in pseudonyms:
            erase_texts(settings.amendments_path, history.sessions_of(pseudonym))
            history.forget(pseudonym)


def _copy(path: Path) -> bytes:
    """A database as it is at one moment, whoever writes into it meanwhile."""
    try:
        with (
            closing(sqlite3.connect(read_only_uri(path), uri=True)) as source,
            closing(sqlite3.connect(":memory:")) as copy,
        ):
            source.backup(copy)
            return copy.serialize()
    except sqlite3.Error as error:
        raise KeyMapUnusable(
            Trouble("backup", f"{path} cannot be copied: {error}.", "No backup was made.", "Check the disk.")
        ) from error


def _holds(path: Path) -> bool:
    """Whether replacing the database loses anything: one that was made by looking for somebody has no row yet."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(read_only_uri(path), uri=True)) as database:
            tables = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            return any(database.execute(f'SELECT EXISTS (SELECT 1 FROM "{name}")').fetchone()[0] for (name,) in tables)  # noqa: S608 names from the file
    except sqlite3.Error:
        return True  # what cannot be read is not thrown away unasked


def _put(path: Path, content: bytes) -> None:
    """A file in place at once and whole, for its owner alone; what SQLite kept beside the one before goes with it."""
    for beside in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    replace_whole(path, content)


def _listed(names: list[str]) -> str:
    """All where they are few; a folder of a thousand certificates by the first ones."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, CannotOpen) else "it is not whole"


def _not_taken(what: str, why: str) -> KeyMapRefused:
    return KeyMapRefused(Trouble("sealed_file", f"{what} cannot be used: {why}.", "Nothing was changed.", ""))
