"""What people and pens get wrong, against the real machine and a simulated pen: the tests of the safety case's own."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from random import Random

import pytest

from controller.errors import ControlRefused
from controller.events import SoftLimitOverridden
from controller.inputs import Close, DeclareZone, Pause, Prepare, SetDepth, SetRate, Start, StatusSeen, Stop
from controller.state import Phase
from firmware_bridge.wire.messages import Fault
from proving.rig import Rig
from simulators.pen import SimulatedPen
from simulators.personality import model_named
from tests.controller.conftest import resolved

TODAY = date(2026, 1, 1)
ZONES = sorted(resolved().zones)


@pytest.fixture
def armed() -> Callable[..., Rig]:
    """Makes a rig with an armed pen and a session of a physician, whose scope limits least."""

    def make(zone: str = "cheek", **changes: object) -> Rig:
        rig = Rig(SimulatedPen(model_named("NW-1"), rng=Random(1), today=TODAY), random=Random(1), today=TODAY)
        rig.connect()
        rig.command(Prepare(session="s1", plan=resolved(zone=zone, **changes)))
        rig.arm()
        return rig

    return make


@pytest.fixture
def treating(armed: Callable[..., Rig]) -> Rig:
    """A rig that is treating."""
    rig = armed()
    rig.command(SetDepth(depth_um=500))
    rig.command(SetRate(rate_mhz=100_000))
    rig.command(Start(source="test"))
    rig.advance(500)
    return rig


def because(rig: Rig, depth_um: int, override: str = "") -> str:
    with pytest.raises(ControlRefused) as caught:
        rig.command(SetDepth(depth_um=depth_um, override=override))
    return caught.value.because


@pytest.mark.parametrize("skin", ["thin", "thick"])
@pytest.mark.parametrize("zone", ZONES)
def test_ten_times_a_usual_depth_is_refused_whatever_reason_is_given(
    armed: Callable[..., Rig], zone: str, skin: str
) -> None:
    rig = armed(zone, skin=skin)
    assert rig.state.plan is not None
    soft_um = rig.state.plan.zones[zone].soft_um
    for reason in ("", *rig.state.plan.override_reasons):
        assert because(rig, soft_um * 10, reason) in {
            "zone_soft", "zone_hard", "mechanical", "labelled", "cartridge", "calibration", "depth_rate_curve",
        }  # fmt: skip
        assert because(rig, 5000, reason)
        assert rig.state.depth_commanded_um == 0
    assert because(rig, 2500)  # 0.25 with its point moved by one: never without a reason on the face


def test_a_reason_given_for_one_zone_opens_no_other_and_does_not_come_back_with_the_first(
    armed: Callable[..., Rig],
) -> None:
    rig = armed("cheek")
    rig.command(SetDepth(depth_um=1200, override="scar-tissue"))
    rig.command(DeclareZone(zone="chin"))
    assert rig.state.depth_commanded_um <= 1000
    assert because(rig, 1200) == "zone_soft"
    rig.command(DeclareZone(zone="cheek"))
    assert because(rig, 1200) == "zone_soft"
    assert len([event for event in rig.events if isinstance(event, SoftLimitOverridden)]) == 1


@pytest.mark.parametrize("fault", [*Fault, 1 << 31], ids=lambda fault: getattr(fault, "name", "one of tomorrow"))
def test_every_fault_a_pen_can_report_ends_the_treatment_and_is_latched(treating: Rig, fault: int) -> None:
    seen = treating.state.seen
    assert seen is not None
    treating.give(StatusSeen(replace(seen, faults=fault), treating.now_ms))
    assert treating.state.phase is Phase.INTERRUPTED
    assert treating.state.lease == 0
    assert [alarm.kind.priority for alarm in treating.state.alarms.active] == ["HIGH"]
    with pytest.raises(ControlRefused):
        treating.command(Start(source="test"))
    treating.advance(1000)
    assert treating.pen.truth.needles_out
    assert not treating.pen.truth.motor_driven


@pytest.mark.parametrize("days_left", [-1, 0])
def test_a_cartridge_is_used_up_to_its_last_day_and_no_longer(days_left: int) -> None:
    pen = SimulatedPen(model_named("NW-1"), rng=Random(1), today=TODAY)
    pen.insert_cartridge(replace(pen.new_cartridge(), expiry_day=(TODAY - date(1970, 1, 1)).days + days_left))
    rig = Rig(pen, random=Random(1), today=TODAY)
    rig.connect()
    rig.command(Prepare(session="s1", plan=resolved()))
    if days_left < 0:
        with pytest.raises(ControlRefused) as caught:
            rig.arm()
        assert caught.value.because == "cartridge_expired"
        assert not pen.truth.lease
    else:
        rig.arm()
        assert rig.armed


def test_a_short_cartridge_limits_the_depth() -> None:
    pen = SimulatedPen(model_named("NW-1"), rng=Random(1), today=TODAY)
    pen.insert_cartridge(replace(pen.new_cartridge(), needle_length_um=600))
    rig = Rig(pen, random=Random(1), today=TODAY)
    rig.connect()
    rig.command(Prepare(session="s1", plan=resolved(zone="cheek")))
    rig.arm()
    assert because(rig, 700, "scar-tissue") in {"cartridge", "calibration"}
    assert rig.state.depth_ceiling_um <= 600


def test_time_in_air_is_no_treatment(treating: Rig) -> None:
    treating.pen.hold_on("cheek", touching=False)
    treating.advance(100)
    before_ms = sum(dose.treated_ms for dose in treating.state.doses)
    treating.advance(2000)
    assert treating.pen.truth.motor_driven
    assert sum(dose.treated_ms for dose in treating.state.doses) == before_ms > 0


def test_a_pause_a_stop_and_a_new_session_take_the_needles_out(treating: Rig) -> None:
    for end in (Pause(source="x"), Stop(source="x"), Close(outcome="stopped", reason="x")):
        treating.command(end)
        treating.advance(500)
        assert treating.pen.truth.needles_out
        assert not treating.pen.truth.motor_driven
