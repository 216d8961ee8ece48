"""From what was measured at the bench to an issued certificate: numbered, put together, signed, kept, and told of.

The number is drawn before the pen's calibration is written, because the pen holds it. The file reaches the disk before
its event is journalled: an event without its file would be a loss; a file that a crash left without its event is found
by :func:`untold` when the record is next opened, at a bench or for paperwork, and told of then.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.service_events import CertificateIssued, CertificateKind
from controller.units import Micrometres
from logger.certificate.document import (
    Address,
    Adjustment,
    Body,
    DecisionRule,
    Environment,
    Instrument,
    Private,
    Reference,
    Replaces,
    Series,
    Stage,
    Written,
)
from logger.certificate.folder import CertificateFolder
from logger.certificate.number import new_number
from logger.certificate.sealing import Sealed, new_salt, private_sha256, seal, withheld
from logger.journal.reader import JournalReader

_TRIES = 20
_NM_PER_UM = 1000


@dataclass(frozen=True, slots=True)
class Parties:
    """Who a certificate is for and from, and every word that stays at the site.

    ``people`` are names by account. ``due_on`` is there only where the customer asked for a date.
    """

    laboratory: Address | None = None
    customer: Address | None = None
    people: dict[str, str] = field(default_factory=dict)
    performed_at: Literal["laboratory", "customer", "elsewhere"] = "laboratory"
    place: str = ""
    received_on: str | None = None
    due_on: str | None = None
    condition: str = ""
    deviations: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    customer_said: tuple[str, ...] = ()
    reissue_reason: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """What was done to one pen: everything of a certificate that the bench itself knows. Moments in UTC, ISO."""

    kind: CertificateKind
    number: str
    series: str
    site: str
    station: str
    software: str
    instrument: Instrument
    technician: str
    authorised_by: str
    begun_at: str
    ended_at: str
    references: tuple[Reference, ...]
    environment: Environment
    decision: DecisionRule
    results: tuple[Series, ...]
    adjustment: Adjustment | None = None
    written: Written | None = None
    replaces: Replaces | None = None
    demo: bool = False


@dataclass(frozen=True, slots=True)
class Issued:
    """An issued certificate: where its file is, and the event that tells of it, to be journalled by the caller."""

    path: Path
    sealed: Sealed
    event: CertificateIssued


def draw_number(
    folder: CertificateFolder, kind: CertificateKind, on: date, random_bytes: Callable[[int], bytes] = os.urandom
) -> str:
    """A number that is not taken here."""
    for _ in range(_TRIES):
        number = new_number(kind, on, random_bytes)
        if not folder.has(number):
            return number
    raise ValueError("twenty numbers drawn were all taken: what they are drawn from is not random")


def issue(
    work: Work,
    parties: Parties,
    *,
    issued_at: str,
    key: Ed25519PrivateKey,
    folder: CertificateFolder,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> Issued:
    """Signs a certificate and puts it onto the disk. Raises CertificateRefused for a number that is taken, OSError."""
    private = _private(parties, new_salt(random_bytes))
    sealed = seal(_body(work, parties, private, issued_at), private, key)
    return Issued(folder.keep(sealed), sealed, issued_event(sealed))


def issued_event(sealed: Sealed) -> CertificateIssued:
    """What the record is told of a certificate: no name is in it."""
    body = sealed.certificate.body
    depth, rate = body.of("depth_nm"), body.of("rate_mhz")
    found = {series.quantity: series.stages[0] for series in body.results}
    left = {series.quantity: series.last for series in body.results}
    return CertificateIssued(
        series=body.series,
        number=body.number,
        kind=body.kind,
        pen=body.instrument.model,
        serial=body.instrument.serial,
        issued_on=body.issued_at[:10],
        due_on=body.due_on,
        as_found_in_tolerance=all(stage.in_tolerance for stage in found.values()),
        as_left_in_tolerance=all(stage.in_tolerance for stage in left.values()),
        as_found_depth_error_um=0 if depth is None else round(found["depth_nm"].largest_error / _NM_PER_UM),
        as_left_depth_error_um=0 if depth is None else round(left["depth_nm"].largest_error / _NM_PER_UM),
        depth_uncertainty_um=Micrometres(0 if depth is None else -(-_stated(left["depth_nm"]) // _NM_PER_UM)),
        rate_error_ppm=None if rate is None else left["rate_mhz"].largest_error,
        technician=body.technician,
        sha256=sealed.sha256,
        document=withheld(sealed.content, body.number).decode(),
    )


def untold(folder: CertificateFolder, reader: JournalReader) -> list[CertificateIssued]:
    """The events of certificates in the folder that the journal does not tell of, to be journalled.

    Damaged files are left out, and those that another station issued, or whoever has no key of this one: the record
    tells of nothing that this station did not sign. Raises JournalError, OSError.
    """
    certificates = list(folder.all())
    if not certificates:
        return []  # most stations: their journals are not gone through
    keys = keys_of(reader)
    told = {str(json.loads(entry.body)["number"]) for entry in reader.entries_of(("certificate_issued",))}
    return [
        issued_event(Sealed(kept.path.read_bytes(), kept.certificate))
        for kept in certificates
        if kept.certificate is not None
        and kept.certificate.body.station == reader.station
        and kept.key_id in keys
        and kept.certificate.body.number not in told
    ]


def keys_of(reader: JournalReader) -> frozenset[str]:
    """The ids of the keys that a station announced in its journal: its own, now and before. Raises JournalError."""
    return frozenset(str(json.loads(entry.body)["key_id"]) for entry in reader.entries_of(("station_key",)))


def _stated(stage: Stage) -> int:
    """What is known of any single setting; of a series without such a statement, of its worst point."""
    return stage.statement.expanded if stage.statement else max(point.expanded for point in stage.points)


def _private(parties: Parties, salt: str) -> Private:
    return Private(
        salt=salt,
        laboratory=parties.laboratory,
        customer=parties.customer,
        people=parties.people,
        place=parties.place,
        condition=parties.condition,
        deviations=parties.deviations,
        remarks=parties.remarks,
        customer_said=parties.customer_said,
        reissue_reason=parties.reissue_reason,
    )


def _body(work: Work, parties: Parties, private: Private, issued_at: str) -> Body:
    return Body(
        kind=work.kind,
        number=work.number,
        site=work.site,
        station=work.station,
        software=work.software,
        series=work.series,
        performed_at=parties.performed_at,
        received_on=parties.received_on,
        begun_at=work.begun_at,
        ended_at=work.ended_at,
        issued_at=issued_at,
        due_on=parties.due_on,
        replaces=work.replaces,
        instrument=work.instrument,
        references=work.references,
        environment=work.environment,
        decision=work.decision,
        results=work.results,
        adjustment=work.adjustment,
        written=work.written,
        technician=work.technician,
        authorised_by=work.authorised_by,
        demo=work.demo,
        private_sha256=private_sha256(private),
    )
