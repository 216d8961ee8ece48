"""What a site keeps of a pen and decides about it: whether it is in quarantine, by which rules it may be used. Pure."""

from typing import Literal

from controller.calibration.due import DueRules
from controller.events import Record


class PenRules(Record):
    """What the clinic asks of a pen of this model. ``firmware``: the versions allowed; None where it names none."""

    due: DueRules = DueRules()
    firmware: tuple[str, ...] | None = None


class Quarantined(Record):
    """A quarantine that nobody ended yet: its random id, why, by which account, on which day (ISO), and where."""

    quarantine: str
    because: Literal["out_of_tolerance", "self_test", "shock", "repaired", "recall", "other"]
    by: str
    on: str
    station: str


class Standing(Record):
    """What the record of the site says of a pen. ``quarantined`` None: it is in no quarantine, as far as was asked.

    ``problem``: why the whole site could not be asked, empty where it was. Then ``heard_on`` is the day it last was, by
    which this answer goes, and ``known`` whether it may still go by that.
    """

    quarantined: Quarantined | None = None
    problem: str = ""
    heard_on: str = ""
    known: bool = True


class PenKept(Record):
    """Both of them, as they were when the pen was read."""

    standing: Standing
    rules: PenRules


QUARANTINE_WORDS = {
    "out_of_tolerance": "it was found out of tolerance",
    "self_test": "its self-test failed",
    "shock": "it was knocked or dropped",
    "repaired": "it was worked on, and not calibrated since",
    "recall": "a part of it was recalled",
    "other": "for another reason",
}
"""Why a pen is in quarantine, in a sentence."""
