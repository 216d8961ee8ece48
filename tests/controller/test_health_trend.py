"""Lines through readings, when they meet a limit, and whether their intervals hold what they promise."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from controller.health.forecast import forecast
from controller.health.policy import ForecastPolicy, load_health_policy
from controller.health.share import at_most, rank
from controller.health.trend import Reading, line, meeting

POLICY = load_health_policy().forecast
FAR = POLICY.model_copy(update={"horizon_days": 3650, "reach_times": 20})


def readings(per_day: float, *, days: int = 200, every: int = 10, scatter: float = 0.0, seed: int = 1) -> list[Reading]:
    """A line from 100 on, with scatter."""
    chance = random.Random(seed)
    return [Reading(day, 100 + per_day * day + chance.gauss(0, scatter)) for day in range(0, days, every)]


def test_a_line_is_that_of_an_independent_computation() -> None:
    points = readings(0.3, scatter=4)
    found = line(points)
    known = stats.linregress([one.day for one in points], [one.value for one in points])
    assert found is not None
    assert found.per_day == pytest.approx(known.slope)
    assert found.at(0) == pytest.approx(known.intercept)
    t = stats.t.ppf(0.975, len(points) - 2)
    assert found.half_width(0, 0.95) == pytest.approx(t * known.intercept_stderr)


def test_where_it_meets_a_limit_lies_in_the_interval_as_often_as_it_says() -> None:
    """Over 1 000 fixed seeds the 90 % interval holds the day planted: Fieller's is exact, so 88 to 92 %."""
    held = met = 0
    for seed in range(1000):
        found = line(readings(0.25, scatter=6, seed=seed))
        assert found is not None
        ends = meeting(found, 160, 0.9)
        if ends is not None:
            met += 1
            held += ends[0] <= 240 <= ends[1]
    assert met > 990
    assert 0.88 <= held / met <= 0.92


def test_leaving_is_told_with_its_day_between_both_ends() -> None:
    found = forecast(readings(0.25, scatter=2), 160, "at_most", now=200, policy=FAR, resolution=1)
    assert found.state == "leaving"
    assert found.day == pytest.approx(240, abs=12)
    assert found.earliest is not None
    assert found.latest is not None
    assert 200 <= found.earliest < found.day < found.latest


@pytest.mark.parametrize(
    ("per_day", "limit", "side", "state"),
    [
        (0.25, 140, "at_most", "left"),
        (0.0, 160, "at_most", "steady"),
        (-0.25, 160, "at_most", "steady"),
        (-0.25, 60, "at_least", "left"),
        (-0.25, 40, "at_least", "leaving"),
        (0.001, 160, "at_most", "steady"),
    ],
)
def test_what_is_said_of_a_course(per_day: float, limit: float, side: str, state: str) -> None:
    said = forecast(readings(per_day, scatter=0.5), limit, side, now=200, policy=FAR, resolution=1)  # type: ignore[arg-type]
    assert said.state == state


def test_too_little_is_no_forecast_but_a_limit_passed_is_told() -> None:
    few = readings(0.25, days=40)
    assert forecast(few, 500, "at_most", now=40, policy=FAR, resolution=1).state == "too_few"
    assert forecast(few, 90, "at_most", now=40, policy=FAR, resolution=1).state == "left"
    assert forecast([], 90, "at_most", now=40, policy=FAR, resolution=1).state == "too_few"
    week = [Reading(day / 4, 100 + day) for day in range(20)]
    assert forecast(week, 200, "at_most", now=5, policy=FAR, resolution=1).state == "too_few"


def test_it_looks_ahead_no_farther_than_it_looked_back() -> None:
    policy = FAR.model_copy(update={"reach_times": 1})
    near = forecast(readings(0.25, scatter=0.5), 160, "at_most", now=200, policy=policy, resolution=1)
    far = forecast(readings(0.25, scatter=0.5), 240, "at_most", now=200, policy=policy, resolution=1)
    assert (near.state, far.state) == ("leaving", "steady")
    assert far.until == pytest.approx(190 + 190)


