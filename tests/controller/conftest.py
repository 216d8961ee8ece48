"""What the controller's tests share: example data, plans, pen facts and a simulated treatment stepped directly."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import date
from random import Random

import pytest

from controller.envelope import Sources
from controller.events import CalibrationSnapshot
from controller.inputs import PenFacts, Prepare, SetDepth, SetRate, Start
from controller.library import load_library
from controller.operators import load_operators
from controller.plan import (
    CurveStep,
    ProfileSnapshot,
    ResolvedPlan,
    SessionPlan,
    ZonePlan,
    resolve_plan,
)
from controller.profiles import load_profiles
from firmware_bridge.wire.messages import Capability
from proving.rig import Rig
from simulators.pen import SimulatedPen
from simulators.personality import model_named
from tests.controller.house import House, open_house

TODAY = date(2026, 1, 1)


def make_plan(**changes: object) -> SessionPlan:
    """A plan with every checklist item confirmed; ``changes`` replace its fields."""
    fields: dict[str, object] = {
        "patient": "p-0001",
        "operator": "demo-physician",
        "protocol": "facial-rejuvenation",
        "skin": "thick",
        "zone": "cheek",
        "checklist": dict.fromkeys(load_library().checklist, True),
        "answers": dict.fromkeys(load_library().questions, False),
        "consent": "form 1",
    }
    return SessionPlan.model_validate(fields | changes)


def resolved(model: str = "NW-1", **changes: object) -> ResolvedPlan:
    """A resolved plan from the example data."""
    return resolve_plan(
        make_plan(**changes),
        model=model,
        today=TODAY,
        library=load_library(),
        operators=load_operators(),
        profiles=load_profiles(),
        mode="demo",
    )


def calibration(gain_ppm: int = 1_000_000, offset_um: int = 0, uncertainty_um: int = 50) -> CalibrationSnapshot:
    """A calibration in which the pen shows the rate it turns at."""
    return CalibrationSnapshot(
        certificate="C-1", calibrated_on="2026-01-01", due_on="2027-01-01", depth_gain_ppm=gain_ppm,
        depth_offset_um=offset_um, depth_uncertainty_um=uncertainty_um, rate_gain_ppm=1_000_000,
    )  # fmt: skip


def profile(labelled_um: int = 2000) -> ProfileSnapshot:
    """A data sheet with a curve: to 1.00 mm at 150 Hz, to 2.00 mm at 100 Hz."""
    return ProfileSnapshot(
        model="NW-1", labelled_depth_max_um=labelled_um, labelled_rate_max_mhz=150_000, depth_tolerance_um=150,
        rate_tolerance_percent=15,
        curve=(CurveStep(depth_um=1000, rate_max_mhz=150_000), CurveStep(depth_um=2000, rate_max_mhz=100_000)),
    )  # fmt: skip


def zone(soft_um: int = 750, hard_um: int = 1000) -> ZonePlan:
    """Limits of a zone for one skin."""
    return ZonePlan(soft_um=soft_um, hard_um=hard_um, rate_max_mhz=130_000, source="chart")


@pytest.fixture
def facts() -> PenFacts:
    """A pen like the simulated NW-1."""
    return PenFacts(
        model="NW-1", serial="T1", firmware="1", boot_id=1, capabilities=int(Capability(2**18 - 1)),
        depth_min_um=50, depth_max_um=2500, depth_step_um=50, rate_min_mhz=20_000, rate_max_mhz=150_000,
        rate_step_mhz=1000, dead_man_ms=300, retract_ms=120,
    )  # fmt: skip


@pytest.fixture
def sources(facts: PenFacts) -> Sources:
    """Everything is known; the operator's scope of 0.50 mm limits depth, the zone's 130 Hz the rate."""
    return Sources(
        pen=facts, profile=profile(), cartridge_length_um=1500, cartridge_name="lot 1", zone="cheek", zone_plan=zone(),
        override_reason="", operator_cap_um=500, operator_scope="Arizona aesthetician, as confirmed by this clinic",
        calibration=calibration(),
    )  # fmt: skip


@pytest.fixture
def wide(sources: Sources) -> Sources:
    """Nothing of operator or soft limit in the way: the hard limit of 1.00 mm less 0.05 mm of uncertainty holds."""
    return replace(sources, operator_cap_um=2500, zone_plan=zone(1000, 1000))


@pytest.fixture
def make_rig() -> Callable[..., Rig]:
    """Makes a rig with a connected simulated pen and a prepared session."""

    def make(model: str = "NW-1", seed: int = 1, noisy: bool = False, **changes: object) -> Rig:
        pen = SimulatedPen(model_named(model), rng=Random(seed), today=TODAY, noisy=noisy)
        rig = Rig(pen, random=Random(seed), today=TODAY)
        rig.connect()
        rig.command(Prepare(session="s1", plan=resolved(model, **changes)))
        rig.examine()
        return rig

    return make


@pytest.fixture
def treat(make_rig: Callable[..., Rig]) -> Callable[..., Rig]:
    """Makes a rig that is treating: armed, depth and rate set, motor on, needles at depth."""

    def make(depth_um: int = 500, rate_mhz: int = 100_000, **changes: object) -> Rig:
        rig = make_rig(**changes)
        rig.arm()
        rig.command(SetDepth(depth_um=depth_um))
        rig.command(SetRate(rate_mhz=rate_mhz))
        rig.command(Start(source="test"))
        rig.advance(500)
        return rig

    return make


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A driver, its pen on a pseudo-terminal, and a site."""
    async with open_house() as made:
        yield made
