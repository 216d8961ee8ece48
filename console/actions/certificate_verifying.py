"""`needlework certificate verify`: is a certificate what was issued, and whose key is under it."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
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
    known, issues = _record(settings)
    result = verify_certificate(
        source.content,
        source.path.name,
        known=known,
        trusted=trusted,
        digest=digest,
        issues=issues,
        today=datetime.now(UTC).date(),
    )
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


def _record(settings: StationSettings) -> tuple[dict[str, str], list[Issue]]:
    """Keys that this machine knows, each with where from, and what its record says was issued. No network is used."""
    known: dict[str, str] = {}
    issues: list[Issue] = []
    for entry, place in _entries(settings):
        try:
            event = entry.event()
        except ValidationError:
            continue  # of a later version
        if isinstance(event, StationKey) and public_key_of(event) is not None:
            known.setdefault(event.key_id, f"the key of {entry.station}, in {place}")
        elif isinstance(event, CertificateIssued):
            digests = (event.sha256, hashlib.sha256(event.document.encode()).hexdigest())
            issues.append(Issue(event.number, digests, f"{place}, entry {entry.sequence} of {entry.station}"))
    own = public_key_at(settings.station_key_path)
    if own is not None:
        known[key_id(own)] = "this station's own key"
    return known, issues


def _entries(settings: StationSettings) -> Iterator[tuple[Entry, str]]:
    """Announced keys and issued certificates in this station's journal, and in a store that is a file here."""
    if settings.journal_path.is_file():
        try:
            reader = JournalReader(settings.journal_path)
        except RecordError:
            return  # `needlework verify` says what is wrong with a journal
        try:
            for entry in reader.entries_of(_TELLING):
                yield entry, "the journal here"
        finally:
            reader.close()
    if "://" not in settings.store_place and Path(settings.store_place).is_file():
        try:
            store = Store.open_to_read(settings.store_place)
        except RecordError:
            return
        try:
            for span in store.stations():
                for type_ in _TELLING:
                    told = store.newest(span.station, type_, span.contiguous)
                    while told is not None:
                        yield told, "the store here"
                        told = store.newest(span.station, type_, told.sequence - 1)
        finally:
            store.close()
