"""Pure: ``step(state, input, now)`` → new state, what to send, what to journal.

Everything that may move a motor is decided here, from inputs that are journalled with their times: the same inputs come
to the same decisions, live, in replay, and thousands of times faster than life. No clock, no randomness, no I/O.
"""

from controller import closed_loop, commands
from controller.after_step import looped, with_alarms, withdrawn
from controller.alarm_table import (
    CARTRIDGE_UNFIT,
    DEPTH_OVER_LIMIT,
    DEPTH_UNKNOWN,
    JOURNAL_FAILED,
    JOURNAL_NEARLY_FULL,
    LEASE_ENDED,
    LINK_LOST,
    PEN_FAULT,
    PEN_STOPPED_ITSELF,
    RETRACT_FAILED,
    RUNNING_UNASKED,
    STALL,
    UNCERTAIN_COMMAND,
)
from controller.dose import add_to_zone, dwell_level, dwell_warnings, over_hard_budget, treated_ms
from controller.events import Event, PenConnected, PenDisarmed, PenLost, StopConfirmed
from controller.evolving import replace
from controller.inputs import Input, Inspected, JournalState, LinkDown, LinkUp, OperationUncertain, StatusSeen, Tick
from controller.loop import Stage
from controller.state import (
    BLIND_HOLD_MS,
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
    pause,
    session_closed,
    stale,
    stands,
    unattested,
    without_session,
)
from controller.units import format_mm
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Capability, Fault, PenState

HALF_U32, U32 = 1 << 31, 1 << 32
NEARLY_FULL_PERMILLE, LESS_FULL_PERMILLE = 900, 850
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
        case OperationUncertain():
            made = Step(
                replace(state, standing=stands(state.standing, UNCERTAIN_COMMAND.name, given.operation)),
            )
        case Inspected():
            made = commands.command(_inspected(state, given), given, now_ms)
        case _:
            made = commands.command(state, given, now_ms)
    return with_alarms(looped(made, now_ms), now_ms)


# What the pen says ----------------------------------------------------------------------------------------------------


def _status(state: MachineState, seen: PenSnapshot, sent_at_ms: int, now_ms: int) -> Step:
    before = state.seen
    if before is not None and _older(before, seen):
        return Step(state)  # a line that brings old news after new: a press counter that went back is no press
    if before is not None and before.cartridge_present and not seen.cartridge_present:
        state = unattested(state)  # whatever is put on next is another, for all that anybody can tell
    running = seen.state is PenState.RUNNING or (before is not None and before.state is PenState.RUNNING)
    if not running and not state.lease and state.stopping is None and state.unheard is None:
        # At rest, as most of the day: a pen that does not run and is not armed is looked at, and that is all.
        return Step(replace(state, seen=seen, seen_at_ms=sent_at_ms, unasked_since_ms=None, blind_since_ms=None))
    doses, plan, loop = state.doses, state.plan, state.loop
    events: tuple[Event, ...] = ()
    if plan is not None:
        level = 0
        zone_plan = plan.zones.get(state.zone)
        needles = state.cartridge.needle_count if state.cartridge is not None else None
        if before is None and state.unheard is not None:
            doses = add_to_zone(doses, *state.unheard, seen, needles)
            state = replace(state, doses=doses, unheard=None)
        elif before is not None and running:
            doses = add_to_zone(doses, state.zone, before, seen, needles)
        if zone_plan is not None and (zone_plan.dwell_ms is not None or zone_plan.dwell_hard_ms is not None):
            time_ms = treated_ms(doses, state.zone)
            level = dwell_level(time_ms, zone_plan)
            if doses is not state.doses:
                was = dwell_level(treated_ms(state.doses, state.zone), zone_plan)
                if level != was:
                    events = dwell_warnings(state.zone, was, level, time_ms, zone_plan)
        if state.armed:
            loop = closed_loop.watch(state, seen, sent_at_ms, level)
    state = replace(state, seen=seen, seen_at_ms=sent_at_ms, doses=doses, loop=loop)
    made = _judged(state, before, seen, now_ms)
    return replace(made, events=events + made.events) if events else made


def _older(before: PenSnapshot, seen: PenSnapshot) -> bool:
    """Whether a status was made before one that is known already."""
    return seen.boot_id == before.boot_id and (seen.pen_time_ms - before.pen_time_ms) % U32 >= HALF_U32


def _judged(state: MachineState, before: PenSnapshot | None, seen: PenSnapshot, now_ms: int) -> Step:
    if state.phase is Phase.STOPPING:
        return _confirm(state, seen, now_ms)
    state = _watch_depth(_watch_motor(state, seen), seen, now_ms)
    if _runs_unasked(state):
        return interrupt(state, RUNNING_UNASKED.name, "", now_ms)
    if not state.armed:
        return Step(state)
    if seen.lease != state.lease or seen.faults:
        return _pen_ended_it(state, seen, now_ms)
    stops = _too_deep(state, seen, now_ms) or closed_loop.at_once(state, seen)
    if stops is not None:
        return interrupt(state, *stops, now_ms)
    made = _presses(state, before, seen, now_ms)
    if made.state.phase is Phase.TREATING:
        why = _enough(made.state)
        if why:
            paused = pause(made.state, why, now_ms)
            return replace(paused, events=made.events + paused.events)
    return made


