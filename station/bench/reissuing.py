"""A certificate issued anew, because something beside the measurements was wrong in it: a name, an address, a date.

What was issued stays. The new one has a number of its own, names the one it takes the place of, and gives the reason
(ISO/IEC 17025:2017, 7.8.8). What was measured cannot be changed: for that the pen is measured again.
"""

import os
from collections.abc import Callable, Collection
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from logger.certificate.document import Replaces
from logger.certificate.folder import CertificateFolder
from logger.certificate.sealing import Sealed, open_certificate
from logger.errors import CertificateRefused
from station.bench.certifying import Issued, Parties, Work, issue


def parties_of(sealed: Sealed) -> Parties:
    """What a certificate says beside measurements. Raises CertificateRefused where its names were left out."""
    body, private = sealed.certificate.body, sealed.certificate.private
    if private is None:
        raise CertificateRefused(
            "names_left_out",
            f"This copy of {body.number} has no names in it, so nothing of them can be corrected. Take the file that "
            "the station kept when it issued it.",
        )
    return Parties(
        laboratory=private.laboratory,
        customer=private.customer,
        people=private.people,
        performed_at=body.performed_at,
        place=private.place,
        received_on=body.received_on,
        due_on=body.due_on,
        condition=private.condition,
        deviations=private.deviations,
        remarks=private.remarks,
        customer_said=private.customer_said,
    )


def reissue(
    old: Sealed,
    parties: Parties,
    *,
    number: str,
    reason: str,
    authorised_by: str,
    issued_at: str,
    key: Ed25519PrivateKey,
    own_keys: Collection[str],
    folder: CertificateFolder,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> Issued:
    """Issues ``old`` anew under another number, with other ``parties``, for a ``reason`` that is printed on it.

    ``own_keys`` are the ids of this station's keys, now and before: it signs no measurements that others vouched for.
    Raises CertificateRefused where another key is under it, where it was issued anew already, no reason is given,
    nothing is other than it was, the pen would go by another due date than it says, or the number is taken; OSError.
    """
    if not reason.strip():
        raise CertificateRefused("no_reason", "A certificate is issued anew for a reason, which it names. Give one.")
    if parties == parties_of(old):
        raise CertificateRefused(
            "nothing_changed",
            f"Nothing would be other than in {old.certificate.body.number}. Nothing was issued; `needlework "
            "certificate pdf` prints it again.",
        )
    _may_be_replaced(old, own_keys, folder)
    body = old.certificate.body
    if body.written is not None and parties.due_on != body.due_on:
        raise CertificateRefused(
            "due_date_in_the_pen",
            f"{body.number} was given to its pen with {_due(body.due_on)}, and by that the pen is armed or not: a "
            f"certificate issued anew changes nothing in a pen, and would say {_due(parties.due_on)}. Nothing was "
            "issued. Leave due_on out of the file; for another date calibrate the pen again (`needlework calibrate`).",
        )
    work = Work(
        kind=body.kind,
        number=number,
        series=body.series,
        site=body.site,
        station=body.station,
        software=body.software,
        instrument=body.instrument,
        technician=body.technician,
        authorised_by=authorised_by,
        begun_at=body.begun_at,
        ended_at=body.ended_at,
        references=body.references,
        environment=body.environment,
        decision=body.decision,
        results=body.results,
        adjustment=body.adjustment,
        written=body.written,
        replaces=Replaces(number=body.number, sha256=old.sha256),
        demo=body.demo,
    )
    said = replace(parties, reissue_reason=reason.strip())
    return issue(work, said, issued_at=issued_at, key=key, folder=folder, random_bytes=random_bytes)


def _may_be_replaced(old: Sealed, own_keys: Collection[str], folder: CertificateFolder) -> None:
    number = old.certificate.body.number
    signed_by = open_certificate(old.content, number).key_id
    if signed_by not in own_keys:
        raise CertificateRefused(
            "not_issued_here",
            f"{number} is signed by the key {signed_by}, which is none of this station's: it cannot answer for what "
            "was measured there. Nothing was issued. Have it issued anew where it came from.",
        )
    newer = folder.replaced_by().get(number)
    if newer is not None:
        raise CertificateRefused(
            "replaced_already",
            f"{number} was issued anew already: {newer} has its place. Nothing was issued. Issue {newer} anew.",
        )


def _due(on: str | None) -> str:
    return "no due date" if on is None else f"the due date {on}"
