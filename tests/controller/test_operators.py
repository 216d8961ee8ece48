"""Who may treat: a file that is refused with place and reason, and a person who is refused in a sentence."""

from datetime import date
from pathlib import Path

import pytest

from controller.errors import DataError
from controller.operators import Operator, load_operators, operator_problem

TODAY = date(2026, 6, 1)
PERSON = """
  az-1:
    role: aesthetician
    licence: "AZ-0001"
    depth_cap_mm: 0.50
    scope: "Arizona aesthetician, as confirmed by this clinic"
    confirmed: {by: dr-lee, on: 2026-01-15}
    qualified_until: 2026-12-31
"""


def written(place: Path, people: str) -> Path:
    file = place / "operators.yaml"
    file.write_text(f"format: needlework-operators/2\noperators:{people}", encoding="utf-8")
    return file


def person(place: Path, before: str = "", after: str = "") -> Operator:
    return load_operators(written(place, PERSON.replace(before, after))).operators["az-1"]


def test_the_examples_may_treat_within_their_caps() -> None:
    caps = {name: operator.depth_cap_um for name, operator in load_operators().operators.items()}
    assert caps == {"demo-aesthetician": 500, "demo-master-aesthetician": 1000, "demo-physician": 2500}
    assert all(operator_problem("az-1", operator, TODAY) is None for operator in load_operators().operators.values())


def test_a_confirmed_person_may_treat_up_to_the_last_day(tmp_path: Path) -> None:
    operator = person(tmp_path)
    assert operator_problem("az-1", operator, date(2026, 12, 31)) is None
    problem = operator_problem("az-1", operator, date(2027, 1, 1))
    assert problem is not None
    assert problem[0] == "operator_not_qualified"
    assert "ended on 2026-12-31" in problem[1]


def test_without_a_licence_nobody_treats(tmp_path: Path) -> None:
    problem = operator_problem("az-1", person(tmp_path, '"AZ-0001"', "null"), TODAY)
    assert problem is not None
    assert problem[0] == "operator_without_licence"
    assert "No licence is on file for az-1" in problem[1]


def test_a_scope_counts_from_the_day_it_was_confirmed(tmp_path: Path) -> None:
    problem = operator_problem("az-1", person(tmp_path), date(2026, 1, 14))
    assert problem is not None
    assert problem[0] == "operator_not_confirmed"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('    licence: "AZ-0001"\n', "", "licence"),  # left out is a slip; null says that there is none
        ('"AZ-0001"', '""', "licence"),
        ("depth_cap_mm: 0.50", "depth_cap_mm: NaN", "depth_cap_mm"),
        ("depth_cap_mm: 0.50", "depth_cap_mm: -1", "negative"),
        ("    confirmed: {by: dr-lee, on: 2026-01-15}\n", "", "confirmed"),
        ("role: aesthetician", "role: wizard", "role"),
        ("2026-12-31", "soon", "qualified_until"),
        ("    role:", "    cap_mm: 9\n    role:", "cap_mm"),
    ],
)
def test_a_file_that_does_not_say_it_plainly_is_refused(tmp_path: Path, before: str, after: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        person(tmp_path, before, after)


def test_one_id_is_one_person(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="az-1"):
        load_operators(written(tmp_path, PERSON + PERSON.replace("0.50", "2.50")))


def test_the_form_before_this_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "operators.yaml"
    file.write_text("format: needlework-operators/1\noperators: {}\n", encoding="utf-8")
    with pytest.raises(DataError, match="needlework-operators/2"):
        load_operators(file)
