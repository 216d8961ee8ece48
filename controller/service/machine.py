"""Pure: service mode, the one place where a pen runs whatever its calibration. ``step(state, input, now)``.

The motor runs only under a service lease of the pinned pen, off skin, inside the ceilings of service, on fresh statuses
and with a record that accepts. Whatever else happens ends in STOP or DISARM, repeated until the pen confirms. No clock,
no randomness, no I/O.
"""

from controller.evolving import replace
from controller.inputs import JournalState, LinkDown, LinkUp, StatusSeen, Tick
from controller.service import allowed
from controller.service.allowed import fault_cause, off_skin, stale
from controller.service.state import (
    Asked,
    AskLease,
    Close,
    Ended,
    FallSilent,
    GiveBack,
    GrantLease,
    Input,
    LeaseRefused,
    MotorOff,
    Move,
    Open,
    Phase,
    ServiceState,
    Settled,
    Step,
    Stop,
    Stopping,
    TakeAgain,
    Touch,
)
from controller.service_events import ServiceClosed, ServiceMove, ServiceOpened
from controller.state import RETRACT_SLACK_MS, Send, SendDisarm, SendSetpoint, SendStop
from controller.units import Micrometres, Millihertz, format_hz, format_mm
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Capability, Fault, PenState

HALF_U32, U32 = 1 << 31, 1 << 32
_RESTING = {PenState.IDLE, PenState.FAULT, PenState.SELF_TEST}


def step(state: ServiceState, given: Input, now_ms: int) -> Step:
    """One step. ``now_ms`` is the host's monotonic time of the input and never goes back."""
    match given:
        case StatusSeen(seen, sent_at_ms):
            return _status(state, seen, sent_at_ms, now_ms)
        case Tick():
            return _tick(state, now_ms)
        case LinkUp():
            made = _over(state, "pen_lost", "another connection came up", now_ms, confirm=False)
            up = replace(made.state, pen=given.facts, seen=None, seen_at_ms=now_ms, off_skin_since_ms=None)
            return replace(made, state=replace(up, unasked_since_ms=None))
        case LinkDown():
            gone = replace(state, pen=None, seen=None, off_skin_since_ms=None)
            return _over(gone, "pen_lost", given.cause, now_ms, confirm=False)
        case JournalState():
            return _journal(replace(state, journal_problem=given.problem), now_ms)
        case Stop():
            return _stop(state, given, now_ms)
        case Close():
            return _over(state, "done", "", now_ms)
        case _:
            return _asked(replace(state, asked_at_ms=now_ms), given, now_ms)


def _asked(state: ServiceState, given: Asked, now_ms: int) -> Step:
    """What a person, or the program for that person, asks."""
    problem = allowed.problem(state, given, now_ms)
    if problem is not None:
        late = SendStop() if isinstance(given, GrantLease) else None  # a lease nobody wants any more must not live
        return Step(state, late, (), problem)
    match given:
        case Open():
            return _open(state, given)
        case TakeAgain():
            return Step(replace(state, pinned=state.pen))
        case AskLease() | GrantLease() | LeaseRefused() | GiveBack():
            return _lease(state, given, now_ms)
        case Move() | MotorOff() | FallSilent() | Settled():
            return _motion(state, given, now_ms)
        case Touch():
            return Step(state)


def _lease(state: ServiceState, given: AskLease | GrantLease | LeaseRefused | GiveBack, now_ms: int) -> Step:
    match given:
        case AskLease():
            return Step(replace(state, phase=Phase.ARMING))
        case GrantLease():
            until_ms = now_ms + state.limits.lease_ms
            return Step(replace(state, phase=Phase.ARMED, lease=given.lease, lease_until_ms=until_ms))
        case LeaseRefused():
            return Step(replace(state, phase=Phase.OPEN) if state.phase is Phase.ARMING else state)
        case GiveBack():
            return _lease_over(state, now_ms) if state.leased else Step(state)


