"""What the controller's tests share: example data, plans, pen facts and a simulated treatment stepped directly."""

from collections.abc import AsyncIterator, Callable
from datetime import date
from random import Random

import pytest

from controller.inputs import PenFacts, Prepare, SetDepth, SetRate, Start
from controller.library import load_library
from controller.operators import load_operators
from controller.plan import ResolvedPlan, SessionPlan, resolve_plan
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


@pytest.fixture
def facts() -> PenFacts:
    """A pen like the simulated NW-1."""
    return PenFacts(
        model="NW-1", serial="T1", firmware="1", boot_id=1, capabilities=int(Capability(2**18 - 1)),
        depth_min_um=50, depth_max_um=2500, depth_step_um=50, rate_min_mhz=20_000, rate_max_mhz=150_000,
        rate_step_mhz=1000, dead_man_ms=300, retract_ms=120,
    )  # fmt: skip


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
