"""What a person reads of a limit: where each layer comes from and why, what limits, and what may have been meant."""

from dataclasses import replace

import pytest

from controller.envelope import (
    Denied,
    Sources,
    check_depth,
    check_rate,
    depth_layers,
    depth_limit,
    rate_layers,
    rate_limit,
)
from controller.events import LimitLayer
from tests.controller.conftest import calibration, zone

NOTHING_KNOWN = Sources(
    pen=None, profile=None, cartridge_length_um=None, cartridge_name="", zone="", zone_plan=None, override_reason="",
    operator_cap_um=None, operator_scope="", calibration=None,
)  # fmt: skip


def told(layers: tuple[LimitLayer, ...]) -> dict[str, tuple[int | None, str, str]]:
    return {layer.layer: (layer.value, layer.source, layer.reason) for layer in layers}


# Layers ---------------------------------------------------------------------------------------------------------------


def test_each_layer_of_depth_tells_where_it_comes_from_and_why(sources: Sources) -> None:
    assert told(depth_layers(sources, 0)) == {
        "mechanical": (2500, "pen NW-1 T1", "the mechanism reaches no deeper"),
        "labelled": (2000, "data sheet NW-1", "the maker evaluated nothing deeper"),
        "cartridge": (1500, "lot 1", "the needles are no longer"),
        "zone_hard": (1000, "cheek", "no reason overrides it; from: chart"),
        "zone_soft": (750, "cheek", "goes further with a reason; from: chart"),
        "operator": (500, "Arizona aesthetician, as confirmed by this clinic", "the clinic confirmed no deeper scope"),
        "calibration": (950, "certificate C-1", "keeps 0.05 mm of uncertainty inside the absolute limits"),
        "depth_rate_curve": (2000, "data sheet NW-1", "deepest of the curve"),
    }
    assert told(depth_layers(sources, 120_000))["depth_rate_curve"] == (
        1000,
        "data sheet NW-1",
        "at 120.0 Hz no deeper",
    )
    assert told(depth_layers(replace(sources, depth_ceiling_um=450), 0))["lease"] == (
        450, "the pen holds it by itself", "the pen accepts nothing deeper until it is armed anew",
    )  # fmt: skip


def test_each_layer_of_depth_says_what_is_missing(sources: Sources) -> None:
    assert told(depth_layers(NOTHING_KNOWN, 0)) == {
        "mechanical": (None, "no pen connected", "the mechanism reaches no deeper"),
        "labelled": (None, "no data sheet", "the maker evaluated nothing deeper"),
        "cartridge": (None, "no cartridge read yet", "the needles are no longer"),
        "zone_hard": (None, "no zone declared", "no reason overrides it"),
        "zone_soft": (None, "no zone declared", "goes further with a reason"),
        "operator": (None, "no operator", "the clinic confirmed no deeper scope"),
        "calibration": (None, "no valid calibration", "the true depth is not known"),
        "depth_rate_curve": (None, "no data sheet", "deepest of the curve"),
    }
    # With a calibration and all but one of the absolute limits known, the least of them is not known either.
    assert told(depth_layers(replace(sources, cartridge_length_um=None), 0))["calibration"][0] == 0


def test_each_layer_of_rate_tells_where_it_comes_from_and_why(sources: Sources) -> None:
    assert told(rate_layers(sources, 0)) == {
        "mechanical": (150_000, "pen NW-1 T1", "the motor turns no faster"),
        "labelled": (150_000, "data sheet NW-1", "the maker evaluated nothing faster"),
        "zone_hard": (130_000, "cheek", "no reason overrides it; from: chart"),
        "calibration": (130_000, "certificate C-1", "the pen turns faster than it shows"),
        "depth_rate_curve": (150_000, "data sheet NW-1", "fastest of the curve"),
    }
    assert told(rate_layers(sources, 1500))["depth_rate_curve"] == (100_000, "data sheet NW-1", "at 1.50 mm no faster")
    assert told(rate_layers(replace(sources, rate_ceiling_mhz=90_000), 0))["lease"] == (
        90_000, "the pen holds it by itself", "the pen accepts nothing faster until it is armed anew",
    )  # fmt: skip


