"""Whether a pen may be released from quarantine, by what is on record of it. Pure."""

from collections.abc import Sequence
from typing import Final

from controller.service_events import CertificateIssued, PartReplaced, PenQuarantined, PenRepaired
from logger.record.pens import (
    Fitted,
    PenEvent,
    Told,
    calibrations,
    in_order,
    last_in_tolerance,
    measured_utc_us,
    recalled,
)

NEEDS_CERTIFICATE: Final = frozenset({"out_of_tolerance", "self_test", "shock", "repaired"})
"""Reasons for which only a calibration shows that the pen is right again."""


def ends_calibration(told: Sequence[Told]) -> Told | None:
    """What was last done to one pen after which only a new calibration counts: repaired, opened, a part replaced."""
    done = [one for one in in_order(told) if _ends(one.event)]
    return done[-1] if done else None


def undone_since(told: Sequence[Told], certificate: str) -> str:
    """What went on record of one pen after a certificate, by which its calibration no longer counts: in words that go
    on after "the pen"; empty where nothing did."""
    since = False
    for one in in_order(told):
        event = one.event
        if isinstance(event, CertificateIssued) and event.number == certificate:
            since = True
        elif since and isinstance(event, PenQuarantined):
            return f"was quarantined, on {one.at.date().isoformat()}"
        elif since and _ends(event):
            return f"was worked on, on {one.at.date().isoformat()}"
    return ""


def _ends(event: PenEvent) -> bool:
    return isinstance(event, PartReplaced) or (isinstance(event, PenRepaired) and event.ends_calibration)


def release_problem(told: Sequence[Told], quarantines: Sequence[Told]) -> tuple[str, str] | None:
    """Why one pen, of which this is told, is not released from these quarantines: a stable code and a sentence."""
    if not quarantines:
        return "not_in_quarantine", "The pen is in no quarantine. Nothing was released."
    newest = calibrations(told)[-1:]
    if any(isinstance(one.event, CertificateIssued) and not one.event.as_left_in_tolerance for one in newest):
        return (
            "no_certificate",
            "The newest calibration on record left the pen out of tolerance. Have it mended and calibrated "
            "(`needlework calibrate`), then release it. It stays in quarantine.",
        )
    certificate = last_in_tolerance(told)
    measured_us = None if certificate is None else measured_utc_us(certificate)
    begun = [one for one in quarantines if isinstance(one.event, PenQuarantined)]
    needing = [one for one in begun if isinstance(one.event, PenQuarantined) and one.event.because in NEEDS_CERTIFICATE]
    if needing and (measured_us is None or measured_us < max(one.utc_us for one in needing)):
        return (
            "no_certificate",
            "No calibration on record since the quarantine left the pen in tolerance. Have it calibrated "
            "(`needlework calibrate`), then release it. It stays in quarantine.",
        )
    for one in begun:
        inside = _still_inside(told, one.event)
        if inside is not None:
            return (
                "recalled_part",
                f"The {inside.part} of lot {inside.lot or 'unknown'} that was recalled is still in the pen, by what "
                "was noted. Have it replaced, note it (`needlework pen part`), then release it.",
            )
    work = ends_calibration(told)
    if work is not None and (measured_us is None or measured_us < work.utc_us):
        return (
            "no_certificate",
            f"The pen was worked on on {work.at.date().isoformat()}, and no calibration since then left it in "
            "tolerance. Have it calibrated (`needlework calibrate`), then release it. It stays in quarantine.",
        )
    return None


def _still_inside(told: Sequence[Told], event: PenEvent) -> Fitted | None:
    """The part that a recall is about and that is still in the pen; None where it is not, or none was named."""
    if not isinstance(event, PenQuarantined) or not (event.recalled_part or event.recalled_lot):
        return None
    found = recalled(told, part=event.recalled_part or None, lot=event.recalled_lot or None)
    return next((one for one in found if one.until is None), None)


def certificate_of(told: Sequence[Told]) -> str:
    """The number of the certificate that a release goes by; empty where there is none."""
    found = last_in_tolerance(told)
    return found.event.number if found is not None and isinstance(found.event, CertificateIssued) else ""
