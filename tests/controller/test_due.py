"""When a calibration ends: by a date, by what the pen counted; told before, and never valid again."""

from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from controller.calibration.due import Counted, Due, DueRules, due, first_day_over
from controller.calibration.policy import load_policy
from controller.events import CalibrationSnapshot
from controller.pen_kept import PenRules
from controller.pen_rules import rules_of
from tests.controller.conftest import calibration

DONE = date(2026, 1, 1)
NO_DATE = calibration().model_copy(update={"due_on": ""})


def on(days: int) -> date:
    return DONE + timedelta(days=days)


def by_date(days: int, *, grace_days: int = 0, notice_days: int = 30) -> Due:
    """A calibration whose due date is the 100th day after it was made."""
    until = calibration().model_copy(update={"due_on": on(101).isoformat()})
    return due(until, None, DueRules(grace_days=grace_days, notice_days=notice_days), on(days))


def test_on_its_due_date_it_still_holds_and_the_day_after_it_does_not() -> None:
    assert by_date(69) == Due("good", "", "valid until 2026-04-11", 31)
    assert by_date(70) == Due("soon", "", "is due on 2026-04-11, in 30 days", 30)
    assert by_date(100) == Due("soon", "", "is due on 2026-04-11, today", 0)
    assert by_date(101) == Due("over", "calibration_due", "was valid until 2026-04-11", 0)


def test_a_clock_that_lost_its_time_makes_no_calibration_valid() -> None:
    assert by_date(-1).state == "good", "clocks differ around midnight"
    ahead = by_date(-2)
    assert (ahead.state, ahead.because, ahead.left_days) == ("over", "calibration_ahead", None)
    assert ahead.sentence == "was made on 2026-01-01, and this station's clock says 2025-12-30"
    assert due(NO_DATE, None, DueRules(), date(1970, 1, 2)).state == "over"


def test_grace_is_told_as_such_and_ends() -> None:
    assert by_date(101, grace_days=7).sentence == (
        "was due on 2026-04-11; in the clinic's grace it is used until 2026-04-18"
    )
    assert by_date(107, grace_days=7).state == "soon"
    assert by_date(108, grace_days=7).sentence.endswith("2026-04-11, and the clinic's 7 days of grace are over")


def test_the_clinics_interval_and_the_certificates_date_whichever_comes_first() -> None:
    assert first_day_over(calibration(), DueRules(interval_days=10)) == on(11)
    assert first_day_over(calibration(), DueRules(interval_days=4000)) == date(2027, 1, 1)
    assert first_day_over(NO_DATE, DueRules(interval_days=10)) == on(11)
    assert first_day_over(NO_DATE, DueRules()) is None
    assert due(NO_DATE, None, DueRules(), on(20_000)) == Due("good", "", "no due date was asked for")


def test_by_hours_run_with_a_forecast_at_the_use_so_far() -> None:
    rules = DueRules(run_hours=100, notice_days=30)
    half = due(NO_DATE, Counted(run_s=50 * 3600, strokes=0, shocks=0), rules, on(40))
    assert (half.state, half.left_days) == ("good", None)
    near = due(NO_DATE, Counted(run_s=80 * 3600, strokes=0, shocks=0), rules, on(40))
    assert (near.state, near.left_days) == ("soon", 10)
    assert near.sentence == "80 of 100 hours run since then: used up in 10 days at this use"
    over = due(NO_DATE, Counted(run_s=100 * 3600, strokes=0, shocks=0), rules, on(40))
    assert (over.state, over.because) == ("over", "calibration_hours")


def test_by_strokes_and_by_knocks() -> None:
    rules = DueRules(strokes=1000, shocks=2)
    assert due(NO_DATE, Counted(run_s=0, strokes=1000, shocks=0), rules, on(1)).because == "calibration_strokes"
    assert due(NO_DATE, Counted(run_s=0, strokes=0, shocks=2), rules, on(1)).because == "calibration_shocks"
    assert due(NO_DATE, Counted(run_s=0, strokes=0, shocks=1), rules, on(1)).sentence == (
        "1 of 2 knocks since then that end it"
    )
    one = due(NO_DATE, Counted(run_s=0, strokes=0, shocks=1), DueRules(shocks=1), on(1))
    assert one.sentence == "ends with one knock, and the pen counts 1 since then"


