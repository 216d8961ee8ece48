"""Pure: what a clinic is told before the day begins. Notices are no alarms: nothing is happening to anybody.

A broker that is not reached, a library or a calibration that will soon be out of date matter tomorrow; told as alarms
beside a patient they would only teach people to overlook alarms.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from controller.calibration.due import Due
from controller.pen_kept import QUARANTINE_WORDS, Quarantined

SOON_DAYS = 30
"""Time enough to have a library signed without losing a day of treatment; of a calibration the clinic says when."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence for the start of the day. ``stops``: with it as it is, nobody is treated."""

    about: str
    sentence: str
    stops: bool = False


def start_of_day(
    *,
    today: date,
    library: str,
    library_signed: bool,
    library_valid_until: date | None,
    calibrations: Mapping[str, Due | None],
    quarantined: Mapping[str, Quarantined],
    broker_problem: str,
    waiting_entries: int,
) -> tuple[Notice, ...]:
    """What to tell before the first patient, what stops treatment first.

    ``calibrations`` maps a pen to how its calibration stands today, None where it holds no valid one; ``quarantined``
    the pens that the site keeps out of use, whose calibration matters to nobody before they are released.
    ``broker_problem`` is empty when the broker answers; ``waiting_entries`` of the record wait to be taken over.
    """
    notices = [
        *_library(today, library, signed=library_signed, until=library_valid_until),
        *(_quarantine(pen, found) for pen, found in quarantined.items()),
        *(
            notice
            for pen, stands in calibrations.items()
            if pen not in quarantined
            for notice in _calibration(pen, stands)
        ),
        *_broker(broker_problem, waiting_entries),
    ]
    return tuple(sorted(notices, key=lambda notice: not notice.stops))


def _library(today: date, library: str, *, signed: bool, until: date | None) -> tuple[Notice, ...]:
    told: list[Notice] = []
    if not signed:
        told.append(
            Notice("library", f"The library {library} is signed by no physician; it serves demonstrations only.")
        )
    if until is not None and until < today:
        told.append(
            Notice(
                "library",
                f"The library {library} was valid until {until.isoformat()}; nobody is treated by it any more. Have "
                "the responsible physician sign a new version.",
                stops=True,
            )
        )
    elif until is not None and (until - today).days <= SOON_DAYS:
        told.append(
            Notice(
                "library",
                f"The library {library} is valid until {until.isoformat()}, {_days(until, today)}. Have the "
                "responsible physician sign a new version before then.",
            )
        )
    return tuple(told)


def _quarantine(pen: str, found: Quarantined) -> Notice:
    sentence = (
        f"The pen {pen} is in quarantine since {found.on}: {QUARANTINE_WORDS[found.because]}. It is not armed until a "
        "manager or a physician releases it. Take another pen."
    )
    return Notice("quarantine", sentence, stops=True)


def _calibration(pen: str, stands: Due | None) -> tuple[Notice, ...]:
    if stands is None:
        sentence = f"The pen {pen} holds no valid calibration, so it is not armed. Have it calibrated."
        return (Notice("calibration", sentence, stops=True),)
    if stands.state == "over":
        remedy = "Have the clock looked at" if stands.because == "calibration_ahead" else "Have it calibrated"
        sentence = f"The calibration of {pen} {stands.sentence}, so it is not armed. {remedy}."
        return (Notice("calibration", sentence, stops=True),)
    if stands.state == "soon":
        return (Notice("calibration", f"The calibration of {pen} {stands.sentence}. Have it calibrated by then."),)
    return ()


def _broker(problem: str, waiting_entries: int) -> tuple[Notice, ...]:
    if not problem:
        return ()
    waiting = f"{waiting_entries} entries of the record wait" if waiting_entries else "the record waits"
    return (
        Notice(
            "broker",
            f"The broker is not reached ({problem}). Treatment goes on; {waiting} on this computer and nothing is "
            "lost. Look at the network.",
        ),
    )


def _days(until: date, today: date) -> str:
    left = (until - today).days
    return {0: "today", 1: "tomorrow"}.get(left, f"in {left} days")
