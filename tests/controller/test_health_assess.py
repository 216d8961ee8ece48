"""A pen's history judged: what is told, what calls for somebody, what begins anew with a new part."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from controller.events import Event, PenLost
from controller.health.assess import Load, PenHealth, PenLimits, assess
from controller.health.battery import Charge, loads, minutes_left, minutes_left_at_current
from controller.health.history import history_of
from controller.health.policy import load_health_policy
from controller.health.words import NAMES
from controller.service_events import PartTest, PenQuarantined, PenReleased, PenRepaired, PenSelfTested, ServiceMove
from controller.units import Micrometres, Millihertz
from tests.logger.test_uses import armed
from tests.pen_lives import certificate, connected, life, read

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
POLICY = load_health_policy()
LIMITS = PenLimits(depth_tolerance_um=150, rate_tolerance_ppm=50_000, battery_mah=600)
PEN = "NW-2/0007"


def judged(events: list[tuple[datetime, Event]], load: Load | None = None, limits: PenLimits = LIMITS) -> PenHealth:
    """What comes of a history."""
    return assess(
        history_of(PEN, sorted(events, key=lambda one: one[0])), now=NOW, policy=POLICY, limits=limits, load=load
    )


def lived(**given: Any) -> PenHealth:
    """What comes of a made-up life."""
    return judged([(at, event) for at, event, _ in life("NW-2", "0007", until=NOW, **given)])


def row(pen: PenHealth, quantity: str) -> Any:
    return next(one for one in pen.rows if one.quantity == quantity)


def weekly(weeks: int, **changes: Any) -> list[tuple[datetime, Event]]:
    """A reading a week until yesterday; a change is a value, or what gives it for the number of the week."""
    return [
        (
            NOW - timedelta(days=1 + 7 * (weeks - number)),
            read("NW-2", "0007", **{name: each(number) if callable(each) else each for name, each in changes.items()}),
        )
        for number in range(weeks)
    ]


def test_a_pen_in_good_health_is_told_as_that() -> None:
    pen = lived(months=12, drift_um_a_year=4, capacity_a_year=30, current_a_year=2)
    assert {one.level for one in pen.rows} <= {"good", "unknown"}
    assert (pen.level, pen.counted_by, pen.model, pen.serial) == ("good", "pen", "NW-2", "0007")
    assert pen.run_s > 100_000 > pen.run_month_s > 0
    assert set(NAMES) == {one.quantity for one in pen.rows}


@pytest.mark.parametrize(
    ("quantity", "given"),
    [
        ("battery_capacity", {"battery_capacity_permille": lambda week: 900 - 7 * week}),
        ("battery_resistance", {"battery_resistance_mohm": lambda week: 150 + 6 * week}),
        ("motor_current", {"motor_current_ma": lambda week: 400 + 5 * week}),
        ("temperature", {"temperature_dc": lambda week: 350 + 6 * week}),
    ],
)
def test_what_wears_is_told_before_it_is_beyond_its_limit(quantity: str, given: dict[str, Any]) -> None:
    pen = judged(weekly(22, **given))
    found = row(pen, quantity)
    assert (found.level, pen.level) == ("act", "act")
    assert found.forecast.state == "leaving"
    assert found.forecast.day - found.points[-1].day < POLICY.forecast.soon_days
    assert "Leaves its limit about" in found.sentence
    assert found.expected[0].day == found.points[0].day
    for other in pen.rows:
        assert other.quantity == quantity or other.level in {"good", "unknown"}, other


def test_a_new_battery_begins_anew() -> None:
    worn = lived(months=20, capacity_a_year=170)
    renewed = lived(months=20, capacity_a_year=170, battery_replaced_month=18)
    assert row(worn, "battery_capacity").level == "act"
    assert row(renewed, "battery_capacity").level in {"good", "unknown"}
    assert len(row(renewed, "battery_capacity").points) < len(row(worn, "battery_capacity").points) / 5


def test_current_is_compared_at_equal_loads_only() -> None:
    light = weekly(22, motor_current_ma=400)
    hard = [
        (at + timedelta(hours=1), read("NW-2", "0007", motor_current_ma=900, load="skin 150 Hz 2.00 mm"))
        for at, _ in light[:8]
    ]
    found = row(judged([*light, *hard]), "motor_current")
    assert (found.at, found.value, found.limit, found.level) == ("skin 100 Hz 0.50 mm", 400, 520, "good")
    assert row(judged(light), "motor_current").at == "skin 100 Hz 0.50 mm"


def test_moves_on_the_bench_are_loads_in_air_one_value_a_piece_of_work() -> None:
    moves: list[tuple[datetime, Event]] = [
        (NOW - timedelta(days=20 * (8 - series), minutes=-number), ServiceMove(
            series=f"s{series}", motor=motor, depth_commanded_um=Micrometres(500),
            rate_commanded_mhz=Millihertz(60_000),
            depth_measured_um=500, rate_measured_mhz=60_000, motor_current_ma=300 + 20 * series + number,
            temperature_dc=None))
        for series in range(8) for number, motor in enumerate((True, True, True, False))
    ]  # fmt: skip
    found = row(judged(moves), "motor_current")
    assert (found.at, [point.value for point in found.points]) == (
        "air 60 Hz 0.50 mm",
        [301 + 20 * n for n in range(8)],
    )
    assert found.level == "act"


def test_depth_is_forecast_from_calibrations_and_told_against_its_due_date() -> None:
    due = date(2027, 10, 1)
    told = [
        (NOW - timedelta(days=30 + 180 * (4 - number)), certificate(
            "NW-2", "0007", str(number), found_um=0 if number == 0 else found, left_um=0, on=date(2026, 1, 1), due=due))
        for number, found in enumerate((0, 58, 62, 60, 61))
    ]  # fmt: skip
    pen = judged([*told])
    found = row(pen, "depth_error")
    assert found.forecast.state == "leaving"
    assert found.value == pytest.approx(10, abs=1)
    assert pen.calibration_due == "2027-10-01"
    assert pen.out_when_due is not None
    assert 0.0 < pen.out_when_due < 0.35
    opened = PenRepaired(pen="NW-2/0007", serial="0007", what="opened", ends_calibration=True, by="t", on="2026-08-01")
    without = judged([*told, (told[2][0] + timedelta(days=9), opened)])
    assert "3 stretches" in row(without, "depth_error").forecast.because


def test_a_pen_that_is_expected_to_leave_before_it_is_due_is_worth_a_word() -> None:
    told = [
        (NOW - timedelta(days=10 + 180 * (1 - number)), certificate(
            "NW-2", "0007", str(number), found_um=110 * number, left_um=0, on=date(2026, 1, 1), due=date(2027, 11, 1)))
        for number in range(2)
    ]  # fmt: skip
    found = judged([*told])
    depth = row(found, "depth_error")
    assert (depth.level, found.out_when_due) == ("watch", None)
    assert "That is before it is due: calibrate it before 2027-" in depth.sentence


def calibrated(days_ago: int, number: int, found_um: int, left_um: int = 0) -> tuple[datetime, Event]:
    """A certificate of some day."""
    at = NOW - timedelta(days=days_ago)
    return at, certificate("NW-2", "0007", str(number), found_um=found_um, left_um=left_um, on=at.date())


def test_a_certificate_issued_anew_is_no_second_calibration() -> None:
    told = [calibrated(360, 0, 0), calibrated(180, 1, 60), calibrated(10, 2, 62)]
    once = row(judged(told), "depth_error")
    named = told[2][1].model_copy(update={"number": "2-B", "due_on": "2027-05-01"})  # the same series
    anew = judged([*told, (NOW - timedelta(days=3), named)])
    assert row(anew, "depth_error") == once
    assert anew.calibration_due == "2027-05-01"


def test_left_out_of_tolerance_by_its_only_calibration_calls_for_somebody() -> None:
    depth = row(judged([calibrated(5, 0, 400, left_um=-180)]), "depth_error")
    assert (depth.level, depth.value) == ("act", -180)
    assert "Beyond its limit when it was read last" in depth.sentence


def test_depth_that_nobody_measured_yet_is_told_as_expected() -> None:
    depth = row(judged([calibrated(300, 0, 0), calibrated(200, 1, 120)]), "depth_error")
    assert (depth.level, depth.forecast.told_by) == ("act", "line")
    assert "if it went on as it did" in depth.sentence


def test_a_calibration_of_long_ago_is_no_ground_for_a_forecast() -> None:
    depth = row(judged([calibrated(2_000, 0, 0), calibrated(1_900, 1, 20)]), "depth_error")
    assert (depth.level, depth.forecast.state) == ("unknown", "too_few")
    assert "1900 days ago" in depth.sentence


def test_a_model_without_a_data_sheet_has_no_depth_row() -> None:
    pen = judged([(NOW, certificate("NW-X", "1", "1", found_um=5, left_um=1, on=NOW.date()))], limits=PenLimits())
    assert [one.quantity for one in pen.rows] == ["connections_lost"]


def test_a_bad_line_is_worth_a_word_and_no_more() -> None:
    lost: list[tuple[datetime, Event]] = [
        (NOW - timedelta(days=day, seconds=-later), event)
        for day in range(1, 25, 3)
        for later, event in ((0, PenLost(pen=PEN, cause="the port went")), (40, connected("NW-2", "0007")))
    ]
    pen = judged([*weekly(10, frames=9_000, frames_damaged=4), *lost])
    assert (row(pen, "frames_damaged").level, row(pen, "frames_damaged").value) == ("watch", pytest.approx(444, abs=1))
    assert (row(pen, "connections_lost").level, row(pen, "connections_lost").value) == ("watch", 8)
    assert pen.level == "watch"


def test_a_pen_that_is_put_away_each_evening_has_no_bad_line() -> None:
    days: list[tuple[datetime, Event]] = []
    for day in range(1, 29):
        days.append((NOW - timedelta(days=day, hours=15), connected("NW-2", "0007")))
        days.append((NOW - timedelta(days=day, hours=5), PenLost(pen=PEN, cause="the port went")))
    found = row(judged(days), "connections_lost")
    assert (found.level, found.value) == ("good", 0)


@pytest.mark.parametrize(("held", "due"), [("2027-11-27", "2027-11-26"), ("", None)])
def test_an_armed_pen_is_due_on_the_day_before_the_one_it_holds_or_has_no_such_day(held: str, due: str | None) -> None:
    pen = armed("M-1")
    event = pen.model_copy(update={"calibration": pen.calibration.model_copy(update={"due_on": held})})
    assert judged([(NOW, event)]).calibration_due == due


def quarantine(name: str) -> PenQuarantined:
    return PenQuarantined(
        quarantine=name, pen=PEN, serial="0007", because="shock", by="t", certificate="", last_in_tolerance="",
        since=None, errors=(),
    )  # fmt: skip


def release(name: str) -> PenReleased:
    return PenReleased(
        quarantines=(name,), pen=PEN, serial="0007", by="t", role="manager", certificate="C", sessions_reviewed=0
    )


def test_quarantine_and_a_failed_self_test_call_for_somebody_until_they_are_over() -> None:
    quarantined, released = quarantine("q-1"), release("q-1")
    failed, passed = (
        PenSelfTested(
            series="s", pen=PEN, serial="0007", parts=(PartTest(part="retract", outcome=outcome, sentence="."),)
        )
        for outcome in ("failed", "passed")
    )
    well = weekly(12)
    for begins, ends in ((quarantined, released), (failed, passed)):
        assert judged([*well, (NOW, begins)]).level == "act"
        assert judged([*well, (NOW, begins), (NOW + timedelta(seconds=1), ends)]).level == "good"


def test_a_release_that_is_told_before_its_quarantine_counts() -> None:
    quarantined, released = quarantine("q-1"), release("q-1")
    assert judged([*weekly(12), (NOW, released), (NOW + timedelta(seconds=1), quarantined)]).level == "good"
    assert judged([*weekly(12), (NOW, released), (NOW + timedelta(seconds=1), quarantine("q-2"))]).level == "act"


def test_a_pen_that_does_not_count_is_told_by_the_record() -> None:
    events = [(at, event) for at, event, _ in life("NW-1", "0001", until=NOW, months=2) if event.type != "health_read"]
    pen = judged(events)
    assert pen.counted_by == "record"
    assert pen.run_s > 0
    assert pen.strokes == pen.run_s * 100


# Minutes left ---------------------------------------------------------------------------------------------------------


def test_minutes_left_are_what_treatments_took() -> None:
    charges = []
    for number, took in enumerate((10, 11, 12)):
        charges += [
            Charge(number * 86_400.0, number * 600, 900),
            Charge(number * 86_400.0 + 900, number * 600 + 600, 900 - 10 * took),
        ]
    taken = loads(charges)
    assert taken == [10, 11, 12]
    left = minutes_left(540, taken, policy=POLICY.battery, confidence_percent=90)
    assert left is not None
    assert left.minutes == 40
    assert left.at_least < 40 < left.at_most
    few = minutes_left(540, taken[:1], policy=POLICY.battery, confidence_percent=90)
    assert few is not None
    assert (few.minutes, few.at_least, few.at_most) == (44, 35, 58)
    assert (left.confidence_percent, few.confidence_percent) == (90, None), "what is assumed has no confidence"
    assert minutes_left(540, [], policy=POLICY.battery, confidence_percent=90) is None
    assert minutes_left(40, taken, policy=POLICY.battery, confidence_percent=90).minutes == 0  # type: ignore[union-attr]


def test_charging_in_between_and_short_runs_say_nothing_of_a_load() -> None:
    assert loads([Charge(0, 0, 500), Charge(900, 600, 800)]) == []
    assert loads([Charge(0, 0, 500), Charge(900, 30, 480)]) == []
    assert loads([Charge(0, 0, 500), Charge(90_000, 600, 400)]) == []


def test_while_it_treats_the_current_counts() -> None:
    health = judged(weekly(3), Load(charge_permille=600, current_ma=450, treating=True))
    assert health.minutes_left is not None
    assert health.minutes_left.minutes == int(0.5 * 600 * 0.95 * 60 / 450)
    assert health.charge_read is None
    assert judged(weekly(3)).charge_read == NOW - timedelta(days=8)
    unknown = minutes_left_at_current(600, 450, battery_mah=600, capacity_permille=None, policy=POLICY.battery)
    assert unknown is not None
    assert unknown.at_most - unknown.at_least > health.minutes_left.at_most - health.minutes_left.at_least
    assert judged(weekly(3), Load(charge_permille=600, current_ma=0, treating=True)).minutes_left is None
