"""What nobody asked for: a motor that runs, a depth that is no longer measured, needles that are not known to be out.

And reasons that are good for what they were given for.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.errors import ControlRefused
from controller.events import SoftLimitOverridden, StopConfirmed
from controller.inputs import ArmAsked, Close, FaultsCleared, Pause, Prepare, SetDepth, Start, StatusSeen, Stop, Tick
from controller.machine import step
from controller.state import Phase, SendStop
from firmware_bridge.wire.messages import Interlock, PenState
from proving.rig import Rig
from tests.controller.conftest import resolved

Treat = Callable[..., Rig]
SAYS_RUNNING = {"state": PenState.RUNNING, "interlocks": Interlock.CARTRIDGE_PRESENT}


def told(rig: Rig, for_ms: int, **changes: object) -> int | None:
    """Statuses with these changes in place of the pen's own, and ticks; after how long STOP was sent, if it was."""
    rig.line.to_host.dropping = True
    for passed_ms in range(20, for_ms + 1, 20):
        seen = rig.state.seen
        assert seen is not None
        rig.now_ms += 20
        changed = replace(seen, pen_time_ms=seen.pen_time_ms + 20, **changes)
        for given in (StatusSeen(changed, rig.now_ms), Tick()):
            made = step(rig.state, given, rig.now_ms)
            rig.state = made.state
            rig.events.extend(made.events)
            if isinstance(made.send, SendStop):
                return passed_ms
    return None


def alarms(rig: Rig) -> list[str]:
    return [alarm.name for alarm in rig.state.alarms.active]


# A motor that runs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["no session", "prepared", "armed"])
def test_a_pen_that_says_it_runs_is_stopped_whatever_stands(make_rig: Treat, where: str) -> None:
    rig = make_rig()
    if where == "no session":
        rig.command(Close(outcome="completed", reason="x"))
    elif where == "armed":
        rig.arm()
        rig.advance(100)
    stopped_ms = told(rig, 2000, **SAYS_RUNNING)
    assert stopped_ms is not None
    assert 500 <= stopped_ms <= 600
    assert "running_unasked" in alarms(rig)
    assert rig.state.phase is Phase.STOPPING


def test_without_a_session_it_comes_back_to_no_session_and_a_person_clears_it_first(make_rig: Treat) -> None:
    rig = make_rig()
    rig.command(Close(outcome="completed", reason="x"))
    told(rig, 1000, **SAYS_RUNNING)
    rig.line.to_host.dropping = False
    assert rig.until(lambda: rig.state.phase is Phase.NO_SESSION, 600)
    with pytest.raises(ControlRefused) as caught:
        rig.command(Prepare(session="s2", plan=resolved()))
    assert caught.value.because == "alarm"
    rig.command(FaultsCleared(by="me", faults=()))
    rig.advance(100)
    rig.command(Prepare(session="s2", plan=resolved()))
    assert rig.state.phase is Phase.PREPARED


def test_a_pause_and_a_stop_take_their_moment_and_raise_nothing(treat: Treat) -> None:
    rig = treat()
    rig.line.to_host.delay_ms = 200
    rig.advance(400)
    rig.command(Pause(source="x"))
    rig.advance(1000)
    assert rig.state.phase is Phase.PAUSED
    rig.command(Stop(source="x"))
    rig.advance(1000)
    assert [event.after_ms for event in rig.events if isinstance(event, StopConfirmed)]
    assert alarms(rig) == []


# A depth that is no longer measured -----------------------------------------------------------------------------------


def test_a_pen_that_stops_measuring_depth_is_stopped(treat: Treat) -> None:
    rig = treat()
    stopped_ms = told(rig, 2000, depth_measured_um=None)
    assert stopped_ms is not None
    assert 300 <= stopped_ms <= 360
    assert alarms(rig) == ["depth_unknown"]


def test_a_reading_that_is_missing_now_and_then_stops_nothing(treat: Treat) -> None:
    rig = treat()
    measured = rig.state.seen.depth_measured_um if rig.state.seen is not None else None
    for _ in range(10):
        assert told(rig, 240, depth_measured_um=None) is None
        assert told(rig, 40, depth_measured_um=measured) is None
    assert alarms(rig) == []


# Needles that are not known to be out ---------------------------------------------------------------------------------


def test_needles_that_are_not_out_stand_in_the_way_of_arming(make_rig: Treat) -> None:
    rig = make_rig()
    assert rig.state.seen is not None
    rig.state = replace(rig.state, seen=replace(rig.state.seen, interlocks=Interlock.CARTRIDGE_PRESENT))
    with pytest.raises(ControlRefused) as caught:
        rig.command(ArmAsked(source="x"))
    assert caught.value.because == "needles"


def test_needles_that_are_not_known_to_be_out_are_not_forgotten_with_a_patient(make_rig: Treat) -> None:
    rig = make_rig()
    rig.command(Close(outcome="stopped", reason="x"))
    rig.state = replace(rig.state, motor_off_since_ms=rig.now_ms)
    with pytest.raises(ControlRefused) as caught:
        rig.command(Prepare(session="s2", plan=resolved()))
    assert caught.value.because == "needles"
    rig.advance(100)  # the pen says that they are out
    rig.command(Prepare(session="s2", plan=resolved()))


# Reasons --------------------------------------------------------------------------------------------------------------


def overrides(rig: Rig) -> list[int]:
    return [event.wanted for event in rig.events if isinstance(event, SoftLimitOverridden)]


def test_a_reason_is_good_for_the_depth_it_was_given_for_and_not_for_more(treat: Treat) -> None:
    rig = treat(skin="thick", zone="cheek")  # soft 1.00 mm, hard 1.50 mm
    rig.command(SetDepth(depth_um=1050, override="scar-tissue"))
    with pytest.raises(ControlRefused) as caught:
        rig.command(SetDepth(depth_um=1300))
    assert caught.value.because == "zone_soft"
    rig.command(SetDepth(depth_um=1000))
    rig.command(SetDepth(depth_um=1050))
    rig.command(SetDepth(depth_um=1250, override="scar-tissue"))
    assert overrides(rig) == [1050, 1250]


def test_a_reason_does_not_outlive_the_lease_it_was_given_under(treat: Treat) -> None:
    rig = treat(skin="thick", zone="cheek")
    rig.command(SetDepth(depth_um=1050, override="scar-tissue"))
    rig.command(Stop(source="x"))
    rig.advance(600)
    rig.arm()
    with pytest.raises(ControlRefused) as caught:
        rig.command(SetDepth(depth_um=1050))
    assert caught.value.because == "zone_soft"


def test_nothing_starts_on_a_status_older_than_the_dead_man_time_though_no_tick_has_come_yet(treat: Treat) -> None:
    rig = treat()
    rig.command(Pause(source="x"))
    rig.advance(500)
    assert rig.state.pen is not None
    made = step(rig.state, Start(source="x"), rig.state.seen_at_ms + rig.state.pen.dead_man_ms + 1)
    assert made.refusal is not None
    assert made.refusal.because == "stale"
    assert made.send is None


# Old news -------------------------------------------------------------------------------------------------------------


def test_nothing_is_sent_on_a_status_that_is_too_old(treat: Treat) -> None:
    rig = treat()
    rig.line.to_host.dropping = True
    rig.until(lambda: rig.now_ms - rig.state.seen_at_ms > 300, 400)
    sent: list[object] = []
    made = step(rig.state, SetDepth(depth_um=450), rig.now_ms)
    sent.append(made.send)
    assert made.refusal is None
    assert sent == [None]
    assert step(made.state, Tick(), rig.now_ms + 1).state.phase is Phase.INTERRUPTED
