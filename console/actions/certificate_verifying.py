"""`needlework certificate verify`: is a certificate what was issued, and whose key is under it."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from console.actions.certificates import found
from console.exits import Code
from console.render.certificate_verdict import verification_view
from console.screen import out, print_json
from console.trouble import ConsoleError, Told, told_of
from controller.events import StationKey
from controller.service_events import CertificateIssued
from logger.certificate.label import read_label
from logger.certificate.verify import Issue, verify_certificate
from logger.errors import CertificateNotFound, CodeError, RecordError
from logger.journal.entry import Entry
from logger.journal.reader import JournalReader
from logger.proof.checkpoints import KEY_ID_CHARS, key_id, public_key_of
from logger.store.store import Store
from station.record.station_key import public_key_at
from station.settings import StationSettings

_TELLING = ("station_key", "certificate_issued")
"""The entries that tell of keys and of certificates."""


def verify(settings: StationSettings, which: str, *, keys: Sequence[str], code: str | None, as_json: bool) -> int:
    """Prints what came of it: exit code 0 genuine, 1 anything else, 2 where there was nothing that could be checked."""
    try:
        trusted = frozenset(_key(one) for one in keys)
        digest = None if code is None else read_label(code)[1]
        source = found(settings, which)
    except (CodeError, CertificateNotFound, ConsoleError, OSError) as error:
        told = told_of(error)
        raise ConsoleError(told[0] if told else Told("place", str(error)), Code.USAGE) from error
    known, stations, issues, unread = _record(settings)
    result = verify_certificate(
        source.content,
        source.path.name,
        known=known,
        trusted=trusted,
        stations=stations,
        digest=digest,
        issues=issues,
        today=datetime.now(UTC).date(),
    )
    result = replace(result, notes=(*result.notes, *unread))
    if as_json:
        certificate = result.certificate
        said = {name: value for name, value in asdict(result).items() if name != "certificate"}
        print_json({**said, "number": certificate.body.number if certificate else None, "file": str(source.path)})
    else:
        console = out()
        console.print(verification_view(result, str(source.path)), soft_wrap=not console.is_terminal)
    return Code.DONE if result.outcome == "genuine" else Code.NO


def _key(text: str) -> str:
    said = text.strip().lower()
    if len(said) != KEY_ID_CHARS or any(one not in "0123456789abcdef" for one in said):
        what = f"{text!r} is no key's id."
        do = f"One has {KEY_ID_CHARS} hexadecimal digits, as certificates and `needlework verify` print it."
        raise ConsoleError(Told("usage", what, "Nothing was verified.", do), Code.USAGE)
    return said


def _record(settings: StationSettings) -> tuple[dict[str, str], dict[str, set[str]], list[Issue], list[str]]:
    """Keys that this machine knows, each with where from, and which stations announced them; what its record says was
    issued; what of it was not read.

    No network is used.
    """
    known: dict[str, str] = {}
    stations: dict[str, set[str]] = {}
    issues: list[Issue] = []
    unread: list[str] = []
    for read, place in ((_of_journal, "the journal here"), (_of_store, "the store here")):
        try:
            for entry in read(settings):
                _take(entry, place, known, stations, issues)
        except RecordError as error:
            unread.append(f"{place[:1].upper()}{place[1:]} told nothing more: {error}")
    own = public_key_at(settings.station_key_path)
    if own is not None:
        known[key_id(own)] = "this station's own key"
    return known, stations, issues, unread


def _take(entry: Entry, place: str, known: dict[str, str], stations: dict[str, set[str]], issues: list[Issue]) -> None:
    try:
        event = entry.event()
    except ValidationError:
        return  # of a later version
    if isinstance(event, StationKey) and public_key_of(event) is not None:
        known.setdefault(event.key_id, f"the key of {entry.station}, in {place}")
        stations.setdefault(event.key_id, set()).add(entry.station)
    elif isinstance(event, CertificateIssued):
        digests = (event.sha256, hashlib.sha256(event.document.encode()).hexdigest())
        where = f"{place}, entry {entry.sequence} of {entry.station}"
        issues.append(Issue(event.number, digests, where, _replaces(event)))


def _replaces(event: CertificateIssued) -> str:
    try:
        replaces = json.loads(event.document)["body"].get("replaces")
        return str(replaces["number"]) if replaces else ""
    except (ValueError, TypeError, KeyError, AttributeError):
        return ""


def _of_journal(settings: StationSettings) -> Iterator[Entry]:
    """Announced keys and issued certificates in this station's journal. Raises RecordError."""
    if settings.journal_path.is_file():
        with closing(JournalReader(settings.journal_path)) as reader:
            yield from reader.entries_of(_TELLING)


def _of_store(settings: StationSettings) -> Iterator[Entry]:
    """The same in a store, where that is a file here. Raises RecordError."""
    if "://" in settings.store_place or not Path(settings.store_place).is_file():
        return
    with closing(Store.open_to_read(settings.store_place)) as store:
        for span in store.stations():
            for type_ in _TELLING:
                told = store.newest(span.station, type_, span.contiguous)
                while told is not None:
                    yield told
                    told = store.newest(span.station, type_, told.sequence - 1)
