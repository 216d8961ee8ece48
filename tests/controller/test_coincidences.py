"""Things that happen in the same moment, or in an order nobody planned: none moves a motor or loses a word."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from random import Random

import pytest

from controller.errors import ControlRefused
from controller.events import Refused, SessionClosed, TreatmentPaused, ZoneChanged
from controller.inputs import (
    ArmAsked,
    Close,
    ConsumeIntended,
    DeclareZone,
    FaultsCleared,
    Inspected,
    JournalState,
    LeaseGranted,
    LinkDown,
    Pause,
    Prepare,
    Seated,
    SetDepth,
    SetRate,
    Start,
    Stop,
)
from controller.inspection import calibration_snapshot, cartridge_read
from controller.state import Phase
from firmware_bridge.wire.messages import Fault, PenState
from firmware_bridge.wire.operations import CartridgeData
from proving.rig import Rig
from simulators.pen import SimulatedPen
from simulators.personality import NW_DIAL, PenModel
from tests.controller.conftest import TODAY, resolved

Treat = Callable[..., Rig]
OPERATOR = "demo-physician"
STOP_KIND = 0x08


def alarms(rig: Rig) -> list[str]:
    return [alarm.name for alarm in rig.state.alarms.active]


def refusal(rig: Rig, given: object) -> str:
    with pytest.raises(ControlRefused) as caught:
        rig.command(given)  # type: ignore[arg-type]
    return caught.value.because


def what_is_read(rig: Rig, *, used: bool = False) -> Inspected:
    cartridge = rig.pen.cartridge
    assert cartridge is not None
    data = CartridgeData(
        1, int(used), cartridge.tag, cartridge.needle_count, cartridge.needle_length_um, cartridge.expiry_day,
        b"L1", b"S1",
    )  # fmt: skip
    read = cartridge_read(data)
    return Inspected(
        today=TODAY.isoformat(), cartridge=read.cartridge, cartridge_used=read.used, cartridge_problem="",
        calibration=calibration_snapshot(rig.pen.memory.calibration), kept=rig.kept,
    )  # fmt: skip


# Presses --------------------------------------------------------------------------------------------------------------


def test_a_press_meant_to_stop_does_not_start_what_somebody_paused_in_that_moment(treat: Treat) -> None:
    rig = treat()
    rig.until(lambda: rig.now_ms % 20 == 3, 20)  # between two STATUS
    rig.pen.press_button()
    rig.command(Pause(source="api"))
    for _ in range(300):
        rig.advance(1)
        assert not rig.pen.truth.motor_driven
    assert rig.state.phase is Phase.PAUSED
    rig.pen.press_button()
    rig.advance(100)
    assert rig.state.phase is Phase.TREATING


@pytest.mark.parametrize("presses_before", [0, 255])
def test_two_presses_that_are_seen_at_once_start_nothing(treat: Treat, presses_before: int) -> None:
    rig = treat()
    rig.pen.firmware.presses.button = presses_before
    rig.command(Pause(source="api"))
    rig.advance(300)
    rig.pen.press_button()
    rig.pen.press_pedal()
    rig.advance(200)
    assert rig.state.phase is Phase.PAUSED
    assert not rig.pen.truth.motor_driven


def test_press_counters_come_round(treat: Treat) -> None:
    rig = treat()
    rig.pen.firmware.presses.button = 255
    rig.command(Pause(source="api"))
    rig.advance(300)
    rig.pen.press_button()
    rig.advance(100)
    assert rig.pen.firmware.presses.button == 0
    assert rig.state.phase is Phase.TREATING


# The record -----------------------------------------------------------------------------------------------------------


def test_a_journal_that_fails_while_arming_leaves_no_lease_and_starts_nothing(make_rig: Treat) -> None:
    rig = make_rig()
    rig.command(ArmAsked(source="x"))
    rig.command(what_is_read(rig))
    rig.give(JournalState(problem="disk full"))
    rig.give(LeaseGranted(lease=7))
    assert rig.state.phase is Phase.STOPPING
    rig.advance(200)
    assert rig.state.phase is Phase.PREPARED
    assert rig.state.lease == 0


def test_a_journal_that_fails_before_the_pen_was_read_ends_arming(make_rig: Treat) -> None:
    rig = make_rig()
    rig.command(ArmAsked(source="x"))
    rig.give(JournalState(problem="disk full"))
    assert refusal(rig, what_is_read(rig)) == "journal"
    assert rig.state.phase is Phase.PREPARED


def test_nothing_starts_while_the_journal_does_not_accept(treat: Treat) -> None:
    rig = treat()
    rig.command(Pause(source="api"))
    rig.state = replace(rig.state, journal_problem="disk full")  # whichever way it came to be so
    assert refusal(rig, Start(source="api")) == "journal"


def test_a_journal_that_fails_while_stopping_changes_nothing_about_it(treat: Treat) -> None:
    rig = treat()
    rig.command(Stop(source="x"))
    rig.give(JournalState(problem="disk full"))
    rig.advance(300)
    assert rig.state.phase is Phase.PREPARED
    assert refusal(rig, ArmAsked(source="x")) == "journal"


# Stopping and its ends ------------------------------------------------------------------------------------------------


def test_a_fault_that_ends_it_beside_a_stop_is_told_and_needs_two_actions(treat: Treat) -> None:
    rig = treat()
    rig.line.to_pen.lose(STOP_KIND, 20)  # so that the dead-man is quicker
    rig.command(Stop(source="page"))
    rig.advance(1500)
    assert rig.pen.truth.faults & Fault.DEAD_MAN
    assert rig.state.phase is Phase.INTERRUPTED
    assert "pen_stopped_itself" in alarms(rig)
    refusal(rig, ArmAsked(source="x"))
    rig.clear_pen_faults()
    rig.command(FaultsCleared(by="me", faults=("DEAD_MAN",)))
    rig.arm()
    assert rig.armed


def test_faults_of_a_pen_at_rest_are_cleared_and_recorded(make_rig: Treat) -> None:
    rig = make_rig()
    rig.pen.faults.latch_internal()
    rig.advance(100)
    assert rig.state.phase is Phase.PREPARED
    assert refusal(rig, ArmAsked(source="x")) == "pen_fault"
    rig.clear_pen_faults()
    rig.command(FaultsCleared(by="me", faults=("INTERNAL",)))
    rig.arm()
    assert rig.armed


def test_what_is_in_order_is_not_cleared(make_rig: Treat) -> None:
    rig = make_rig()
    assert refusal(rig, FaultsCleared(by="me", faults=())) == "nothing_to_clear"


def test_closing_while_arming_leaves_no_lease_on_the_pen(make_rig: Treat) -> None:
    rig = make_rig()
    rig.command(ArmAsked(source="x"))
    rig.command(what_is_read(rig))
    rig.command(Close(outcome="stopped", reason="changed my mind"))
    assert rig.state.phase is Phase.STOPPING
    rig.give(LeaseGranted(lease=7))
    assert rig.state.lease == 0
    rig.advance(300)
    assert rig.state.phase is Phase.NO_SESSION
    assert rig.state.session is None
    assert len([event for event in rig.events if isinstance(event, SessionClosed)]) == 1


def test_a_session_whose_pen_went_while_it_was_stopped_can_be_closed(treat: Treat) -> None:
    rig = treat()
    rig.command(Stop(source="page"))
    rig.line.to_pen.dropping = rig.line.to_host.dropping = True
    rig.give(LinkDown(cause="unplugged"))
    rig.advance(700)
    assert alarms(rig) == ["stop_not_confirmed"]
    rig.command(Close(outcome="completed", reason="done"))
    (closed,) = [event for event in rig.events if isinstance(event, SessionClosed)]
    assert closed.outcome == "interrupted"
    assert "did not confirm" in closed.reason
    assert rig.state.session is None
    assert refusal(rig, Prepare(session="s2", plan=resolved())) == "phase_stopping"
    rig.line.to_pen.dropping = rig.line.to_host.dropping = False
    rig.connect()
    rig.advance(200)
    assert rig.state.phase is Phase.NO_SESSION


def test_alarm_and_close_in_the_same_moment_end_in_a_closed_session_and_a_raised_alarm(treat: Treat) -> None:
    rig = treat()
    rig.pen.faults.jam_motor(True)
    rig.until(lambda: rig.state.phase is Phase.INTERRUPTED, 500)
    rig.command(Close(outcome="completed", reason="done"))
    rig.advance(300)
    assert rig.state.session is None
    assert alarms(rig) == ["stall"]
    assert refusal(rig, Prepare(session="s2", plan=resolved())) == "alarm"
    rig.pen.faults.jam_motor(False)
    rig.clear_pen_faults()
    rig.command(FaultsCleared(by="me", faults=("STALL",)))
    rig.command(Prepare(session="s2", plan=resolved()))


def test_needles_that_stayed_in_while_the_cable_was_off_are_told_when_it_is_back(treat: Treat) -> None:
    rig = treat()
    rig.pen.faults.stick_depth(True)
    rig.line.to_pen.dropping = rig.line.to_host.dropping = True
    rig.give(LinkDown(cause="unplugged"))
    rig.advance(300)
    rig.line.to_pen.dropping = rig.line.to_host.dropping = False
    rig.connect()
    rig.advance(1000)
    assert "retract_failed" in alarms(rig)


# Arming ---------------------------------------------------------------------------------------------------------------


def test_a_line_that_flaps_while_arming_ends_the_attempt(make_rig: Treat) -> None:
    rig = make_rig()
    rig.command(ArmAsked(source="x"))
    rig.give(LinkDown(cause="unplugged"))
    rig.connect()
    rig.command(what_is_read(rig))  # is shown to a person, and arms nothing
    assert rig.state.phase is Phase.PREPARED
    assert refusal(rig, ConsumeIntended(tag=5)) == "phase_prepared"
    rig.give(LeaseGranted(lease=7))
    assert rig.state.lease == 0
    rig.advance(300)
    assert rig.state.phase is Phase.PREPARED


def test_a_used_cartridge_that_hides_its_identity_is_refused(make_rig: Treat) -> None:
    rig = make_rig()
    rig.command(ArmAsked(source="x"))
    read = what_is_read(rig, used=True)
    assert read.cartridge is not None
    nameless = read.model_copy(update={"cartridge": read.cartridge.model_copy(update={"tag": 0})})
    assert refusal(rig, nameless) == "cartridge"


@pytest.mark.parametrize(("calibrated_on", "because"), [(None, "calibration_ahead"), ("2001-01-01", "clock")])
def test_a_clock_that_went_back_makes_nothing_valid_again(
    make_rig: Treat, calibrated_on: str | None, because: str
) -> None:
    rig = make_rig()
    rig.command(ArmAsked(source="x"))
    read = what_is_read(rig).model_copy(update={"today": date(2001, 1, 1).isoformat()})
    if calibrated_on is not None:
        assert read.calibration is not None
        old = read.calibration.model_copy(update={"calibrated_on": calibrated_on})
        read = read.model_copy(update={"calibration": old})
    assert refusal(rig, read) == because


def test_the_pen_of_another_serial_is_not_armed_in_this_session(make_rig: Treat) -> None:
    rig = make_rig()
    rig.give(LinkDown(cause="unplugged"))
    rig.pen = SimulatedPen(replace(rig.pen.model, serial="NW1-000002"), rng=Random(9), today=TODAY)
    rig.connect()
    assert refusal(rig, ArmAsked(source="x")) == "other_pen"


def test_a_second_prepare_changes_nothing(treat: Treat) -> None:
    rig = treat()
    before = rig.state
    assert refusal(rig, Prepare(session="s2", plan=resolved())) == "session_open"
    assert rig.state == before
    assert rig.pen.truth.motor_driven


def test_a_treatment_goes_on_while_pen_time_comes_round(make_rig: Treat) -> None:
    pen = SimulatedPen(rng=Random(1), today=TODAY, pen_time_start_ms=2**32 - 1500)
    rig = Rig(pen, random=Random(1), today=TODAY)
    rig.connect()
    rig.command(Prepare(session="s1", plan=resolved()))
    rig.arm()
    rig.command(SetDepth(depth_um=500))
    rig.command(SetRate(rate_mhz=100_000))
    rig.command(Start(source="test"))
    rig.advance(3000)
    assert pen.truth.pen_time_ms < 10_000
    assert rig.state.phase is Phase.TREATING
    assert pen.truth.motor_driven
    assert 2700 <= rig.state.doses[0].treated_ms <= 3000
    assert alarms(rig) == []


# Who treats -----------------------------------------------------------------------------------------------------------


def test_nobody_but_whom_the_session_is_for_treats_in_it(treat: Treat) -> None:
    rig = treat()
    rig.give(Seated(operator=OPERATOR))
    assert rig.state.phase is Phase.TREATING
    rig.give(Seated(operator="demo-aesthetician"))
    assert rig.state.phase is Phase.PAUSED
    paused = [event for event in rig.events if isinstance(event, TreatmentPaused)][-1]
    assert paused.source == "seat: demo-aesthetician"
    assert refusal(rig, Start(source="api")) == "seat"
    rig.advance(300)
    rig.pen.press_button()
    rig.advance(100)
    assert not rig.pen.truth.motor_driven
    assert isinstance(rig.events[-1], Refused)
    rig.command(Stop(source="anybody"))
    rig.advance(300)
    assert refusal(rig, ArmAsked(source="api")) == "seat"
    rig.give(Seated(operator=OPERATOR))
    rig.arm()
    assert rig.armed


def test_a_seat_lost_while_arming_arms_and_starts_nothing(make_rig: Treat) -> None:
    rig = make_rig()
    rig.give(Seated(operator=OPERATOR))
    rig.command(ArmAsked(source="x"))
    rig.give(Seated(operator=""))
    assert refusal(rig, what_is_read(rig)) == "seat"
    assert rig.state.phase is Phase.PREPARED


# Pens that do not set what they do ------------------------------------------------------------------------------------


def dial(model: PenModel, zone: str = "cheek") -> Rig:
    rig = Rig(SimulatedPen(model, rng=Random(1), today=TODAY), random=Random(1), today=TODAY)
    rig.connect()
    rig.command(Prepare(session="s1", plan=resolved(model.name, zone=zone)))
    rig.arm()
    return rig


def test_a_pen_with_a_dial_treats_where_the_dial_allows() -> None:
    rig = dial(NW_DIAL)
    rig.command(Start(source="x"))
    rig.advance(1000)
    assert rig.pen.truth.motor_driven
    assert alarms(rig) == []
    assert refusal(rig, SetDepth(depth_um=500)) == "mechanical"
    assert refusal(rig, SetRate(rate_mhz=100_000)) == "mechanical"


def test_a_dial_beyond_the_limit_stops_at_the_first_measurement_that_shows_it() -> None:
    rig = dial(replace(NW_DIAL, dial_depth_um=1250))
    rig.command(Start(source="x"))
    over_ms = 0
    for _ in range(600):
        rig.advance(1)
        over_ms += rig.pen.truth.protrusion_um > 1000 + 150 and rig.pen.truth.motor_driven
    assert over_ms <= 45, "a STATUS period and the way there"
    assert alarms(rig) == ["depth_over_limit"]
    assert not rig.pen.truth.motor_driven


def test_a_rate_that_cannot_be_set_is_refused_where_it_is_too_fast() -> None:
    rig = dial(NW_DIAL, zone="nose")  # at most 110 Hz, the pen runs at 117
    assert refusal(rig, Start(source="x")) == "zone_hard"
    rig.command(DeclareZone(zone="cheek"))
    rig.command(Start(source="x"))
    rig.advance(400)
    assert rig.pen.truth.motor_driven
    rig.command(DeclareZone(zone="nose"))
    assert rig.state.phase is Phase.PAUSED
    assert [event.zone for event in rig.events if isinstance(event, ZoneChanged)] == ["cheek", "nose"]
    rig.advance(100)
    assert not rig.pen.truth.motor_driven
    assert rig.pen.truth.faults == 0


def test_a_zone_shallower_than_the_pen_can_be_set_pauses_at_once() -> None:
    model = replace(SimulatedPen(rng=Random(1), today=TODAY).model, depth_min_um=400)
    rig = dial(model)
    rig.command(SetDepth(depth_um=500))
    rig.command(SetRate(rate_mhz=90_000))
    rig.command(Start(source="x"))
    rig.advance(400)
    rig.command(DeclareZone(zone="periorbital"))
    assert rig.state.phase is Phase.PAUSED
    assert rig.state.depth_commanded_um == 0
    rig.advance(50)
    assert not rig.pen.truth.motor_driven
    rig.advance(1000)
    assert rig.pen.truth.state is PenState.ARMED, "still under its lease: nothing was refused, nothing fell silent"
    assert refusal(rig, Start(source="x")) == "no_depth"


def test_a_pen_that_senses_no_depth_is_treated_with_and_its_depth_is_not_invented(make_rig: Treat) -> None:
    rig = make_rig(model="NW-BLIND")
    rig.arm()
    rig.command(SetDepth(depth_um=500))
    rig.command(SetRate(rate_mhz=90_000))
    rig.command(Start(source="x"))
    rig.advance(1000)
    assert rig.pen.truth.motor_driven
    rig.command(Close(outcome="completed", reason="done"))
    rig.advance(400)
    (closed,) = [event for event in rig.events if isinstance(event, SessionClosed)]
    assert closed.doses[0].treated_ms > 800
    assert closed.doses[0].depth_measured_max_um is None
    assert closed.doses[0].depth_measured_mean_um is None
