"""Sessions held with a pen that was out of tolerance, each with its depth error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.events import Event, SessionClosed, SetpointChanged, ZoneChanged, ZoneDose, ZoneSnapshot
from controller.service_events import ErrorAtDepth
from controller.units import Micrometres, Millihertz
from logger.record.exposure import ZoneExposed, error_at, exposed, worst_first
from tests.logger.making import opened
from tests.logger.test_uses import chained

ERRORS = (
    ErrorAtDepth(shown_um=250, error_um=10),
    ErrorAtDepth(shown_um=500, error_um=60),
    ErrorAtDepth(shown_um=1000, error_um=-40),
)


@pytest.mark.parametrize(
    ("shown_um", "expected"),
    [
        (250, (10, False)), (500, (60, False)), (1000, (-40, False)), (375, (35, False)), (750, (10, False)),
        (100, (10, True)), (1500, (-40, True)),
        (251, (11, False)),  # 10.2: away from zero
        (999, (-40, False)),  # -39.8
    ],
)  # fmt: skip
def test_the_error_is_straight_between_the_points_and_the_nearest_beyond_them(
    shown_um: int, expected: tuple[int, bool]
) -> None:
    assert error_at(ERRORS, shown_um) == expected


def test_without_a_point_nothing_is_said() -> None:
    with pytest.raises(ValueError, match="no error"):
        error_at((), 500)


POINTS = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(-500, 500)), min_size=1, max_size=8, unique_by=lambda p: p[0]
)


@given(POINTS, st.integers(0, 3000))
def test_it_never_leaves_the_errors_that_were_found(points: list[tuple[int, int]], shown_um: int) -> None:
    errors = [ErrorAtDepth(shown_um=depth, error_um=error) for depth, error in points]
    found, _ = error_at(errors, shown_um)
    assert min(error for _, error in points) <= found <= max(error for _, error in points)
    assert all(error_at(errors, depth) == (error, False) for depth, error in points)


def dose(zone: str, measured_um: int | None, strokes: int = 100) -> ZoneDose:
    return ZoneDose(
        zone=zone, treated_ms=1000, strokes=strokes, punctures=None,
        depth_measured_max_um=measured_um, depth_measured_mean_um=measured_um, rate_measured_mean_mhz=None,
    )  # fmt: skip


def closed(*doses: ZoneDose) -> SessionClosed:
    return SessionClosed(outcome="completed", reason="finished", doses=doses)


def began(**changes: Any) -> Event:
    plans = tuple(
        ZoneSnapshot(zone=zone, soft_um=Micrometres(hard), hard_um=Micrometres(hard), rate_max_mhz=Millihertz(100_000))
        for zone, hard in (("cheek", 1000), ("chin", 550))
    )
    return opened().model_copy(update={"zone": "cheek", "zone_plans": plans, "patient": "p-1", **changes})


def set_to(depth_um: int) -> SetpointChanged:
    return SetpointChanged(depth_commanded_um=Micrometres(depth_um), rate_commanded_mhz=Millihertz(100_000))


def of(*events: Event) -> Any:
    return exposed(chained([("s-1", event) for event in events]), ERRORS)


def test_each_zone_at_the_deepest_it_showed() -> None:
    found = of(began(), set_to(500), ZoneChanged(zone="chin"), closed(dose("cheek", 500), dose("chin", 520)))
    assert found.zones == (
        ZoneExposed("cheek", 500, 60, 1000, sensed=True, beyond=False),
        ZoneExposed("chin", 520, 56, 550, sensed=True, beyond=False),
    )
    assert [zone.true_um for zone in found.zones] == [560, 576]
    assert [zone.over_limit for zone in found.zones] == [False, True]
    assert (found.worst_um, found.over_limit, found.patient) == (60, True, "p-1")


def test_a_pen_that_senses_no_depth_counts_as_commanded_also_into_the_next_zone() -> None:
    found = of(began(), set_to(1000), ZoneChanged(zone="chin"), closed(dose("cheek", None), dose("chin", None)))
    assert [(zone.zone, zone.shown_um, zone.sensed) for zone in found.zones] == [
        ("cheek", 1000, False),
        ("chin", 1000, False),
    ]


def test_a_zone_without_a_stroke_and_a_session_that_was_only_prepared_have_nothing() -> None:
    assert of(began(), closed(dose("cheek", None, strokes=0))).zones == ()
    assert of(began()).zones == ()
    assert of(set_to(500)) is None


def test_a_session_that_is_open_counts_with_all_it_was_set_to() -> None:
    assert [zone.shown_um for zone in of(began(), set_to(500), set_to(250)).zones] == [500]


def test_what_a_later_version_wrote_is_counted_and_not_guessed() -> None:
    entries = chained([("s-1", began()), ("s-1", set_to(500))])
    strange = entries[1]._replace(body=b'{"type":"setpoint_changed","version":9}', version=9)
    found = exposed([entries[0], strange], ERRORS)
    assert found is not None
    assert (found.zones, found.unread) == ((), 1)


def test_without_an_error_it_counts_all_the_same_and_comes_before_what_is_known() -> None:
    unknown = exposed(chained([("s-1", one) for one in (began(), set_to(500), closed(dose("chin", 600)))]), ())
    assert unknown is not None
    (zone,) = unknown.zones
    assert (zone.shown_um, zone.error_um, zone.true_um, zone.beyond) == (600, None, None, False)
    assert (unknown.worst_um, unknown.over_limit) == (None, False)
    over, known = of(began(), closed(dose("chin", 550))), of(began(), closed(dose("cheek", 500)))
    assert worst_first([known, unknown, over]) == [over, unknown, known]


def test_those_beyond_a_limit_come_first_then_the_greatest_error() -> None:
    little = of(began(), closed(dose("cheek", 250)))
    much = of(began(), closed(dose("cheek", 500)))
    over = of(began(), closed(dose("chin", 550)))
    assert worst_first([little, much, over]) == [over, much, little]
