"""The machine to the millisecond and to the word: what it makes of one status or tick, at each edge."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.events import (
    Event,
    PenDisarmed,
    SessionClosed,
    StopConfirmed,
    TreatmentPaused,
    TreatmentStarted,
)
from controller.inputs import (
    Close,
    Pause,
    StatusSeen,
    Stop,
    Tick,
)
from controller.machine import step
from controller.state import (
    BLIND_HOLD_MS,
    OVER_LIMIT_HOLD_MS,
    PAUSE_MAX_MS,
    RETRACT_SLACK_MS,
    Phase,
    SendDisarm,
    SendSetpoint,
    SendStop,
    Step,
)
from firmware_bridge.wire.messages import Fault, PenState
from proving.rig import Rig

Treat = Callable[..., Rig]


def hear(rig: Rig, after_ms: int = 20, **changes: object) -> Step:
    """The step of a status with these changes, made and heard ``after_ms`` after the last one."""
    seen = rig.state.seen
    assert seen is not None
    rig.now_ms = rig.state.seen_at_ms + after_ms
    changes = {"pen_time_ms": (seen.pen_time_ms + after_ms) % 2**32} | changes
    return took(rig, step(rig.state, StatusSeen(replace(seen, **changes), rig.now_ms), rig.now_ms))


def took(rig: Rig, made: Step) -> Step:
    rig.state = made.state
    return made


def kinds(made: Step) -> list[type[Event]]:
    return [type(event) for event in made.events]


def latched(made: Step) -> list[tuple[str, str]]:
    return list(made.state.latched)


def names(made: Step) -> list[str]:
    return [name for name, _detail in made.state.latched]


# Old news -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pen_time_ms", [5_000, 2**32 - 1, 0])
def test_news_is_old_when_the_pens_clock_says_so_which_comes_round(treat: Treat, pen_time_ms: int) -> None:
    rig = treat()
    assert rig.state.seen is not None
    rig.state = replace(rig.state, seen=replace(rig.state.seen, pen_time_ms=pen_time_ms))
    known = rig.state
    for earlier_ms in (1, 20, 2**31 - 1, 2**31):
        rig.state = known
        old = (pen_time_ms - earlier_ms) % 2**32
        assert hear(rig, pen_time_ms=old, faults=Fault.STALL).state == known
        assert hear(rig, pen_time_ms=old, boot_id=known.seen.boot_id + 1).state.seen != known.seen, "of another boot"
    for later_ms in (0, 1, 2**31 - 1):
        rig.state = known
        assert names(hear(rig, pen_time_ms=(pen_time_ms + later_ms) % 2**32, faults=Fault.STALL)) == ["stall"]


def test_a_pen_at_rest_is_looked_at_and_the_time_of_it_kept(make_rig: Treat) -> None:
    rig = make_rig()
    rig.state = replace(rig.state, unasked_since_ms=5, blind_since_ms=5)
    made = hear(rig, temperature_dc=301)
    assert made.state.seen is not None
    assert made.state.seen.temperature_dc == 301
    assert made.state.seen_at_ms == rig.now_ms
    assert made.state.unasked_since_ms is made.state.blind_since_ms is None
    assert (made.send, made.events) == (None, ())


# What ends a lease ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "raised"),
    [
        (Fault.DEAD_MAN, [("pen_stopped_itself", "")]),
        (Fault.STALL, [("stall", "")]),
        (Fault.OVER_DEPTH, [("depth_over_limit", "")]),
        (Fault.RETRACT_FAILED, [("retract_failed", "")]),
        (Fault.INGRESS, [("pen_fault", "INGRESS")]),
        (Fault.STALL | Fault.INGRESS | Fault.SENSOR, [("stall", ""), ("pen_fault", "INGRESS, SENSOR")]),
        (Fault(0), [("lease_ended", "")]),
    ],
)
def test_a_pen_that_stops_by_itself_is_told_stop_and_why_is_told_people(
    treat: Treat, faults: Fault, raised: list[tuple[str, str]]
) -> None:
    made = hear(treat(), faults=faults, lease=0, state=PenState.IDLE)
    assert latched(made) == raised
    assert made.send == SendStop()
    assert made.events[0] == PenDisarmed(reason="the pen stopped by itself")
    assert made.state.phase is Phase.INTERRUPTED
    assert made.state.interruption == "the pen stopped by itself"
    assert made.state.lease == 0
    assert made.state.motor_off_since_ms == made.state.seen_at_ms


def test_a_fault_alone_or_another_lease_alone_ends_it(treat: Treat) -> None:
    assert names(hear(treat(), faults=Fault.STALL)) == ["stall"]
    rig = treat()
    assert names(hear(rig, lease=rig.state.lease + 1)) == ["lease_ended"]


def test_a_motor_nobody_asked_for_has_the_time_that_what_was_sent_takes(treat: Treat) -> None:
    rig = treat()
    rig.command(Pause(source="x"))
    rig.advance(1000)
    assert rig.state.pen is not None
    allowed_ms = rig.state.pen.dead_man_ms + RETRACT_SLACK_MS
    assert hear(rig, state=PenState.RUNNING).state.unasked_since_ms == rig.now_ms
    began_ms = rig.now_ms
    assert hear(rig, allowed_ms - 1, state=PenState.RUNNING).state.unasked_since_ms == began_ms
    assert names(hear(rig, 1, state=PenState.RUNNING)) == []
    made = hear(rig, 1, state=PenState.RUNNING)
    assert latched(made) == [("running_unasked", "")]
    assert made.send == SendStop()


def test_a_motor_that_runs_unasked_now_and_then_begins_anew(treat: Treat) -> None:
    rig = treat()
    rig.command(Pause(source="x"))
    rig.advance(1000)
    for _ in range(5):
        hear(rig, 300, state=PenState.RUNNING)
        assert names(hear(rig, 300, state=PenState.ARMED)) == []
        assert rig.state.unasked_since_ms is None


# Depth ----------------------------------------------------------------------------------------------------------------


def test_a_depth_that_is_missing_is_waited_for_so_long_and_no_longer(treat: Treat) -> None:
    rig = treat()
    hear(rig, depth_measured_um=None)
    assert names(hear(rig, BLIND_HOLD_MS - 1, depth_measured_um=None)) == []
    made = hear(rig, 1, depth_measured_um=None)
    assert latched(made) == [("depth_unknown", "")]
    assert made.state.interruption == "depth_unknown"
    assert made.send == SendStop()


def test_a_depth_is_not_missed_where_the_motor_is_off(treat: Treat) -> None:
    rig = treat()
    rig.command(Pause(source="x"))
    rig.advance(1000)
    for _ in range(5):
        assert hear(rig, BLIND_HOLD_MS, depth_measured_um=None).state.blind_since_ms is None
    assert rig.state.phase is Phase.PAUSED


def edges(rig: Rig) -> tuple[int, int]:
    """The deepest measurement within the limit, and within the lease: both with the pen's tolerance, in µm."""
    state = rig.state
    assert state.depth_limit is not None
    assert state.plan is not None
    tolerance_um = state.plan.profile.depth_tolerance_um
    return state.depth_limit.effective + tolerance_um, state.depth_ceiling_um + tolerance_um


