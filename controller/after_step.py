"""Pure: what follows every step, whatever it did: the closed loop is kept in order, and alarms are observed."""

from controller import closed_loop
from controller.alarm_table import RETRACT_FAILED, STOP_NOT_CONFIRMED
from controller.evolving import replace
from controller.loop import IDLE, Stage
from controller.state import RETRACT_SLACK_MS, MachineState, SendSetpoint, Step
from controller.transitions import desired, motor_off, stale
from controller.units import format_mm

# The closed loop ------------------------------------------------------------------------------------------------------


def withdrawn(made: Step, now_ms: int) -> Step:
    """The step with the withdrawal at its end."""
    state = motor_off(made.state, now_ms)
    return replace(made, state=state, send=desired(state))


def looped(made: Step, now_ms: int) -> Step:
    """Whatever a step did: without a lease there is no loop, a withdrawal ends when it may not go on, and what is sent
    is remembered with its time."""
    state = made.state
    loop = state.loop
    if not state.armed:
        return made if loop is IDLE else replace(made, state=replace(state, loop=IDLE))
    if loop.stage is Stage.WITHDRAW and not closed_loop.may_withdraw(state):
        made = withdrawn(made, now_ms)
        state = made.state
        loop = state.loop
    send = made.send
    if isinstance(send, SendSetpoint) and stale(state, now_ms):
        # Nothing is desired on a status that is old news; the next tick finds the line lost.
        return replace(made, send=None)
    if isinstance(send, SendSetpoint) and (
        send.motor is not loop.motor or send.depth_um != loop.depth_um or send.rate_mhz != loop.rate_mhz
    ):
        loop = replace(loop, motor=send.motor, depth_um=send.depth_um, rate_mhz=send.rate_mhz, sent_since_ms=now_ms)
        return replace(made, state=replace(state, loop=loop))
    return made


# Alarms ---------------------------------------------------------------------------------------------------------------


def with_alarms(made: Step, now_ms: int) -> Step:
    """The step with its alarms; the same step when nothing is wrong, or nothing new."""
    state = made.state
    book = state.alarms
    if (
        not state.latched
        and not book.active
        and state.stopping is None
        and state.motor_off_since_ms is None
        and not state.standing
        and not book.pending
        and (state.loop is IDLE or closed_loop.calm(state.loop))
    ):
        return made
    state, holding = _conditions(state, now_ms)
    book, events = state.alarms.observe(holding, now_ms)
    if state is made.state and book is state.alarms:
        return made
    return replace(made, state=replace(state, alarms=book), events=made.events + events)


def _conditions(state: MachineState, now_ms: int) -> tuple[MachineState, dict[str, str]]:
    holding = dict(state.latched) | dict(state.standing) | closed_loop.conditions(state)
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
