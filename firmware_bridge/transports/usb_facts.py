"""What Linux says of a USB device beside libusb: its serial number without opening it, and who holds it.

Elsewhere nothing is known. Nothing here opens a device.
"""

from pathlib import Path
from typing import Protocol

from firmware_bridge.transports.holders import PortHolder, port_holders

SYSTEM = Path("/sys/bus/usb/devices")
DEVICES = Path("/dev")


class UsbFacts(Protocol):
    """What can be known of the device at a bus and an address."""

    def serial_number(self, bus: int, address: int) -> str | None:
        """Its serial number; None where the system does not tell."""

    def line_holders(self, bus: int, address: int) -> list[PortHolder]:
        """Who has one of its serial lines open, through the system's own driver."""

    def device_holders(self, bus: int, address: int) -> list[PortHolder]:
        """Who has the device itself open, as libusb does."""


class LinuxUsbFacts:
    """From /sys and /proc; reads only."""

    def __init__(self, system: Path = SYSTEM, devices: Path = DEVICES) -> None:
        self._system = system
        self._devices = devices

    def serial_number(self, bus: int, address: int) -> str | None:
        """See :class:`UsbFacts`."""
        folder = self._folder(bus, address)
        return (_read(folder / "serial") or None) if folder is not None else None

    def line_holders(self, bus: int, address: int) -> list[PortHolder]:
        """See :class:`UsbFacts`."""
        folder = self._folder(bus, address)
        if folder is None:
            return []
        names = sorted(line.name for line in folder.glob("*:*/tty/*"))
        return [holder for name in names for holder in port_holders(str(self._devices / name))]

    def device_holders(self, bus: int, address: int) -> list[PortHolder]:
        """See :class:`UsbFacts`."""
        return port_holders(str(self._devices / "bus" / "usb" / f"{bus:03d}" / f"{address:03d}"))

    def _folder(self, bus: int, address: int) -> Path | None:
        try:
            folders = sorted(self._system.iterdir())
        except OSError:
            return None
        for folder in folders:
            if _read(folder / "busnum") == str(bus) and _read(folder / "devnum") == str(address):
                return folder
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
