"""Ramped start and pause, contact gating: less is sent, never more, and nothing of it starts a motor."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import pytest

from controller.events import TreatmentPaused
from controller.inputs import (
    Close,
    DeclareZone,
    JournalState,
    LinkDown,
    Pause,
    Prepare,
    Seated,
    SetDepth,
    SetRate,
    Start,
    Stop,
)
from controller.loop import Stage
from controller.state import Phase
from firmware_bridge.wire.messages import PenState, Setpoint
from proving.rig import Rig
from simulators.pen import SimulatedPen
from simulators.personality import NW_1, NW_DIAL, PenModel
from tests.controller.conftest import TODAY, resolved

Treat = Callable[..., Rig]
PLAN = resolved()
LIMITS = PLAN.profile.closed_loop
assert LIMITS is not None
TICK_MS = 50


def ready(model: PenModel = NW_1, depth_um: int = 500, rate_mhz: int = 100_000, zone: str = "cheek") -> Rig:
    """Armed and set, motor off."""
    rig = Rig(SimulatedPen(model, rng=Random(1), today=TODAY, noisy=False), random=Random(1), today=TODAY)
    rig.connect()
    rig.command(Prepare(session="s1", plan=resolved(model.name, zone=zone)))
    rig.arm()
    if model is not NW_DIAL:
        rig.command(SetDepth(depth_um=depth_um))
        rig.command(SetRate(rate_mhz=rate_mhz))
    return rig


def sent(rig: Rig, ms: int) -> Iterator[Setpoint]:
    """The setpoints sent in so many ms."""
    last = rig.last_setpoint
    for _ in range(ms):
        rig.advance(1)
        if rig.last_setpoint is not last and rig.last_setpoint is not None:
            last = rig.last_setpoint
            yield last


def alarms(rig: Rig) -> list[str]:
    return [alarm.name for alarm in rig.state.alarms.active]


# Start ----------------------------------------------------------------------------------------------------------------


def test_the_motor_turns_before_the_needles_come_out() -> None:
    rig = ready()
    rig.command(Start(source="x"))
    setpoints = [rig.last_setpoint, *sent(rig, 400)]
    ramp = [one for one in setpoints if one is not None and one.depth_um == 0]
    assert all(one.motor for one in ramp)
    assert [one.rate_mhz for one in ramp] == sorted(one.rate_mhz for one in ramp)
    assert ramp[0].rate_mhz == 20_000
    assert all(one.rate_mhz % NW_1.rate_step_mhz == 0 for one in ramp)
    assert LIMITS.spin_up_ms <= len(ramp) * TICK_MS <= LIMITS.spin_up_ms + TICK_MS
    assert setpoints[-1] is not None
    assert (setpoints[-1].depth_um, setpoints[-1].rate_mhz) == (500, 100_000)
    assert rig.state.depth_commanded_um == 500


def test_needles_do_not_meet_skin_before_the_motor_is_near_its_rate() -> None:
    rig = ready()
    rig.command(Start(source="x"))
    for _ in range(500):
        rig.advance(1)
        if rig.pen.truth.protrusion_um > 20:
            assert rig.pen.truth.rate_hz > 50
    assert rig.pen.truth.protrusion_um > 450


def test_the_least_depth_is_on_the_pens_step_and_not_deeper_than_what_was_set() -> None:
    model = replace(NW_1, depth_min_um=130)
    rig = ready(model, depth_um=150)
    rig.command(Start(source="x"))
    assert all(one.depth_um == 150 for one in sent(rig, 400))
    assert rig.pen.truth.motor_driven, "no setpoint was refused"


def test_a_pen_with_a_dial_is_started_and_paused_at_once() -> None:
    rig = ready(NW_DIAL)
    rig.command(Start(source="x"))
    assert rig.state.loop.stage is Stage.FULL
    rig.advance(500)
    rig.command(Pause(source="api"))
    rig.advance(10)
    assert not rig.pen.truth.motor_driven


# Pause ----------------------------------------------------------------------------------------------------------------


def test_a_pause_at_the_host_withdraws_the_needles_turning_and_then_stops(treat: Treat) -> None:
    rig = treat()
    rig.command(Pause(source="api"))
    assert rig.state.phase is Phase.PAUSED
    on_ms, out_at = 0, 0
    for ms in range(1, 601):
        rig.advance(1)
        if rig.pen.truth.motor_driven:
            on_ms = ms
            assert rig.pen.truth.rate_hz > 80, "needles are never dragged"
        if not out_at and rig.pen.truth.protrusion_um <= 10:
            out_at = ms
    assert 0 < out_at < on_ms <= LIMITS.withdraw_ms + 2 * TICK_MS
    assert rig.pen.truth.needles_out
    assert rig.state.motor_off_since_ms is None
    assert alarms(rig) == []
    assert rig.pen.truth.state is PenState.ARMED


@pytest.mark.parametrize("press", ["press_button", "press_pedal"])
@pytest.mark.parametrize("after_ms", range(0, 260, 13))
def test_a_press_while_needles_are_withdrawn_ends_it_and_starts_nothing(
    treat: Treat, press: str, after_ms: int
) -> None:
    rig = treat()
    rig.command(Pause(source="api"))
    rig.advance(after_ms)
    was_on = rig.pen.truth.motor_driven
    getattr(rig.pen, press)()
    for _ in range(500):
        rig.advance(1)
        if was_on:
            assert not rig.pen.truth.motor_driven, "a press on a running pen means off"
    assert rig.state.phase is (Phase.PAUSED if was_on else rig.state.phase)


@pytest.mark.parametrize(
    "what",
    [Stop(source="x"), Close(outcome="completed", reason="x"), Seated(operator=""), JournalState(problem="full")],
)
def test_what_ends_a_treatment_ends_a_withdrawal_at_once(treat: Treat, what: object) -> None:
    rig = treat()
    rig.command(Pause(source="api"))
    rig.advance(20)
    assert rig.pen.truth.motor_driven
    rig.give(what)  # type: ignore[arg-type]
    rig.advance(3)
    for _ in range(400):
        assert not rig.pen.truth.motor_driven
        rig.advance(1)
    assert rig.pen.truth.needles_out
    assert rig.state.loop.stage is Stage.OFF


@pytest.mark.parametrize(
    "what",
    [Stop(source="x"), Seated(operator=""), JournalState(problem="full"), Close(outcome="completed", reason="x")],
)
def test_nothing_but_a_pause_at_the_host_is_ramped(treat: Treat, what: object) -> None:
    rig = treat()
    rig.give(what)  # type: ignore[arg-type]
    rig.advance(3)
    assert not rig.pen.truth.motor_driven


def test_a_pen_that_does_not_run_yet_is_not_started_by_a_pause() -> None:
    rig = ready()
    rig.line.to_pen.delay_ms = 60
    rig.command(Start(source="x"))
    rig.advance(10)
    rig.command(Pause(source="api"))
    assert rig.state.loop.stage is Stage.OFF
    on_ms = 0
    for _ in range(500):
        rig.advance(1)
        on_ms += rig.pen.truth.motor_driven
    assert on_ms <= 20, "at most the start that was under way, until the pause reached it"


def test_a_pause_while_it_spins_up_is_off_at_once() -> None:
    rig = ready()
    rig.command(Start(source="x"))
    rig.advance(60)
    assert rig.pen.truth.motor_driven
    rig.command(Pause(source="api"))
    rig.advance(3)
    assert not rig.pen.truth.motor_driven


def test_a_start_while_needles_are_withdrawn_is_a_start(treat: Treat) -> None:
    rig = treat()
    rig.command(Pause(source="api"))
    rig.advance(60)
    rig.command(Start(source="api"))
    rig.advance(500)
    assert rig.state.phase is Phase.TREATING
    assert rig.pen.truth.protrusion_um > 450
    assert alarms(rig) == []


def test_a_cable_that_goes_while_needles_are_withdrawn_is_told_like_any_other(treat: Treat) -> None:
    rig = treat()
    rig.command(Pause(source="api"))
    rig.advance(20)
    rig.line.to_pen.dropping = rig.line.to_host.dropping = True
    rig.give(LinkDown(cause="unplugged"))
    assert rig.state.motor_off_since_ms is not None
    rig.advance(600)
    assert alarms(rig) == ["link_lost"]
    assert rig.pen.truth.needles_out


def test_needles_that_stick_while_they_are_withdrawn_are_told(treat: Treat) -> None:
    rig = treat()
    rig.pen.faults.stick_depth(True)
    rig.command(Pause(source="api"))
    rig.advance(1000)
    assert "retract_failed" in alarms(rig)


def test_old_news_after_new_is_no_press(treat: Treat) -> None:
    rig = treat()
    rig.pen.press_button()
    rig.advance(100)
    assert rig.state.phase is Phase.PAUSED
    old = [(given, at) for given, at in rig.inputs if type(given).__name__ == "StatusSeen"][-20]
    seen = rig.state.seen
    rig.give(old[0])
    assert rig.state.phase is Phase.PAUSED
    assert rig.state.seen is seen
    rig.advance(200)
    assert rig.state.phase is Phase.PAUSED
    assert not rig.pen.truth.motor_driven


# Contact --------------------------------------------------------------------------------------------------------------


def test_off_skin_the_needles_are_withdrawn_and_back_on_skin_they_come_out(treat: Treat) -> None:
    rig = treat()
    rig.pen.hold_on("cheek", touching=False)
    rig.advance(LIMITS.contact_off_ms - 40)
    assert rig.pen.truth.protrusion_um > 450, "a hop is no lifting"
    rig.advance(300)
    assert rig.pen.truth.protrusion_um <= 20
    assert rig.pen.truth.motor_driven
    rig.pen.hold_on("cheek", touching=True)
    rig.advance(300)
    assert rig.pen.truth.protrusion_um > 450
    assert rig.state.phase is Phase.TREATING
    assert alarms(rig) == []


def test_started_off_skin_the_needles_stay_in() -> None:
    rig = ready()
    rig.pen.hold_on("cheek", touching=False)
    rig.command(Start(source="x"))
    for _ in range(1000):
        rig.advance(1)
        assert rig.pen.truth.protrusion_um <= 20
    rig.pen.hold_on("cheek", touching=True)
    rig.advance(300)
    assert rig.pen.truth.protrusion_um > 450


def test_a_depth_set_while_lifted_is_sent_when_it_is_back_on_skin(treat: Treat) -> None:
    rig = treat()
    rig.pen.hold_on("cheek", touching=False)
    rig.advance(400)
    rig.command(SetDepth(depth_um=300))
    assert all(one.depth_um == 0 for one in sent(rig, 300))
    rig.pen.hold_on("cheek", touching=True)
    rig.advance(400)
    assert rig.pen.truth.protrusion_um == pytest.approx(300, abs=20)


def test_off_skin_for_long_it_is_told_and_then_paused(treat: Treat) -> None:
    rig = treat()
    rig.pen.hold_on("cheek", touching=False)
    rig.advance(LIMITS.contact_warn_ms + 200)
    assert alarms(rig) == ["contact_lost"]
    rig.advance(LIMITS.contact_pause_ms - LIMITS.contact_warn_ms)
    assert rig.state.phase is Phase.PAUSED
    assert [event.source for event in rig.events if isinstance(event, TreatmentPaused)] == [
        "contact: off the skin for too long"
    ]
    rig.advance(500)
    assert alarms(rig) == []
    rig.pen.hold_on("cheek", touching=True)
    rig.advance(1000)
    assert not rig.pen.truth.motor_driven, "a person starts it again"


def test_a_pen_with_a_dial_is_not_gated_but_paused_after_long_in_the_air() -> None:
    rig = ready(NW_DIAL)
    rig.command(Start(source="x"))
    rig.pen.hold_on("cheek", touching=False)
    rig.advance(LIMITS.contact_pause_ms - 500)
    assert rig.state.loop.stage is Stage.FULL
    assert alarms(rig) == ["contact_lost"]
    rig.advance(1000)
    assert rig.state.phase is Phase.PAUSED
    assert not rig.pen.truth.motor_driven


def test_zones_change_while_it_is_ramped_or_lifted(treat: Treat) -> None:
    rig = treat(depth_um=500, zone="nose")
    rig.pen.hold_on("nose", touching=False)
    rig.advance(400)
    rig.command(DeclareZone(zone="periorbital"))
    assert rig.state.depth_commanded_um == 250
    assert all(one.depth_um == 0 for one in sent(rig, 300))
    rig.pen.hold_on("periorbital", touching=True)
    rig.advance(300)
    assert rig.pen.truth.protrusion_um == pytest.approx(250, abs=20)
    rig.command(Pause(source="api"))
    rig.command(DeclareZone(zone="cheek"))
    assert all(one.depth_um == 0 or not one.motor for one in sent(rig, 400))
    rig.command(Start(source="api"))
    assert rig.last_setpoint is not None
    assert rig.last_setpoint.depth_um == 0
    rig.advance(500)
    assert rig.state.phase is Phase.TREATING
    assert alarms(rig) == []


def test_a_plan_without_thresholds_is_neither_ramped_nor_watched() -> None:
    rig = Rig(SimulatedPen(NW_1, rng=Random(1), today=TODAY, noisy=False), random=Random(1), today=TODAY)
    rig.connect()
    old = PLAN.model_copy(update={"profile": PLAN.profile.model_copy(update={"closed_loop": None})})
    rig.command(Prepare(session="s1", plan=old))
    rig.arm()
    rig.command(SetDepth(depth_um=500))
    rig.command(SetRate(rate_mhz=100_000))
    rig.command(Start(source="x"))
    assert rig.last_setpoint is not None
    assert rig.last_setpoint.depth_um == 500
    rig.advance(500)
    rig.pen.faults.drift_depth_sensor(200)
    rig.advance(2000)
    assert alarms(rig) == []
    rig.command(Pause(source="api"))
    rig.advance(3)
    assert not rig.pen.truth.motor_driven
