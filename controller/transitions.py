"""Pure: the transitions several inputs share. Each takes the state and returns what follows from it."""

from controller import closed_loop
from controller.alarm_table import CARTRIDGE_UNFIT
from controller.events import PenDisarmed, Refused, SessionClosed, TreatmentPaused
from controller.evolving import replace
from controller.loop import Stage
from controller.state import (
    MachineState,
    Phase,
    Send,
    SendDisarm,
    SendSetpoint,
    SendStop,
    Step,
    Stopping,
)
from firmware_bridge.wire.messages import Fault

SPOKEN_PHASE = {
    Phase.NO_SESSION: "no session is open",
    Phase.PREPARED: "the pen is not armed",
    Phase.ARMING: "the pen is being armed",
    Phase.PAUSED: "the treatment is paused",
    Phase.TREATING: "the treatment is running",
    Phase.STOPPING: "the pen is being stopped",
    Phase.INTERRUPTED: "the treatment was interrupted and has to be cleared first",
}


def refuse(state: MachineState, asked: str, because: str, sentence: str) -> Step:
    """Nothing changes; the person is told why, and so is the record."""
    refused = Refused(asked=asked, because=because, sentence=sentence)
    return Step(state, None, (refused,), refused)


def wrong_phase(state: MachineState, asked: str) -> Step:
    """Not in this phase."""
    return refuse(state, asked, f"phase_{state.phase}", f"Not now: {SPOKEN_PHASE[state.phase]}. Nothing changed.")


def desired(state: MachineState) -> Send | None:
    """What the pen should be told now."""
    stopping = state.stopping
    if stopping is not None:
        return SendDisarm(stopping.lease) if stopping.lease else SendStop()
    if not state.armed or state.seen is None:
        return None
    limit, rates = state.depth_limit, state.rate_limit
    if limit is None or rates is None:
        return SendStop()
    if state.depth_commanded_um > limit.effective or state.rate_commanded_mhz > rates.effective:
        return SendStop()  # cannot happen; were it to, nothing deeper than the limit leaves this function
    motor, depth_um, rate_mhz = closed_loop.to_send(state)
    return SendSetpoint(motor, depth_um, rate_mhz, state.seen.pen_time_ms)


def pause(state: MachineState, source: str, now_ms: int, *, ramped: bool = False) -> Step:
    """Motor off, still armed. ``ramped``, for a person who asks at the host: the needles come out turning, at once they
    go to the least depth, and the motor goes off a moment later. Everything else is never ramped."""
    loop = closed_loop.paused(state, now_ms, ramped=ramped)
    state = replace(
        state,
        phase=Phase.PAUSED,
        paused_since_ms=now_ms,
        motor_off_since_ms=None if loop.stage is Stage.WITHDRAW else now_ms,
        loop=loop,
    )
    return Step(state, desired(state), (TreatmentPaused(source=source),))


def motor_off(state: MachineState, now_ms: int) -> MachineState:
    """The state with a withdrawal at its end: motor off."""
    return replace(state, loop=closed_loop.paused(state, now_ms, ramped=False), motor_off_since_ms=now_ms)


def stale(state: MachineState, now_ms: int) -> bool:
    """Whether the newest status is older than the dead-man time."""
    return state.pen is None or now_ms - state.seen_at_ms > state.pen.dead_man_ms


def disarm(state: MachineState, reason: str, now_ms: int, close: tuple[str, str] | None = None) -> Step:
    """Ends the lease in good order, and the session with it when ``close`` (outcome, reason) is given."""
    stopping = Stopping(now_ms, state.lease, Phase.PREPARED, close)
    state = replace(
        state, phase=Phase.STOPPING, lease=0, stopping=stopping, motor_off_since_ms=off_since(state, now_ms)
    )
    return Step(state, desired(state), (PenDisarmed(reason=reason),))


def interrupt(state: MachineState, alarm: str, detail: str, now_ms: int) -> Step:
    """Stops the pen because of an alarm; a person clears it and arms again."""
    then = Phase.INTERRUPTED if state.session is not None else Phase.NO_SESSION
    state = replace(
        state,
        phase=Phase.STOPPING,
        lease=0,
        stopping=Stopping(now_ms, 0, then),
        motor_off_since_ms=off_since(state, now_ms),
        over_limit_since_ms=None,
        blind_since_ms=None,
        unasked_since_ms=None,
        latched=latch(state.latched, [(alarm, detail)]),
        interruption=detail or alarm,
    )
    return Step(state, SendStop(), (PenDisarmed(reason=f"stopped by the alarm {alarm}"),))


def stands(standing: tuple[tuple[str, str], ...], name: str, detail: str | None) -> tuple[tuple[str, str], ...]:
    """The standing conditions with this one set to hold with its detail, or taken away where that is None."""
    others = tuple(item for item in standing if item[0] != name)
    return others if detail is None else (*others, (name, detail))


def unattested(state: MachineState) -> MachineState:
    """The state without the operator's word about the cartridge: what is on, or comes next, was not spoken of."""
    plan = state.plan
    if plan is None or not plan.cartridge_attested:
        return state
    return replace(state, plan=plan.model_copy(update={"cartridge_attested": False}))


def latch(latched: tuple[tuple[str, str], ...], raised: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The latched alarms with these added; a name that is latched keeps its first detail."""
    known = {name for name, _detail in latched}
    return (*latched, *((name, detail) for name, detail in raised if name not in known))


def off_since(state: MachineState, now_ms: int) -> int | None:
    """Since when the needles should be on their way out: now, if the motor was on, else as before."""
    return now_ms if state.motor_commanded else state.motor_off_since_ms


def session_closed(state: MachineState, outcome: str, reason: str) -> SessionClosed:
    """The closing event of the session, with its doses."""
    needles = state.cartridge.needle_count if state.cartridge else None
    return SessionClosed.model_validate(
        {"outcome": outcome, "reason": reason, "doses": tuple(tally.dose(needles) for tally in state.doses)}
    )


def without_session(state: MachineState) -> MachineState:
    """The state once its session is closed: the pen and the alarms stay, everything of the patient goes."""
    return replace(
        MachineState(),
        pen=state.pen,
        seated=state.seated,
        seen=state.seen,
        seen_at_ms=state.seen_at_ms,
        alarms=state.alarms,
        latched=state.latched,
        motor_off_since_ms=state.motor_off_since_ms,
        journal_problem=state.journal_problem,
        standing=tuple(item for item in state.standing if item[0] != CARTRIDGE_UNFIT.name),
    )


def fault_names(faults: Fault | int) -> str:
    """Names of fault bits for people; a bit the table does not know by its number."""
    names = [fault.name or "" for fault in Fault if faults & fault]
    unknown = int(faults) & ~sum(int(fault) for fault in Fault)
    return ", ".join([*names, *([f"unknown {unknown:#x}"] if unknown else [])])
