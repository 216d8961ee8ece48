"""Whatever people, presses, contact and a slow line do in whatever order: the motor goes on once for each start."""

from contextlib import suppress
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller import closed_loop, machine
from controller.errors import ControlRefused
from controller.events import TreatmentStarted
from controller.inputs import DeclareZone, Pause, Prepare, Seated, SetDepth, SetRate, Start
from controller.state import Phase
from proving.rig import Rig
from simulators.pen import SimulatedPen
from tests.controller.conftest import TODAY, resolved

OPERATOR = "demo-physician"
PLAN = resolved()
LIMITS = PLAN.profile.closed_loop
assert LIMITS is not None
DELAY_MAX_MS = 40  # each way; on a slower line a press, whose answer the pen waits for, ends in the dead-man stop
AFTER_PAUSE_MS = LIMITS.withdraw_ms + 50 + 2 * DELAY_MAX_MS + 20

ACTIONS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 300)),
    st.tuples(st.just("delay"), st.sampled_from([0, 5, 20, DELAY_MAX_MS])),
    st.tuples(st.just("zone"), st.sampled_from(["nose", "periorbital", "cheek"])),
    st.tuples(
        st.sampled_from(
            ["pause", "pause", "start", "start", "button", "button", "pedal", "lift", "land", "unseat", "seat", "depth"]
        ),
        st.just(0),
    ),
)
STORIES = st.lists(ACTIONS, min_size=3, max_size=25)


class Watch:
    """Counts how often the drive goes on, and how long it is on after a pause."""

    def __init__(self) -> None:
        self.was_on = False
        self.turned_on = 0
        self.paused_ms = 0

    def __call__(self, rig: Rig) -> None:
        self.paused_ms = self.paused_ms + 1 if rig.state.phase is not Phase.TREATING else 0
        on = rig.pen.plant.driven
        if on and not self.was_on:
            self.turned_on += 1
            assert self.paused_ms <= DELAY_MAX_MS, "only a start that was under way arrives after a pause"
        self.was_on = on
        starts = sum(isinstance(event, TreatmentStarted) for event in rig.events)
        assert self.turned_on <= starts, "the motor went on and nobody had started it"
        assert not on or self.paused_ms <= AFTER_PAUSE_MS
        sent, state = rig.last_setpoint, rig.state
        if sent is not None and sent.motor and state.armed and state.depth_limit is not None and state.loop.motor:
            assert state.loop.depth_um <= max(state.depth_commanded_um, sent.depth_um)


def told(seed: int, story: list[tuple[str, object]]) -> None:
    rig = Rig(SimulatedPen(rng=Random(seed), today=TODAY), random=Random(seed), today=TODAY, after_ms=Watch())
    rig.connect()
    rig.command(Prepare(session="s", plan=PLAN))
    rig.give(Seated(operator=OPERATOR))
    rig.arm()
    rig.command(SetDepth(depth_um=500))
    rig.command(SetRate(rate_mhz=90_000))
    rig.pen.hold_on("cheek", touching=True)
    for action, value in [("start", 0), ("wait", 250), *story, ("wait", 400)]:
        with suppress(ControlRefused):  # refusing is always allowed
            act(rig, action, int(value) if isinstance(value, int) else 0, str(value))
    assert rig.state.alarms.active == (), rig.state.alarms.active


def act(rig: Rig, action: str, number: int, word: str) -> None:
    match action:
        case "wait":
            rig.advance(number)
        case "delay":
            rig.line.to_pen.delay_ms = rig.line.to_host.delay_ms = number
        case "zone":
            rig.command(DeclareZone(zone=word))
        case "pause":
            rig.command(Pause(source="api"))
        case "start":
            rig.command(Start(source="api"))
        case "button":
            rig.pen.press_button()
        case "pedal":
            rig.pen.press_pedal()
        case "lift" | "land":
            rig.pen.hold_on("cheek", touching=action == "land")
        case "unseat" | "seat":
            rig.give(Seated(operator=OPERATOR if action == "seat" else ""))
        case _:
            rig.command(SetDepth(depth_um=250))


@settings(max_examples=60)
@example(seed=0, story=[("wait", 300), ("delay", 40), ("pause", 0), ("button", 0), ("wait", 300)])
@example(seed=0, story=[("wait", 300), ("button", 0), ("pause", 0), ("wait", 100), ("pedal", 0), ("wait", 300)])
@given(seed=st.integers(0, 2**16), story=STORIES)
def test_the_motor_goes_on_once_for_each_start(seed: int, story: list[tuple[str, object]]) -> None:
    told(seed, story)


def test_the_watch_catches_a_withdrawal_that_a_press_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "withdrawn", lambda made, _now_ms: made)
    monkeypatch.setattr(closed_loop, "may_withdraw", lambda _state: True)
    with pytest.raises(AssertionError, match=r"after a pause|nobody had started it"):
        told(1, [("wait", 300), ("pause", 0), ("wait", 20), ("button", 0), ("wait", 400)])
