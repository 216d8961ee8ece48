"""The guardrail: absolute contains recommended, always; and what a value is said to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.guardrail import Guardrail, GuardrailError

NUMBERS = st.integers(-5, 50)
ORDER = {"within": 0, "soft": 1, "hard": 2}


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_either_absolute_contains_recommended_or_there_is_no_guardrail(a: int, b: int, c: int, d: int) -> None:
    ordered = 0 <= a <= b <= c <= d
    bounds = {"absolute_min": a, "recommended_min": b, "recommended_max": c, "absolute_max": d}
    if not ordered:
        with pytest.raises(GuardrailError, match=r"^depth: "):
            Guardrail("depth", "um", **bounds)
        return
    made = Guardrail("depth", "um", **bounds)
    assert {made.says(value) for value in range(b, c + 1)} == {"within"}


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4).map(sorted), st.integers(-10, 70))
def test_a_value_is_within_or_soft_or_hard(bounds: list[int], value: int) -> None:
    a, b, c, d = bounds
    said = Guardrail("rate", "mhz", c, d, b, a).says(value)
    assert (said == "hard") == (not a <= value <= d)
    assert (said == "within") == (b <= value <= c)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 80))
def test_further_out_is_never_said_to_be_better(soft: int, more: int, value: int) -> None:
    made = Guardrail("dwell", "ms", soft, soft + more)
    assert ORDER[made.says(value)] <= ORDER[made.says(value + 1)]


def test_what_is_not_known_is_the_strictest() -> None:
    assert Guardrail("depth", "um", 500, 750).says(None) == "hard"


@pytest.mark.parametrize("bound", [True, 0.5, float("nan"), "5"])
def test_bounds_are_whole_numbers(bound: object) -> None:
    with pytest.raises(GuardrailError, match="whole numbers of um"):
        Guardrail("depth", "um", bound, 750)  # type: ignore[arg-type]
