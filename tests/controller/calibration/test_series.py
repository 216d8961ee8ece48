"""A calibration under way: whatever interrupts it, and whenever, it goes on from where it was, and mixes nothing."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.calibration.readings import Reading, ReadingRefused
from controller.calibration.series import (
    WHATS,
    Air,
    CalibrationUnderWay,
    Do,
    Read,
    Setups,
    Stage,
    Table,
    next_step,
    restarted,
    results,
    taken,
    taken_whole,
)
from tests.controller.calibration.bench import depth, rate, series, with_method

SETUPS = Setups(
    with_method(depth(), points_um=(500, 1000, 1500), repeats=2),
    with_method(rate(), points_mhz=(80_000, 100_000, 120_000), repeats=2, load_points_mhz=(80_000,)),
)
EMPTY = Table(number=3, shown_um=(), true_um=(), rate_gain_ppm=1_000_000)
NEW = Table(number=4, shown_um=(400, 1400), true_um=(500, 1500), rate_gain_ppm=1_000_000)
AT = "2026-11-26T10:00:00Z"
READINGS = sum(SETUPS.plan(what).readings for what in WHATS)


def begun() -> CalibrationUnderWay:
    return CalibrationUnderWay(
        series="20261126T100000-aabbccddeeff",
        pen="NW-2",
        serial="NW2-000001",
        firmware="sim 2.0",
        technician="tech-1",
        policy_sha256="0" * 64,
        gauge="bench-gauge",
        cartridge="master-16",
        tachometer="bench-tachometer",
        air=(Air(temperature_dc=218, humidity_permille=410),),
        begun_at=AT,
        found=EMPTY,
    )


def read(work: CalibrationUnderWay, due: Read, error_um: int = 0, boot_id: int = 7) -> CalibrationUnderWay:
    plan = SETUPS.plan(due.what)
    point = plan.points[due.place.point]
    under_load = -point // 20 if due.what == "load" else 0
    return taken(
        work,
        due,
        SETUPS,
        shown=point + under_load,
        reference=point + under_load + (error_um if due.what == "depth" else 0),
        current_ma=50 if due.what == "load" else 40,
        at_ms=20_000 * len(work.readings),
        at=AT,
        source="gauge",
        boot_id=boot_id,
    )


def done(work: CalibrationUnderWay, step: Do, adjust: bool) -> CalibrationUnderWay:
    changes: dict[str, dict[str, object]] = {
        "quarantine": {"quarantined": True},
        "decide": {"adjust": adjust, "wanted": NEW if adjust else None},
        "adjust": {"adjusted": True},
        "calibrate": {"calibrated": True, "number": "C261126-7K3QM4XQ"},
        "issue": {"issued": True},
        "put_in_force": {"in_force": True},
    }
    return work.model_copy(update=changes[step.name])


def walked(
    error_um: int, left_um: int, adjust: bool, between: Callable[[CalibrationUnderWay], CalibrationUnderWay]
) -> tuple[list[Read | Do], CalibrationUnderWay]:
    """The whole way, ``between`` after each step: what came, and the work at its end."""
    work, steps = begun(), list[Read | Do]()
    while (step := next_step(work, SETUPS)) != Do("done"):
        steps.append(step)
        if isinstance(step, Read):
            work = read(work, step, error_um if step.stage == "as_found" else left_um)
        else:
            work = done(work, step, adjust)
        work = between(work)
        assert len(steps) < 100, "it comes to an end"
    return steps, work


def names(steps: list[Read | Do]) -> list[str]:
    told = [f"{step.stage} {step.what}" if isinstance(step, Read) else step.name for step in steps]
    return [told[0], *(name for before, name in pairwise(told) if name != before)]


AS_FOUND = ["as_found depth", "as_found rate", "as_found load"]
AS_LEFT = ["as_left depth", "as_left rate", "as_left load"]
SEALED = ["calibrate", "issue", "put_in_force"]
"""What the pen is given, the certificate, and last of all that the pen goes by it."""


@pytest.mark.parametrize(
    ("error_um", "left_um", "adjust", "way"),
    [
        (0, 0, False, [*AS_FOUND, "decide", *SEALED]),
        (0, 0, True, [*AS_FOUND, "decide", "adjust", *AS_LEFT, *SEALED]),
        (170, 0, True, [*AS_FOUND, "quarantine", "decide", "adjust", *AS_LEFT, *SEALED]),
        (170, 170, True, [*AS_FOUND, "quarantine", "decide", "adjust", *AS_LEFT, "issue"]),
        (170, 0, False, [*AS_FOUND, "quarantine", "decide", "issue"]),
    ],
)
def test_the_way_of_each_kind_of_pen(error_um: int, left_um: int, adjust: bool, way: list[str]) -> None:
    steps, work = walked(error_um, left_um, adjust, lambda work: work)
    assert names(steps) == way
    assert sum(isinstance(step, Read) for step in steps) == READINGS * (2 if adjust else 1)
    assert work.calibrated == ("calibrate" in way), "a pen out of tolerance is given no calibration"
    assert work.in_force == work.calibrated


@given(st.integers(0, 300), st.integers(0, 300), st.booleans(), st.sets(st.integers(0, 60)))
def test_a_work_read_back_from_its_file_goes_on_as_if_nothing_had_been(
    error_um: int, left_um: int, adjust: bool, interrupted: set[int]
) -> None:
    number = iter(range(1000))

    def from_the_disk(work: CalibrationUnderWay) -> CalibrationUnderWay:
        if next(number) not in interrupted:
            return work
        return CalibrationUnderWay.model_validate_json(work.model_dump_json())

    assert walked(error_um, left_um, adjust, from_the_disk) == walked(error_um, left_um, adjust, lambda work: work)


@given(st.lists(st.booleans(), min_size=READINGS, max_size=READINGS))
def test_no_series_spans_a_restart_of_the_pen(restarts: list[bool]) -> None:
    work, boot_id = begun(), 1
    for restart in restarts:
        if restart:
            boot_id += 1
            before = work
            work = restarted(work, SETUPS, boot_id)
            for what in WHATS:
                whole = len(before.of("as_found", what)) == SETUPS.plan(what).readings
                assert work.of("as_found", what) == (before.of("as_found", what) if whole else ())
        step = next_step(work, SETUPS)
        if isinstance(step, Read):
            work = read(work, step, boot_id=boot_id)
    for what in WHATS:
        assert len({each.boot_id for each in work.of("as_found", what)}) <= 1


@given(st.integers(0, READINGS - 1), st.integers(-3_000_000, 3_000_000))
def test_a_reading_that_is_refused_leaves_the_work_as_it_was(at: int, off: int) -> None:
    work = begun()
    for _ in range(at):
        step = next_step(work, SETUPS)
        assert isinstance(step, Read)
        work = read(work, step)
    due = next_step(work, SETUPS)
    assert isinstance(due, Read)
    plan, before = SETUPS.plan(due.what), work.model_copy()
    point = plan.points[due.place.point]
    refused: ReadingRefused | None = None
    try:
        more = taken(
            work, due, SETUPS, shown=point, reference=point + off, current_ma=None, at_ms=1, at=AT, source="typed",
            boot_id=1,
        )  # fmt: skip
    except ReadingRefused as error:
        refused = error
    if refused is None:
        assert abs(off) <= plan.absurd_at(due.place.point)
        assert len(more.readings) == at + 1
    else:
        assert refused.line == due.line
    assert work == before


def test_a_load_that_was_forgotten_is_told_of_at_the_first_reading_and_then_put_on() -> None:
    work = begun()
    step = next_step(work, SETUPS)
    while isinstance(step, Read) and step.what != "load":
        work = read(work, step)
        step = next_step(work, SETUPS)
    assert isinstance(step, Read)
    for reference, current_ma, told in ((80_000, 50, "not slower"), (84_000, 50, "not slower"), (76_000, 40, "40 mA")):
        with pytest.raises(ReadingRefused, match=told):
            taken(work, step, SETUPS, shown=reference, reference=reference, current_ma=current_ma, at_ms=1, at=AT,
                  source="gauge", boot_id=7)  # fmt: skip
    assert next_step(read(work, step), SETUPS) != step


def test_a_file_read_without_the_load_is_refused_whole() -> None:
    work = begun()
    for what in ("depth", "rate"):
        whole: list[Reading] = series(SETUPS.plan(what), lambda *_: 3)  # type: ignore[arg-type] # both are whats
        work = taken_whole(work, SETUPS, "as_found", what, whole, at=AT, boot_id=1)  # type: ignore[arg-type]
    with pytest.raises(ReadingRefused, match="nothing shows that the load was on"):
        taken_whole(work, SETUPS, "as_found", "load", series(SETUPS.plan("load"), lambda *_: 3), at=AT, boot_id=1)


def test_a_series_from_a_file_is_not_mixed_with_one_that_was_begun() -> None:
    whole: list[Reading] = series(SETUPS.plan("depth"), lambda *_: 3)
    work = taken_whole(begun(), SETUPS, "as_found", "depth", whole, at=AT, boot_id=1)
    step = next_step(work, SETUPS)
    assert isinstance(step, Read)
    assert (step.what, step.line) == ("rate", 1)
    first = next_step(begun(), SETUPS)
    assert isinstance(first, Read)
    with pytest.raises(ReadingRefused, match="not mixed"):
        taken_whole(read(begun(), first), SETUPS, "as_found", "depth", whole, at=AT, boot_id=1)


def test_results_are_those_of_the_stage_asked_for() -> None:
    _, work = walked(170, 0, True, lambda work: work)
    found, left = (results(work, SETUPS, stage) for stage in ("as_found", "as_left"))
    assert (found.in_tolerance, left.in_tolerance) == (False, True)
    assert (found.depth.largest_error_um, left.depth.largest_error_um) == (170, 0)


def test_a_stage_that_is_not_complete_has_no_result() -> None:
    stage: Stage = "as_found"
    with pytest.raises(ReadingRefused, match="0 readings"):
        results(begun(), SETUPS, stage)
