"""The product with each simulated pen: it treats with those it should, within what they are, and refuses the others."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from controller.envelope import depth_limit
from controller.errors import ControlRefused
from controller.inputs import Close, FaultsCleared, Prepare, SetDepth, SetRate, Start
from controller.plan import ResolvedPlan
from controller.readiness import readiness
from controller.state import Phase
from proving.rig import Rig
from simulators.pen import SimulatedPen
from simulators.personality import MODELS, PenModel, model_named
from tests.controller.conftest import TODAY, resolved

MakeRig = Callable[..., Rig]
NAMED = {"cartridge_new": True}  # for pens that do not identify what is in them


def prepared(model: PenModel, plan: ResolvedPlan) -> Rig:
    rig = Rig(SimulatedPen(model, rng=Random(1), today=TODAY, noisy=False), random=Random(1), today=TODAY)
    rig.connect()
    rig.command(Prepare(session="s1", plan=plan))
    rig.examine()
    return rig


def treating(model: PenModel, plan: ResolvedPlan, *, depth_um: int = 0, rate_mhz: int = 0) -> Rig:
    rig = prepared(model, plan)
    rig.arm()
    if depth_um:
        rig.command(SetDepth(depth_um=depth_um))
    if rate_mhz:
        rig.command(SetRate(rate_mhz=rate_mhz))
    rig.command(Start(source="test"))
    rig.advance(3000)
    return rig


def alarms(rig: Rig) -> list[str]:
    return [alarm.name for alarm in rig.state.alarms.active]


TREATED: dict[str, dict[str, object]] = {
    "NW-1": {"depth_um": 500, "rate_mhz": 100_000},
    "NW-2": {"depth_um": 500, "rate_mhz": 100_000},
    "NW-DIAL": {},
    "NW-BAND": {"rate_mhz": 110_000},
    "NW-STEPS": {"depth_um": 500, "rate_mhz": 125_000},
    "NW-BLIND": {"depth_um": 500, "rate_mhz": 100_000},
    "NW-PLAIN": {"depth_um": 500, "rate_mhz": 100_000},
}
REFUSED = {"NW-DIAL-UNSENSED": "depth_unknown", "NW-NO-DEAD-MAN": "no_dead_man", "NW-BARE": "calibration"}
CARTRIDGES = {"NW-PLAIN": "NW-12", "NW-BARE": "NW-42"}


def plan_for(name: str, **changes: object) -> ResolvedPlan:
    named = {"cartridge": CARTRIDGES[name], **NAMED} if name in CARTRIDGES else {}
    return resolved(name, **named, **changes)


def test_every_pen_is_either_treated_with_or_refused() -> None:
    assert {*TREATED, *REFUSED} == {*MODELS}


@pytest.mark.parametrize("name", TREATED)
def test_it_treats_with_a_pen_that_has_what_it_takes(name: str) -> None:
    rig = treating(model_named(name), plan_for(name), **TREATED[name])  # type: ignore[arg-type]
    truth = rig.pen.truth
    assert rig.state.phase is Phase.TREATING
    assert truth.motor_driven
    assert truth.protrusion_um == pytest.approx(500.0, abs=10.0)
    assert alarms(rig) == []


@pytest.mark.parametrize("name", REFUSED)
def test_it_arms_no_pen_that_lacks_what_it_takes_and_says_what(name: str) -> None:
    rig = prepared(model_named(name), plan_for(name))
    with pytest.raises(ControlRefused) as caught:
        rig.arm()
    assert caught.value.because == REFUSED[name]
    assert [row.because for row in readiness(rig.state, rig.now_ms) if row.outcome == "fails"] == [REFUSED[name]]
    rig.advance(1000)
    assert rig.pen.driven_at_ms == -1


def test_a_scale_that_is_good_to_150_um_takes_150_um_from_the_limit() -> None:
    layers = {}
    for name in ("NW-1", "NW-BAND"):
        rig = prepared(model_named(name), plan_for(name))
        rig.arm()
        sources = rig.state.sources()
        layers[name] = {layer.layer: layer.value for layer in depth_limit(sources, 0).layers}
    assert layers["NW-1"]["zone_hard"] == layers["NW-BAND"]["zone_hard"] == 1500
    assert (layers["NW-1"]["calibration"], layers["NW-BAND"]["calibration"]) == (1450, 1350)
    assert layers["NW-BAND"]["labelled"] == 1500  # of the 1.9 mm its dial reaches


def test_a_dial_beyond_the_limit_is_stopped() -> None:
    rig = treating(replace(model_named("NW-BAND"), dial_depth_um=1300), plan_for("NW-BAND"), rate_mhz=110_000)
    assert rig.state.phase is Phase.INTERRUPTED
    assert alarms(rig) == ["depth_over_limit"]
    assert not rig.pen.truth.motor_driven


def test_a_rate_outside_a_pens_band_is_refused_with_the_reason() -> None:
    rig = prepared(model_named("NW-BAND"), plan_for("NW-BAND"))
    rig.arm()
    with pytest.raises(ControlRefused, match=r"the least this pen sets is 100\.0 Hz"):
        rig.command(SetRate(rate_mhz=90_000))


def deep(plan: ResolvedPlan, *, rate_max_mhz: int) -> ResolvedPlan:
    """A plan that lets 3 mm pass, its data sheet this rate there: no zone of the library goes so deep."""
    zones = {name: zone.model_copy(update={"soft_um": 3500, "hard_um": 3500}) for name, zone in plan.zones.items()}
    curve = tuple(step.model_copy(update={"rate_max_mhz": rate_max_mhz}) for step in plan.profile.curve[-1:])
    profile = plan.profile.model_copy(update={"curve": plan.profile.curve[:-1] + curve})
    return plan.model_copy(update={"zones": zones, "operator_cap_um": 3500, "profile": profile})


@pytest.mark.parametrize("rate_max_mhz", [25_000, 125_000])
def test_a_pen_that_forces_its_slowest_rate_at_full_depth(rate_max_mhz: int) -> None:
    """A data sheet that knows it allows no more there; one that does not is found out by what is measured."""
    pen = replace(model_named("NW-STEPS"), needle_length_um=3500)
    rig = prepared(pen, deep(plan_for("NW-STEPS"), rate_max_mhz=rate_max_mhz))
    # With no error known the product stays short of a pen's full depth by its uncertainty, and never comes there.
    rig.pen.memory.calibration = rig.pen.memory.calibration._replace(depth_offset_um=-100)
    rig.arm()
    rig.command(SetRate(rate_mhz=rate_max_mhz))
    rig.command(SetDepth(depth_um=3000))
    rig.command(Start(source="test"))
    rig.advance(3000)
    assert rig.state.seen is not None
    assert rig.state.seen.rate_set_mhz == 25_000
    assert alarms(rig) == ([] if rate_max_mhz == 25_000 else ["rate_droop"])


def test_a_pen_that_was_jammed_is_armed_again_once_it_turns(make_rig: MakeRig) -> None:
    """A motor held fast has no current once it is let go, so the self-test has nothing against the current sensor."""
    rig = make_rig()
    rig.arm()
    rig.command(SetDepth(depth_um=500))
    rig.command(SetRate(rate_mhz=100_000))
    rig.command(Start(source="test"))
    rig.advance(500)
    rig.pen.faults.jam_motor()
    rig.advance(1000)
    assert rig.state.phase is Phase.INTERRUPTED
    rig.pen.faults.jam_motor(False)
    rig.clear_pen_faults()
    rig.command(FaultsCleared(by="test", faults=("STALL",)))
    rig.command(Close(outcome="stopped", reason="x"))
    rig.command(Prepare(session="s2", plan=resolved()))
    assert rig.state.inspection is None  # so that the self-test is made anew
    rig.pen.insert_cartridge()
    rig.arm()
    assert rig.armed