def test_each_layer_of_rate_says_what_is_missing(sources: Sources) -> None:
    assert told(rate_layers(NOTHING_KNOWN, 0)) == {
        "mechanical": (None, "no pen connected", "the motor turns no faster"),
        "labelled": (None, "no data sheet", "the maker evaluated nothing faster"),
        "zone_hard": (None, "no zone declared", "no reason overrides it"),
        "calibration": (None, "no valid calibration", "the true rate is not known"),
        "depth_rate_curve": (None, "no data sheet", "fastest of the curve"),
    }
    assert told(rate_layers(replace(sources, zone_plan=None), 0))["calibration"][0] == 0


def test_a_curve_allows_nothing_beyond_its_last_step(sources: Sources) -> None:
    assert told(depth_layers(sources, 150_000))["depth_rate_curve"][0] == 1000
    assert told(depth_layers(sources, 150_001))["depth_rate_curve"][0] == 0
    assert told(rate_layers(sources, 1000))["depth_rate_curve"][0] == 150_000
    assert told(rate_layers(sources, 2000))["depth_rate_curve"][0] == 100_000
    assert told(rate_layers(sources, 2001))["depth_rate_curve"][0] == 0


def test_a_person_reads_what_is_not_known(sources: Sources) -> None:
    assert depth_limit(replace(sources, calibration=None), 0).sentence == (
        "0.00 mm: limited by the calibration (no valid calibration), which is not known, so nothing is allowed."
    )


def test_what_is_not_known_is_never_named_as_a_way_to_more(sources: Sources) -> None:
    assert sources.profile is not None
    forbidden = sources.profile.model_copy(update={"labelled_depth_max_um": 0})
    assert depth_limit(replace(sources, profile=forbidden, cartridge_length_um=None), 0).sentence == (
        "0.00 mm: limited by what the pen's maker evaluated (data sheet NW-1); "
        "the operator's scope would allow 0.50 mm."
    )


def test_where_nothing_would_allow_more_nothing_is_named(sources: Sources) -> None:
    assert rate_limit(sources, 0).sentence == (
        "130.0 Hz: limited by the zone's hard limit (cheek); the pen's mechanism would allow 150.0 Hz."
    )
    fast = replace(sources, zone_plan=zone().model_copy(update={"rate_max_mhz": 150_000}))
    assert rate_limit(fast, 0).sentence == (
        "150.0 Hz: limited by the pen's mechanism (pen NW-1 T1) and by what the pen's maker evaluated "
        "(data sheet NW-1) and by the zone's hard limit (cheek) and by the pen's depth-rate curve (data sheet NW-1)."
    )


def test_what_a_pen_was_armed_for_is_not_named_as_a_way_to_more(sources: Sources) -> None:
    armed = replace(sources, depth_ceiling_um=600, rate_ceiling_mhz=140_000)
    assert "the zone's soft limit would allow 0.75 mm." in depth_limit(armed, 0).sentence
    assert depth_limit(replace(armed, depth_ceiling_um=450), 0).sentence == (
        "0.45 mm: limited by what the pen was armed for (the pen holds it by itself); "
        "the operator's scope would allow 0.50 mm."
    )
    assert "the pen's mechanism would allow 150.0 Hz." in rate_limit(armed, 0).sentence


def test_a_reason_that_was_given_is_told_with_the_layer_it_widens(sources: Sources) -> None:
    given_ = replace(sources, override_reason="scar-tissue", override_um=900)
    assert told(depth_layers(given_, 0))["zone_soft"] == (900, "cheek", "overridden: scar-tissue; from: chart")
    assert told(depth_layers(replace(given_, override_um=600), 0))["zone_soft"][0] == 750, (
        "no reason makes it shallower"
    )
    assert depth_limit(replace(given_, operator_cap_um=2500), 0).sentence == (
        "0.90 mm: limited by the depth a reason was given for (cheek); the calibration would allow 0.95 mm."
    )
    assert depth_limit(replace(given_, operator_cap_um=900), 0).sentence == (
        "0.90 mm: limited by the operator's scope (Arizona aesthetician, as confirmed by this clinic) "
        "and by the depth a reason was given for (cheek); the calibration would allow 0.95 mm."
    )
    assert depth_limit(replace(given_, operator_cap_um=600, override_um=800), 0).sentence.endswith(
        "; the depth a reason was given for would allow 0.80 mm."
    )


def test_a_calibration_that_takes_nothing_away_is_not_named_beside_the_limit_it_repeats(wide: Sources) -> None:
    exact = replace(wide, calibration=calibration(uncertainty_um=0))
    assert depth_limit(exact, 0).sentence == (
        "1.00 mm: limited by the zone's hard limit (cheek) and by the zone's soft limit (cheek); "
        "the cartridge would allow 1.50 mm."
    )


