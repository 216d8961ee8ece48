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
from controller.inputs import PenFacts
from tests.controller.conftest import calibration, profile, zone

DEPTHS_UM = st.integers(0, 3000)
MAYBE_UM = st.none() | DEPTHS_UM


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


def test_where_several_layers_refuse_what_no_reason_changes_is_named_first(wide: Sources) -> None:
    def layer(wanted_um: int, **changes: object) -> str:
        checked = check_depth(replace(wide, **changes), wanted_um, 0)
        assert isinstance(checked, Denied)
        return checked.layer

    assert layer(1000) == "calibration"  # within the hard limit, and only nearly so
    assert layer(1050) == "zone_hard"
    assert layer(1050, operator_cap_um=100) == "zone_hard"
    assert layer(1050, cartridge_length_um=900) == "cartridge"
    assert layer(1050, cartridge_length_um=1000) == "zone_hard"  # of two as strict, the one that a clinic chose
    assert layer(1050, cartridge_length_um=None) == "cartridge"
    assert layer(1000, operator_cap_um=None) == "operator"


def test_all_that_is_allowed_is_set_as_it_was_asked_for(sources: Sources) -> None:
    assert check_depth(sources, 500, 0) == Granted(500, "")
    assert check_depth(sources, 50, 0) == Granted(50, "")
    assert check_rate(sources, 130_000, 0) == Granted(130_000, "")
    assert check_rate(sources, 20_000, 0) == Granted(20_000, "")
    assert isinstance(check_rate(sources, 130_001, 0), Denied)


@pytest.mark.parametrize(
    ("wanted_mhz", "note"),
    [
        (100_400, "100.4 Hz asked, 100.0 Hz set: the pen's step, rounded toward slow"),
        (100_450, "100.45 Hz asked, 100.0 Hz set: the pen's step, rounded toward slow"),
    ],
)
def test_a_rate_off_step_is_rounded_toward_slow_and_said(sources: Sources, wanted_mhz: int, note: str) -> None:
    assert check_rate(sources, wanted_mhz, 0) == Granted(100_000, note)


def test_a_rate_is_told_as_rates_are_shown_where_that_says_it_exactly(sources: Sources) -> None:
    assert sources.pen is not None
    coarse = replace(sources, pen=sources.pen.model_copy(update={"rate_step_mhz": 3000}))
    assert check_rate(coarse, 100_000, 0) == Granted(
        99_000, "100.0 Hz asked, 99.0 Hz set: the pen's step, rounded toward slow"
    )


def test_a_rate_limit_is_on_the_pens_step(sources: Sources) -> None:
    between = zone().model_copy(update={"rate_max_mhz": 130_999})
    assert rate_limit(replace(sources, zone_plan=between), 0).effective == 130_000


def test_a_soft_limit_of_nothing_allows_nothing(sources: Sources) -> None:
    limit = depth_limit(replace(sources, zone_plan=zone(0, 1000)), 0)
    assert (limit.effective, limit.limited_by) == (0, "zone_soft")
    assert [layer.value for layer in limit.layers if layer.layer == "zone_soft"] == [0]


def test_without_a_pen_nothing_can_be_set(sources: Sources) -> None:
    alone = replace(sources, pen=None)
    refused = Denied("mechanical", "No pen is connected. Nothing changed.")
    assert check_depth(alone, 100, 0) == refused
    assert check_rate(alone, 100_000, 0) == refused
    assert depth_limit(alone, 0).effective == rate_limit(alone, 0).effective == 0


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
    # In any order of zones, and whatever the pen was armed for and the zone declared before.
    slow = zone(250, 500).model_copy(update={"rate_max_mhz": 90_000})
    before = replace(wide, depth_ceiling_um=100, rate_ceiling_mhz=30_000, zone_plan=None, override_um=None)
    assert lease_ceilings(before, {"b": zone(500, 750), "a": slow}) == (700, 130_000)
    assert lease_ceilings(before, {"a": slow}) == (450, 90_000)
    assert lease_ceilings(before, {}) == (0, 0)


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
