"""Pure: what a person may ask of the machine, and what has to be true for it to be followed."""

from controller import arming, closed_loop, preparing
from controller.alarm_table import UNCERTAIN_COMMAND
from controller.datafile import nearest
from controller.envelope import Denied, check_depth, check_rate, depth_limit, rate_limit
from controller.events import (
    ApprovalUsed,
    Event,
    FaultsCleared,
    LimitsChanged,
    SetpointChanged,
    SoftLimitOverridden,
    Stopped,
    TreatmentStarted,
    ZoneChanged,
)
from controller.evolving import replace
from controller.inputs import (
    Acknowledge,
    Approved,
    ArmAsked,
    ArmFailed,
    Attest,
    ClockJumped,
    Close,
    Command,
    Confirm,
    ConsumeIntended,
    DeclareZone,
    ExchangeCartridge,
    Inspected,
    JournalState,
    LeaseGranted,
    OperationUncertain,
    Pause,
    PauseAudio,
    Prepare,
    Seated,
    SetDepth,
    SetRate,
    Start,
    Stop,
)
from controller.inputs import FaultsCleared as FaultsClearedByPerson
from controller.starting import setting_problem, start_problem
from controller.state import MachineState, Phase, SendStop, Step, Stopping
from controller.transitions import (
    desired,
    disarm,
    off_since,
    pause,
    refuse,
    session_closed,
    stands,
    without_session,
    wrong_phase,
)
from controller.units import Micrometres, Millihertz


def command(state: MachineState, given: Command, now_ms: int) -> Step:  # noqa: PLR0911, PLR0912 - one line a command
    """Follows or refuses one command."""
    match given:
        case Stop():
            return _stop(state, given, now_ms)
        case Pause():
            return _pause(state, given, now_ms, at_host=True)
        case Start():
            return _start(state, given.source, now_ms)
        case SetDepth():
            return _set_depth(state, given)
        case SetRate():
            return _set_rate(state, given)
        case DeclareZone():
            return _declare_zone(state, given, now_ms)
        case Prepare():
            return preparing.prepare(state, given)
        case Confirm():
            return preparing.confirm(state, given)
        case Attest():
            return preparing.attest(state, given)
        case ExchangeCartridge():
            return preparing.exchange_cartridge(state, given, now_ms)
        case Approved():
            return preparing.approved(state, given, now_ms)
        case ClockJumped():
            return preparing.clock_jumped(state, given)
        case ArmAsked():
            return arming.arm_asked(state, now_ms)
        case Inspected():
            return arming.inspected(state, given, now_ms)
        case ConsumeIntended():
            return arming.consume_intended(state, given)
        case LeaseGranted():
            return arming.lease_granted(state, given, now_ms)
        case ArmFailed():
            return arming.arm_failed(state, given)
        case Acknowledge():
            book, events = state.alarms.acknowledge(given.alarm, given.by)
            return Step(replace(state, alarms=book), None, events)
        case PauseAudio():
            book, events = state.alarms.pause_audio(given.by, now_ms, given.for_ms)
            return Step(replace(state, alarms=book), None, events)
        case FaultsClearedByPerson():
            return _faults_cleared(state, given)
        case Close():
            return _close(state, given, now_ms)
        case Seated():
            return _seated(state, given, now_ms)
        case JournalState() | OperationUncertain():
            return Step(state)  # handled by the machine before it comes here


# Closing -------------------------------------------------------------------------------------------------------------


def _close(state: MachineState, given: Close, now_ms: int) -> Step:
    close = (given.outcome, given.reason)
    if state.session is None:
        return refuse(state, "close", "no_session", "No session is open. Nothing changed.")
    if state.armed:
        return disarm(state, f"session closed: {given.reason}", now_ms, close)
    if state.phase is Phase.ARMING:
        # A lease may be on its way: it must not outlive the session.
        stopping = Stopping(now_ms, 0, Phase.PREPARED, close)
        return Step(replace(state, phase=Phase.STOPPING, stopping=stopping), SendStop())
    if state.stopping is not None and state.pen is None:
        # No pen that could confirm: the session ends without; STOP goes on should the pen come back.
        left = replace(without_session(state), phase=Phase.STOPPING)
        closed = session_closed(state, "interrupted", f"{given.reason}; the pen did not confirm that it stopped")
        return Step(replace(left, stopping=replace(state.stopping, lease=0, then=Phase.NO_SESSION)), None, (closed,))
    if state.stopping is not None:
        return Step(replace(state, stopping=replace(state.stopping, close=close)), desired(state))
    return Step(without_session(state), None, (session_closed(state, *close),))


# Treating -------------------------------------------------------------------------------------------------------------


def toggle(state: MachineState, source: str, now_ms: int) -> Step:
    """A press of the pen's button or the foot pedal: on when paused, off when treating."""
    return (
        _pause(state, Pause(source=source), now_ms) if state.phase is Phase.TREATING else _start(state, source, now_ms)
    )


