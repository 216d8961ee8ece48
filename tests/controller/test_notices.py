"""What is told before the day begins."""

from datetime import date

import pytest

from controller.calibration.due import Due, DueRules, due
from controller.notices import Notice, start_of_day
from controller.pen_kept import Quarantined
from tests.controller.conftest import calibration

TODAY = date(2026, 5, 4)
KNOCKED = Quarantined(quarantine="q-1", because="shock", by="az-1", on="2026-05-02", station="room-1")


def stands(over_on: date) -> Due:
    """How a calibration stands that is not valid from a day on."""
    return due(calibration().model_copy(update={"due_on": over_on.isoformat()}), None, DueRules(), TODAY)


def told(**changes: object) -> tuple[Notice, ...]:
    facts: dict[str, object] = {
        "today": TODAY, "library": "house v3", "library_signed": True, "library_valid_until": date(2027, 1, 1),
        "calibrations": {"NW-1/T1": stands(date(2026, 12, 1))}, "quarantined": {}, "broker_problem": "",
        "waiting_entries": 0,
    }  # fmt: skip
    return start_of_day(**(facts | changes))  # type: ignore[arg-type]


def test_a_day_on_which_all_is_well_begins_in_silence() -> None:
    assert told() == ()


@pytest.mark.parametrize(
    ("changes", "stops", "says"),
    [
        ({"library_signed": False}, False, "signed by no physician"),
        ({"library_valid_until": date(2026, 5, 3)}, True, "was valid until 2026-05-03"),
        ({"library_valid_until": date(2026, 5, 5)}, False, "tomorrow"),
        ({"library_valid_until": date(2026, 5, 4)}, False, ", today."),
        ({"calibrations": {"NW-1/T1": None}}, True, "no valid calibration"),
        ({"calibrations": {"NW-1/T1": stands(TODAY)}}, True, "was valid until 2026-05-03, so it is not armed"),
        ({"calibrations": {"NW-1/T1": stands(date(2026, 6, 4))}}, False, "is due on 2026-06-03, in 30 days"),
        ({"quarantined": {"NW-1/T1": KNOCKED}}, True, "in quarantine since 2026-05-02: it was knocked or dropped"),
        ({"quarantined": {"NW-1/T1": KNOCKED}, "calibrations": {"NW-1/T1": None}}, True, "in quarantine"),
        ({"broker_problem": "refused", "waiting_entries": 12}, False, "12 entries of the record wait"),
    ],
)
def test_each_notice(changes: dict[str, object], stops: bool, says: str) -> None:
    (notice,) = told(**changes)
    assert notice.stops is stops
    assert says in notice.sentence


def test_what_stops_treatment_comes_first() -> None:
    notices = told(broker_problem="refused", library_signed=False, calibrations={"NW-1/T1": None})
    assert [notice.stops for notice in notices] == [True, False, False]