def test_a_pen_that_was_put_away_has_no_forecast_until_it_is_read_again() -> None:
    month = readings(0.25, days=40, every=5, scatter=0.5)
    policy = FAR.model_copy(update={"reach_times": 3})
    assert forecast(month, 200, "at_most", now=100, policy=policy, resolution=1).state != "too_few"
    said = forecast(month, 200, "at_most", now=700, policy=policy, resolution=1)
    assert said.state == "too_few"
    assert "665 days old" in said.because
    assert forecast(month, 105, "at_most", now=700, policy=policy, resolution=1).state == "left"


def test_it_is_said_whether_a_reading_or_the_line_is_beyond_the_limit() -> None:
    flat = readings(0.0, scatter=0.5)
    hot = [*flat, Reading(195, 180)]
    said = forecast(hot, 160, "at_most", now=200, policy=FAR, resolution=1)
    assert (said.state, said.told_by) == ("left", "reading")
    rising = readings(0.25)
    said = forecast(rising, 149, "at_most", now=210, policy=FAR, resolution=1)
    assert (said.state, said.told_by) == ("left", "line")
    said = forecast(rising, 140, "at_most", now=210, policy=FAR, resolution=1)
    assert (said.state, said.told_by) == ("left", "")


def test_what_is_read_often_on_a_day_counts_once() -> None:
    once = readings(0.25, scatter=6)
    often = [Reading(one.day + part / 10, one.value) for one in once for part in range(4)]
    few, many = (forecast(these, 160, "at_most", now=200, policy=FAR, resolution=1) for these in (once, often))
    assert many.latest == pytest.approx(few.latest, abs=1)
    assert forecast(often[:16], 160, "at_most", now=40, policy=FAR, resolution=1).state == "too_few"


def test_a_trend_that_may_be_chance_gives_no_day() -> None:
    said = forecast(readings(0.02, scatter=8, seed=1), 130, "at_most", now=200, policy=FAR, resolution=1)
    assert (said.state, said.day) == ("steady", None)
    assert "chance" in said.because


def test_a_recent_turn_counts_and_the_years_before_it_do_not() -> None:
    policy = FAR.model_copy(update={"window_days": 100})
    flat = [Reading(day, 100.0) for day in range(0, 700, 10)]
    steep = [Reading(700 + day, 100 + day * 0.5) for day in range(0, 110, 10)]
    said = forecast([*flat, *steep], 200, "at_most", now=800, policy=policy, resolution=1)
    assert said.day == pytest.approx(900, abs=2)


@given(
    st.lists(st.integers(0, 10_000), min_size=5, max_size=40),
    st.integers(-5_000, 15_000),
    st.sampled_from(["at_most", "at_least"]),
)
def test_ends_enclose_the_day_and_none_is_past(values: list[int], limit: int, side: str) -> None:
    points = [Reading(10.0 * number, float(value)) for number, value in enumerate(values)]
    now = points[-1].day + 5
    said = forecast(points, limit, side, now=now, policy=POLICY, resolution=1)  # type: ignore[arg-type]
    if said.state == "leaving":
        assert said.day is not None
        assert said.earliest is not None
        assert now <= said.earliest <= said.day
        assert said.latest is None or said.day <= said.latest <= (said.until or 0)
    else:
        assert said.day is None
    if said.state == "left":
        assert (said.earliest, said.latest) == (None, None)


@given(st.integers(0, 50), st.integers(1, 5_000), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_greatest_share_is_that_of_an_independent_computation(bad: int, more: int, confidence: float) -> None:
    of = bad + more
    assert at_most(bad, of, confidence) == pytest.approx(stats.beta.ppf(confidence, bad + 1, of - bad), abs=1e-7)


def test_shares_and_ranks_of_nothing_are_refused() -> None:
    assert at_most(3, 3, 0.95) == 1.0
    assert (rank([3, 1, 2], 0.5), rank([3, 1, 2], 1.0), rank([5], 0.01)) == (2, 3, 5)
    for wrong in ((1, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="no share"):
            at_most(*wrong, 0.95)
    with pytest.raises(ValueError, match="nothing"):
        rank([], 0.5)


def test_the_policy_says_how_far_it_looks() -> None:
    policy = ForecastPolicy.model_validate(
        {**POLICY.model_dump(), "horizon_days": 100, "reach_times": 2},
    )
    assert (policy.until(10, 10, 20), policy.until(10, 10, 500), policy.until(90, 10, 20)) == (50, 110, 50)
