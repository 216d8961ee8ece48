"""Curves and what is drawn of them: a peak is never lost, a hole is never bridged, and it stays small."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from controller.events import InputChunk
from logger.record.telemetry import RUNNING
from logger.report.axes import time_ticks, value_ticks
from logger.report.charts import charts
from logger.report.curves import GAP_MS, STRETCHES_MOST, Curves, Extent
from logger.report.face import AREAS, HEIGHT, MARKS, WIDTH, Fill, face_svg
from logger.report.wording import breakable, spelled, visible


def chunk(times_ms: list[int], running: list[bool], depths_um: list[int | None]) -> InputChunk:
    return InputChunk(
        kinds="S" * len(times_ms),
        times_ms=tuple(times_ms),
        status={
            "state": tuple(RUNNING if on else 0 for on in running),
            "depth_measured_um": tuple(depths_um),
            "depth_set_um": (500,) * len(times_ms),
        },
        commands=(),
        links=(),
    )


def extremes(extent: Extent) -> tuple[int, ...]:
    return extent.least, extent.greatest


statuses = st.lists(
    st.tuples(st.integers(1, 60_000), st.booleans(), st.one_of(st.none(), st.integers(-500, 2500))),
    min_size=1,
    max_size=300,
)


@given(statuses, st.integers(0, 10**9))
def test_what_was_measured_is_within_what_is_drawn(steps: list[tuple[int, bool, int | None]], begin_ms: int) -> None:
    times, at_ms = [], begin_ms
    for step_ms, _, _ in steps:
        at_ms += step_ms
        times.append(at_ms)
    running, depths = [on for _, on, _ in steps], [depth for _, _, depth in steps]
    curves = Curves()
    curves.take(chunk(times, running, depths), begin_ms)
    known = [depth for on, depth in zip(running, depths, strict=True) if on and depth is not None]
    points = [point for line in curves.lines("depth_measured_um", extremes) for point in line]
    assert len(points) <= STRETCHES_MOST
    assert bool(points) == bool(known)
    if known:
        assert min(point[1] for point in points) == min(known)
        assert max(point[2] for point in points) == max(known)
    holes = [later - before for before, later in pairwise(times) if later - before > GAP_MS]
    assert [gap.to_ms - gap.from_ms for gap in curves.gaps] == holes
    for run in curves.runs:
        assert not any(gap.from_ms < run.to_ms and run.from_ms < gap.to_ms for gap in curves.gaps)


def test_a_pause_and_a_hole_break_the_line() -> None:
    times = [*range(0, 2000, 20), *range(5000, 7000, 20), *range(7020, 9000, 20)]
    running = [time < 7000 or time > 8000 for time in times]
    curves = Curves()
    curves.take(chunk(times, running, [500] * len(times)), 0)
    assert len(curves.lines("depth_measured_um", extremes)) == 3
    assert [(gap.from_ms, gap.to_ms) for gap in curves.gaps] == [(1980, 5000)]
    assert [run.from_ms for run in curves.runs] == [0, 5000, 8020]


def test_a_report_that_comes_late_breaks_no_line() -> None:
    """Less than a gap is none: nothing is hatched there and nothing paused, so nothing may be missing either."""
    times = [*range(0, 2000, 20), *range(2400, 4000, 20), *range(4000 + GAP_MS - 20, 7000, 20)]
    curves = Curves()
    curves.take(chunk(times, [True] * len(times), [500] * len(times)), 0)
    assert not curves.gaps
    assert len(curves.runs) == len(curves.lines("depth_measured_um", extremes)) == 1
    assert len(curves.lines("depth_set_um", extremes)) == 1


def test_what_was_not_measured_is_not_bridged() -> None:
    times = list(range(0, 3000, 20))
    curves = Curves()
    curves.take(chunk(times, [True] * len(times), [None if 1000 <= time < 1400 else 500 for time in times]), 0)
    assert len(curves.lines("depth_measured_um", extremes)) == 2
    assert len(curves.lines("depth_set_um", extremes)) == 1


def test_a_short_pause_breaks_the_line_where_its_stretches_are_empty() -> None:
    times = list(range(0, 3000, 20))
    curves = Curves()
    curves.take(chunk(times, [not 1000 <= time < 1400 for time in times], [500] * len(times)), 0)
    assert len(curves.lines("depth_measured_um", extremes)) == len(curves.runs) == 2


def test_an_hour_is_drawn_with_few_points_and_keeps_its_peak() -> None:
    times = list(range(0, 3_600_000, 200))
    depths: list[int | None] = [500] * len(times)
    depths[7_777] = 1490
    curves = Curves()
    curves.take(chunk(times, [True] * len(times), depths), 0)
    depth, _ = charts(curves, {})
    (band,) = depth["bands"]
    assert len(band) <= 2 * STRETCHES_MOST
    assert max(y for _, y in band) > 0.9
    (put,) = depth["sets"]
    assert len(put) == 2, "what does not change is two points"


@given(st.integers(1, 10**7))
def test_ticks_reach_over_the_value_and_are_few(most: int) -> None:
    ticks = value_ticks(most)
    assert ticks[0] == 0
    assert ticks[-1] >= most
    assert 2 <= len(ticks) <= 7
    assert len({b - a for a, b in pairwise(ticks)}) == 1


@given(st.integers(0, 10**7), st.integers(10_000, 10**8))
def test_ticks_of_time_lie_within_and_are_few(from_ms: int, length_ms: int) -> None:
    ticks = time_ticks(from_ms, from_ms + length_ms)
    assert all(from_ms <= tick <= from_ms + length_ms for tick in ticks)
    assert len(ticks) <= 13
    assert all(tick % 1000 == 0 for tick in ticks)


@given(st.text())
def test_every_text_can_be_seen_and_spelled(text: str) -> None:
    assert all(sign.isprintable() or sign in "\u00a0\u202f\u200b" or sign.isspace() for sign in visible(text))
    assert breakable(text).replace("\u200b", "") == text.replace("\u200b", "")
    assert spelled(spelled(text)) == spelled(text)


def test_every_zone_of_the_face_has_a_place_for_its_number_and_nothing_else_is_drawn() -> None:
    assert set(AREAS) == set(MARKS)
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in MARKS.values())
    empty = face_svg({})
    assert face_svg({"left-elbow": Fill("#123456")}) == empty
    assert face_svg({"cheek": Fill("#123456")}).count("#123456") == 1