def test_over_a_limit_within_the_lease_needles_have_a_moment_to_follow(treat: Treat) -> None:
    rig = treat(depth_um=250, zone="nose")
    rig.state = replace(rig.state, loop=replace(rig.state.loop, motor=False))  # what was sent is looked at elsewhere
    limit_um, lease_um = edges(rig)
    assert limit_um < lease_um
    assert hear(rig, depth_measured_um=limit_um).state.over_limit_since_ms is None
    assert hear(rig, depth_measured_um=limit_um + 1).state.over_limit_since_ms == rig.now_ms
    began_ms = rig.now_ms
    made = hear(rig, OVER_LIMIT_HOLD_MS - 1, depth_measured_um=lease_um)
    assert (names(made), made.state.over_limit_since_ms) == ([], began_ms)
    made = hear(rig, 1, depth_measured_um=limit_um + 1)
    assert latched(made) == [("depth_over_limit", f"measured {(limit_um + 1) / 1000:.2f} mm")]


def test_over_a_limit_and_back_begins_anew(treat: Treat) -> None:
    rig = treat(depth_um=250, zone="nose")
    rig.state = replace(rig.state, loop=replace(rig.state.loop, motor=False))
    limit_um, _lease_um = edges(rig)
    for _ in range(5):
        hear(rig, depth_measured_um=limit_um + 1)
        assert names(hear(rig, OVER_LIMIT_HOLD_MS - 20, depth_measured_um=limit_um + 1)) == []
        assert hear(rig, depth_measured_um=limit_um).state.over_limit_since_ms is None


