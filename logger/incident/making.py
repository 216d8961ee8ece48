"""Makes an incident bundle of one session, from a journal or a recorder's store."""

import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from controller.events import JournalCheckpoint, StationKey, StationStarted
from logger.errors import BundleError
from logger.export.files import make_private
from logger.incident.lines import Older, Part, leaves_a_hole, parts_of, written
from logger.incident.manifest import ENTRIES, FORMAT, MANIFEST, Manifest
from logger.incident.readme import readme
from logger.journal.entry import Entry
from logger.journal.reader import JournalReader
from logger.proof.chain import Walk, Withheld
from logger.proof.checkpoints import CHECKPOINT_ENTRIES, Trail, public_key_of
from logger.proof.findings import Findings, printable
from logger.record.records import session_record
from logger.store.conflicts import Conflict
from logger.store.store import Store

COMMENT: Final = b"needlework-record/1 sha256:"
COMMENT_BYTES: Final = len(COMMENT) + 64
LOOK_BACK: Final = 2 * CHECKPOINT_ENTRIES
"""How far before the session the checkpoint before it is looked for: they are never farther apart by much."""

MAX_LINES: Final = 250_000
"""Three times what four pens at work write beside a session of four hours."""
MAX_ENTRIES_BYTES: Final = 256 * 1024 * 1024
"""A second's inputs are some 10 kB: seven hours of them. What claims more is somebody's who wants to fill a memory."""

_FIXED = (1980, 1, 1, 0, 0, 0)  # no time of making: the same record makes the same bytes


