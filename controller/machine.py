"""Pure: ``step(state, input, now)`` → new state, what to send, what to journal.

Everything that may move a motor is decided here, from inputs that are journalled with their times: the same inputs come
to the same decisions, live, in replay, and thousands of times faster than life. No clock, no randomness, no I/O.
"""

from controller import commands
from controller.alarms import (
    DEPTH_OVER_LIMIT,
    JOURNAL_FAILED,
    LEASE_ENDED,
    LINK_LOST,
    PEN_FAULT,
    PEN_STOPPED_ITSELF,
    RETRACT_FAILED,
    STALL,
    STOP_NOT_CONFIRMED,
)
from controller.dose import DoseTally
from controller.events import Event, PenConnected, PenDisarmed, PenLost, StopConfirmed
from controller.evolving import replace
from controller.inputs import Input, JournalState, LinkDown, LinkUp, StatusSeen, Tick
from controller.state import (
    OVER_LIMIT_HOLD_MS,
    PAUSE_MAX_MS,
    RETRACT_SLACK_MS,
    MachineState,
    Phase,
    SendStop,
    Step,
)
from controller.transitions import (
    desired,
    disarm,
    fault_names,
    interrupt,
    latch,
    off_since,
    session_closed,
    stale,
    without_session,
)
from controller.units import format_mm
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Capability, Fault, PenState

PRESSES = 256  # press counters count modulo
_RESTING = {PenState.IDLE, PenState.FAULT, PenState.SELF_TEST}
_FAULT_ALARMS = (
    (Fault.DEAD_MAN, PEN_STOPPED_ITSELF),
    (Fault.STALL, STALL),
    (Fault.OVER_DEPTH, DEPTH_OVER_LIMIT),
    (Fault.RETRACT_FAILED, RETRACT_FAILED),
)


def step(state: MachineState, given: Input, now_ms: int) -> Step:
    """One step. ``now_ms`` is the station's monotonic time of the input and never goes back."""
    match given:
        case StatusSeen(seen, sent_at_ms):
            made = _status(state, seen, sent_at_ms, now_ms)
        case Tick():
            made = _tick(state, now_ms)
        case LinkUp():
            made = _link_up(state, given, now_ms)
        case LinkDown():
            made = _link_down(state, given, now_ms)
        case JournalState():
            made = _journal(state, given, now_ms)
        case _:
            made = commands.command(state, given, now_ms)
    return _with_alarms(made, now_ms)


# What the pen says ----------------------------------------------------------------------------------------------------


def _status(state: MachineState, seen: PenSnapshot, sent_at_ms: int, now_ms: int) -> Step:
    before = state.seen
    state = replace(state, seen=seen, seen_at_ms=sent_at_ms)
    if state.phase is Phase.TREATING and before is not None:
        state = replace(state, doses=_add_dose(state.doses, state.zone, before, seen))
    if state.phase is Phase.STOPPING:
        return _confirm(state, seen, now_ms)
    if not state.armed:
        return Step(state)
    if seen.lease != state.lease or seen.faults:
        return _pen_ended_it(state, seen, now_ms)
    state = _watch_depth(state, seen, now_ms)
    if state.over_limit_since_ms is not None and now_ms - state.over_limit_since_ms >= _hold_ms(state, seen):
        detail = f"measured {format_mm(seen.depth_measured_um)}"
        return interrupt(state, DEPTH_OVER_LIMIT.name, detail, now_ms)
    return _presses(state, before, seen, now_ms)


def _add_dose(
    doses: tuple[DoseTally, ...], zone: str, before: PenSnapshot, after: PenSnapshot
) -> tuple[DoseTally, ...]:
    if not any(tally.zone == zone for tally in doses):
        doses = (*doses, DoseTally(zone))
    return tuple(tally.add(before, after) if tally.zone == zone else tally for tally in doses)