def test_beyond_what_the_pen_was_armed_for_it_is_stopped_at_once(treat: Treat) -> None:
    rig = treat(depth_um=250, zone="nose")
    rig.state = replace(rig.state, loop=replace(rig.state.loop, motor=False))
    _limit_um, lease_um = edges(rig)
    assert names(hear(rig, depth_measured_um=lease_um)) == []
    rig.state = replace(rig.state, over_limit_since_ms=None)
    made = hear(rig, depth_measured_um=lease_um + 1)
    assert latched(made) == [("depth_over_limit", f"measured {(lease_um + 1) / 1000:.2f} mm")]


# Presses --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("press", "source"), [("button_presses", "pen button"), ("pedal_presses", "foot pedal")])
def test_the_record_says_which_was_pressed(treat: Treat, press: str, source: str) -> None:
    rig = treat()
    made = hear(rig, **{press: (getattr(rig.state.seen, press) + 1) % 256})
    assert [event.source for event in made.events if isinstance(event, TreatmentPaused)] == [source]
    rig.advance(500)
    made = hear(rig, **{press: (getattr(rig.state.seen, press) + 1) % 256})
    assert [event.source for event in made.events if isinstance(event, TreatmentStarted)] == [source]


@pytest.mark.parametrize("press", ["button_presses", "pedal_presses"])
def test_the_same_thing_pressed_twice_and_seen_once_starts_nothing(treat: Treat, press: str) -> None:
    rig = treat()
    rig.command(Pause(source="x"))
    rig.advance(1000)
    made = hear(rig, **{press: (getattr(rig.state.seen, press) + 2) % 256})
    assert (made.events, made.state.phase) == ((), Phase.PAUSED)


def test_a_press_while_needles_are_withdrawn_turns_the_motor_off_though_the_pen_says_it_runs(treat: Treat) -> None:
    rig = treat()
    rig.command(Pause(source="x"))
    assert rig.state.motor_commanded
    assert rig.state.seen is not None
    made = hear(rig, button_presses=(rig.state.seen.button_presses + 1) % 256)
    assert isinstance(made.send, SendSetpoint)
    assert not made.send.motor
    assert made.state.motor_off_since_ms == rig.now_ms
    made = hear(rig, pedal_presses=(rig.state.seen.pedal_presses + 1) % 256)  # and needles on their way have their time
    assert (made.send, made.state.motor_off_since_ms) == (None, rig.now_ms - 20)


def test_presses_of_before_a_restart_are_none(make_rig: Treat) -> None:
    rig = make_rig()
    rig.arm()
    rig.advance(100)
    assert rig.state.seen is not None
    made = hear(rig, boot_id=rig.state.seen.boot_id + 1, button_presses=9)
    assert made.events == ()
    rig.state = replace(rig.state, seen=None)
    pressed = StatusSeen(replace(made.state.seen, button_presses=10), rig.now_ms)
    assert step(rig.state, pressed, rig.now_ms).events == ()


# STOP -----------------------------------------------------------------------------------------------------------------


RESTS = {"lease": 0, "state": PenState.IDLE}


@pytest.mark.parametrize("state", [PenState.IDLE, PenState.FAULT, PenState.SELF_TEST])
def test_a_stop_is_confirmed_by_a_pen_at_rest_without_a_lease(treat: Treat, state: PenState) -> None:
    rig = treat()
    rig.command(Stop(source="x"))
    began_ms = rig.now_ms
    assert hear(rig, 20, state=state).state.phase is Phase.STOPPING, "it still has its lease"
    assert hear(rig, 20, lease=0, state=PenState.ARMED).state.phase is Phase.STOPPING, "it does not rest"
    made = hear(rig, 20, lease=0, state=state)
    assert made.events == (StopConfirmed(after_ms=rig.now_ms - began_ms),)
    assert made.state.phase is Phase.PREPARED
    assert made.state.stopping is None
    assert made.send is None


