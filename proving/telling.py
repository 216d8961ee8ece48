"""A story in plain words, with times."""

from proving.stories import TO_PEN, Action, Story
from proving.violations import Violation

_SAID = {
    "go_on": "the operator does what comes next (prepare, arm, set, start, clear)",
    "prepare": "the operator prepares a session",
    "arm": "the operator arms",
    "start": "the operator starts",
    "pause": "the operator pauses",
    "stop": "the operator presses STOP",
    "acknowledge": "the operator acknowledges every alarm",
    "clear": "the operator clears what interrupted",
    "close": "the operator closes the session",
    "exchange": "the operator exchanges the cartridge",
    "approve": "a physician approves at the chair: {text}",
    "attest": "the operator attests that the cartridge is new",
    "audio": "the operator silences alarms",
    "uncertain": "an operation stays unanswered",
    "button": "somebody presses the pen's button",
    "pedal": "somebody presses the foot pedal",
    "cartridge_off": "somebody takes the cartridge off",
    "garbage": "garbage comes in on the line {lane}",
    "hold_line": "the line {lane} holds everything back",
    "cut": "the line {lane} loses everything",
    "reboot": "the pen restarts, and is up again after {value} ms",
    "brown_out": "the supply drops by {value} V",
    "stall": "the motor is jammed",
    "encoder_drift": "the depth sensor shows {value} µm more than is true",
    "stuck_actuator": "the depth actuator is stuck",
    "dead_sensor": "the depth sensor is dead",
    "wet": "fluid gets behind the membrane",
    "hot": "the handpiece is at 65 °C",
    "clock_jump": "the computer's clock jumps by {value} days",
    "loop_stall": "the host does nothing",
    "unplug": "the cable is out",
    "lose_stops": "the line loses the next {value} STOP frames",
    "deaf_to_stop": "the pen does not act on the next {value} STOP frames",
    "second_host": "a second host on the pen's other port sends: {text}",
    "forged": "a well-formed setpoint that is wrong arrives: {text}",
    "journal": "the record does not accept: {text}",
    "confirm": "the operator confirms points of the checklist: {text}",
    "zone": "the operator declares the zone {text}",
    "cartridge_on": "somebody puts a cartridge on: {text}",
    "loss": "the line {lane} loses {text} of its pieces",
    "corruption": "the line {lane} damages {text} of its pieces",
    "duplication": "the line {lane} delivers {text} of its pieces again, late",
    "reordering": "on the line {lane} {text} of the pieces are overtaken",
}


def told(action: Action) -> str:
    """One action in words."""
    lane = "to the pen" if action.value % 2 == TO_PEN else "to the host"
    match action.do:
        case "depth":
            said = f"the operator sets {action.value / 1000:.3f} mm"
        case "override":
            said = f"the operator sets {action.value / 1000:.3f} mm with the reason {action.text!r}"
        case "rate":
            said = f"the operator sets {action.value / 1000:g} Hz"
        case "delay":
            said = f"the line {lane} is {action.value // 2} ms slow"
        case "seat":
            said = "the session's operator takes the seat" if action.value else f"the seat is {action.text or 'left'}"
        case "hold":
            how = ("as the motor runs", "on the skin", "off the skin")[action.value % 3]
            said = f"the pen is held at {action.text}, {how}"
        case kind:
            said = _SAID[kind].format(lane=lane, value=action.value, text=action.text)
    return said + (f", for {action.for_ms / 1000:.3f} s" if action.for_ms else "")


def tell(story: Story, violation: Violation | None) -> list[str]:
    """A story as lines: the setting, what happens, what is wrong."""
    setting = story.setting
    lines = [
        f"{setting.operator} with a pen {setting.model}, skin {setting.skin}, zone {setting.zone}; calibration: gain "
        f"{setting.gain_ppm / 1e6:g}, offset {setting.offset_um} µm ± {setting.uncertainty_um} µm."
    ]
    lines += [f"{action.at_ms / 1000:8.3f} s  {told(action)}" for action in story.actions]
    if violation is not None:
        lines.append(
            f"{violation.at_ms / 1000:8.3f} s  INVARIANT {violation.number} BROKEN, {violation.name}: "
            f"{violation.sentence}"
        )
    return lines
