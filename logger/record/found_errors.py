"""How wrong a pen in quarantine was: as typed with the quarantine, or as a certificate found it. Pure.

A pen that somebody took out of use by hand is measured afterwards: what that calibration found, before anything was
changed, is its error since it last was right. Where something was done to the pen in between, nobody can tell any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from controller.service_events import (
    AdjustmentWritten,
    CertificateIssued,
    ErrorAtDepth,
    PartReplaced,
    PenQuarantined,
    PenRepaired,
)
from logger.certificate.sealing import open_certificate
from logger.errors import CertificateRefused
from logger.record.pens import Told, in_order

_NM_PER_UM = 1000


@dataclass(frozen=True, slots=True)
class FoundErrors:
    """The errors at the depths measured, none where they are not known; ``certificate`` found them, if one did."""

    errors: tuple[ErrorAtDepth, ...] = ()
    certificate: str = ""


def found_errors(told: Sequence[Told], quarantine: PenQuarantined) -> FoundErrors:
    """The errors to go by for one quarantine of the pen of which this is told."""
    if quarantine.errors:
        return FoundErrors(quarantine.errors, quarantine.certificate)
    since = _since(in_order(told), quarantine.last_in_tolerance)
    first = next((one.event for one in since if _calibration(one) is not None), None)
    if not isinstance(first, CertificateIssued):
        return FoundErrors()
    before = takewhile(lambda one: one.event is not first, since)
    if any(_changed(one, first) for one in before):
        return FoundErrors()
    errors = _as_found(first)
    return FoundErrors(errors, first.number) if errors else FoundErrors()


def _since(told: Sequence[Told], number: str) -> list[Told]:
    """What was told after a certificate; everything where there was none, nothing where it is not on record here."""
    if not number:
        return list(told)
    at = next((place for place, one in enumerate(told) if _calibration(one) == number), len(told))
    return list(told[at + 1 :])


def _calibration(one: Told) -> str | None:
    event = one.event
    return event.number if isinstance(event, CertificateIssued) and event.kind == "calibration" else None


def _changed(one: Told, certificate: CertificateIssued) -> bool:
    """Whether this changed the pen, so that what was found afterwards says nothing of before."""
    match one.event:
        case PartReplaced():
            return True
        case PenRepaired() as repaired:
            return repaired.ends_calibration
        case AdjustmentWritten() as adjusted:
            return adjusted.series != certificate.series  # its own came after what it found
        case _:
            return False


def _as_found(certificate: CertificateIssued) -> tuple[ErrorAtDepth, ...]:
    """Its errors as found, of two directions at a depth the larger; none where it cannot be read here."""
    try:
        opened = open_certificate(certificate.document.encode(), certificate.number)
    except CertificateRefused:
        return ()  # damaged, or of another kind: then nothing is said
    series = None if opened.certificate is None else opened.certificate.body.of("depth_nm")
    stage = None if series is None else series.stage("as_found")
    if stage is None:
        return ()
    largest: dict[int, ErrorAtDepth] = {}
    for point in stage.points:
        one = ErrorAtDepth(shown_um=_um(point.shown), error_um=_um(point.error))
        if point.set not in largest or abs(one.error_um) > abs(largest[point.set].error_um):
            largest[point.set] = one
    return tuple(one for _, one in sorted(largest.items()))


def _um(nm: int) -> int:
    """Away from zero: what is told is never less than what was."""
    size = -(-abs(nm) // _NM_PER_UM)
    return size if nm >= 0 else -size