def _watch_depth(state: MachineState, seen: PenSnapshot, now_ms: int) -> MachineState:
    limit, depth_um = state.depth_limit, seen.depth_measured_um
    if limit is None or state.plan is None or depth_um is None:
        return state
    over = depth_um > limit.effective + state.plan.profile.depth_tolerance_um
    if not over:
        return state if state.over_limit_since_ms is None else replace(state, over_limit_since_ms=None)
    return state if state.over_limit_since_ms is not None else replace(state, over_limit_since_ms=now_ms)


def _hold_ms(state: MachineState, seen: PenSnapshot) -> int:
    """At once beyond what the lease itself allows; after a moment beyond a limit that may just have changed."""
    plan = state.plan
    tolerance_um = plan.profile.depth_tolerance_um if plan else 0
    beyond_lease = (seen.depth_measured_um or 0) > state.depth_ceiling_um + tolerance_um
    # Needles that stand deeper than a limit while a dial is in somebody's hand follow nothing.
    dialled = not state.sets_depth and state.phase is Phase.TREATING
    return 0 if beyond_lease or dialled else OVER_LIMIT_HOLD_MS


def _presses(state: MachineState, before: PenSnapshot | None, seen: PenSnapshot, now_ms: int) -> Step:
    if before is None or before.boot_id != seen.boot_id:
        return Step(state)
    button = (seen.button_presses - before.button_presses) % PRESSES
    pedal = (seen.pedal_presses - before.pedal_presses) % PRESSES
    if not button and not pedal:
        return Step(state)
    if state.phase is Phase.PAUSED and (before.state is PenState.RUNNING or button + pedal > 1):
        # Whoever presses on a running pen means off, whoever else paused it in that moment; so does a press and
        # another where the first was not answered yet.
        return Step(state)
    return commands.toggle(state, "pen button" if button else "foot pedal", now_ms)


def _pen_ended_it(state: MachineState, seen: PenSnapshot, now_ms: int) -> Step:
    raised = _fault_alarms(seen) or [(LEASE_ENDED.name, "")]
    ended = replace(
        state,
        phase=Phase.INTERRUPTED,
        lease=0,
        motor_off_since_ms=off_since(state, now_ms),
        latched=latch(state.latched, raised),
        interruption="the pen stopped by itself",
    )
    # STOP, too: should the pen be of another mind about its lease, this settles it.
    return Step(ended, SendStop(), (PenDisarmed(reason="the pen stopped by itself"),))


def _fault_alarms(seen: PenSnapshot) -> list[tuple[str, str]]:
    """The alarms of the pen's own faults, with their details."""
    raised = [(kind.name, "") for fault, kind in _FAULT_ALARMS if seen.faults & fault]
    other = seen.faults & ~sum((fault for fault, _ in _FAULT_ALARMS), Fault(0))
    if other:
        raised.append((PEN_FAULT.name, fault_names(other)))
    return raised


def _confirm(state: MachineState, seen: PenSnapshot, now_ms: int) -> Step:
    stopping = state.stopping
    if stopping is None or seen.lease or seen.state not in _RESTING or state.seen_at_ms < stopping.since_ms:
        return Step(state)
    events: list[Event] = [StopConfirmed(after_ms=now_ms - stopping.since_ms)]
    state = replace(state, stopping=None, phase=stopping.then)
    if seen.faults and stopping.then is Phase.PREPARED:
        # It stopped, and not only because it was told to: what it found counts as if it had stopped by itself.
        state = replace(
            state,
            phase=Phase.INTERRUPTED,
            latched=latch(state.latched, _fault_alarms(seen)),
            interruption=f"the pen reported {fault_names(seen.faults)} while it was stopped",
        )
    if stopping.close is not None and state.session is not None:
        outcome, reason = stopping.close
        events.append(session_closed(state, outcome, reason))
        state = without_session(state)
    return Step(state, None, tuple(events))


# Time and line --------------------------------------------------------------------------------------------------------


def _tick(state: MachineState, now_ms: int) -> Step:
    if state.armed:
        if stale(state, now_ms):
            return _lose(state, f"no fresh status for {now_ms - state.seen_at_ms} ms", now_ms)
        if state.phase is Phase.PAUSED and now_ms - state.paused_since_ms > PAUSE_MAX_MS:
            return disarm(state, "paused for longer than allowed", now_ms)
    return Step(state, desired(state))