def test_a_stop_is_not_confirmed_by_what_the_pen_said_before_it(treat: Treat) -> None:
    rig = treat()
    rig.command(Stop(source="x"))
    began_ms = rig.now_ms
    seen = replace(rig.state.seen, **RESTS)
    assert step(rig.state, StatusSeen(seen, began_ms - 1), began_ms + 20).state.phase is Phase.STOPPING
    made = step(rig.state, StatusSeen(seen, began_ms), began_ms + 20)
    assert made.events == (StopConfirmed(after_ms=20),)


def test_what_a_pen_found_while_it_was_stopped_is_cleared_by_a_person(treat: Treat) -> None:
    rig = treat()
    rig.command(Stop(source="x"))
    made = hear(rig, 20, faults=Fault.STALL, lease=0, state=PenState.FAULT)
    assert made.state.phase is Phase.INTERRUPTED
    assert latched(made) == [("stall", "")]
    assert made.state.interruption == "the pen reported STALL while it was stopped"


def test_a_session_closed_with_a_stop_ends_once_it_is_confirmed(treat: Treat) -> None:
    rig = treat()
    rig.command(Close(outcome="completed", reason="done"))
    assert rig.state.session is not None
    made = hear(rig, 100, **RESTS)
    assert kinds(made) == [StopConfirmed, SessionClosed]
    closed = made.events[1]
    assert isinstance(closed, SessionClosed)
    assert (closed.outcome, closed.reason) == ("completed", "done")
    assert (made.state.session, made.state.phase) == (None, Phase.NO_SESSION)


# Time -----------------------------------------------------------------------------------------------------------------


def tick(rig: Rig, now_ms: int) -> Step:
    return step(rig.state, Tick(), now_ms)


def test_a_line_is_lost_once_the_newest_status_is_older_than_the_dead_man_time(treat: Treat) -> None:
    rig = treat()
    hear(rig)
    assert rig.state.pen is not None
    last_ms = rig.state.seen_at_ms + rig.state.pen.dead_man_ms
    assert isinstance(tick(rig, last_ms).send, SendSetpoint)
    made = tick(rig, last_ms + 1)
    assert made.send == SendStop()
    assert made.state.phase is Phase.INTERRUPTED
    assert made.state.lease == 0
    assert made.state.motor_off_since_ms == last_ms + 1
    assert latched(made) == [("link_lost", "no fresh status for 301 ms")]
    assert made.state.interruption == "connection lost: no fresh status for 301 ms"
    assert made.events[0] == PenDisarmed(reason="connection lost: no fresh status for 301 ms")


def test_a_pause_may_last_its_time_and_no_longer(treat: Treat) -> None:
    rig = treat()
    rig.command(Pause(source="x"))
    rig.advance(1000)
    hear(rig)
    lease = rig.state.lease
    rig.state = replace(rig.state, paused_since_ms=rig.now_ms - PAUSE_MAX_MS)
    assert isinstance(tick(rig, rig.now_ms).send, SendSetpoint)
    made = tick(rig, rig.now_ms + 1)
    assert made.send == SendDisarm(lease)
    assert made.events == (PenDisarmed(reason="paused for longer than allowed"),)
    assert made.state.phase is Phase.STOPPING


def test_treatment_goes_on_for_longer_than_a_pause_may_last(treat: Treat) -> None:
    rig = treat()
    hear(rig)
    rig.state = replace(rig.state, paused_since_ms=rig.now_ms - PAUSE_MAX_MS - 1)
    assert tick(rig, rig.now_ms).state.phase is Phase.TREATING


def test_needles_have_their_time_to_come_out_from_the_end_of_a_withdrawal(treat: Treat) -> None:
    rig = treat()
    rig.command(Pause(source="api"))
    assert rig.state.motor_off_since_ms is None
    while rig.state.motor_commanded:
        hear(rig, 20)
        took(rig, tick(rig, rig.now_ms))
    assert rig.state.motor_off_since_ms == rig.now_ms
