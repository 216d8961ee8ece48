"""The envelope: least of all layers, unknown is strictest, toward shallow, and a sentence that says why."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.envelope import (
    Denied,
    Granted,
    Sources,
    calibrated_depth_um,
    check_depth,
    check_rate,
    depth_limit,
    lease_ceilings,
    rate_limit,
)
from controller.events import CalibrationSnapshot
from controller.inputs import PenFacts
from controller.plan import CurveStep, ProfileSnapshot, ZonePlan

DEPTHS_UM = st.integers(0, 3000)
MAYBE_UM = st.none() | DEPTHS_UM


def calibration(gain_ppm: int = 1_000_000, offset_um: int = 0, uncertainty_um: int = 50) -> CalibrationSnapshot:
    return CalibrationSnapshot(
        certificate="C-1", calibrated_on="2026-01-01", due_on="2027-01-01", depth_gain_ppm=gain_ppm,
        depth_offset_um=offset_um, depth_uncertainty_um=uncertainty_um, rate_gain_ppm=1_000_000,
    )  # fmt: skip


def profile(labelled_um: int = 2000) -> ProfileSnapshot:
    return ProfileSnapshot(
        model="NW-1", labelled_depth_max_um=labelled_um, labelled_rate_max_mhz=150_000, depth_tolerance_um=150,
        rate_tolerance_percent=15,
        curve=(CurveStep(depth_um=1000, rate_max_mhz=150_000), CurveStep(depth_um=2000, rate_max_mhz=100_000)),
    )  # fmt: skip


def zone(soft_um: int = 750, hard_um: int = 1000) -> ZonePlan:
    return ZonePlan(soft_um=soft_um, hard_um=hard_um, rate_max_mhz=130_000, source="chart")


@pytest.fixture
def sources(facts: PenFacts) -> Sources:
    return Sources(
        pen=facts, profile=profile(), cartridge_length_um=1500, cartridge_name="lot 1", zone="cheek", zone_plan=zone(),
        override_reason="", operator_cap_um=500, operator_scope="Arizona aesthetician, as confirmed by this clinic",
        calibration=calibration(),
    )  # fmt: skip


def test_a_person_reads_what_limits_and_what_would_be_next(sources: Sources) -> None:
    assert depth_limit(sources, 0).sentence == (
        "0.50 mm: limited by the operator's scope (Arizona aesthetician, as confirmed by this clinic); "
        "the zone's soft limit would allow 0.75 mm."
    )


def test_every_layer_is_present_with_source_and_reason(sources: Sources) -> None:
    layers = {layer.layer: layer for layer in depth_limit(sources, 0).layers}
    assert set(layers) == {
        "mechanical", "labelled", "cartridge", "zone_soft", "zone_hard", "operator", "calibration", "depth_rate_curve",
    }  # fmt: skip
    assert all(layer.source and layer.reason for layer in layers.values())


UNKNOWABLE = ["pen", "profile", "cartridge_length_um", "zone_plan", "operator_cap_um", "calibration"]


@pytest.mark.parametrize("unknown", UNKNOWABLE)
def test_what_is_unknown_counts_as_its_strictest(sources: Sources, unknown: str) -> None:
    limit = depth_limit(replace(sources, **{unknown: None}), 0)
    assert limit.effective == 0
    assert "not known" in limit.sentence


@given(
    mechanical=DEPTHS_UM, labelled=DEPTHS_UM, cartridge=MAYBE_UM, soft=DEPTHS_UM, more=DEPTHS_UM, operator=MAYBE_UM,
    uncertainty=st.integers(0, 300), offset=st.integers(-200, 200), gain=st.integers(800_000, 1_200_000),
    step=st.sampled_from([1, 10, 50, 100, 250]), rate=st.integers(0, 150_000),
)  # fmt: skip
def test_the_effective_limit_is_within_every_layer_and_on_step(
    mechanical: int, labelled: int, cartridge: int | None, soft: int, more: int, operator: int | None,
    uncertainty: int, offset: int, gain: int, step: int, rate: int,
) -> None:  # fmt: skip
    pen = PenFacts(
        model="NW-1", serial="T1", firmware="1", boot_id=1, capabilities=0, depth_min_um=0, depth_max_um=mechanical,
        depth_step_um=step, rate_min_mhz=0, rate_max_mhz=150_000, rate_step_mhz=1000, dead_man_ms=300, retract_ms=100,
    )  # fmt: skip
    made = Sources(
        pen=pen, profile=profile(labelled), cartridge_length_um=cartridge, cartridge_name="c", zone="z",
        zone_plan=zone(soft, soft + more), override_reason="", operator_cap_um=operator, operator_scope="o",
        calibration=calibration(gain, offset, uncertainty),
    )  # fmt: skip
    limit = depth_limit(made, rate)
    assert limit.effective % step == 0
    assert limit.effective >= 0
    for layer in limit.layers:
        assert limit.effective <= (layer.value or 0)
    # The true protrusion, at the edge of its uncertainty, stays inside the absolute layers.
    true_um = limit.effective * gain / 1_000_000 + offset + uncertainty
    absolute = min(mechanical, labelled, cartridge or 0, soft + more)
    assert limit.effective == 0 or true_um <= absolute + 1e-6
    for wanted in (0, limit.effective, limit.effective + 1, 5000):
        checked = check_depth(made, wanted, rate)
        if isinstance(checked, Granted):
            assert checked.value <= min(wanted, limit.effective)
            assert checked.value == wanted or checked.note
        else:
            assert checked.layer
            assert "nothing changed" in checked.sentence


def test_calibration_subtracts_uncertainty_and_offset() -> None:
    assert calibrated_depth_um(1000, calibration(uncertainty_um=50)) == 950
    assert calibrated_depth_um(1000, calibration(offset_um=30, uncertainty_um=50)) == 920
    assert calibrated_depth_um(1000, calibration(gain_ppm=1_100_000, uncertainty_um=0)) == 909
    assert calibrated_depth_um(40, calibration(uncertainty_um=50)) == 0


def test_off_step_is_rounded_toward_shallow_and_said(sources: Sources) -> None:
    checked = check_depth(sources, 337, 0)
    assert checked == Granted(300, "0.34 mm asked, 0.30 mm set: the pen's step, rounded toward shallow")


@pytest.mark.parametrize(("wanted_um", "layer"), [(550, "operator"), (800, "operator"), (5000, "zone_hard")])
def test_beyond_the_limit_is_refused_with_its_layer(sources: Sources, wanted_um: int, layer: str) -> None:
    checked = check_depth(sources, wanted_um, 0)
    assert isinstance(checked, Denied)
    assert checked.layer == layer


def test_less_than_the_pen_sets_is_refused(sources: Sources) -> None:
    checked = check_depth(sources, 20, 0)
    assert isinstance(checked, Denied)
    assert "the least this pen sets is 0.05 mm" in checked.sentence


def test_depth_and_rate_limit_each_other_by_the_curve(sources: Sources) -> None:
    deep = replace(sources, operator_cap_um=2500, zone_plan=zone(2000, 2000), cartridge_length_um=2500)
    assert depth_limit(deep, 120_000).limited_by == "depth_rate_curve"
    assert depth_limit(deep, 120_000).effective == 1000
    assert rate_limit(deep, 1500).effective == 100_000
    assert isinstance(check_rate(deep, 120_000, 1500), Denied)


def test_a_soft_limit_is_widened_by_a_reason_and_never_beyond_the_hard_one(sources: Sources) -> None:
    wide = replace(sources, operator_cap_um=2500, override_reason="scar-tissue", override_um=1000)
    assert depth_limit(wide, 0).effective == 950  # the hard limit of 1.00 mm less 0.05 mm of uncertainty
    assert depth_limit(replace(wide, override_um=None), 0).limited_by == "zone_soft"
    assert depth_limit(replace(wide, override_um=800), 0).effective == 800  # a reason is good for what it was given for


def test_a_pen_that_turns_faster_than_it_shows_is_told_to_turn_slower(sources: Sources) -> None:
    assert sources.calibration is not None
    fast = sources.calibration.model_copy(update={"rate_gain_ppm": 1_250_000})
    limit = rate_limit(replace(sources, calibration=fast), 0)
    plain = rate_limit(sources, 0)
    assert limit.limited_by == "calibration"
    assert limit.effective * 1_250_000 // 1_000_000 <= plain.effective
    slow = sources.calibration.model_copy(update={"rate_gain_ppm": 800_000})
    assert rate_limit(replace(sources, calibration=slow), 0).effective == plain.effective
    assert rate_limit(replace(sources, calibration=None), 0).effective == 0


def test_lease_ceilings_cover_the_deepest_zone_of_the_plan_and_no_more(sources: Sources) -> None:
    wide = replace(sources, operator_cap_um=2500)
    depth_um, rate_mhz = lease_ceilings(wide, {"a": zone(250, 500), "b": zone(500, 750)})
    assert (depth_um, rate_mhz) == (700, 130_000)


def test_limits_that_are_equal_are_all_named_and_none_is_said_to_allow_what_it_does_not(sources: Sources) -> None:
    zone_plan = sources.zone_plan
    assert zone_plan is not None
    level = replace(sources, zone_plan=zone_plan.model_copy(update={"soft_um": 500}), operator_cap_um=500)
    limit = depth_limit(level, 0)
    assert limit.limited_by == "operator"  # a reason for the soft limit would change nothing
    assert "the operator's scope" in limit.sentence.split("; ")[0]
    assert "the zone's soft limit" in limit.sentence.split("; ")[0]
    reasoned = replace(sources, operator_cap_um=2500, override_reason="scar-tissue", override_um=800)
    assert "the depth a reason was given for" in depth_limit(reasoned, 0).sentence
    assert "soft limit" not in depth_limit(reasoned, 0).sentence