def _lose(state: MachineState, cause: str, now_ms: int) -> Step:
    lost = replace(
        state,
        phase=Phase.INTERRUPTED,
        lease=0,
        motor_off_since_ms=off_since(state, now_ms),
        latched=latch(state.latched, [(LINK_LOST.name, cause)]),
        interruption=f"connection lost: {cause}",
    )
    return Step(lost, SendStop(), (PenDisarmed(reason=f"connection lost: {cause}"),))


def _link_up(state: MachineState, given: LinkUp, now_ms: int) -> Step:
    facts = given.facts
    event = PenConnected(
        pen=f"{facts.model}/{facts.serial}",
        url=given.url,
        model=facts.model,
        serial=facts.serial,
        firmware=facts.firmware,
        boot_id=facts.boot_id,
        capabilities=tuple(cap.name or "" for cap in Capability if facts.capabilities & cap),
        depth_max_um=facts.depth_max_um,
        depth_step_um=facts.depth_step_um,
        rate_max_mhz=facts.rate_max_mhz,
        rate_step_mhz=facts.rate_step_mhz,
        dead_man_ms=facts.dead_man_ms,
        retract_ms=facts.retract_ms,
    )
    # Cartridge and calibration are the last pen's: what is unknown counts as its strictest. Needles that were not known
    # to be out when the line went have their time anew, and then it is told.
    off_since_ms = now_ms if state.motor_off_since_ms is not None else None
    state = replace(state, pen=facts, seen=None, seen_at_ms=now_ms, calibration=None, motor_off_since_ms=off_since_ms)
    return Step(state, None, (event,))


def _link_down(state: MachineState, given: LinkDown, now_ms: int) -> Step:
    pen = state.pen
    events: tuple[Event, ...] = (
        (PenLost(pen=f"{pen.model}/{pen.serial}", cause=given.cause),) if pen is not None else ()
    )
    if state.armed:
        lost = _lose(state, given.cause, now_ms)
        return Step(replace(lost.state, pen=None, seen=None), None, (*events, *lost.events))
    phase = Phase.PREPARED if state.phase is Phase.ARMING else state.phase
    return Step(replace(state, phase=phase, pen=None, seen=None), None, events)


def _journal(state: MachineState, given: JournalState, now_ms: int) -> Step:
    state = replace(state, journal_problem=given.problem)
    if given.problem and state.armed:
        return interrupt(state, JOURNAL_FAILED.name, given.problem, now_ms)
    return Step(state)


# Alarms ---------------------------------------------------------------------------------------------------------------


def _with_alarms(made: Step, now_ms: int) -> Step:
    state = made.state
    if not state.latched and not state.alarms.active and state.stopping is None and state.motor_off_since_ms is None:
        return made
    state, holding = _conditions(state, now_ms)
    book, events = state.alarms.observe(holding, now_ms)
    return replace(made, state=replace(state, alarms=book), events=made.events + events)


def _conditions(state: MachineState, now_ms: int) -> tuple[MachineState, dict[str, str]]:
    holding = dict(state.latched)
    pen, seen, stopping = state.pen, state.seen, state.stopping
    dead_man_ms = pen.dead_man_ms if pen else 0
    if stopping is not None and now_ms - stopping.since_ms > dead_man_ms:
        holding[STOP_NOT_CONFIRMED.name] = f"sent for {now_ms - stopping.since_ms} ms"
    since_ms = state.motor_off_since_ms
    if since_ms is not None and pen is not None and seen is not None:
        if seen.needles_out and state.seen_at_ms > since_ms:
            state = replace(state, motor_off_since_ms=None)
        elif not stale(state, now_ms) and now_ms - since_ms > pen.dead_man_ms + pen.retract_ms + RETRACT_SLACK_MS:
            holding[RETRACT_FAILED.name] = f"measured {format_mm(seen.depth_measured_um)}"
    return state, holding
