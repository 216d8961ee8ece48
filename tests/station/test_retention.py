"""How long a person is kept: the clinic's figures, minors longer, holds before all; what is not known refuses."""

from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import DataError
from station.errors import KeyMapRefused
from station.site.keymap import Details, Person, Revision, person_of
from station.site.retention import Retention, check_erasure, kept_until, load_retention, years_later

CLINIC = Retention.model_validate(
    {
        "format": "needlework-retention/1",
        "keep_years": 10,
        "majority_age": 18,
        "minors_until_age": 28,
        "source": "the clinic's counsel",
        "confirmed": {"by": "dr-lee", "on": date(2026, 1, 15)},
        "hold_reasons": {"lawsuit": "a claim is pending"},
    }
)
born_days = st.dates(date(1920, 1, 1), date(2020, 1, 1))


def who(born: date | None = date(1990, 2, 3), hold: str = "") -> Person:
    return person_of("P-1", (Revision(id="a", at_us=1, by="x", said=Details(name="M", born=born, hold=hold)),))


@given(born_days, st.integers(0, 100))
def test_nobody_is_kept_shorter_than_the_years_nor_a_minor_shorter_than_the_age(born: date, age: int) -> None:
    last = years_later(born, age)
    until = kept_until(CLINIC, born, last)
    assert until >= years_later(last, 10)
    assert until == years_later(last, 10) or (age < 18 and until == years_later(born, 28))
    check_erasure(CLINIC, who(born), last, until, demo=False)
    with pytest.raises(KeyMapRefused, match=until.isoformat()) as refused:
        check_erasure(CLINIC, who(born), last, until - timedelta(days=1), demo=False)
    assert "the clinic's counsel" in str(refused.value)


def test_a_leap_day_has_an_end_too() -> None:
    assert years_later(date(2024, 2, 29), 10) == date(2034, 3, 1)


LATE = date(2090, 1, 1)


def test_a_hold_keeps_even_what_is_long_over() -> None:
    with pytest.raises(KeyMapRefused, match="a claim is pending"):
        check_erasure(CLINIC, who(hold="lawsuit"), date(2000, 1, 1), LATE, demo=False)


def test_without_a_birth_date_nobody_can_say_that_it_was_no_minor() -> None:
    with pytest.raises(KeyMapRefused, match="birth date"):
        check_erasure(CLINIC, who(born=None), date(2000, 1, 1), LATE, demo=False)


def test_somebody_who_was_never_treated_is_kept_for_nothing() -> None:
    check_erasure(CLINIC, who(born=None), None, date(2026, 1, 1), demo=False)


def test_figures_that_nobody_confirmed_erase_nothing_outside_a_demonstration() -> None:
    example = load_retention()
    with pytest.raises(KeyMapRefused, match="confirmed by nobody"):
        check_erasure(example, who(), date(2000, 1, 1), LATE, demo=False)
    check_erasure(example, who(), date(2000, 1, 1), LATE, demo=True)


def test_a_file_that_is_wrong_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "retention.yaml"
    example = files("controller.data").joinpath("retention.yaml").read_text(encoding="utf-8")
    line = next(number for number, text in enumerate(example.splitlines(), 1) if text.startswith("keep_years"))
    file.write_text(example.replace("keep_years: 10", "keep_years: 0"), encoding="utf-8")
    with pytest.raises(DataError, match=f"retention.yaml:{line}: keep_years"):
        load_retention(file)
