"""The safety invariants, checked every millisecond while an operator and a line do anything at all."""

from collections import deque
from contextlib import suppress
from datetime import date
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.errors import ControlRefused
from controller.inputs import (
    Acknowledge,
    Close,
    DeclareZone,
    FaultsCleared,
    JournalState,
    Pause,
    Prepare,
    SetDepth,
    SetRate,
    Start,
    Stop,
)
from controller.library import load_library
from controller.operators import load_operators
from controller.plan import SessionPlan, resolve_plan
from controller.profiles import load_profiles
from firmware_bridge.wire.messages import Fault
from proving.rig import Rig
from simulators.firmware import PenFirmware
from simulators.pen import SimulatedPen
from simulators.personality import NW_1

TODAY = date(2026, 1, 1)
LIBRARY = load_library()
PLAN = resolve_plan(
    SessionPlan(
        patient="p-0001", operator="demo-master-aesthetician", protocol="facial-rejuvenation", skin="thick",
        zone="nose",
        checklist=dict.fromkeys(LIBRARY.checklist, True),
        answers=dict.fromkeys(LIBRARY.questions, False),
        consent="form 1",
    ),
    model="NW-1", today=TODAY, library=LIBRARY, operators=load_operators(), profiles=load_profiles(), mode="demo",
)  # fmt: skip
ZONES = sorted(PLAN.zones)
DEAD_MAN_MS, RETRACT_MS = NW_1.dead_man_ms, NW_1.retract_ms


class Watch:
    """Checks after every millisecond what must hold whatever happens."""

    def __init__(self) -> None:
        self.limits: deque[int] = deque([0], maxlen=DEAD_MAN_MS + RETRACT_MS)
        self.silent_ms = 0
        self.driven_ms = 0

    def __call__(self, rig: Rig) -> None:
        truth, state = rig.pen.truth, rig.state
        limit_um = state.depth_limit.effective if state.depth_limit is not None and state.session else 0
        self.limits.append(limit_um)
        sent = rig.last_setpoint
        # 1: never commanded deeper than the limit in force, never really deeper than any limit of the last moments.
        if state.lease and sent is not None and state.depth_limit is not None:
            assert state.depth_commanded_um <= state.depth_limit.effective
            assert sent.depth_um <= max(self.limits)
        if truth.motor_driven and PLAN.profile is not None:
            assert truth.protrusion_um <= max(self.limits) + PLAN.profile.depth_tolerance_um
            # 2: a motor that turns has a lease behind it, and a person who armed.
            assert truth.lease != 0
            assert state.session is not None
            assert state.cartridge is not None
            assert state.calibration is not None
        # 3: a host that says nothing, or is not heard, is outlived by dead-man time plus retract time at most.
        self.silent_ms = self.silent_ms + 1 if rig.host_stalled or rig.line.to_pen.dropping else 0
        if self.silent_ms > DEAD_MAN_MS:
            assert not truth.motor_driven
        if self.silent_ms > DEAD_MAN_MS + RETRACT_MS:
            assert truth.needles_out or truth.faults & Fault.RETRACT_FAILED


ACTIONS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 700)),
    st.tuples(st.just("depth"), st.integers(0, 3000)),
    st.tuples(st.just("override"), st.integers(500, 2000)),
    st.tuples(st.just("rate"), st.integers(0, 200_000)),
    st.tuples(st.just("zone"), st.sampled_from(ZONES)),
    st.tuples(
        st.sampled_from(
            ["start", "pause", "stop", "close", "clear", "acknowledge", "arm", "arm", "start", "button", "pedal",
             "stall host", "wake host", "drop to pen", "drop to host", "hold to pen", "late to host", "line good",
             "jam", "unjam", "cartridge off", "cartridge on", "reboot", "journal fails", "journal accepts",
             "lose stops"]
        ),
        st.just(0),
    ),
)  # fmt: skip


def act(rig: Rig, action: str, value: object) -> None:
    line, pen = rig.line, rig.pen
    match action:
        case "wait":
            rig.advance(int(str(value)))
        case "depth":
            rig.command(SetDepth(depth_um=int(str(value))))
        case "override":
            rig.command(SetDepth(depth_um=int(str(value)), override="scar-tissue"))
        case "rate":
            rig.command(SetRate(rate_mhz=int(str(value))))
        case "zone":
            rig.command(DeclareZone(zone=str(value)))
        case "start":
            rig.command(Start(source="x"))
        case "pause":
            rig.command(Pause(source="x"))
        case "stop":
            rig.command(Stop(source="x"))
        case "close":
            rig.command(Close(outcome="completed", reason="x"))
        case "clear":
            rig.clear_pen_faults()
            rig.command(FaultsCleared(by="x", faults=()))
        case "acknowledge":
            for alarm in rig.state.alarms.active:
                rig.command(Acknowledge(alarm=alarm.name, by="x"))
        case "arm":
            if rig.state.session is None:
                rig.command(Prepare(session="s", plan=PLAN))
            rig.arm()
        case "button":
            pen.press_button()
        case "pedal":
            pen.press_pedal()
        case "stall host":
            rig.host_stalled = True
        case "wake host":
            rig.host_stalled = False
        case "drop to pen":
            line.to_pen.dropping = True
        case "drop to host":
            line.to_host.dropping = True
        case "hold to pen":
            line.to_pen.holding = True
        case "late to host":
            line.to_host.delay_ms = 250
        case "line good":
            line.to_pen.dropping = line.to_pen.holding = line.to_host.dropping = False
            line.to_host.delay_ms = 0
        case "jam" | "unjam":
            pen.faults.jam_motor(action == "jam")
        case "cartridge off":
            pen.remove_cartridge()
        case "cartridge on":
            pen.insert_cartridge()
        case "reboot":
            pen.reboot()
            rig.advance(100)
            rig.host_stalled = False
            rig.connect()
        case "journal fails" | "journal accepts":
            rig.give(JournalState(problem="disk full" if action == "journal fails" else ""))
        case "lose stops":
            line.to_pen.lose(0x08, 3)


@settings(max_examples=60)
@example(seed=0, story=[("override", 550), ("override", 701), ("rate", 20_000), ("wait", 1)])
@given(seed=st.integers(0, 2**32), story=st.lists(ACTIONS, min_size=5, max_size=40))
def test_whatever_anybody_does(seed: int, story: list[tuple[str, object]]) -> None:
    pen = SimulatedPen(NW_1, rng=Random(seed), today=TODAY)
    rig = Rig(pen, random=Random(seed), today=TODAY, after_ms=Watch())
    rig.connect()
    begin: list[tuple[str, object]] = [("arm", 0), ("depth", 500), ("rate", 90_000), ("start", 0), ("wait", 200)]
    for action, value in [*begin, *story, ("wait", 900)]:
        with suppress(ControlRefused):  # refusing is always allowed; the watch looks at what was not refused
            act(rig, action, value)


def test_the_watch_catches_a_pen_that_does_not_stop_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(SimulatedPen(NW_1, rng=Random(1), today=TODAY), random=Random(1), today=TODAY, after_ms=Watch())
    rig.connect()
    for action, value in [("arm", 0), ("depth", 500), ("rate", 90_000), ("start", 0), ("wait", 200)]:
        act(rig, action, value)
    monkeypatch.setattr(PenFirmware, "step_1ms", lambda _firmware: None)  # a firmware that hangs, its motor on
    rig.host_stalled = True
    with pytest.raises(AssertionError):
        rig.advance(1000)
