"""Faults of USB: the plug, the port, the bus and the device's endpoints."""

from simulators.faults.kinds import Apply, FaultKind, Given, Undo, number
from simulators.faults.parts import Endpoint, PlugPart, UsbPart

USB_FAULTS = (
    FaultKind(
        "usb_unplug", "usb", "The plug is out.",
        "Knows at once that the pen is lost, stops, and says so at HIGH; connects by itself when it is back.",
        "H16", (), reaction="stops", alarm="link_lost", seat="plug",
    ),
    FaultKind(
        "usb_reenumerate", "usb", "The device leaves the bus and comes back under another address.",
        "Stops, finds it again by its serial number, and a person re-arms.",
        "H16", (), reaction="stops", alarm="link_lost", lasts=False,
    ),
    FaultKind(
        "usb_stall_in", "usb", "The endpoint to the host is halted.",
        "Clears the halt and reads on; stops where that takes longer than the dead-man time.",
        "H16", (), reaction="stops", alarm="link_lost",
    ),
    FaultKind(
        "usb_stall_out", "usb", "The endpoint from the host is halted.",
        "Clears the halt and writes the newest state; the pen's dead-man holds meanwhile.",
        "H16", (), reaction="stops", alarm="pen_stopped_itself",
    ),
    FaultKind(
        "usb_slow", "usb", "The bus moves few bytes in each of its milliseconds.",
        "Treats on as long as what it knows is fresher than the dead-man time.",
        "H44", (number("bytes_per_ms", "B", 0, 1024, 8),),
    ),
    FaultKind(
        "usb_reset", "usb", "The port is reset: configuration is gone, and what was under way is lost.",
        "Stops, sets the device up anew, and a person re-arms.",
        "H16", (), reaction="stops", alarm="link_lost", lasts=False,
    ),
    FaultKind(
        "usb_suspend", "usb", "The bus sleeps: no byte moves.",
        "Stops: the pen by its dead-man, the host by the age of the last status.",
        "H16", (), reaction="stops", alarm="link_lost",
    ),
)  # fmt: skip


def _plug(given: Given) -> PlugPart:
    plug = given.parts.plug if given.parts.usb is None else given.parts.usb
    if plug is None:
        raise ValueError(f"{given.name} needs a plug")  # the injector has looked
    return plug


def _usb(given: Given) -> UsbPart:
    if given.parts.usb is None:
        raise ValueError(f"{given.name} needs a USB device")  # as above
    return given.parts.usb


def _unplug(given: Given) -> Undo:
    plug = _plug(given)
    plug.unplug()
    return plug.plug


def _halt(given: Given, endpoint: Endpoint) -> Undo:
    usb = _usb(given)
    usb.halt(endpoint, True)
    return lambda: usb.halt(endpoint, False)


def _slow(given: Given) -> Undo:
    usb = _usb(given)
    usb.slow(given.number("bytes_per_ms"))
    return lambda: usb.slow(None)


def _suspend(given: Given) -> Undo:
    usb = _usb(given)
    usb.suspend(True)
    return lambda: usb.suspend(False)


APPLY_USB: dict[str, Apply] = {
    "usb_unplug": _unplug,
    "usb_reenumerate": lambda given: _usb(given).reenumerate(),
    "usb_stall_in": lambda given: _halt(given, "in"),
    "usb_stall_out": lambda given: _halt(given, "out"),
    "usb_slow": _slow,
    "usb_reset": lambda given: _usb(given).reset(),
    "usb_suspend": _suspend,
}
