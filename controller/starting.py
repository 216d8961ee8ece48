"""Pure: what stands in the way of turning the motor on, or of leaving it on."""

from controller.dose import over_hard_budget
from controller.envelope import depth_limit, rate_limit
from controller.state import MachineState
from controller.transitions import stale
from controller.units import format_hz, format_mm


def start_problem(state: MachineState, now_ms: int) -> tuple[str, str] | None:
    """Why the motor of an armed pen is not turned on: (because, sentence), or None."""
    if state.seen is None or stale(state, now_ms):
        return "stale", "The pen's state is not known just now. Nothing started."
    if state.journal_problem:
        return (
            "journal",
            f"The record cannot be written ({state.journal_problem}); without a record nothing starts.",
        )
    if not state.attended:
        return "seat", seat_sentence(state)
    problem = setting_problem(state)
    if problem is not None:
        return problem
    blocking = state.alarms.blocking
    if blocking:
        return "alarm", f"An alarm is active: {blocking[0].sentence}"
    return None


def seat_sentence(state: MachineState) -> str:
    """For a pen whose seat is not held by the person its session is for."""
    operator = state.plan.operator if state.plan is not None else ""
    others = f"{state.seated} has it" if state.seated else "nobody has it"
    return (
        f"This session is for {operator}, whose limits apply, and {others}: the pen's operating seat. Let {operator} "
        "take the seat, or close the session and prepare one for whoever treats. Nothing started."
    )


def setting_problem(state: MachineState) -> tuple[str, str] | None:
    """Why depth and rate as they stand are not to be treated with in this zone: (because, sentence), or None."""
    if state.depth_commanded_um == 0 and state.sets_depth:
        return "no_depth", "No needle depth is set. Set the depth for this zone, then start."
    if state.rate_commanded_mhz == 0 and state.sets_rate:
        return "no_rate", "No puncture rate is set. Set the rate for this zone, then start."
    if over_hard_budget(state.doses, state.zone, state.plan):
        return (
            "dwell_budget",
            f"{state.zone} has had all the time on skin that the protocol gives it. Declare another zone, or close the "
            "session.",
        )
    if not state.sets_depth:
        limit = depth_limit(state.sources(), state.rate_for_limits_mhz)
        dialled_um = state.seen.depth_measured_um if state.seen is not None else None
        if dialled_um is None or dialled_um > limit.effective:
            return (
                limit.limited_by,
                f"The pen's dial stands at {format_mm(dialled_um)}. {limit.sentence} Turn it back, then start.",
            )
    if not state.sets_rate and state.pen is not None:
        limit = rate_limit(state.sources(), state.depth_commanded_um)
        if state.pen.rate_max_mhz > limit.effective:
            return (
                limit.limited_by,
                f"The host cannot set this pen's rate, and it runs at up to {format_hz(state.pen.rate_max_mhz)}. "
                f"{limit.sentence} Treat this zone with a pen whose rate can be set.",
            )
    return None