def _motion(state: ServiceState, given: Move | MotorOff | FallSilent | Settled, now_ms: int) -> Step:
    match given:
        case Move():
            said = _said(state)
            moving = replace(
                said.state,
                phase=Phase.MOVING,
                depth_commanded_um=given.depth_um,
                rate_commanded_mhz=given.rate_mhz,
                unsaid=True,
                moved_at_ms=now_ms,
            )
            return Step(moving, _desired(moving), said.events)
        case MotorOff():
            return _motor_off(state, now_ms)
        case FallSilent():
            return Step(replace(state, phase=Phase.SILENT, silent_since_ms=now_ms))
        case Settled():
            return _said(state, given)


def _open(state: ServiceState, given: Open) -> Step:
    pen = state.pen
    if pen is None:
        return Step(state)
    opened = replace(
        state, phase=Phase.OPEN, series=given.series, pinned=pen, attested=given.attested, ended=None, why="", lease=0
    )
    event = ServiceOpened(
        series=given.series,
        pen=pen.model,
        serial=pen.serial,
        firmware=pen.firmware,
        technician=given.technician,
        purpose=given.purpose,
        off_skin="sensed" if state.can(Capability.CONTACT_SENSED) else "attested",
        depth_ceiling_um=Micrometres(state.depth_ceiling_um),
        rate_ceiling_mhz=Millihertz(state.rate_ceiling_mhz),
        resumed=given.resumed,
    )
    return Step(opened, None, (event,))


# What is sent ---------------------------------------------------------------------------------------------------------


def _desired(state: ServiceState) -> Send | None:
    """What the pen should be told now."""
    stopping = state.stopping
    if stopping is not None:
        return SendDisarm(stopping.lease) if stopping.lease else SendStop()
    if state.phase not in (Phase.ARMED, Phase.MOVING) or state.seen is None:
        return None
    motor = state.phase is Phase.MOVING
    depth_um, rate_mhz = (state.depth_commanded_um, state.rate_commanded_mhz) if motor else (0, 0)
    if depth_um > state.depth_ceiling_um or rate_mhz > state.rate_ceiling_mhz:
        return SendStop()  # cannot happen; were it to, nothing over a ceiling leaves this function
    return SendSetpoint(motor, depth_um, rate_mhz, state.seen.pen_time_ms)


def _said(state: ServiceState, settled: Settled | None = None) -> Step:
    """The move under way, on record: with what was measured once it settled, or as it stands where it never did."""
    if not state.unsaid:
        return Step(state)
    seen = settled or state.seen
    motor = state.motor_commanded
    event = ServiceMove(
        series=state.series,
        motor=motor,
        depth_commanded_um=Micrometres(state.depth_commanded_um if motor else 0),
        rate_commanded_mhz=Millihertz(state.rate_commanded_mhz if motor else 0),
        depth_measured_um=seen.depth_measured_um if seen else None,
        rate_measured_mhz=seen.rate_measured_mhz if seen else None,
        motor_current_ma=seen.motor_current_ma if seen else None,
        temperature_dc=seen.temperature_dc if seen else None,
    )
    return Step(replace(state, unsaid=False), None, (event,))


def _motor_off(state: ServiceState, now_ms: int) -> Step:
    if state.phase is not Phase.MOVING:
        return Step(state, _desired(state))
    said = _said(state)
    off = replace(
        said.state, phase=Phase.ARMED, depth_commanded_um=0, rate_commanded_mhz=0, unsaid=True, moved_at_ms=now_ms
    )
    return Step(off, _desired(off), said.events)


# Endings --------------------------------------------------------------------------------------------------------------