def test_what_a_pen_does_not_count_is_told_and_not_taken_for_nothing() -> None:
    rules = DueRules(run_hours=1, strokes=1, shocks=1)
    assert due(NO_DATE, None, rules, on(1)).not_counted == ("hours run", "strokes", "knocks")
    assert due(NO_DATE, Counted(run_s=0, strokes=0, shocks=None), rules, on(1)).not_counted == ("knocks",)


COUNTS = st.integers(0, 2**32 - 1)
RULES = st.builds(
    DueRules,
    interval_days=st.none() | st.integers(1, 3660),
    notice_days=st.integers(0, 365),
    grace_days=st.integers(0, 90),
    run_hours=st.none() | st.integers(1, 10**6),
    strokes=st.none() | st.integers(1, 2**32),
    shocks=st.none() | st.integers(1, 2**16),
)
CALIBRATIONS = st.builds(
    lambda at, until: calibration().model_copy(update={"calibrated_on": at.isoformat(), "due_on": until}),
    st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    st.just("") | st.dates(date(1990, 1, 1), date(2149, 1, 1)).map(date.isoformat),
)
COUNTED = st.none() | st.builds(Counted, run_s=COUNTS, strokes=COUNTS, shocks=st.none() | st.integers(0, 65_534))
DAYS = st.dates(date(1980, 1, 1), date(2150, 1, 1))


@given(CALIBRATIONS, COUNTED, RULES, DAYS)
def test_it_is_over_exactly_when_one_of_the_rules_says_so(
    made: CalibrationSnapshot, counted: Counted | None, rules: DueRules, today: date
) -> None:
    """Against the rules written out one by one."""
    ends = [date.fromisoformat(made.due_on)] if made.due_on else []
    if rules.interval_days:
        ends.append(date.fromisoformat(made.calibrated_on) + timedelta(days=rules.interval_days + 1))
    expected = any(today >= end + timedelta(days=rules.grace_days) for end in ends)
    expected |= today < date.fromisoformat(made.calibrated_on) - timedelta(days=1)
    if counted is not None:
        expected |= rules.run_hours is not None and counted.run_s >= rules.run_hours * 3600
        expected |= rules.strokes is not None and counted.strokes >= rules.strokes
        expected |= rules.shocks is not None and counted.shocks is not None and counted.shocks >= rules.shocks
    found = due(made, counted, rules, today)
    assert (found.state == "over") is expected
    assert bool(found.because) is expected


@given(CALIBRATIONS, COUNTED, RULES, DAYS, st.integers(0, 400), st.integers(0, 10**6))
def test_what_is_over_stays_over(
    made: CalibrationSnapshot, counted: Counted | None, rules: DueRules, today: date, later: int, more: int
) -> None:
    """Neither time nor more use makes a calibration valid again; a clock that was set does."""
    assume(today >= date.fromisoformat(made.calibrated_on))
    if due(made, counted, rules, today).state == "over":
        used = counted and counted.model_copy(update={"run_s": counted.run_s + more, "strokes": counted.strokes + more})
        assert due(made, used, rules, today + timedelta(days=later)).state == "over"


@given(CALIBRATIONS, RULES, DAYS)
def test_nothing_ends_without_the_notice_the_clinic_wants(
    made: CalibrationSnapshot, rules: DueRules, today: date
) -> None:
    """By a date: whoever looks every day is told before the last one."""
    tomorrow = due(made, None, rules, today + timedelta(days=1))
    if tomorrow.state == "over":
        assert due(made, None, rules, today).state in {"soon", "over"}


def test_the_policy_shipped_says_it_of_the_models_it_knows() -> None:
    policy = load_policy()
    asked = policy.models["NW-1"]
    rules = rules_of(policy, "NW-1")
    assert rules.firmware == asked.firmware
    assert rules.due.model_dump() == policy.due[asked.due].model_dump()
    assert rules_of(policy, "somebody-else's") == PenRules()


@pytest.mark.parametrize("field", ["interval_days", "run_hours", "strokes", "shocks"])
def test_a_rule_of_nothing_is_none(field: str) -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        DueRules(**{field: 0})