def _enough(state: MachineState) -> str:
    """Why treatment pauses by itself, or nothing: as a pause's source."""
    if closed_loop.off_skin_too_long(state):
        return "contact: off the skin for too long"
    if state.loop.flags and over_hard_budget(state.doses, state.zone, state.plan):
        return f"dose: {state.zone} has had all its time on skin"
    return ""


def _watch_motor(state: MachineState, seen: PenSnapshot) -> MachineState:
    """Since when the pen says that it runs though nobody commanded it, whatever the phase."""
    unasked = seen.state is PenState.RUNNING and not state.motor_commanded
    if unasked is (state.unasked_since_ms is not None):
        return state
    return replace(state, unasked_since_ms=state.seen_at_ms if unasked else None)


def _runs_unasked(state: MachineState) -> bool:
    """Whether it says so for longer than what was sent may be on its way, and than its own dead-man time allows."""
    since_ms, pen = state.unasked_since_ms, state.pen
    dead_man_ms = pen.dead_man_ms if pen is not None else 0
    return since_ms is not None and state.seen_at_ms - since_ms > dead_man_ms + RETRACT_SLACK_MS


def _watch_depth(state: MachineState, seen: PenSnapshot, now_ms: int) -> MachineState:
    limit, depth_um = state.depth_limit, seen.depth_measured_um
    blind = depth_um is None and state.phase is Phase.TREATING and state.senses_depth
    if blind is not (state.blind_since_ms is not None):
        state = replace(state, blind_since_ms=state.seen_at_ms if blind else None)
    if limit is None or state.plan is None or depth_um is None or not state.armed:
        return state
    over = depth_um > limit.effective + state.plan.profile.depth_tolerance_um
    if not over:
        return state if state.over_limit_since_ms is None else replace(state, over_limit_since_ms=None)
    return state if state.over_limit_since_ms is not None else replace(state, over_limit_since_ms=now_ms)


def _too_deep(state: MachineState, seen: PenSnapshot, now_ms: int) -> tuple[str, str] | None:
    """What stops the pen because of where its needles are, or may be: (alarm, detail), or None."""
    if state.blind_since_ms is not None and state.seen_at_ms - state.blind_since_ms >= BLIND_HOLD_MS:
        return DEPTH_UNKNOWN.name, ""
    if state.over_limit_since_ms is not None and now_ms - state.over_limit_since_ms >= _hold_ms(state, seen):
        return DEPTH_OVER_LIMIT.name, f"measured {format_mm(seen.depth_measured_um)}"
    return None


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
        # another where the first was not answered yet. Needles that are withdrawn then stay where they are.
        return withdrawn(Step(state), now_ms) if state.loop.stage is Stage.WITHDRAW else Step(state)
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
        loop = closed_loop.advance(state, now_ms)
        if loop is not state.loop:
            ended = loop.stage is Stage.OFF
            state = replace(state, loop=loop, motor_off_since_ms=now_ms if ended else state.motor_off_since_ms)
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
    unheard = _unheard(state) if event.pen == state.session_pen else None
    state = replace(
        unattested(state),
        pen=facts,
        seen=None,
        seen_at_ms=now_ms,
        unheard=unheard,
        calibration=None,
        inspection=None,
        motor_off_since_ms=off_since_ms,
    )
    return Step(state, None, (event,))


def _link_down(state: MachineState, given: LinkDown, now_ms: int) -> Step:
    pen = state.pen
    events: tuple[Event, ...] = (
        (PenLost(pen=f"{pen.model}/{pen.serial}", cause=given.cause),) if pen is not None else ()
    )
    if state.armed:
        lost = _lose(state, given.cause, now_ms)
        left = replace(lost.state, pen=None, seen=None, unheard=_unheard(state))
        return Step(left, None, (*events, *lost.events))
    phase = Phase.PREPARED if state.phase is Phase.ARMING else state.phase
    return Step(replace(state, phase=phase, pen=None, seen=None, unheard=_unheard(state)), None, events)


def _unheard(state: MachineState) -> tuple[str, PenSnapshot] | None:
    """The zone and the last that was heard of a pen in a session, to count its strokes from."""
    if state.session is None or state.seen is None:
        return state.unheard
    return state.zone, state.seen


def _journal(state: MachineState, given: JournalState, now_ms: int) -> Step:
    nearly_full = any(name == JOURNAL_NEARLY_FULL.name for name, _detail in state.standing)
    full = given.fill_permille >= (LESS_FULL_PERMILLE if nearly_full else NEARLY_FULL_PERMILLE)
    said = f"{given.fill_permille / 10:.0f} % full" if full else None
    state = replace(
        state,
        journal_problem=given.problem,
        standing=stands(state.standing, JOURNAL_NEARLY_FULL.name, said),
    )
    if given.problem and state.armed:
        return interrupt(state, JOURNAL_FAILED.name, given.problem, now_ms)
    return Step(state)


# Cartridge ------------------------------------------------------------------------------------------------------------


def _inspected(state: MachineState, given: Inspected) -> MachineState:
    """What was read anew settles what was uncertain, and tells of a cartridge that must not be used."""
    standing = stands(state.standing, UNCERTAIN_COMMAND.name, None)
    cartridge, unfit = given.cartridge, None
    if state.used_before(given):
        unfit = "used before"
    elif cartridge is not None and cartridge.expiry is not None and cartridge.expiry < given.today:  # both ISO dates
        unfit = f"could be used until {cartridge.expiry}"
    return replace(state, standing=stands(standing, CARTRIDGE_UNFIT.name, unfit))
