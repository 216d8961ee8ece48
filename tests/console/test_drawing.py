"""Numbers, curves and words as a terminal shows them."""

from hypothesis import given
from hypothesis import strategies as st

from console.digits import ROWS, large
from console.render.chart import LABEL_COLUMNS, chart, ribbon
from console.spark import levels, sparkline
from console.words import count, duration, hz, mm, offset, stopwatch


def test_large_digits_are_five_rows_of_one_width() -> None:
    for number in ("0.49", "-0.29", "120", "--", "1234567890"):
        lines = large(number, "bold").plain.split("\n")
        assert len(lines) == ROWS
        assert len({len(line) for line in lines}) == 1


def test_large_digits_are_drawn_with_the_background_so_that_they_show_without_colour() -> None:
    assert any(span.style and "reverse" in str(span.style) for span in large("8", "cyan").spans)


@given(st.lists(st.none() | st.integers(-1000, 5000), max_size=60), st.none() | st.integers(0, 4000))
def test_levels_have_a_character_a_value(values: list[int | None], top: int | None) -> None:
    drawn = levels(values, top)
    assert len(drawn) == len(values)
    assert all((mark == " ") == (value is None) for mark, value in zip(drawn, values, strict=True))


def test_a_sparkline_has_its_newest_at_the_right_and_gaps_where_nothing_was_measured() -> None:
    points = [(0.0, 100), (5.0, None), (9.9, 800)]
    assert sparkline(points, 10.0, 10, 10.0, 800) == "         █"[:9] + "█"
    assert sparkline([(0.1, 400)], 10.0, 10, 10.0, 800)[0] == "▅"
    assert sparkline([(-50.0, 400)], 10.0, 10, 10.0, 800).strip() == ""


@given(
    st.lists(st.tuples(st.none() | st.integers(-500, 3000), st.none() | st.integers(0, 3000)), min_size=1, max_size=50),
    st.integers(1, 8),
)
def test_a_chart_has_its_rows_and_columns(values: list[tuple[int | None, int | None]], height: int) -> None:
    drawn = chart([a for a, _ in values], [b for _, b in values], rows=height, label=str).plain.split("\n")
    assert len(drawn) == height
    assert {len(line) for line in drawn} == {LABEL_COLUMNS + len(values)}


def test_a_chart_reaches_as_high_as_what_was_measured() -> None:
    low, high = chart([100, 800], [None, None], rows=4, label=str).plain.split("\n")[0][LABEL_COLUMNS:]
    assert low == " "
    assert high != " "


def test_a_ribbon_names_every_stretch_once() -> None:
    line = ribbon(["nose"] * 8 + ["cheek"] * 9 + [None] * 2 + ["x"]).plain
    assert line.count("nose") == 1
    assert line.count("cheek") == 1
    assert len(line) == LABEL_COLUMNS + 20


def test_quantities_and_times_for_people() -> None:
    assert (mm(487), mm(None), mm(None, known=False), mm(487, known=False)) == ("0.49 mm", "not measured", "--", "--")
    assert (hz(119_640), hz(None, known=False)) == ("119.6 Hz", "--")
    assert [duration(ms) for ms in (8_400, 187_000, 3_723_000)] == ["8.4 s", "3:07 min", "1:02:03 h"]
    assert [stopwatch(ms) for ms in (0, 8_400, 3_723_000)] == ["0:00", "0:08", "1:02:03"]
    assert [offset(ms) for ms in (0, 8_460, 61_000, -100)] == ["+0:00.0", "+0:08.4", "+1:01.0", "-0:00.1"]
    assert (count(12_345), count(None)) == ("12\N{NARROW NO-BREAK SPACE}345", "not known")
