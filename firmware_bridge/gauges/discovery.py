"""Serial ports of this machine on which a gauge may be. Nothing here opens a port.

Most interface boxes have an RS-232 plug, and what the machine sees is whoever made the adapter: such a port may be
anything. :func:`found_gauge_ports` judges and is pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from firmware_bridge.discovery import FoundPort, list_pens
from firmware_bridge.usb_id import UsbId

GAUGE_USB_IDS = {UsbId(0x0FE7, 0x4001): "digimatic"}
"""USB numbers that are a gauge's own: Mitutoyo's USB input tools (USB-ITN and alike), as programs of their users look
for them. Such a cable is a serial port only where its driver makes one of it (the maker's virtual COM port)."""


@dataclass(frozen=True, slots=True)
class FoundGaugePort:
    """A serial port that is no pen's. ``kind`` is known by its USB number, None where it may be anything."""

    port: FoundPort
    kind: str | None

    def address(self, kind: str) -> str:
        """What opens it as a gauge of that kind."""
        return f"{kind}+{self.port.url}"


def found_gauge_ports(ports: Iterable[FoundPort]) -> list[FoundGaugePort]:
    """The ports on which a gauge may be: those known to be one first, likely pens left out."""
    found = [
        FoundGaugePort(port, None if port.usb_id is None else GAUGE_USB_IDS.get(port.usb_id))
        for port in ports
        if not port.looks_like_pen
    ]
    return sorted(found, key=lambda one: one.kind is None)


def list_gauge_ports() -> list[FoundGaugePort]:
    """The serial ports of this machine on which a gauge may be. Reads the system's lists, milliseconds, blocking."""
    return found_gauge_ports(list_pens())
