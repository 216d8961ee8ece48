"""Faults of USB: the plug, the port, the bus and the device's endpoints."""

from simulators.faults.kinds import Apply, FaultKind, Given, Undo, number
from simulators.faults.parts import BusPart, PlugPart, UsbPart
from simulators.usb.descriptors import BULK_IN, BULK_OUT

USB_FAULTS = (
    FaultKind(
        "usb_unplug", "usb", "The plug is out.",
        "Knows at once that the pen is lost, stops, and says so at HIGH; connects by itself when it is back.",
        "H16", (), reaction="stops", alarm="link_lost", seat="plug",
    ),
    FaultKind(
        "usb_re_enumerate", "usb", "The device leaves the bus and comes back under another address.",
        "Stops, finds it again by its serial number, and a person re-arms.",
        "H16", (), reaction="stops", alarm="link_lost", lasts=False,
    ),
    FaultKind(
        "usb_stall_in", "usb", "The endpoint to the host is halted until the host clears it.",
        "Clears the halt and treats on; no byte is lost or doubled.",
        "H16", (), lasts=False,
    ),
    FaultKind(
        "usb_stall_out", "usb", "The endpoint from the host is halted until the host clears it.",
        "Clears the halt and treats on with the newest state.",
        "H16", (), lasts=False,
    ),
    FaultKind(
        "usb_slow", "usb", "The bus moves few bytes in each of its milliseconds.",
        "Treats on as long as what it knows is fresher than the dead-man time.",
        "H44", (number("bytes_per_ms", "B", 0, 1024, 16),),
    ),
    FaultKind(
        "usb_reset", "usb", "Another program resets the port, and the system configures the device anew.",
        "Treats on: what was under way is lost, and the next state says it all.",
        "H16", (), lasts=False,
    ),
    FaultKind(
        "usb_suspend", "usb", "The bus sleeps: no byte moves.",
        "Stops: the pen by its dead-man, the host by the age of the last status.",
        "H16", (), reaction="stops", alarm="link_lost",
    ),
)  # fmt: skip


def _plug(given: Given) -> PlugPart:
    plug = given.parts.usb if given.parts.plug is None else given.parts.plug
    if plug is None:
        raise ValueError(f"{given.name} needs a plug")  # the injector has looked
    return plug


def _usb(given: Given) -> UsbPart:
    if given.parts.usb is None:
        raise ValueError(f"{given.name} needs a USB device")  # as above
    return given.parts.usb


def _bus(given: Given) -> BusPart:
    if given.parts.bus is None:
        raise ValueError(f"{given.name} needs a USB bus")  # as above
    return given.parts.bus


def _unplug(given: Given) -> Undo:
    plug = _plug(given)
    plug.unplug()
    return plug.plug


def _slow(given: Given) -> Undo:
    usb = _usb(given)
    usb.slow_to(given.number("bytes_per_ms"))
    return lambda: usb.slow_to(None)


def _suspend(given: Given) -> Undo:
    usb = _usb(given)
    usb.suspend()
    return usb.resume


APPLY_USB: dict[str, Apply] = {
    "usb_unplug": _unplug,
    "usb_re_enumerate": lambda given: _bus(given).re_enumerate(),
    "usb_stall_in": lambda given: _usb(given).halt(BULK_IN),
    "usb_stall_out": lambda given: _usb(given).halt(BULK_OUT),
    "usb_slow": _slow,
    "usb_reset": lambda given: _bus(given).reset(),
    "usb_suspend": _suspend,
}
