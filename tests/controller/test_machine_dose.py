"""What the machine makes of a status in the middle of a treatment: which strokes count, which budget is looked at."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.alarm_table import DWELL_NEARLY_USED, OVER_TREATMENT
from controller.inputs import Pause, StatusSeen, Tick
from controller.machine import step
from controller.state import MachineState, Phase
from firmware_bridge.wire.messages import PenState
from proving.rig import Rig

Treat = Callable[..., Rig]

DWELL = {DWELL_NEARLY_USED.name, OVER_TREATMENT.name}


def heard(state: MachineState, /, **changes: object) -> MachineState:
    """The state 20 ms later, after a status with these changes."""
    assert state.seen is not None
    now_ms = state.seen_at_ms + 20
    seen = replace(state.seen, **({"pen_time_ms": (state.seen.pen_time_ms + 20) % 2**32} | changes))
    return step(state, StatusSeen(seen, now_ms), now_ms).state


def strokes(state: MachineState) -> int:
    return sum(tally.strokes for tally in state.doses)


def budgeted(state: MachineState, dwell_ms: int | None, dwell_hard_ms: int | None) -> MachineState:
    """The same, with this budget of time on skin in its zone."""
    plan = state.plan
    assert plan is not None
    zone = plan.zones[state.zone].model_copy(update={"dwell_ms": dwell_ms, "dwell_hard_ms": dwell_hard_ms})
    return replace(state, plan=plan.model_copy(update={"zones": plan.zones | {state.zone: zone}}))


def alarms(state: MachineState) -> set[str]:
    return {alarm.name for alarm in state.alarms.active}


def test_strokes_count_from_the_first_status_of_a_run_to_the_one_that_ends_it(treat: Treat) -> None:
    state = treat().state
    assert state.seen is not None
    before, counter = strokes(state), state.seen.strokes
    state = replace(state, seen=replace(state.seen, state=PenState.ARMED))
    state = heard(state, state=PenState.RUNNING, strokes=counter + 2)
    assert strokes(state) == before + 2
    state = heard(state, state=PenState.RUNNING, strokes=counter + 5)
    assert strokes(state) == before + 5
    state = heard(state, state=PenState.ARMED, strokes=counter + 6)
    assert strokes(state) == before + 6
    assert strokes(heard(state, state=PenState.ARMED, strokes=counter + 9)) == before + 6


def test_a_pen_that_is_found_running_has_done_nothing_that_is_known(treat: Treat) -> None:
    state = treat().state
    seen = state.seen
    assert seen is not None
    found = step(replace(state, seen=None), StatusSeen(replace(seen, strokes=999), state.seen_at_ms), state.seen_at_ms)
    assert strokes(found.state) == strokes(state)


@pytest.mark.parametrize(
    ("dwell_ms", "dwell_hard_ms", "raised", "phase"),
    [
        (None, None, set(), Phase.TREATING),
        (1, None, DWELL, Phase.TREATING),
        (1, 10**9, DWELL, Phase.TREATING),
        (10**9, 10**9, set(), Phase.TREATING),
        (None, 1, DWELL, Phase.PAUSED),
    ],
)
def test_whichever_budget_a_zone_has_is_looked_at(
    dwell_ms: int | None, dwell_hard_ms: int | None, raised: set[str], phase: Phase, treat: Treat
) -> None:
    state = budgeted(treat().state, dwell_ms, dwell_hard_ms)
    for _ in range(3):
        state = heard(state)
    assert bool(alarms(state)) is bool(state.loop.flags) is bool(raised)
    assert alarms(state) <= raised
    assert state.phase is phase


def test_a_depth_that_is_measured_again_is_no_longer_missed(treat: Treat) -> None:
    state = heard(treat().state, depth_measured_um=None)
    assert state.blind_since_ms == state.seen_at_ms
    assert heard(state, depth_measured_um=500).blind_since_ms is None


def test_while_it_withdraws_the_needles_are_not_taken_for_out(treat: Treat) -> None:
    rig = treat()
    rig.command(Pause(source="api"))
    state, ticks = rig.state, 0
    while state.motor_commanded:
        assert state.motor_off_since_ms is None
        ticks += 1
        state = step(heard(state), Tick(), state.seen_at_ms + 20).state
    assert ticks > 2
    assert state.motor_off_since_ms is not None