@pytest.mark.parametrize(("approved_um", "limit_um"), [(None, 500), (400, 500), (500, 500), (700, 700)])
def test_a_physicians_approval_stands_in_for_the_operators_scope_where_it_is_deeper(
    sources: Sources, approved_um: int | None, limit_um: int
) -> None:
    approved = {"approved_cap_um": approved_um, "approved_words": "approved by Dr. A until 2026-03-01"}
    made = replace(sources, zone_plan=zone().model_copy(update=approved))
    own = ("Arizona aesthetician, as confirmed by this clinic", "the clinic confirmed no deeper scope")
    beyond = (
        "approved by Dr. A until 2026-03-01",
        "the operator's own scope (Arizona aesthetician, as confirmed by this clinic) has 0.50 mm",
    )
    assert told(depth_layers(made, 0))["operator"] == (limit_um, *(beyond if limit_um > 500 else own))


def test_an_approval_is_nothing_for_an_operator_whose_scope_is_not_known(sources: Sources) -> None:
    approved = zone().model_copy(update={"approved_cap_um": 700})
    assert depth_limit(replace(sources, operator_cap_um=None, zone_plan=approved), 0).effective == 0


# Sentences ------------------------------------------------------------------------------------------------------------


def test_a_refusal_says_what_limits_what_nobody_overrides_and_what_may_have_been_meant(sources: Sources) -> None:
    limit = depth_limit(sources, 0).sentence
    hard = " Nobody's reason goes beyond the zone's hard limit, 1.00 mm."
    assert check_depth(sources, 550, 0) == Denied("operator", f"0.55 mm was refused and nothing changed. {limit}")
    assert check_depth(sources, 1100, 0) == Denied(
        "zone_hard", f"1.10 mm was refused and nothing changed. {limit}{hard}"
    )
    assert check_depth(sources, 5000, 0) == Denied(
        "zone_hard", f"5.00 mm was refused and nothing changed. {limit}{hard} Did you mean 0.50 mm?"
    )
    fast = rate_limit(sources, 0).sentence  # limited by the hard limit itself, so that it is not said twice
    assert check_rate(sources, 140_000, 0) == Denied("zone_hard", f"140.0 Hz was refused and nothing changed. {fast}")
    assert check_rate(sources, 1_000_000, 0) == Denied(
        "zone_hard", f"1000.0 Hz was refused and nothing changed. {fast} Did you mean 100.0 Hz?"
    )


@pytest.mark.parametrize(
    ("wanted_um", "meant"),
    [(5000, "0.50 mm"), (5500, None), (4550, None), (4505, None), (3500, "0.35 mm"), (10_000, None)],
)
def test_a_slipped_decimal_point_is_offered_only_where_the_pen_could_be_set_to_it(
    sources: Sources, wanted_um: int, meant: str | None
) -> None:
    checked = check_depth(sources, wanted_um, 0)
    assert isinstance(checked, Denied)
    assert checked.sentence.endswith(f" Did you mean {meant}?") == (meant is not None)
    assert ("Did you mean" in checked.sentence) == (meant is not None)


def test_a_slipped_decimal_point_is_not_offered_under_the_least_the_pen_sets(sources: Sources) -> None:
    shallow = replace(sources, operator_cap_um=100)
    assert sources.pen is not None
    least = replace(shallow, pen=sources.pen.model_copy(update={"depth_min_um": 100}))
    for made, wanted_um, offered in ((least, 1000, True), (least, 500, False), (shallow, 500, True)):
        checked = check_depth(made, wanted_um, 0)
        assert isinstance(checked, Denied)
        assert ("Did you mean" in checked.sentence) == offered


@pytest.mark.parametrize(
    ("least_um", "step_um", "smallest"),
    [(50, 50, "0.05"), (51, 50, "0.10"), (60, 50, "0.10"), (0, 50, "0.05"), (100, 30, "0.12")],
)
def test_the_least_a_pen_sets_is_told_on_its_step(sources: Sources, least_um: int, step_um: int, smallest: str) -> None:
    assert sources.pen is not None
    pen = sources.pen.model_copy(update={"depth_min_um": least_um, "depth_step_um": step_um})
    assert check_depth(replace(sources, pen=pen), step_um - 1, 0) == Denied(
        "mechanical",
        f"{(step_um - 1) / 1000:.2f} mm was refused and nothing changed: the least this pen sets is {smallest} mm.",
    )
