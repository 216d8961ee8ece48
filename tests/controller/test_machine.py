"""The machine against a simulated pen, stepped directly: what people may do, and what follows when things go wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.errors import ControlRefused
from controller.events import (
    AlarmRaised,
    ChecklistConfirmed,
    FaultsCleared,
    Refused,
    SessionClosed,
    SetpointChanged,
    SoftLimitOverridden,
    StopConfirmed,
    Stopped,
    TreatmentPaused,
    TreatmentStarted,
)
from controller.inputs import (
    Acknowledge,
    Close,
    Confirm,
    DeclareZone,
    JournalState,
    LinkDown,
    Pause,
    Prepare,
    SetDepth,
    SetRate,
    Start,
    Stop,
)
from controller.inputs import FaultsCleared as ClearedByPerson
from controller.library import load_library
from controller.state import PAUSE_MAX_MS, Phase
from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import Fault, Hello, PenState
from proving.rig import MEDIUM, Rig

STOP_KIND = 0x08
Treat = Callable[..., Rig]


def events(rig: Rig, kind: type) -> list:  # type: ignore[type-arg]
    return [event for event in rig.events if isinstance(event, kind)]


def alarms(rig: Rig) -> list[str]:
    return [alarm.name for alarm in rig.state.alarms.active]


def refused(rig: Rig, given: object) -> ControlRefused:
    with pytest.raises(ControlRefused) as caught:
        rig.command(given)  # type: ignore[arg-type]
    assert events(rig, Refused)[-1].because == caught.value.because
    return caught.value


# The main job ---------------------------------------------------------------------------------------------------------


def test_a_treatment_from_arming_to_the_closing_record(treat: Treat) -> None:
    rig = treat(depth_um=500, rate_mhz=100_000)
    rig.advance(2000)
    assert rig.pen.truth.motor_driven
    assert rig.state.seen is not None
    assert abs((rig.state.seen.depth_measured_um or 0) - 500) <= 30
    rig.command(Close(outcome="completed", reason="done"))
    assert rig.until(lambda: rig.state.session is None, 500)
    assert rig.pen.truth.needles_out
    assert rig.pen.truth.lease == 0
    assert not rig.pen.truth.faults
    dose = events(rig, SessionClosed)[0].doses[0]
    assert dose.zone == "cheek"
    assert 2300 <= dose.treated_ms <= 2600
    assert dose.punctures == dose.strokes * 12
    assert dose.strokes == pytest.approx(rig.pen.truth.strokes, abs=4)
    assert alarms(rig) == []


@pytest.mark.parametrize("press", ["press_button", "press_pedal"])
def test_button_and_pedal_pause_and_resume(treat: Treat, press: str) -> None:
    rig = treat()
    getattr(rig.pen, press)()
    rig.advance(200)
    assert rig.state.phase is Phase.PAUSED
    assert not rig.pen.truth.motor_driven
    assert rig.pen.truth.needles_out
    getattr(rig.pen, press)()
    rig.advance(200)
    assert rig.state.phase is Phase.TREATING
    assert rig.pen.truth.motor_driven
    assert len(events(rig, TreatmentPaused)) == 1
    assert len(events(rig, TreatmentStarted)) == 2


def test_pause_keeps_arming_for_ten_minutes_and_no_longer(treat: Treat) -> None:
    rig = treat()
    lease = rig.state.lease
    rig.command(Pause(source="api"))
    rig.advance(5_000)
    assert rig.state.lease == lease == rig.pen.truth.lease
    rig.state = replace(rig.state, paused_since_ms=rig.now_ms - PAUSE_MAX_MS)  # as if all but a moment had passed
    rig.advance(500)
    assert rig.state.phase is Phase.PREPARED
    assert rig.pen.truth.lease == 0


# Limits ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("depth_um", "layer"), [(5000, "zone_hard"), (1100, "zone_soft"), (20, "mechanical")])
def test_depth_beyond_a_layer_is_refused_by_name_and_nothing_changes(treat: Treat, depth_um: int, layer: str) -> None:
    rig = treat(depth_um=500)
    assert refused(rig, SetDepth(depth_um=depth_um)).because == layer
    assert rig.state.depth_commanded_um == 500


def test_off_step_is_set_shallower_and_said(treat: Treat) -> None:
    rig = treat()
    rig.command(SetDepth(depth_um=337))
    assert rig.state.depth_commanded_um == 300
    assert "0.34 mm asked, 0.30 mm set" in events(rig, SetpointChanged)[-1].note


def test_a_soft_limit_takes_a_reason_from_the_list_and_the_hard_one_takes_none(treat: Treat) -> None:
    rig = treat()
    assert refused(rig, SetDepth(depth_um=1200)).because == "zone_soft"
    assert refused(rig, SetDepth(depth_um=1200, override="because")).because == "override_reason"
    rig.command(SetDepth(depth_um=1200, override="scar-tissue"))
    assert rig.state.depth_commanded_um == 1200
    overridden = events(rig, SoftLimitOverridden)[0]
    assert (overridden.soft_limit, overridden.wanted, overridden.reason) == (1000, 1200, "scar-tissue")
    hard = refused(rig, SetDepth(depth_um=1600, override="scar-tissue"))
    assert hard.because in {"cartridge", "calibration", "zone_hard"}


def test_an_override_refused_by_another_layer_leaves_no_trace(treat: Treat) -> None:
    rig = treat(operator="demo-aesthetician")
    assert refused(rig, SetDepth(depth_um=1200, override="scar-tissue")).because == "operator"
    assert rig.state.override_reason == ""
    assert events(rig, SoftLimitOverridden) == []


def test_a_deeper_zone_needs_a_pause_a_shallower_one_acts_at_once(treat: Treat) -> None:
    rig = treat(depth_um=500, zone="nose")
    assert refused(rig, DeclareZone(zone="cheek")).because == "deeper_zone"
    rig.command(DeclareZone(zone="periorbital"))
    assert rig.state.phase is Phase.TREATING
    assert rig.state.depth_commanded_um == 250
    assert "periorbital" in events(rig, SetpointChanged)[-1].note
    rig.advance(400)
    assert rig.pen.truth.protrusion_um <= 250 + 30
    assert alarms(rig) == []
    rig.command(Pause(source="api"))
    rig.command(DeclareZone(zone="cheek"))
    assert not rig.pen.truth.motor_driven or rig.state.phase is Phase.PAUSED
    rig.command(Start(source="api"))
    assert rig.state.phase is Phase.TREATING


def test_unknown_zone_is_refused_with_the_nearest(treat: Treat) -> None:
    rig = treat()
    assert "cheek" in refused(rig, DeclareZone(zone="cheak")).sentence


def test_rate_is_limited_by_zone_and_curve(treat: Treat) -> None:
    rig = treat(rate_mhz=100_000)
    assert refused(rig, SetRate(rate_mhz=140_000)).because == "zone_hard"
    rig.command(SetRate(rate_mhz=100_400))
    assert rig.state.rate_commanded_mhz == 100_000


# Arming ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "because"),
    [("NW-NO-DEAD-MAN", "no_dead_man"), ("NW-DIAL-UNSENSED", "depth_unknown")],
)
def test_pens_that_are_never_armed(make_rig: Treat, model: str, because: str) -> None:
    with pytest.raises(ControlRefused) as caught:
        make_rig(model=model).arm()
    assert caught.value.because == because


def test_an_open_checklist_stands_in_the_way(make_rig: Treat) -> None:
    rig = make_rig(checklist={"consent_signed": True})
    with pytest.raises(ControlRefused, match="skin_disinfected"):
        rig.arm()


def test_open_points_can_be_confirmed_later_and_unknown_ones_cannot(make_rig: Treat) -> None:
    rig = make_rig(checklist={})
    assert "consent_signed" in refused(rig, Confirm(items=("consent_sined",), source="me")).sentence
    assert rig.state.plan is not None
    rig.command(Confirm(items=rig.state.plan.missing[:-1], source="me"))
    assert len(rig.state.plan.missing) == 1
    with pytest.raises(ControlRefused, match="Not confirmed yet"):
        rig.arm()
    rig.command(Confirm(items=rig.state.plan.missing, source="me"))
    rig.arm()
    assert rig.armed
    assert [len(event.items) for event in events(rig, ChecklistConfirmed)] == [len(load_library().checklist) - 1, 1]


def test_a_used_cartridge_is_refused_and_the_sessions_own_is_not(make_rig: Treat) -> None:
    rig = make_rig()
    rig.arm()
    assert rig.pen.cartridge is not None
    assert rig.pen.cartridge.used
    rig.command(Stop(source="test"))
    rig.advance(300)
    rig.arm()
    assert rig.armed
    rig.command(Close(outcome="completed", reason="done"))
    rig.advance(300)
    rig.command(Prepare(session="s2", plan=_plan_of(rig)))
    with pytest.raises(ControlRefused) as caught:
        rig.arm()
    assert caught.value.because == "cartridge_used"


def _plan_of(rig: Rig):  # type: ignore[no-untyped-def]
    return next(given.plan for given, _ in rig.inputs if isinstance(given, Prepare))


def test_no_cartridge_no_arming(make_rig: Treat) -> None:
    rig = make_rig()
    rig.pen.remove_cartridge()
    rig.advance(50)
    with pytest.raises(ControlRefused) as caught:
        rig.arm()
    assert caught.value.because == "cartridge_missing"


def test_calibration_due_is_refused(make_rig: Treat) -> None:
    rig = make_rig()
    stored = rig.pen.memory.calibration
    rig.pen.memory.calibration = stored._replace(due_day=stored.calibrated_day)
    with pytest.raises(ControlRefused) as caught:
        rig.arm()
    assert caught.value.because == "calibration_due"


def test_a_journal_that_does_not_accept_stops_arming_and_starting_a_session(make_rig: Treat) -> None:
    rig = make_rig()
    rig.give(JournalState(problem="disk full"))
    with pytest.raises(ControlRefused, match="disk full"):
        rig.arm()


def test_start_needs_depth_and_rate(make_rig: Treat) -> None:
    rig = make_rig()
    rig.arm()
    assert refused(rig, Start(source="api")).because == "no_depth"
    rig.command(SetDepth(depth_um=250))
    assert refused(rig, Start(source="api")).because == "no_rate"


# STOP -----------------------------------------------------------------------------------------------------------------


def test_stop_while_treating(treat: Treat) -> None:
    rig = treat()
    rig.command(Stop(source="page"))
    rig.advance(20)
    assert not rig.pen.truth.motor_driven
    rig.advance(300)
    assert rig.state.phase is Phase.PREPARED
    assert rig.pen.truth.needles_out
    assert len(events(rig, Stopped)) == 1
    assert len(events(rig, StopConfirmed)) == 1
    assert alarms(rig) == []  # a person's own STOP is no alarm


def test_stop_lost_three_times_is_repeated_until_confirmed(treat: Treat) -> None:
    rig = treat()
    rig.line.to_pen.lose(STOP_KIND, 3)
    rig.command(Stop(source="page"))
    rig.advance(260)
    assert not rig.pen.truth.motor_driven
    assert events(rig, StopConfirmed)
    assert rig.pen.truth.faults == 0  # it was the STOP that ended it, not the dead-man


def test_a_stop_that_is_never_confirmed_alarms_after_the_dead_man_time(treat: Treat) -> None:
    rig = treat()
    rig.line.to_host.dropping = True
    rig.command(Stop(source="page"))
    rig.advance(250)
    assert alarms(rig) == []
    rig.advance(150)
    assert alarms(rig) == ["stop_not_confirmed"]
    assert not rig.pen.truth.motor_driven


@pytest.mark.parametrize("phase", ["no session", "prepared", "paused", "treating", "stopping", "interrupted"])
def test_stop_works_in_every_phase(make_rig: Treat, treat: Treat, phase: str) -> None:
    rig = make_rig() if phase in {"no session", "prepared"} else treat()
    if phase == "no session":
        rig.command(Close(outcome="completed", reason="x"))
    elif phase == "paused":
        rig.command(Pause(source="x"))
    elif phase == "stopping":
        rig.command(Stop(source="first"))
    elif phase == "interrupted":
        rig.pen.faults.jam_motor(True)
        rig.advance(400)
        assert rig.state.phase is Phase.INTERRUPTED
    before = rig.state.phase
    rig.command(Stop(source="page"))
    rig.advance(400)
    assert not rig.pen.truth.motor_driven
    assert rig.pen.truth.lease == 0
    expected = {Phase.NO_SESSION, Phase.INTERRUPTED} & {before} or {Phase.PREPARED}
    assert rig.state.phase in expected


# When things go wrong -------------------------------------------------------------------------------------------------


def test_a_stall_alarms_and_two_actions_rearm(treat: Treat) -> None:
    rig = treat()
    rig.pen.faults.jam_motor(True)
    rig.advance(500)
    assert rig.state.phase is Phase.INTERRUPTED
    assert alarms(rig) == ["stall"]
    assert events(rig, AlarmRaised)[0].priority == "HIGH"
    refused(rig, ClearedByPerson(by="me", faults=()))  # the pen still reports it
    rig.pen.faults.jam_motor(False)
    rig.clear_pen_faults()
    rig.command(ClearedByPerson(by="me", faults=("STALL",)))  # action one
    assert events(rig, FaultsCleared)
    assert alarms(rig) == []
    rig.arm()  # action two
    assert rig.armed


def test_the_host_stalls_and_the_pen_stops_by_itself(treat: Treat) -> None:
    rig = treat()
    rig.host_stalled = True
    rig.advance(1000)
    assert not rig.pen.truth.motor_driven
    assert rig.pen.truth.needles_out
    assert rig.pen.truth.faults & Fault.DEAD_MAN
    rig.host_stalled = False
    rig.advance(100)
    assert rig.state.phase is Phase.INTERRUPTED
    assert set(alarms(rig)) & {"pen_stopped_itself", "link_lost"}
    assert refused(rig, Start(source="api")).because == "phase_interrupted"


def test_the_cable_goes_and_the_dose_is_kept(treat: Treat) -> None:
    rig = treat()
    rig.advance(1000)
    rig.line.to_pen.dropping = rig.line.to_host.dropping = True
    rig.give(LinkDown(cause="unplugged"))
    rig.advance(600)
    assert rig.state.phase is Phase.INTERRUPTED
    assert alarms(rig) == ["link_lost"]
    assert rig.pen.truth.needles_out
    rig.line.to_pen.dropping = rig.line.to_host.dropping = False
    rig.connect()
    rig.clear_pen_faults()
    rig.command(ClearedByPerson(by="me", faults=("DEAD_MAN",)))
    rig.arm()
    rig.command(Close(outcome="completed", reason="done"))
    rig.advance(300)
    assert events(rig, SessionClosed)[0].doses[0].treated_ms >= 1300


def test_setpoints_held_up_longer_than_the_dead_man_time_move_nothing(treat: Treat) -> None:
    rig = treat()
    rig.line.to_pen.holding = True
    rig.advance(700)
    assert not rig.pen.truth.motor_driven
    rig.line.to_pen.holding = False
    for _ in range(300):
        rig.advance(1)
        assert not rig.pen.truth.motor_driven


def test_old_news_delivered_steadily_late_is_not_taken_for_fresh(treat: Treat) -> None:
    rig = treat()
    rig.line.to_host.delay_ms = 450
    rig.advance(900)
    assert rig.state.phase is Phase.INTERRUPTED
    assert not rig.pen.truth.motor_driven


def test_needles_that_do_not_come_out_alarm(treat: Treat) -> None:
    rig = treat()
    rig.pen.faults.stick_depth(True)
    rig.command(Pause(source="api"))
    rig.advance(900)
    assert "retract_failed" in alarms(rig)


def test_depth_measured_over_the_limit_stops_the_pen(treat: Treat) -> None:
    rig = treat(depth_um=500, zone="nose")
    rig.pen.faults.drift_depth_sensor(400)
    rig.advance(500)
    assert rig.state.phase is Phase.INTERRUPTED
    assert "depth_over_limit" in alarms(rig)
    assert not rig.pen.truth.motor_driven


def test_a_journal_that_fails_during_treatment_stops_it_in_good_order(treat: Treat) -> None:
    rig = treat()
    rig.give(JournalState(problem="disk full"))
    rig.advance(300)
    assert rig.state.phase is Phase.INTERRUPTED
    assert alarms(rig) == ["journal_failed"]
    assert not rig.pen.truth.motor_driven
    assert not rig.pen.truth.faults


def test_an_alarm_stays_until_it_is_acknowledged_and_gone(treat: Treat) -> None:
    rig = treat()
    rig.line.to_host.dropping = True
    rig.command(Stop(source="page"))
    rig.advance(400)
    rig.line.to_host.dropping = False
    rig.advance(200)
    assert alarms(rig) == ["stop_not_confirmed"]  # confirmed by now, not yet acknowledged
    rig.command(Acknowledge(alarm="stop_not_confirmed", by="me"))
    rig.advance(50)
    assert alarms(rig) == []


def test_a_reboot_of_the_pen_ends_the_lease(treat: Treat) -> None:
    rig = treat()
    rig.pen.reboot()
    rig.advance(500)
    assert rig.state.phase is Phase.INTERRUPTED
    assert rig.pen.truth.state is PenState.IDLE
    assert not rig.pen.truth.motor_driven


def test_a_new_hello_on_the_line_ends_the_lease(treat: Treat) -> None:
    rig = treat()
    rig.pen.receive(MEDIUM, frame(Hello(99, 1), 0))
    rig.advance(100)
    assert rig.state.phase is Phase.INTERRUPTED
    assert alarms(rig) == ["lease_ended"]