def _over(state: ServiceState, because: Ended, why: str, now_ms: int, *, confirm: bool = True) -> Step:
    """Service mode is closed: in good order for *done* and *time_out*, by STOP for everything else.

    Without ``confirm`` nobody can be asked any more: the line is gone.
    """
    if state.phase is Phase.CLOSED or (state.stopping is not None and state.stopping.then is Phase.CLOSED):
        waiting = state.stopping if confirm else None
        phase = Phase.CLOSED if waiting is None else state.phase
        return Step(replace(state, phase=phase, stopping=waiting), _desired(replace(state, stopping=waiting)))
    said = _said(state)
    orderly = state.lease if because in ("done", "time_out") else 0
    held = bool(state.lease) or state.phase in (Phase.ARMING, Phase.STOPPING)
    stopping = Stopping(now_ms, orderly, Phase.CLOSED) if confirm and held else None
    closed = replace(
        said.state,
        phase=Phase.CLOSED if stopping is None else Phase.STOPPING,
        lease=0,
        stopping=stopping,
        ended=because,
        why=why,
        attested=False,
        depth_commanded_um=0,
        rate_commanded_mhz=0,
    )
    send: Send | None = _desired(closed) if stopping is not None else SendStop() if state.lease else None
    return Step(closed, send, (*said.events, ServiceClosed(series=state.series, because=because)))


def _stop(state: ServiceState, given: Stop, now_ms: int) -> Step:
    """STOP is sent in every phase, and repeated until the pen confirms."""
    made = _over(state, "stopped", given.source, now_ms)
    again = replace(made.state, phase=Phase.STOPPING, stopping=Stopping(now_ms, 0, Phase.CLOSED))
    return Step(again if state.pen is not None else made.state, SendStop(), made.events)


def _lease_over(state: ServiceState, now_ms: int) -> Step:
    """The lease has come to its end: motor off in good order, service mode stays open."""
    said = _said(state)
    stopping = Stopping(now_ms, state.lease, Phase.OPEN)
    over = replace(
        said.state, phase=Phase.STOPPING, lease=0, stopping=stopping, depth_commanded_um=0, rate_commanded_mhz=0
    )
    return Step(over, _desired(over), said.events)


def _journal(state: ServiceState, now_ms: int) -> Step:
    if state.journal_problem and state.leased:
        return _over(state, "fault", f"the record cannot be written ({state.journal_problem})", now_ms)
    return Step(state)


# Time -----------------------------------------------------------------------------------------------------------------


def _tick(state: ServiceState, now_ms: int) -> Step:
    limits, pen = state.limits, state.pen
    if pen is None or state.phase is Phase.CLOSED:
        return Step(state)
    if state.stopping is not None:
        return Step(state, _desired(state))
    if state.leased and stale(state, now_ms):
        return _over(state, "pen_lost", f"no fresh status for {now_ms - state.seen_at_ms} ms", now_ms)
    if state.phase is Phase.SILENT:
        given_ms = pen.dead_man_ms + pen.retract_ms + RETRACT_SLACK_MS
        if now_ms - state.silent_since_ms > given_ms:
            return _over(state, "fault", f"the pen did not stop by itself within {given_ms} ms of silence", now_ms)
        return Step(state)
    if state.phase is not Phase.ARMING and now_ms - state.asked_at_ms > limits.idle_time_out_ms:
        return _over(state, "time_out", f"nobody asked anything for {limits.idle_time_out_ms // 1000} s", now_ms)
    if state.leased and now_ms > state.lease_until_ms - 2 * pen.dead_man_ms:
        return _lease_over(state, now_ms)
    return Step(state, _desired(state))


# What the pen says ----------------------------------------------------------------------------------------------------


def _status(state: ServiceState, seen: PenSnapshot, sent_at_ms: int, now_ms: int) -> Step:
    before = state.seen
    if before is not None and (seen.pen_time_ms - before.pen_time_ms) % U32 >= HALF_U32:
        return Step(state)  # old news after new
    state = _watched(state, seen, sent_at_ms)
    if state.stopping is not None:
        return _confirmed(state, seen)
    made = _judged(state, seen, now_ms)
    if before is not None and made.state.phase is Phase.MOVING and _pressed(before, seen):
        return _motor_off(made.state, now_ms)  # whoever presses on a running pen means off; no press starts it here
    return made


