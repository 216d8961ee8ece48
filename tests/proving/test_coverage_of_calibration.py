"""The stated uncertainty is right as often as it says: over fixed seeds, and not by padding."""

import re
from dataclasses import replace
from pathlib import Path

import coverage_table
import pytest

from controller.calibration.policy import load_policy
from proving import coverage_of_calibration
from proving.coverage_of_calibration import PROCEDURES, SEEDS, Covered, coverage
from proving.coverage_on_simulated_pens import depth_of_a_simulated_pen
from proving.untrue import DepthReference, depth_reference

POLICY = load_policy()
PAGE = Path(coverage_table.PAGE).read_text(encoding="utf-8")


@pytest.mark.timeout(120)  # some eight seconds on an idle core
def test_of_a_thousand_seeds_each_interval_holds_what_it_says() -> None:
    rows = coverage(POLICY, coverage_table.MODEL, range(SEEDS))
    assert {row.quantity: row.permille for row in rows if not row.well} == {}
    written = {quantity: float(percent) * 10 for quantity, percent in in_the_page().items()}
    assert written == {row.quantity: pytest.approx(row.permille, abs=2) for row in rows}, (
        "`make coverage` writes it anew"
    )


def in_the_page(*, over_the_wire: bool = False) -> dict[str, str]:
    """What the page shows: of the pure model, or of the simulated pen."""
    pure, _, simulated = PAGE.partition(coverage_table.OVER_THE_WIRE)
    text = simulated if over_the_wire else pure
    return dict(re.findall(r"^\| ([^|]+) \| 1000 \| ([0-9.]+) % \|", text, re.MULTILINE))


def test_the_page_shows_a_thousand_seeds_inside_the_bounds() -> None:
    shown = in_the_page()
    asked = [row.quantity for row in coverage(POLICY, coverage_table.MODEL, range(1))]
    assert sorted(shown) == sorted(asked)
    simulated = in_the_page(over_the_wire=True)
    assert sorted(simulated) == ["error at a point", "gain of the line", "hysteresis", "one setting, as left"]
    assert all(93.0 <= float(percent) <= 97.0 for percent in (*shown.values(), *simulated.values()))
    assert "outside" not in PAGE.partition(coverage_table.BEGIN)[2]


def test_some_simulated_pens_over_the_wire() -> None:
    """Of 25, more than 5 outside would come by chance once in a thousand times."""
    rows = coverage(POLICY, coverage_table.MODEL, range(25), [depth_of_a_simulated_pen])
    assert {row.quantity: row.held for row in rows if row.held < 20} == {}


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_thousand_simulated_pens_over_the_wire() -> None:
    rows = coverage(POLICY, coverage_table.MODEL, range(SEEDS), [depth_of_a_simulated_pen])
    assert {row.quantity: row.permille for row in rows if not row.well} == {}
    written = {quantity: float(percent) * 10 for quantity, percent in in_the_page(over_the_wire=True).items()}
    assert written == {row.quantity: pytest.approx(row.permille, abs=2) for row in rows}, (
        "`make coverage` writes it anew"
    )


def test_a_reference_worse_than_its_certificate_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that cannot fail is none: a cartridge three times as far off as its tolerance says."""

    def worse(setup: object, random: object) -> DepthReference:
        cartridge = setup.cartridge  # type: ignore[attr-defined]
        far = cartridge.model_copy(update={"tolerance_um": cartridge.tolerance_um * 3})
        return depth_reference(random, far, setup)  # type: ignore[arg-type]

    monkeypatch.setattr(coverage_of_calibration, "_reference", worse)
    rows = {row.quantity: row for row in coverage(POLICY, coverage_table.MODEL, range(150))}
    assert rows["error at a point"].permille < 800
    assert rows["hysteresis"].permille > 875, "what cancels is not touched"


def test_a_pen_that_begins_elsewhere_each_time_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cartridge and start four times as far apart as the method's study found: read within a series, it hides."""

    def apart(setup: object, random: object) -> DepthReference:
        reference = depth_reference(random, setup.cartridge, setup)  # type: ignore[arg-type,attr-defined]
        return replace(reference, beginnings_um=4 * reference.beginnings_um, begun_um=4 * reference.begun_um)

    monkeypatch.setattr(coverage_of_calibration, "_reference", apart)
    rows = {row.quantity: row for row in coverage(POLICY, coverage_table.MODEL, range(150))}
    assert rows["error at a point"].permille < 850
    assert rows["one setting, by what the pen holds"].permille < 850
    assert rows["gain of the line"].permille > 875, "every depth is off by the same"


def test_a_table_says_which_rows_are_outside() -> None:
    lines = coverage_table.table((Covered("good", 1000, 950, 960), Covered("bad", 1000, 990, 1000)))
    assert lines[2:] == ["| good | 1000 | 95.0 % | 96.0 % |", "| bad | 1000 | 99.0 % **outside** | 100.0 % |"]


def test_a_seed_is_the_same_again() -> None:
    assert len(PROCEDURES) == 5
    assert coverage(POLICY, coverage_table.MODEL, range(3)) == coverage(POLICY, coverage_table.MODEL, range(3))