Source = JournalReader | Store


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle as it was written."""

    path: Path
    manifest: Manifest


@dataclass(slots=True)
class _Facts:
    """What is learned while the entries are written."""

    first: int = 0
    last: int = 0
    shown: int = 0
    withheld: int = 0
    older: int = 0
    software: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    walk: Walk = field(default_factory=Walk)
    findings: Findings = field(default_factory=Findings)


def make_bundle(source: Source, session: str, path: Path, *, made_by: str) -> Made:
    """Writes the bundle of ``session`` to ``path``, which must not be there.

    ``made_by`` is this product's name and version. Raises BundleError, RecordError of the source, RecordNotFound.
    """
    own = list(source.session_entries(session))
    record = session_record(own)
    station = record.station
    conflicts = source.conflicts(station) if isinstance(source, Store) else []
    beside = path.with_name(f".{path.name}.part")
    if path.exists():
        raise BundleError(f"{path} is there already. Nothing was written. Give another name, or move it away.")
    try:
        make_private(beside)
        with beside.open("r+b") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
            facts = _learn(source, station, session, own)
            manifest = _manifest(facts, station, session, source, made_by)
            texts = {
                "README.txt": readme(manifest, printable(path.name)).encode(),
                "record.json": json_text(record.model_dump(mode="json")),
                "conflicts.json": json_text([_conflict(one) for one in conflicts]),
            }
            digests = {name: sha256(text).hexdigest() for name, text in texts.items()}
            put(bundle, "README.txt", [texts["README.txt"]])
            lines = (written(part) for part in parts_of(_around(source, station, facts.first, facts.last), session))
            digests[ENTRIES] = put(bundle, ENTRIES, bounded(lines))
            for name in ("record.json", "conflicts.json"):
                put(bundle, name, [texts[name]])
            manifest = manifest.model_copy(update={"sha256": digests})
            put(bundle, MANIFEST, [json_text(manifest.model_dump(mode="json"))])
            bundle.comment = COMMENT + b"0" * 64
        seal(beside)
        os.link(beside, path)  # never over another file
    except FileExistsError as error:
        raise BundleError(f"{path}, or an unfinished {beside.name} beside it, is there already.") from error
    except OSError as error:
        raise BundleError(f"{path} cannot be written: {error.strerror or error}. Give a place with room.") from error
    finally:
        beside.unlink(missing_ok=True)
    return Made(path, manifest)


def _learn(source: Source, station: str, session: str, own: list[Entry]) -> _Facts:
    """Where the part of the chain begins and ends, and what is in it; its entries go by once, nothing is kept."""
    first, last = own[0].sequence, own[-1].sequence
    facts = _Facts(first=_begin(source, station, first))
    facts.last = _end(source, station, session, own)
    # The key was announced when the station got it, which is before nearly every session.
    _note_newest(facts, source, station, "station_key", facts.first)
    for part in parts_of(_around(source, station, facts.first, facts.last), session):
        facts.shown += isinstance(part, Entry)
        facts.withheld += isinstance(part, Withheld)
        facts.older += part.last - part.sequence + 1 if isinstance(part, Older) else 0
        _walk(facts, part)
    _note_newest(facts, source, station, "station_started", last)
    return facts


def _note_newest(facts: _Facts, source: Source, station: str, kind: str, upto: int) -> None:
    entry = source.newest(station, kind, upto) if isinstance(source, Store) else source.newest(kind, upto)
    if entry is not None:
        _note(facts, entry)


def _walk(facts: _Facts, part: Part) -> None:
    if facts.walk.first is None:
        facts.walk.expected = facts.walk.trail.begins = part.sequence
    match part:
        case Entry():
            _note(facts, part)
            facts.walk.entry(part, facts.findings)
        case Withheld():
            facts.walk.withheld(part, facts.findings)
        case Older():
            facts.walk.trail.hole(part.last)


def _note(facts: _Facts, entry: Entry) -> None:
    try:
        if entry.type == "station_started":
            facts.software = StationStarted.model_validate_json(entry.body).software
        elif entry.type == "station_key":
            event = StationKey.model_validate_json(entry.body)
            public_key = public_key_of(event)
            if public_key is not None:
                facts.keys[event.key_id] = event.public_key
                facts.walk.trail.known[event.key_id] = public_key
    except ValidationError:
        return  # verifying tells of it


def _begin(source: Source, station: str, first: int) -> int:
    """The entry that the checkpoint before the session signs; else that before the session."""
    begin = max(1, first - 1)
    for entry in _around(source, station, max(1, first - LOOK_BACK), first - 1):
        signed = _signed_by(entry)
        if signed is not None and signed >= 1:
            begin = signed
    return begin


def _end(source: Source, station: str, session: str, own: list[Entry]) -> int:
    """The first checkpoint that signs all of the session; else the newest entry there is.

    The session's own end where entries of an older version leave a hole in the chain behind its beginning: a signature
    behind that would prove nothing of the session.
    """
    first, last = own[0].sequence, own[-1].sequence
    may_have_holes = own[0].content() is None
    end = last
    for entry in _entries(source, station, first if may_have_holes else last):
        if may_have_holes and leaves_a_hole(entry, session):
            return last
        if entry.sequence <= last:
            continue
        end = entry.sequence
        signed = _signed_by(entry)
        if signed is not None and signed >= last:
            break
    return end


def _signed_by(entry: Entry) -> int | None:
    if entry.type != "journal_checkpoint":
        return None
    try:
        return JournalCheckpoint.model_validate_json(entry.body).sequence
    except ValidationError:
        return None


def _entries(source: Source, station: str, after: int) -> Iterator[Entry]:
    return source.entries(station, after) if isinstance(source, Store) else source.entries(after)


def _around(source: Source, station: str, first: int, last: int) -> Iterator[Entry]:
    for entry in _entries(source, station, first - 1):
        if entry.sequence > last:
            return
        yield entry


def _manifest(facts: _Facts, station: str, session: str, source: Source, made_by: str) -> Manifest:
    trail: Trail = facts.walk.trail
    return Manifest(
        format=FORMAT,
        station=station,
        session=session,
        first=facts.first,
        last=facts.last,
        shown=facts.shown,
        withheld=facts.withheld,
        older=facts.older,
        signed_to=trail.signed_to,
        verification_code=trail.code(),
        keys=facts.keys,
        pinned_key=source.pinned_key(station) if isinstance(source, Store) else None,
        station_software=facts.software,
        made_by=made_by,
        sha256={},
    )


def _conflict(conflict: Conflict) -> dict[str, object]:
    return {**asdict(conflict), "hash": conflict.hash.hex()}


def json_text(data: object) -> bytes:
    """The text of a JSON member."""
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def put(bundle: zipfile.ZipFile, name: str, pieces: Iterable[bytes]) -> str:
    """Writes a member, of fixed times and rights, and returns its SHA-256 in hexadecimal."""
    info = zipfile.ZipInfo(name, _FIXED)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = 0o644 << 16
    digest = sha256()
    with bundle.open(info, "w", force_zip64=True) as member:
        for piece in pieces:
            digest.update(piece)
            member.write(piece)
    return digest.hexdigest()


def bounded(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of the entries, as far as a bundle may go. Raises BundleError where they go farther."""
    total = 0
    for number, line in enumerate(lines, 1):
        total += len(line)
        if number > MAX_LINES or total > MAX_ENTRIES_BYTES:
            raise BundleError(
                f"Its entries are more than a bundle may hold ({MAX_LINES} lines, {MAX_ENTRIES_BYTES >> 20} MiB). The "
                "station's journal itself can be handed over and verified."
            )
        yield line


def seal(path: Path) -> None:
    """Puts the digest of everything before the comment into it: finds a flipped bit wherever it is, and proves nothing
    against whoever writes it anew."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END) - COMMENT_BYTES
        file.seek(0)
        digest = sha256()
        while size > 0:
            piece = file.read(min(size, 1 << 20))
            digest.update(piece)
            size -= len(piece)
        file.seek(-64, os.SEEK_END)
        file.write(digest.hexdigest().encode())
        file.flush()
        os.fsync(file.fileno())
