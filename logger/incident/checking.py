"""Verifies an incident bundle, on any machine and with nothing else."""

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import ValidationError

from controller.events import SessionClosed
from logger.errors import BundleError
from logger.incident.lines import MAX_LINE_BYTES, Older, Part, may_be_shown, read
from logger.incident.making import COMMENT, COMMENT_BYTES, bounded, json_text
from logger.incident.manifest import ENTRIES, MANIFEST, MEMBERS, Manifest
from logger.incident.readme import readme
from logger.journal.entry import Entry
from logger.proof.anchors import Anchor, Anchored
from logger.proof.chain import Walk, Withheld
from logger.proof.checkpoints import Trail, key_id
from logger.proof.findings import Findings, counted, printable
from logger.proof.verify import PROGRESS_ENTRIES, Progress, VerifyResult, result_of
from logger.record.records import session_record

MAX_MEMBER_BYTES: Final = 64 * 1024 * 1024
"""Of every member but the entries, which are read line by line."""

MAX_TOLD_BYTES: Final = 16 * 1024 * 1024
"""Of a session's entries that end up in its record word by word. Its inputs, which are nearly all of it, are summed."""

_NAMED: Final = re.compile(r"^  needlework verify (.+)$", re.MULTILINE)
"""Where README.txt says how the file was called."""

_BROKEN = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
    LookupError,
    ArithmeticError,
    zlib.error,
)
"""What a damaged ZIP can raise."""


def is_bundle(path: Path) -> bool:
    """Whether a file looks like a bundle, damaged or not. Raises OSError."""
    with path.open("rb") as file:
        begin = file.read(4)
        return begin[:2] == b"PK" or _comment(file).startswith(COMMENT[:10])


def verify_bundle(
    path: Path,
    *,
    anchors: Sequence[Anchor] = (),
    trusted: frozenset[str] = frozenset(),
    progress: Progress | None = None,
) -> VerifyResult:
    """Verifies the bundle at ``path``; parameters as for a journal. Raises BundleError when it cannot be read."""
    findings = Findings()
    try:
        if not _sealed(path):
            findings.add(None, "file", "The file is not what was written: something in it was changed.")
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}.") from error
    try:
        with zipfile.ZipFile(path) as bundle:
            return _Check(bundle, findings, anchors, trusted, progress).result()
    except _Unusable as error:
        raise BundleError(f"{path} is no bundle that can be verified: {error} Ask for it again.") from error
    except _BROKEN as error:
        why = printable(str(error))
        raise BundleError(f"{path} is damaged and cannot be read as a ZIP: {why}. Ask for it again.") from error


class _Unusable(Exception):
    """There is no manifest that says what the file is of."""


def _comment(file: BinaryIO) -> bytes:
    size = file.seek(0, 2)
    file.seek(max(0, size - COMMENT_BYTES))
    return file.read(COMMENT_BYTES)


def _sealed(path: Path) -> bool:
    """Whether the comment has the digest of everything before it."""
    with path.open("rb") as file:
        comment = _comment(file)
        left = max(0, file.seek(0, 2) - COMMENT_BYTES)
        file.seek(0)
        digest = sha256()
        while left > 0 and (piece := file.read(min(left, 1 << 20))):
            digest.update(piece)
            left -= len(piece)
    return comment == COMMENT + digest.hexdigest().encode()


