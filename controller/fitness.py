"""Pure: rows of the table of readiness about the pen itself: quarantine, firmware, calibration."""

from datetime import date

from controller.calibration.due import Due, due
from controller.events import ReadinessRow
from controller.inputs import Inspected, PenFacts
from controller.pen_kept import QUARANTINE_WORDS, PenKept
from controller.readiness_rows import UNREAD, row
from controller.units import format_mm


def quarantine_row(kept: PenKept | None) -> ReadinessRow:
    """Whether the site keeps this pen out of use."""
    check = "quarantine"
    if kept is None:
        return row(check, "quarantine", "open", "Not asked of the site's record yet.")
    standing, found = kept.standing, kept.standing.quarantined
    if found is not None:
        words = (
            f"This pen is in quarantine since {found.on}, by {found.by} at {found.station}: "
            f"{QUARANTINE_WORDS[found.because]}. No station of the site arms it until it is released. Take another pen."
        )
        return row(check, "quarantine", "fails", words)
    if not standing.known:
        since = f"since {standing.heard_on}" if standing.heard_on else "ever"
        words = (
            f"Whether this pen is in quarantine is not known: {standing.problem} The site was not heard {since}. Have "
            "the connection to the site's store mended, then arm again."
        )
        return row(check, "quarantine_unknown", "fails", words)
    if standing.problem:
        words = (
            f"In no quarantine by what was known on {standing.heard_on}; the site cannot be asked: {standing.problem}"
        )
        return row(check, "", "note", words)
    return row(check, "", "passes", "In no quarantine.")


def firmware_row(kept: PenKept | None, pen: PenFacts) -> ReadinessRow:
    """Whether the clinic allows the version that the pen runs."""
    check = "firmware"
    if kept is None:
        return row(check, "firmware", "open", UNREAD)
    allowed = kept.rules.firmware
    if allowed is None:
        return row(check, "", "passes", f"Version {pen.firmware}; the clinic names none for {pen.model}.")
    if pen.firmware not in allowed:
        words = (
            f"The pen runs firmware {pen.firmware}; the clinic allows {', '.join(allowed)} on {pen.model}. Have a "
            "technician update it (`needlework pen firmware`), or take another pen."
        )
        return row(check, "firmware", "fails", words)
    return row(check, "", "passes", f"Version {pen.firmware}, which the clinic allows.")


def calibration_row(given: Inspected) -> ReadinessRow:
    """Whether the pen's calibration holds today, by its date and by what the pen counted."""
    check, calibration = "calibration", given.calibration
    if calibration is None:
        words = (
            "The pen holds no valid calibration, so its true depth is not known. Have it calibrated before treating."
        )
        return row(check, "calibration", "fails", words)
    stands = calibration_due(given)
    if stands is None:
        return row(check, "calibration", "open", "By which rules of the clinic it is due is not known yet.")
    if stands.state == "over":
        remedy = "Have the pen calibrated."
        if stands.because == "calibration_ahead":
            remedy = (
                "Until when it holds cannot be told: have the clock set, or, where it is right, the pen calibrated."
            )
        words = f"The calibration {calibration.certificate} {stands.sentence}. {remedy}"
        return row(check, stands.because, "fails", words)
    words = (
        f"Certificate {calibration.certificate}, {stands.sentence}; true depth known to ± "
        f"{format_mm(calibration.depth_uncertainty_um)}."
    )
    if stands.not_counted:
        words += f" It is due by {' and '.join(stands.not_counted)} too, which this pen does not count."
    return row(check, "", "note" if stands.state == "soon" or stands.not_counted else "passes", words)


def calibration_due(given: Inspected) -> Due | None:
    """How the calibration that was read stands on the day it was read; None where there is none, or no rules."""
    if given.calibration is None or given.kept is None:
        return None
    return due(given.calibration, given.counted, given.kept.rules.due, date.fromisoformat(given.today))