def _start(state: MachineState, source: str, now_ms: int) -> Step:
    if state.phase is not Phase.PAUSED:
        return wrong_phase(state, "start")
    problem = start_problem(state, now_ms)
    if problem is not None:
        return refuse(state, "start", *problem)
    loop = closed_loop.started(state, now_ms)
    state = replace(state, phase=Phase.TREATING, motor_off_since_ms=None, loop=loop)
    started = TreatmentStarted(
        source=source,
        depth_commanded_um=Micrometres(state.depth_commanded_um),
        rate_commanded_mhz=Millihertz(state.rate_commanded_mhz),
    )
    events: list[Event] = [started]
    state = _with_approval(state, state.depth_commanded_um, events)
    return Step(state, desired(state), tuple(events))


def _pause(state: MachineState, given: Pause, now_ms: int, *, at_host: bool = False) -> Step:
    """Only a person who pauses at the host has the needles withdrawn first; whatever else pauses, pauses at once."""
    if state.phase is not Phase.TREATING:
        return wrong_phase(state, "pause")
    return pause(state, given.source, now_ms, ramped=at_host)


def _seated(state: MachineState, given: Seated, now_ms: int) -> Step:
    """Whoever took or left the seat: nobody but the person a session is for goes on treating in it."""
    state = replace(state, seated=given.operator)
    if state.phase is Phase.TREATING and not state.attended:
        return _pause(state, Pause(source=f"seat: {given.operator or 'nobody'}"), now_ms)
    return Step(state)


def _stop(state: MachineState, given: Stop, now_ms: int) -> Step:
    """STOP is followed in every phase. What was being treated stays open; a person arms again."""
    if state.stopping is not None:
        # A DISARM under way becomes a STOP; what was to follow stays.
        stopping = replace(state.stopping, lease=0)
        return Step(replace(state, stopping=stopping), SendStop(), (Stopped(source=given.source),))
    then = {
        Phase.NO_SESSION: Phase.NO_SESSION,
        Phase.INTERRUPTED: Phase.INTERRUPTED,
    }.get(state.phase, Phase.PREPARED)
    state = replace(
        state,
        phase=Phase.STOPPING,
        lease=0,
        stopping=Stopping(now_ms, 0, then),
        motor_off_since_ms=off_since(state, now_ms),
    )
    return Step(state, SendStop(), (Stopped(source=given.source),))


def _faults_cleared(state: MachineState, given: FaultsClearedByPerson) -> Step:
    if state.phase is not Phase.INTERRUPTED and not state.latched and not given.faults:
        return refuse(state, "clear", "nothing_to_clear", "Nothing has to be cleared. Nothing changed.")
    if state.seen is None or state.seen.faults:
        return refuse(
            state,
            "clear",
            "pen_fault",
            "The pen is not connected, or still reports a fault. Connect it and remove the cause, then clear again.",
        )
    book, events = state.alarms, list[Event]()
    for alarm in state.alarms.active:
        book, acknowledged = book.acknowledge(alarm.name, given.by)
        events.extend(acknowledged)
    phase = Phase.PREPARED if state.phase is Phase.INTERRUPTED else state.phase
    standing = stands(state.standing, UNCERTAIN_COMMAND.name, None)
    state = replace(state, phase=phase, latched=(), alarms=book, interruption="", standing=standing)
    return Step(state, None, (*events, FaultsCleared(faults=given.faults, by=given.by)))


# Setting --------------------------------------------------------------------------------------------------------------


def _set_depth(state: MachineState, given: SetDepth) -> Step:
    if not state.armed:
        return wrong_phase(state, "set depth")
    if not state.sets_depth:
        return refuse(state, "set depth", "mechanical", "Depth is a dial on this pen; turn it there. Nothing changed.")
    before, plan, wanted = state, state.plan, given.depth_um
    events: list[Event] = []
    if given.override and plan is not None:
        if given.override not in plan.override_reasons:
            return refuse(
                state,
                "set depth",
                "override_reason",
                f"{given.override!r} is no reason of the library. "
                f"{nearest(given.override, list(plan.override_reasons))} Nothing changed.",
            )
        soft_um = plan.zones[state.zone].soft_um
        if wanted > soft_um:
            events.append(
                SoftLimitOverridden(
                    zone=state.zone, quantity="depth_um", soft_limit=soft_um, wanted=wanted, reason=given.override
                )
            )
            state = replace(state, override_reason=given.override, override_um=wanted)
    checked = check_depth(state.sources(), wanted, state.rate_for_limits_mhz)
    if isinstance(checked, Denied):
        # A new override falls with the request it was given for; an earlier one stands.
        return refuse(before, "set depth", checked.layer, checked.sentence)
    return _changed(state, checked.value, state.rate_commanded_mhz, checked.note, events)


