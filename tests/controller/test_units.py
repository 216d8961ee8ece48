"""Quantities: no number that is none gets in, and rounding never makes a depth deeper."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.units import (
    QuantityError,
    format_hz,
    format_mm,
    micrometres_from_mm,
    millihertz_from_hz,
    toward_shallow,
)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, "nan", "-0.5", -1, "deep", "", "1e9", "0,5"])
def test_what_is_no_quantity_is_refused(bad: object) -> None:
    for convert in (micrometres_from_mm, millihertz_from_hz):
        with pytest.raises(QuantityError):
            convert(bad)  # type: ignore[arg-type]


@given(st.decimals(min_value=0, max_value=100, places=6, allow_nan=False))
def test_conversion_rounds_toward_shallow(depth_mm: object) -> None:
    depth_um = micrometres_from_mm(depth_mm)  # type: ignore[arg-type]
    assert 0 <= depth_um <= depth_mm * 1000 < depth_um + 1  # type: ignore[operator]


@given(st.integers(0, 10_000), st.integers(1, 500))
def test_steps_are_counted_toward_shallow(value: int, step: int) -> None:
    result = toward_shallow(value, step)
    assert result % step == 0
    assert value - step < result <= value


def test_people_read_units_and_not_measured() -> None:
    assert format_mm(500) == "0.50 mm"
    assert format_hz(117_000) == "117.0 Hz"
    assert format_mm(None) == format_hz(None) == "not measured"
