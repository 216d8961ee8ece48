"""Pure: why something asked of service mode is not followed. Each reason says what to do."""

from controller.inputs import PenFacts
from controller.service.state import (
    AskLease,
    FallSilent,
    GrantLease,
    Input,
    Move,
    Open,
    Phase,
    ServiceState,
    TakeAgain,
)
from controller.transitions import fault_names
from controller.units import format_hz, format_mm
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Capability

Problem = tuple[str, str]
"""(because, sentence): a stable name for programs, and words for a person."""


def problem(state: ServiceState, given: Input, now_ms: int) -> Problem | None:
    """Why ``given`` is not followed now, or None."""
    match given:
        case Open():
            return _not_open(state) or _wrong_pen(state) or _unable(state) or not_safe(state, now_ms, given.attested)
        case AskLease():
            if state.phase is not Phase.OPEN:
                return "phase", f"Service mode is {state.phase}, so no lease is asked for. Nothing moved."
            return _wrong_pen(state) or not_safe(state, now_ms, state.attested)
        case GrantLease():
            if state.phase is not Phase.ARMING:
                return "stopped", "The pen was stopped while its lease was asked for. It was told to STOP."
            return None
        case Move():
            if state.phase not in (Phase.ARMED, Phase.MOVING):
                return "no_lease", f"No service lease is held (service mode is {state.phase}). Nothing moved."
            return _out_of_range(state, given) or not_safe(state, now_ms, state.attested, moving=True)
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
            f"The pen reports {fault_names(seen.faults)}. Remove the cause and clear it, then try again.",
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
    depth_um, rate_mhz = given.depth_um, given.rate_mhz
    if state.can(Capability.DEPTH_SET):
        if depth_um > state.depth_ceiling_um:
            return (
                "service_depth",
                f"{format_mm(depth_um)} is deeper than the {format_mm(state.depth_ceiling_um)} that service mode "
                "allows with this pen. Nothing moved.",
            )
        if depth_um < pen.depth_min_um or depth_um % pen.depth_step_um:
            return (
                "pen_range",
                f"This pen is set from {format_mm(pen.depth_min_um)} in steps of {format_mm(pen.depth_step_um)}; "
                f"{format_mm(depth_um)} is none of them. Nothing moved.",
            )
    elif depth_um:
        return "dial", "This pen's depth is a dial, which is turned by hand. Nothing moved."
    if state.can(Capability.RATE_SET):
        if rate_mhz > state.rate_ceiling_mhz:
            return (
                "service_rate",
                f"{format_hz(rate_mhz)} is faster than the {format_hz(state.rate_ceiling_mhz)} that service mode "
                "allows with this pen. Nothing moved.",
            )
        if rate_mhz < pen.rate_min_mhz or rate_mhz % pen.rate_step_mhz:
            return (
                "pen_range",
                f"This pen is set from {format_hz(pen.rate_min_mhz)} in steps of {format_hz(pen.rate_step_mhz)}; "
                f"{format_hz(rate_mhz)} is none of them. Nothing moved.",
            )
    elif rate_mhz:
        return "dial", "This pen's rate is its own and cannot be set. Nothing moved."
    return None
