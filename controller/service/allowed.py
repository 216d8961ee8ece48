"""Pure: why something asked of service mode is not followed. Each reason says what to do."""

from collections.abc import Callable

from controller.inputs import PenFacts
from controller.service.state import (
    Asked,
    AskLease,
    FallSilent,
    GrantLease,
    Move,
    Open,
    Phase,
    ServiceState,
    TakeAgain,
)
from controller.transitions import fault_names
from controller.units import format_hz, format_mm
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Capability, Fault

Problem = tuple[str, str]
"""(because, sentence): a stable name for programs, and words for a person."""


def problem(state: ServiceState, given: Asked, now_ms: int) -> Problem | None:
    """Why ``given`` is not followed now, or None."""
    match given:
        case Open():
            return _not_open(state) or _wrong_pen(state) or _unable(state) or not_safe(state, now_ms, given.attested)
        case AskLease():
            return _not_asking(state) or _wrong_pen(state) or not_safe(state, now_ms, state.attested)
        case Move():
            return (
                _not_leased(state)
                or _out_of_range(state, given)
                or not_safe(state, now_ms, state.attested, moving=True)
            )
        case GrantLease() | FallSilent() | TakeAgain():
            return _wrong_phase(state, given)
        case _:
            return None


def _not_asking(state: ServiceState) -> Problem | None:
    if state.phase is Phase.OPEN:
        return None
    return "phase", f"Service mode is {state.phase}, so no lease is asked for. Nothing moved."


def _not_leased(state: ServiceState) -> Problem | None:
    if state.phase in (Phase.ARMED, Phase.MOVING):
        return None
    return "no_lease", f"No service lease is held (service mode is {state.phase}). Nothing moved."


def _wrong_phase(state: ServiceState, given: GrantLease | FallSilent | TakeAgain) -> Problem | None:
    match given:
        case GrantLease() if state.phase is not Phase.ARMING:
            return "stopped", "The pen was stopped while its lease was asked for. It was told to STOP."
        case FallSilent() if state.phase is not Phase.MOVING:
            return "phase", "The pen is not running, so falling silent would show nothing."
        case TakeAgain() if state.phase is not Phase.CLOSED:
            return "phase", "Service mode is open. Close it, then take the pen again."
        case TakeAgain():
            return _other_pen(state)
        case _:
            return None


def same_pen(one: PenFacts, other: PenFacts) -> bool:
    """The same pen, restarted or not."""
    return (one.model, one.serial) == (other.model, other.serial)


def stale(state: ServiceState, now_ms: int) -> bool:
    """Whether the newest status is older than the dead-man time."""
    return state.pen is None or state.seen is None or now_ms - state.seen_at_ms > state.pen.dead_man_ms


def off_skin(state: ServiceState, seen: PenSnapshot) -> bool:
    """Whether this status is one of a pen off skin. What its sensor does not say counts as skin."""
    if state.can(Capability.CONTACT_SENSED):
        return seen.on_skin is False
    return state.attested and seen.on_skin is not True


def _not_open(state: ServiceState) -> Problem | None:
    if state.phase is Phase.CLOSED:
        return None
    return "service_open", f"Service mode is {state.phase} already. Close it first."


def _wrong_pen(state: ServiceState) -> Problem | None:
    pen, pinned = state.pen, state.pinned
    if pen is None:
        return "no_pen", "No pen is connected. Plug it in, then try again."
    if pinned is None or pen == pinned:
        return None
    other = _other_pen(state)
    if other is not None:
        return other
    return (
        "pen_restarted",
        f"{pen.model} {pen.serial} was restarted since this work began. What was read before may not hold any more; "
        "nothing moved. Look at it, then take it again.",
    )


def _other_pen(state: ServiceState) -> Problem | None:
    pen, pinned = state.pen, state.pinned
    if pen is None:
        return "no_pen", "No pen is connected. Plug it in, then try again."
    if pinned is None or same_pen(pen, pinned):
        return None
    return (
        "pen_swapped",
        f"This work began on {pinned.model} {pinned.serial}, and {pen.model} {pen.serial} is connected. Nothing of one "
        "pen is mixed with another's; nothing moved. Connect the first one, or begin anew with this one.",
    )