def _judged(state: ServiceState, seen: PenSnapshot, now_ms: int) -> Step:
    if state.unasked_since_ms is not None and _too_long(state):
        if state.phase is Phase.CLOSED:
            return Step(replace(state, phase=Phase.STOPPING, stopping=Stopping(now_ms, 0, Phase.CLOSED)), SendStop())
        return _over(state, "fault", "the pen ran though nobody had told it to", now_ms)
    if not state.leased:
        return Step(state)
    if not off_skin(state, seen):
        return _over(state, "on_skin", "the pen sensed skin, or no longer says that it senses none", now_ms)
    if seen.lease != state.lease or seen.faults:
        return _pen_ended_it(state, seen, now_ms)
    beyond = _beyond(state, seen)
    return _over(state, "fault", beyond, now_ms) if beyond else Step(state)


def _watched(state: ServiceState, seen: PenSnapshot, sent_at_ms: int) -> ServiceState:
    """The state with this status, and since when the pen says that it is off skin, or runs unasked."""
    since_ms = state.off_skin_since_ms
    broken = state.seen is None or (state.pen is not None and sent_at_ms - state.seen_at_ms > state.pen.dead_man_ms)
    if seen.on_skin is not False:
        since_ms = None
    elif since_ms is None or broken:
        since_ms = sent_at_ms
    unasked = seen.state is PenState.RUNNING and not state.motor_commanded
    first_ms = sent_at_ms if state.unasked_since_ms is None else state.unasked_since_ms
    unasked_since_ms = first_ms if unasked else None
    return replace(
        state, seen=seen, seen_at_ms=sent_at_ms, off_skin_since_ms=since_ms, unasked_since_ms=unasked_since_ms
    )


def _too_long(state: ServiceState) -> bool:
    """Longer than what was sent may be on its way, and than the pen's own dead-man time allows."""
    dead_man_ms = state.pen.dead_man_ms if state.pen is not None else 0
    return state.seen_at_ms - (state.unasked_since_ms or 0) > dead_man_ms + RETRACT_SLACK_MS


def _confirmed(state: ServiceState, seen: PenSnapshot) -> Step:
    stopping = state.stopping
    resting = (
        stopping is not None and not seen.lease and seen.state in _RESTING and state.seen_at_ms >= stopping.since_ms
    )
    if stopping is None or not resting or not seen.needles_out:
        return Step(state)
    return Step(replace(state, stopping=None, phase=stopping.then))


def _pen_ended_it(state: ServiceState, seen: PenSnapshot, now_ms: int) -> Step:
    if state.phase is Phase.SILENT and seen.faults == Fault.DEAD_MAN and not seen.lease:
        said = _said(state)  # what we fell silent for
        at_rest = replace(said.state, phase=Phase.OPEN, lease=0, depth_commanded_um=0, rate_commanded_mhz=0)
        return Step(at_rest, None, said.events)
    if seen.faults:
        return _over(state, "fault", f"the pen reported {fault_cause(seen.faults)}", now_ms)
    return _over(state, "stopped", "the pen ended its lease by itself", now_ms)


def _beyond(state: ServiceState, seen: PenSnapshot) -> str:
    """What the pen measures beyond what its lease allows, with the slack of the policy; empty where it does not."""
    limits = state.limits
    depth_um, rate_mhz = seen.depth_measured_um, seen.rate_measured_mhz
    if depth_um is None and not state.can(Capability.DEPTH_SET):
        return "its depth is a dial, and is not measured just now: nobody knows how deep it goes"
    if depth_um is not None and depth_um > state.depth_ceiling_um + limits.depth_slack_um:
        return f"it measures {format_mm(depth_um)}, beyond the {format_mm(state.depth_ceiling_um)} of service"
    if rate_mhz is not None and rate_mhz * 100 > state.rate_ceiling_mhz * (100 + limits.rate_slack_percent):
        return f"it measures {format_hz(rate_mhz)}, beyond the {format_hz(state.rate_ceiling_mhz)} of service"
    return ""


def _pressed(before: PenSnapshot, seen: PenSnapshot) -> bool:
    return (before.button_presses, before.pedal_presses) != (seen.button_presses, seen.pedal_presses)