class _Check:
    """One verification of one bundle."""

    def __init__(
        self,
        bundle: zipfile.ZipFile,
        findings: Findings,
        anchors: Sequence[Anchor],
        trusted: frozenset[str],
        progress: Progress | None,
    ) -> None:
        self._bundle = bundle
        self._findings = findings
        self._anchored = Anchored(anchors)
        self._progress = progress
        self._walk = Walk(Trail(trusted))
        self._first_own: Entry | None = None
        self._own_shown = 0
        self._counted = False
        self._chained_by_digests = False
        self._hole_behind_own = 0
        self._counts = {Entry: 0, Withheld: 0, Older: 0}
        self._notes: list[str] = []
        self._record_differs = False
        self._manifest = self._read_manifest()

    def result(self) -> VerifyResult:
        """Goes through the file once."""
        manifest, walk = self._manifest, self._walk
        for name, public_key in manifest.keys.items():
            raw = bytes.fromhex(public_key)
            walk.trail.known[key_id(raw)] = raw
            if key_id(raw) != name:
                self._bad(f"The manifest gives a key the id {name}, which is {key_id(raw)}.")
        if list(self._bundle.namelist()) != [*MEMBERS, MANIFEST]:
            self._bad("It does not have the members that a bundle has.")
        digest = sha256()
        try:
            for part in self._parts(digest.update):
                self._take(part)
        except BundleError as error:
            self._findings.add(walk.last, "file", f"Behind entry {walk.last or 0}: {error}")
        self._digests(digest.hexdigest())
        self._against_the_manifest()
        self._derived()
        self._across_a_hole(anchored=bool(self._anchored.words))
        self._anchored.finish(self._findings, walk.last, walk.first or 1)
        if manifest.withheld:
            entries = counted(manifest.withheld, "entry", "entries")
            proved = "of others, or of the session after its end," if self._counted else "said to be of others"
            self._notes.append(f"{entries} {proved} withheld: their places in the chain are proved by digests.")
        return result_of(
            manifest.station,
            self._findings,
            walk,
            self._anchored.words,
            notes=(*self._notes, *self._which_key()),
            record_differs=self._record_differs,
        )

    def _which_key(self) -> tuple[str, ...]:
        trail = self._walk.trail
        if trail.by and not trail.trusted:
            return (f"Signed by its own word: compare the key {trail.by} with one that was noted elsewhere (--key).",)
        return ()

    def _read_manifest(self) -> Manifest:
        try:
            return Manifest.model_validate_json(self._member(MANIFEST))
        except KeyError as error:
            raise _Unusable("it has no manifest.") from error
        except ValidationError as error:
            raise _Unusable("its manifest is none of a version that is known here.") from error

    def _member(self, name: str) -> bytes:
        info = self._bundle.getinfo(name)
        if info.file_size > MAX_MEMBER_BYTES:
            raise _Unusable(f"{name} is larger than any that this product writes.")
        with self._bundle.open(info) as member:
            return member.read(MAX_MEMBER_BYTES)

    def _parts(self, update: Callable[[bytes], object]) -> Iterator[Part]:
        try:
            with self._bundle.open(ENTRIES) as member:
                lines = bounded(iter(lambda: member.readline(MAX_LINE_BYTES), b""))
                for number, line in enumerate(lines, 1):
                    update(line)
                    yield read(line, number, self._manifest.station)
                    if self._progress is not None and number % PROGRESS_ENTRIES == 0:
                        self._progress(number, self._manifest.last - self._manifest.first + 1)
        except _BROKEN as error:
            raise BundleError(f"what follows cannot be read: {error}") from error

    def _take(self, part: Part) -> None:
        walk, findings = self._walk, self._findings
        self._counts[type(part)] += part.last - part.sequence + 1 if isinstance(part, Older) else 1
        if walk.first is None:
            walk.trail.begins = walk.expected = part.sequence
            walk.previous = bytes.fromhex(part.previous) if isinstance(part, Older) else part.previous
        match part:
            case Entry():
                walk.entry(part, findings)
                self._chained_by_digests = self._chained_by_digests or part.content() is not None
                self._anchored.take(part.sequence, part.hash)
                if part.session == self._manifest.session:
                    self._first_own = self._first_own or part
                    self._count(part)
                if not may_be_shown(part, self._manifest.session):
                    self._bad(f"Entry {part.sequence} is none of this session and may not be in its bundle.")
            case Withheld():
                walk.withheld(part, findings)
                self._chained_by_digests = True
                self._anchored.take(part.sequence, part.hash)
            case Older():
                self._older(part)

    def _count(self, own: Entry) -> None:
        """The session's closing entry says how many entries the session has from its opening up to there."""
        if own.type == "session_opened" or self._own_shown:
            self._own_shown += 1
        if own.type != "session_closed":
            return
        try:
            count = SessionClosed.model_validate_json(own.body).entries
        except ValidationError:
            return
        self._counted = count is not None
        if count is not None and count != self._own_shown:
            self._findings.add(
                own,
                "missing",
                f"The session has {counted(count, 'entry', 'entries')} from its opening to its end in entry "
                f"{own.sequence}, and {self._own_shown} of them are shown: what is missing was withheld or left out.",
            )

    def _older(self, part: Older) -> None:
        walk = self._walk
        if part.sequence != walk.expected or bytes.fromhex(part.previous) != walk.previous or part.last < part.sequence:
            self._findings.add(part.sequence, "does_not_follow", f"Entry {part.sequence} does not follow.")
        if self._chained_by_digests:
            self._findings.add(
                part.sequence,
                "does_not_follow",
                f"Entry {part.sequence} is withheld as one of an older version, behind entries of a newer: no station "
                "writes that, and what is behind it proves nothing of what is before it.",
            )
        self._notes.append(
            f"Entries {part.sequence} to {part.last} are withheld and were journalled by a version whose hashes allow "
            "no proof without their content: that the entries on both sides belong to one chain is not shown here."
        )
        walk.first = walk.first or part.sequence
        walk.count += part.last - part.sequence + 1
        walk.last, walk.last_hash = part.last, bytes.fromhex(part.hash)
        walk.expected, walk.previous = part.last + 1, walk.last_hash
        walk.trail.hole(part.last)
        self._anchored.take(part.last, walk.last_hash)
        if self._first_own is not None:
            self._hole_behind_own = part.last

    def _across_a_hole(self, *, anchored: bool) -> None:
        """Nothing behind a hole, signature or anchor, proves what of the session is before it."""
        own = self._first_own
        if own is not None and self._hole_behind_own and (anchored or self._walk.trail.signed_to is not None):
            self._findings.add(
                own,
                "does_not_follow",
                f"From entry {own.sequence} on the session is before withheld entries that no digest stands "
                f"for, up to {self._hole_behind_own}: what is signed or noted behind those proves nothing of it. Ask "
                "for the journal itself.",
            )

    def _digests(self, entries: str) -> None:
        for name in MEMBERS:
            try:
                found = entries if name == ENTRIES else sha256(self._member(name)).hexdigest()
            except _BROKEN as error:
                self._bad(f"{name} cannot be read: {error}.")
                continue
            if found != self._manifest.sha256.get(name):
                self._bad(f"{name} is not the one that the manifest names.")

    def _against_the_manifest(self) -> None:
        manifest, walk, trail = self._manifest, self._walk, self._walk.trail
        found = (walk.first, walk.last, *self._counts.values(), trail.signed_to)
        said = (
            manifest.first,
            manifest.last,
            manifest.shown,
            manifest.withheld,
            manifest.older,
            manifest.signed_to,
        )
        if found != said:
            self._bad("The manifest does not say what the entries are: entries are missing, or were put in.")
        if manifest.verification_code != trail.code():
            self._bad("The manifest's verification code is not that of the last checkpoint.")
        if manifest.signed_to is not None and (walk.last or 0) < manifest.signed_to:
            self._findings.add(walk.last, "cut_tail", f"The file ends before entry {manifest.signed_to}: it was cut.")

    def _derived(self) -> None:
        """Whether the record and the text beside the entries are what those come to."""
        if self._first_own is None:
            self._bad("No entry of the session is in it.")
            return
        try:
            record, text = self._member("record.json"), self._member("README.txt").decode()
        except _BROKEN:
            return  # told of by its digest
        try:
            made = json_text(session_record(self._own()).model_dump(mode="json"))
        except (*_BROKEN, BundleError) as error:
            self._bad(f"No record can be made of its entries, which are none that a station writes: {error}.")
            return
        named = _NAMED.search(text)
        differing = []
        if made != record:
            differing.append("record.json")
        if named is None or readme(self._manifest, named[1]) != text:
            differing.append("README.txt")
        for name in differing:
            if self._manifest.made_by == f"needlework {version('needlework')}":
                self._bad(f"{name} is not what the entries make: it was changed.")
            else:
                self._record_differs = True
                self._notes.append(
                    f"{name} is said to be made by {self._manifest.made_by} and is not what this version makes of the "
                    "entries: only the entries are proved. Verify it with that version, or have it exported again."
                )

    def _own(self) -> Iterator[Entry]:
        """The session's entries, read once more: an hour of them is more than has to be kept."""
        told = 0
        for part in self._parts(lambda _line: None):
            if isinstance(part, Entry) and part.session == self._manifest.session:
                told += len(part.body) if part.type != "input_chunk" else 0
                if told > MAX_TOLD_BYTES:
                    raise BundleError("what they tell beside measurements is more than any session's")
                yield part

    def _bad(self, sentence: str) -> None:
        self._findings.add(None, "file", sentence)