def _approval_used(state: MachineState, depth_um: int) -> ApprovalUsed | None:
    """What is told the first time in a session that a depth beyond the operator's own scope stands by an approval:
    each counts, whether the depth was set in its zone or brought there from another. A dial can be turned as deep as
    an approval goes at any time, so treating where there is one uses it."""
    plan = state.plan
    zone = plan.zones.get(state.zone) if plan is not None else None
    if plan is None or zone is None or zone.approval in state.approvals_used:
        return None
    by_dial = not state.sets_depth and state.phase is Phase.TREATING
    if max(depth_um, (zone.approved_cap_um or 0) if by_dial else 0) <= plan.operator_cap_um:
        return None
    return ApprovalUsed(
        approval=zone.approval,
        zone=state.zone,
        scope_um=plan.operator_cap_um,
        depth_commanded_um=Micrometres(depth_um),
    )


def _with_approval(state: MachineState, depth_um: int, events: list[Event]) -> MachineState:
    """The state that remembers which approval it goes by, and the event that tells it."""
    used = _approval_used(state, depth_um)
    if used is None:
        return state
    events.append(used)
    return replace(state, approvals_used=(*state.approvals_used, used.approval))


def _set_rate(state: MachineState, given: SetRate) -> Step:
    if not state.armed:
        return wrong_phase(state, "set rate")
    if not state.sets_rate:
        return refuse(state, "set rate", "mechanical", "The rate cannot be set on this pen. Nothing changed.")
    checked = check_rate(state.sources(), given.rate_mhz, state.depth_commanded_um)
    if isinstance(checked, Denied):
        return refuse(state, "set rate", checked.layer, checked.sentence)
    return _changed(state, state.depth_commanded_um, checked.value, checked.note, [])


def _declare_zone(state: MachineState, given: DeclareZone, now_ms: int) -> Step:
    plan = state.plan
    if plan is None:
        return wrong_phase(state, "declare zone")
    if given.zone not in plan.zones:
        return refuse(
            state,
            "declare zone",
            "unknown_zone",
            f"There is no zone {given.zone!r}. {nearest(given.zone, list(plan.zones))} Nothing changed.",
        )
    if given.zone == state.zone:
        return Step(state)
    moved = replace(state, zone=given.zone, override_reason="", override_um=0)
    if not state.armed or state.depth_limit is None:
        return Step(moved, None, (ZoneChanged(zone=given.zone),))
    depths = depth_limit(moved.sources(), 0 if moved.sets_rate else moved.rate_for_limits_mhz)
    if state.phase is Phase.TREATING and depths.effective > state.depth_limit.effective:
        return refuse(
            state,
            "declare zone",
            "deeper_zone",
            f"{given.zone} may be treated deeper than {state.zone}, so it begins with a pause: pause, declare it, "
            "start again. Nothing changed.",
        )
    rates = rate_limit(moved.sources(), 0)
    pen = moved.pen
    depth_um = _settable(min(state.depth_commanded_um, depths.effective), pen.depth_min_um if pen else 0)
    rate_mhz = _settable(min(state.rate_commanded_mhz, rates.effective), pen.rate_min_mhz if pen else 0)
    note = ""
    if (depth_um, rate_mhz) != (state.depth_commanded_um, state.rate_commanded_mhz):
        note = f"reduced for {given.zone}: {depths.sentence}"
    made = _changed(moved, depth_um, rate_mhz, note, [ZoneChanged(zone=given.zone)], always=True)
    problem = setting_problem(made.state) if state.phase is Phase.TREATING else None
    if problem is None:
        return made
    paused = _pause(made.state, Pause(source=f"zone {given.zone}: {problem[1]}"), now_ms)
    return replace(paused, events=made.events + paused.events)


def _settable(value: int, least: int) -> int:
    """A value the pen can be set to; 0, *none chosen*, where it is less than the least of that pen."""
    return value if value >= least else 0


def _changed(
    state: MachineState, depth_um: int, rate_mhz: int, note: str, events: list[Event], *, always: bool = False
) -> Step:
    """The commanded state is these now; limits that depend on each other are made anew, and journalled when changed."""
    state = replace(state, depth_commanded_um=depth_um, rate_commanded_mhz=rate_mhz)
    state = _with_approval(state, depth_um, events)
    depths, rates = depth_limit(state.sources(), state.rate_for_limits_mhz), rate_limit(state.sources(), depth_um)
    if always or (depths, rates) != (state.depth_limit, state.rate_limit):
        events.append(LimitsChanged(zone=state.zone, depth=depths, rate=rates))
    state = replace(state, depth_limit=depths, rate_limit=rates)
    events.append(
        SetpointChanged(depth_commanded_um=Micrometres(depth_um), rate_commanded_mhz=Millihertz(rate_mhz), note=note)
    )
    return Step(state, desired(state), tuple(events))
