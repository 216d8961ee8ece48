"""What is refused of readings: by line, with the reason."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.calibration.reading_file import read_series, typed_reading
from controller.calibration.readings import (
    Place,
    Reading,
    ReadingRefused,
    SeriesPlan,
    depth_plan,
    held_complete,
    held_sound,
    load_plan,
    rate_plan,
)
from tests.controller.calibration.bench import depth, rate, series

PLAN = depth_plan(depth().method)
RATES = rate_plan(rate().method)
GOOD = series(PLAN, lambda *_: 40.0)
REFUSED = {"reading_absurd", "reading_unit", "reading_order"}


def refused(readings: list[Reading], plan: SeriesPlan = PLAN) -> ReadingRefused:
    with pytest.raises(ReadingRefused) as caught:
        held_complete(readings, plan)
    return caught.value


def with_change(line: int, **changes: object) -> list[Reading]:
    return [replace(each, **changes) if number == line else each for number, each in enumerate(GOOD, 1)]  # type: ignore[arg-type]


def test_a_plan_goes_up_and_then_down_again_each_time() -> None:
    plan = SeriesPlan("depth_um", (250, 500, 1000), ("up", "down"), 2, 800)
    walked = [(place.point, place.direction, place.repeat) for place in plan.places()]
    once = [(0, "up"), (1, "up"), (2, "up"), (2, "down"), (1, "down"), (0, "down")]
    assert walked == [(*each, repeat) for repeat in (0, 1) for each in once]
    assert plan.readings == len(walked) == 12


def test_each_way_begins_beyond_its_first_point() -> None:
    """Else the deepest point of a way down was come to from shallower, and hysteresis would hide there."""
    plan = SeriesPlan("depth_um", (100, 500, 1000), ("up", "down"), 2, 800, approach=150)
    beyond = [plan.approach_to(place) for place in plan.places()]
    assert beyond == [0, None, None, 1150, None, None] * 2
    assert PLAN.approach_to(Place(0, "up", 1)) == 100
    assert RATES.approach_to(Place(0, "up", 0)) is None


def test_a_good_series_is_taken() -> None:
    held_complete(GOOD, PLAN)
    held_complete(series(RATES, lambda *_: 0.0), RATES)
    held_complete([], load_plan(rate().method.model_copy(update={"load_points_mhz": ()})))


@pytest.mark.parametrize(
    ("line", "changes", "because", "reason"),
    [
        (7, {"point": 3}, "reading_order", "this is 1.00 mm, down, repeat 1, but 2.00 mm, down, repeat 1 is due here"),
        (2, {"direction": "down"}, "reading_order", "line 2: this is 0.50 mm, down"),
        (13, {"repeat": 0}, "reading_order", "line 13: this is 0.25 mm, up, repeat 1, but 0.25 mm, up, repeat 2"),
        (1, {"point": 99}, "reading_order", "an unknown point"),
        (1, {"reference": 11}, "reading_unit", "where the pen shows 0.250 mm; it would fit if it was read in inches"),
        (1, {"reference": -260}, "reading_unit", "the pen shows 0.250 mm; it would fit with the other sign"),
        (4, {"reference": 3_000}, "reading_absurd", "the reference reads 3.000 mm where the pen shows 1.000 mm"),
        (4, {"shown": 2_000, "reference": 2_000}, "reading_absurd", "the pen shows 2.000 mm where 1.000 mm was"),
        (4, {"reference": 40}, "reading_unit", "it would fit if it was read in inches"),
        (6, {"reference": 2_000_000}, "reading_unit", "it would fit if it was read in micrometres"),
        (5, {"reference": -1_500}, "reading_unit", "it would fit with the other sign"),
        (3, {"reference": 530}, "reading_order", "the reference reads 0.530 mm after 0.540 mm, though the pen"),
        (8, {"reference": 2_100}, "reading_order", "was set down to 1.500 mm: two readings are exchanged"),
        (12, {"reference": 11}, "reading_unit", "not as far off; it would fit if it was read in inches"),
        (9, {"at_ms": 0}, "reading_order", "line 9: its time is before that of the line above"),
    ],
)  # fmt: skip
def test_a_bad_reading_is_refused_with_its_line_and_reason(
    line: int, changes: dict[str, object], because: str, reason: str
) -> None:
    error = refused(with_change(line, **changes))
    assert (error.because, error.line) == (because, line)
    assert reason in str(error)


def test_too_few_and_too_many() -> None:
    few, many = refused(GOOD[:20]), refused([*GOOD, GOOD[-1]])
    assert (few.because, few.line) == ("reading_missing", 21)
    assert "20 readings of 36; 1.00 mm, down, repeat 2 comes next" in str(few)
    assert (many.because, many.line) == ("reading_surplus", 37)


def test_strokes_a_minute_are_recognised() -> None:
    rates = series(RATES, lambda *_: 0.0)
    rates[2] = replace(rates[2], reference=rates[2].shown * 60)
    assert "strokes a minute (rpm)" in str(refused(rates, RATES))


@given(st.integers(0, 2**32))
def test_no_other_order_is_taken(seed: int) -> None:
    shuffled = list(GOOD)
    Random(seed).shuffle(shuffled)
    if shuffled != GOOD:
        assert refused(shuffled).because == "reading_order"


@given(st.integers(0, 5), st.integers(-3_000, 5_000), st.integers(-100_000, 100_000))
def test_what_is_sound_is_near_what_is_shown_and_set(point: int, shown: int, reference: int) -> None:
    reading = Reading(point, "up", 0, shown, reference)
    near = abs(shown - PLAN.points[point]) <= PLAN.absurd and abs(reference - shown) <= PLAN.absurd
    try:
        held_sound(reading, None, PLAN, 1)
        because = "taken"
    except ReadingRefused as refusal:
        because = refusal.because
    # Another unit, or sign, is seen before it is absurd.
    far = abs(reference - shown) > PLAN.absurd // 4
    assert because in ({"taken", "reading_unit"} if near and far else {"taken"} if near else REFUSED)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.512", 512), (" 0.512 mm ", 512), ("512 um", 512), ("512µm", 512), ("+.5", 500), ("-0.003", -3),
        ("0.5126", 513), ("1.", 1000), ("2", 2000),
    ],
)  # fmt: skip
def test_what_somebody_types(text: str, value: int) -> None:
    assert typed_reading(text, "depth_um") == value


@pytest.mark.parametrize(("text", "value"), [("80.1", 80_100), ("80.1 Hz", 80_100), ("80100 mHz", 80_100)])
def test_what_somebody_types_of_a_rate(text: str, value: int) -> None:
    assert typed_reading(text, "rate_mhz") == value


@pytest.mark.parametrize(
    ("text", "because", "reason"),
    [
        ("0.02 in", "reading_unit", "is in 'in', and this reading is taken in mm"),
        ('0.02"', "reading_unit", "factors of 25.4"),
        ("0,512", "reading_text", "Write a point, as in 0.512"),
        ("", "reading_text", "is no reading in mm"),
        ("nan", "reading_text", "is no reading"),
        ("1e3", "reading_text", "is no reading"),
        ("0.5 0.6", "reading_text", "is no reading"),
        ("99999999999", "reading_absurd", "beyond anything a pen does"),
        ("0.5 Hz", "reading_unit", "taken in mm"),
    ],
)
def test_what_is_not_taken_from_somebody_typing(text: str, because: str, reason: str) -> None:
    with pytest.raises(ReadingRefused, match="line 12: ") as caught:
        typed_reading(text, "depth_um", 12)
    assert caught.value.because == because
    assert reason in str(caught.value)


@given(st.text(max_size=80))
def test_nothing_typed_does_more_than_being_refused(text: str) -> None:
    try:
        value = typed_reading(text, "depth_um")
    except ReadingRefused as refusal:
        said = str(refusal)
    else:
        said = str(value)
    assert said.isprintable()


def table(readings: list[Reading], *, mark: str = ",") -> list[str]:
    lines = ["set_mm,direction,repeat,shown_mm,reference_mm,time_s".replace(",", mark)]
    for each in readings:
        cells = (
            f"{PLAN.points[each.point] / 1000}", each.direction, str(each.repeat + 1), f"{each.shown / 1000}",
            f"{each.reference / 1000:.3f}", str((each.at_ms or 0) / 1000),
        )  # fmt: skip
        lines.append(mark.join(cells))
    return lines


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_file_says_what_was_read(mark: str) -> None:
    lines = ["# gauge of the bench", "", *table(GOOD, mark=mark)]
    assert read_series("\N{BOM}" + "\r\n".join(lines), PLAN) == tuple(GOOD)


def test_a_file_in_other_units_with_other_columns_first() -> None:
    lines = ["direction,repeat,set_um,reference_µm,shown_um"]
    lines += [
        f"{each.direction},{each.repeat + 1},{PLAN.points[each.point]},{each.reference},{each.shown}" for each in GOOD
    ]
    assert read_series("\n".join(lines), PLAN) == tuple(replace(each, at_ms=None) for each in GOOD)


def test_a_file_of_rates() -> None:
    readings = series(RATES, lambda *_: 0.0, seconds=None)
    lines = ["set_hz,direction,repeat,shown_hz,reference_mhz"]
    lines += [
        f"{each.shown / 1000},{each.direction},{each.repeat + 1},{each.shown / 1000},{each.reference}"
        for each in readings
    ]
    assert read_series("\n".join(lines), RATES) == tuple(readings)


@pytest.mark.parametrize(
    ("line", "was", "now", "because", "reason"),
    [
        (1, "shown_mm", "shown", "reading_unit", "line 1: 'shown' has no unit"),
        (1, "shown_mm", "shown_in", "reading_unit", "line 1: 'shown_in' is no column"),
        (1, "shown_mm", "set_um", "reading_text", "line 1: the column set stands there twice"),
        (1, ",time_s", ",weather", "reading_text", "line 1: 'weather' is no column"),
        (
            2,
            "0.25,",
            "0.26,",
            "reading_order",
            "line 2: 0.260 mm is no point of this method; they are 0.250 mm, 0.500 mm",
        ),
        (3, "up", "upwards", "reading_text", "line 3: 'upwards' is no direction"),
        (3, ",1,", ",one,", "reading_text", "line 3: 'one' is no number of a repeat"),
        (4, "0.790", "0;790", "reading_text", "line 4: '0;790' in reference_mm is no number"),
        (4, "0.790", '"0,790"', "reading_text", "Write a point"),
        (4, "0.790", "nan", "reading_absurd", "line 4: 'nan' is beyond anything"),
        (4, "0.790", "1e999999", "reading_text", "line 4: '1e999999' in reference_mm is no number"),
        (4, "0.790", "1e999", "reading_absurd", "line 4: '1e999' is beyond anything"),
        (4, "0.790", "0.7_90", "reading_text", "line 4: '0.7_90' in reference_mm is no number"),
        (4, "0.790", "٠.٧", "reading_text", "line 4: '٠.٧' in reference_mm is no number"),
        (4, "0.790", "0.031", "reading_unit", "line 4: the reference reads 0.031 mm"),
        (4, ",40.0", "", "reading_text", "line 4: 5 columns, and the first line has 6"),
        (5, "1.0,up,1", "1.0,down,1", "reading_order", "line 5: this is 1.00 mm, down, repeat 1"),
    ],
)
def test_a_bad_file_is_refused_with_its_line_and_reason(
    line: int, was: str, now: str, because: str, reason: str
) -> None:
    lines = table(GOOD)
    assert was in lines[line - 1], lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(was, now, 1)
    with pytest.raises(ReadingRefused) as caught:
        read_series("\n".join(lines), PLAN)
    assert (caught.value.because, caught.value.line) == (because, line)
    assert reason in str(caught.value)


def test_the_line_of_a_file_counts_remarks_and_empty_lines() -> None:
    lines = table(GOOD)
    lines[1:1] = ["# one", "", "# two"]
    with pytest.raises(ReadingRefused, match=r"line 40: 35 readings of 36"):
        read_series("\n".join(lines[:-1]), PLAN)


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing"])
def test_an_empty_file(text: str) -> None:
    with pytest.raises(ReadingRefused, match=r"the file is empty\. Its first line is set_mm,direction,repeat"):
        read_series(text, PLAN)


def test_a_file_too_large_is_not_read() -> None:
    with pytest.raises(ReadingRefused, match="longer than"):
        read_series("x" * 300_000, PLAN)


@given(st.text(max_size=400) | st.text(alphabet=' ",;\t\n0123456789.setumdownpr_', max_size=400))
def test_no_text_does_more_than_being_refused(text: str) -> None:
    with pytest.raises(ReadingRefused):
        read_series(text, PLAN)
    with pytest.raises(ReadingRefused):
        read_series("\n".join([table(GOOD)[0], text]), PLAN)


@given(st.integers(0, 35), st.integers(-5_000, 5_000))
def test_a_file_and_the_readings_in_it_are_refused_alike(line: int, reference: int) -> None:
    readings = list(GOOD)
    readings[line] = replace(readings[line], reference=reference)
    text = "\n".join(table(readings))
    said = []
    for ahead, take in ((0, lambda: held_complete(readings, PLAN)), (1, lambda: read_series(text, PLAN))):
        try:
            take()
        except ReadingRefused as refusal:
            said.append((refusal.because, refusal.line - ahead))
        else:
            said.append(("taken", 0))
    assert said[0] == said[1]


def test_a_place_is_a_reading_without_its_values() -> None:
    assert GOOD[0].place == Place(0, "up", 0)
