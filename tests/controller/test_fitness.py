"""What the site keeps of a pen stands in the way of arming: quarantine, firmware, what is due by more than a date."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from controller.calibration.due import Counted, DueRules
from controller.errors import ControlRefused
from controller.events import PenArmed, ReadinessRow
from controller.inputs import Stop
from controller.pen_kept import PenKept, PenRules, Quarantined, Standing
from controller.readiness import readiness
from proving.rig import Rig
from tests.controller.conftest import TODAY

Treat = Callable[..., Rig]
FOUND = Quarantined(quarantine="q-1", because="out_of_tolerance", by="tech-kim", on="2026-01-01", station="room-2")


def kept(standing: Standing | None = None, **rules: object) -> PenKept:
    return PenKept(standing=standing or Standing(), rules=PenRules.model_validate(rules))


def row(rig: Rig, check: str) -> ReadinessRow:
    return next(row for row in readiness(rig.state, rig.now_ms) if row.check == check)


def because(rig: Rig) -> str:
    with pytest.raises(ControlRefused) as caught:
        rig.arm()
    assert not [event for event in rig.events if isinstance(event, PenArmed)]
    return caught.value.because


@pytest.mark.parametrize(
    ("says", "expected", "sentence"),
    [
        (kept(Standing(quarantined=FOUND)), "quarantine", "since 2026-01-01, by tech-kim at room-2"),
        (kept(Standing(problem="It is away.", known=False)), "quarantine_unknown", "was not heard ever"),
        (
            kept(Standing(problem="It is away.", heard_on="2025-12-01", known=False)),
            "quarantine_unknown",
            "since 2025-12-01",
        ),
        # What this station itself knows counts, whether the site can be asked or not.
        (kept(Standing(quarantined=FOUND, problem="It is away.")), "quarantine", "No station of the site arms it"),
        (kept(firmware=("sim 0.9", "sim 9.9")), "firmware", "allows sim 0.9, sim 9.9 on NW-1"),
        (kept(due=DueRules(interval_days=29)), "calibration_due", "was valid until"),
    ],
)
def test_it_stands_in_the_way_and_says_what_to_do(make_rig: Treat, says: PenKept, expected: str, sentence: str) -> None:
    rig = make_rig()
    rig.kept = says
    assert because(rig) == expected
    assert sentence in next(row.sentence for row in readiness(rig.state, rig.now_ms) if row.because == expected)


def test_a_site_that_is_away_for_a_while_is_told_and_arms(make_rig: Treat) -> None:
    rig = make_rig()
    rig.kept = kept(Standing(problem="It is away.", heard_on="2026-01-01"))
    rig.arm()
    assert row(rig, "quarantine").outcome == "note"
    assert "2026-01-01" in row(rig, "quarantine").sentence


def test_a_quarantine_that_comes_between_two_attempts_is_found_by_the_second(make_rig: Treat) -> None:
    rig = make_rig()
    rig.arm()
    rig.command(Stop(source="x"))
    rig.advance(500)
    rig.kept = kept(Standing(quarantined=FOUND))
    with pytest.raises(ControlRefused, match="in quarantine"):
        rig.arm()


def test_a_version_the_clinic_allows_passes(make_rig: Treat) -> None:
    rig = make_rig()
    assert rig.state.pen is not None
    rig.kept = kept(firmware=(rig.state.pen.firmware,))
    rig.arm()
    assert row(rig, "firmware").outcome == "passes"


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (Counted(run_s=3600, strokes=0, shocks=0), "calibration_hours"),
        (Counted(run_s=0, strokes=500, shocks=0), "calibration_strokes"),
        (Counted(run_s=0, strokes=0, shocks=1), "calibration_shocks"),
    ],
)
def test_what_the_pen_counted_ends_its_calibration(make_rig: Treat, counted: Counted, expected: str) -> None:
    rig = make_rig()
    assert rig.state.inspection is not None
    asked = kept(due=DueRules(run_hours=1, strokes=500, shocks=1))
    given = rig.state.inspection.model_copy(update={"counted": counted, "kept": asked})
    rig.command(given)
    found = row(rig, "calibration")
    assert (found.outcome, found.because) == ("fails", expected)


@pytest.mark.parametrize(
    ("asked", "use", "expected"),
    [
        (DueRules(shocks=2), lambda rig: (rig.pen.knock(), rig.pen.knock()), "calibration_shocks"),
        (DueRules(run_hours=1), lambda rig: setattr(rig.pen.memory.lifetime, "ran_ms", 3_600_000), "calibration_hours"),
    ],
)
def test_a_pen_that_counts_is_asked_what_it_counted(
    make_rig: Treat, asked: DueRules, use: Callable[[Rig], object], expected: str
) -> None:
    rig = make_rig("NW-2")
    rig.kept = kept(due=asked)
    rig.arm()
    rig.command(Stop(source="x"))
    rig.advance(500)
    use(rig)
    with pytest.raises(ControlRefused) as caught:
        rig.arm()
    assert caught.value.because == expected


def test_a_pen_that_does_not_count_says_so_and_is_armed(make_rig: Treat) -> None:
    rig = make_rig()
    rig.kept = kept(due=DueRules(run_hours=1, shocks=1))
    rig.arm()
    assert row(rig, "calibration").outcome == "note"
    assert "by hours run and knocks too, which this pen does not count" in row(rig, "calibration").sentence


def test_arming_is_refused_on_the_day_after_the_due_date(make_rig: Treat) -> None:
    """A clock that goes on from day to day: the due date is the last on which the pen is armed."""
    rig = make_rig()
    rig.kept = kept(due=DueRules(interval_days=60))  # calibrated 30 days before today
    for day in (0, 29, 30):
        rig.today = TODAY + timedelta(days=day)
        rig.arm()
        rig.command(Stop(source="x"))
        rig.advance(500)
        assert row(rig, "calibration").outcome == "note"
    rig.today = TODAY + timedelta(days=31)
    with pytest.raises(ControlRefused) as caught:
        rig.arm()
    assert caught.value.because == "calibration_due"
    assert (TODAY + timedelta(days=30)).isoformat() in caught.value.sentence


def test_a_station_whose_clock_lost_its_time_arms_nothing(make_rig: Treat) -> None:
    rig = make_rig()
    rig.today = TODAY - timedelta(days=400)  # calibrated 30 days before today
    with pytest.raises(ControlRefused) as caught:
        rig.arm()
    assert caught.value.because == "calibration_ahead"
    assert "have the clock set" in caught.value.sentence
