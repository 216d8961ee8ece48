"""What the product finds of the attached pens before it opens one: serial ports by discovery, devices by libusb."""

from telling import Failed

from firmware_bridge.discovery import PEN_USB_IDS, list_pens
from firmware_bridge.transports import usb  # noqa: F401 loaded now: opening a pen has a deadline that this would use up
from firmware_bridge.transports.libusb import UsbHost


def found_pens(serials: list[str]) -> list[str]:
    """Each pen as it was found. Blocking; raises Failed when they are not those of these serial numbers."""
    ports = [f"{port.device} is {port.identity}" for port in list_pens() if port.looks_like_pen]
    devices = [f"{device.place} is {device.serial_number}" for device in UsbHost().devices(PEN_USB_IDS)]
    for seen in (ports, devices):
        if [line.rpartition(" ")[2].rpartition(":")[2] for line in seen] != serials:
            raise Failed(f"found are {ports} and {devices}")
    return ports + devices