def _unable(state: ServiceState) -> Problem | None:
    for capability, because, sentence in (
        (Capability.SERVICE, "no_service_mode", "This pen has no service mode. Its maker services it."),
        (
            Capability.DEAD_MAN,
            "no_dead_man",
            "This pen does not stop by itself when the host falls silent, so its motor is never turned on.",
        ),
    ):
        if not state.can(capability):
            return because, sentence
    if not (state.can(Capability.DEPTH_SET) or state.can(Capability.DEPTH_SENSED)):
        return "no_depth", "Nobody can tell how deep this pen's needles are, so its motor is never turned on."
    if state.depth_ceiling_um <= 0 or state.rate_ceiling_mhz <= 0:
        return "service_limits", "The limits of service leave nothing that this pen can do. Check the policy file."
    return None


def fault_cause(faults: Fault) -> str:
    """The pen's faults by their names; of the one that is no fault of the pen, where it comes from."""
    names = fault_names(faults)
    if not faults & Fault.DEAD_MAN:
        return names
    return (
        f"{names}: whoever drove it fell silent while its motor was on, a program that was ended or a cable that was "
        "pulled, and it stopped by itself"
    )


def not_safe(state: ServiceState, now_ms: int, attested: bool, *, moving: bool = False) -> Problem | None:
    """Why nothing may move now: state not known, faults, record, needles, skin."""
    seen = state.seen
    if seen is None or stale(state, now_ms):
        return "stale", "The pen's state is not known just now. Nothing moved; try again in a moment."
    if state.journal_problem:
        return "journal", f"The record cannot be written ({state.journal_problem}); without a record nothing moves."
    if seen.faults:
        return (
            "pen_fault",
            f"The pen reports {fault_cause(seen.faults)}. Remove the cause and clear it, then try again.",
        )
    if not moving and (seen.lease or not seen.needles_out):
        return "needles", "The pen is held, or does not say that its needles are out. Look at it; nothing moved."
    return _on_skin(state, seen, attested, now_ms)


def _on_skin(state: ServiceState, seen: PenSnapshot, attested: bool, now_ms: int) -> Problem | None:
    if state.can(Capability.CONTACT_SENSED):
        if seen.on_skin is not False:
            return (
                "on_skin",
                "The pen senses skin, or does not say. Service mode is for a pen in the open; lift it off.",
            )
        since_ms = state.off_skin_since_ms
        if since_ms is None or now_ms - since_ms < state.limits.off_skin_ms:
            return (
                "off_skin_proof",
                f"The pen has not been off skin for {state.limits.off_skin_ms} ms yet. Nothing moved; try again.",
            )
        return None
    if seen.on_skin is True or not attested:
        return (
            "off_skin_word",
            "This pen does not sense skin. Put it where its needles touch nobody, and say so (--off-skin).",
        )
    return None


def _out_of_range(state: ServiceState, given: Move) -> Problem | None:
    pen = state.pen
    if pen is None:
        return "no_pen", "No pen is connected. Plug it in, then try again."
    ceiling_um, ceiling_mhz = state.depth_ceiling_um, state.rate_ceiling_mhz
    return _not_settable(
        given.depth_um, state.can(Capability.DEPTH_SET), "depth", ceiling_um, pen.depth_min_um, pen.depth_step_um,
        format_mm,
    ) or _not_settable(
        given.rate_mhz, state.can(Capability.RATE_SET), "rate", ceiling_mhz, pen.rate_min_mhz, pen.rate_step_mhz,
        format_hz,
    )  # fmt: skip


def _not_settable(
    value: int, settable: bool, what: str, ceiling: int, least: int, step: int, spoken: Callable[[int | None], str]
) -> Problem | None:
    if not settable:
        return ("dial", f"This pen's {what} is its own and not set by a host. Nothing moved.") if value else None
    if value > ceiling:
        return (
            f"service_{what}",
            f"{spoken(value)} is beyond the {spoken(ceiling)} that service mode allows with this pen. Nothing moved.",
        )
    if value < least or value % step:
        return (
            "pen_range",
            f"This pen is set from {spoken(least)} in steps of {spoken(step)}; {spoken(value)} is none of them. "
            "Nothing moved.",
        )
    return None
