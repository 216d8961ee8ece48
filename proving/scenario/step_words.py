"""Steps of a scenario in plain words."""

from controller.units import format_hz, format_mm
from proving.scenario.conditions import Condition, clauses
from proving.scenario.model import (
    Acknowledge,
    AnyStep,
    Approve,
    Ask,
    Close,
    Confirm,
    Expect,
    FaultStep,
    Hand,
    Mend,
    Move,
    PutOn,
    Set,
    Silence,
    StopAsked,
    TakeSeat,
    Wait,
    Zone,
)

_ASKS = {
    "prepare": "a session is prepared", "arm": "the pen is armed", "start": "the motor is started",
    "pause": "the treatment is paused", "clear": "what interrupted is cleared", "leave-seat": "the seat is left",
    "exchange-cartridge": "the cartridge is exchanged", "attest": "the cartridge is attested as new",
}  # fmt: skip
_HANDS = {
    "press-button": "somebody presses the pen's button", "press-pedal": "somebody presses the foot pedal",
    "take-cartridge-off": "somebody takes the cartridge off", "lift": "the pen is lifted off the skin",
    "touch": "the pen is put on the skin", "follow": "the pen is pressed on whenever its motor runs",
}  # fmt: skip


def said(step: AnyStep) -> str:  # noqa: PLR0911, PLR0912 - one line a kind of step
    """One step in words."""
    match step:
        case Ask():
            return _ASKS[step.do]
        case Confirm():
            return f"confirmed: {', '.join(step.points)}" if step.points else "the open points are confirmed"
        case StopAsked():
            return f"STOP, from the {step.source}"
        case Set():
            depth = "" if step.depth_um is None else format_mm(step.depth_um)
            rate = "" if step.rate_mhz is None else format_hz(step.rate_mhz)
            reason = f", for the reason {step.reason}" if step.reason else ""
            return f"set: {', '.join(filter(None, (depth, rate)))}{reason}"
        case Zone():
            return f"the zone {step.zone} is declared"
        case Acknowledge():
            return "every alarm is acknowledged" if step.alarm == "all" else f"{step.alarm} is acknowledged"
        case Close():
            return f"the session is closed as {step.outcome}"
        case TakeSeat():
            return f"{step.operator or 'the operator'} takes the seat"
        case Approve():
            return f"{step.by} approves {format_mm(step.depth_um)} for {step.zone}"
        case Silence():
            return f"alarms are silenced for {step.for_ms / 1000:g} s"
        case Hand():
            return _HANDS[step.hand]
        case PutOn():
            return f"somebody puts a cartridge on: {step.cartridge}"
        case Move():
            return f"the hand moves to {step.zone}"
        case FaultStep():
            return _fault(step)
        case Mend():
            return "everything is mended" if step.mend == "all" else f"mended: {step.mend}"
        case Expect():
            return f"expected: {wished(step.expect)}"
        case Wait():
            return f"{step.wait_ms / 1000:g} s pass"


def _fault(step: FaultStep) -> str:
    given = ", ".join(f"{name} {value}" for name, value in step.parameters.items())
    words = f"fault: {step.fault}" + (f" ({given})" if given else "")
    if step.in_ms:
        words += f", in {step.in_ms / 1000:g} s"
    return words + (f", for {step.for_ms / 1000:g} s" if step.for_ms is not None else "")


def wished(condition: Condition) -> str:
    """A condition in words."""
    return ", ".join(clause.expected for clause in clauses(condition))
