"""The virtual USB of the tests: one bus, and ``virtual-usb://`` for pens that are plugged into it."""

from itertools import count

from firmware_bridge.transports import register
from firmware_bridge.transports.holders import PortHolder
from firmware_bridge.transports.libusb import UsbHost
from firmware_bridge.transports.usb import usb_opener
from simulators.usb.backend import VirtualBackend
from simulators.usb.bus import VirtualBus

SCHEME = "virtual-usb"
BUS = VirtualBus()


class NoFacts:
    """A system that tells nothing, until it is told what to tell."""

    def __init__(self) -> None:
        self.serials: dict[int, str] = {}
        self.lines: list[PortHolder] = []
        self.users: list[PortHolder] = []

    def serial_number(self, bus: int, address: int) -> str | None:
        return self.serials.get(address)

    def line_holders(self, bus: int, address: int) -> list[PortHolder]:
        return self.lines

    def device_holders(self, bus: int, address: int) -> list[PortHolder]:
        return self.users


HOST = UsbHost(VirtualBackend(BUS), NoFacts())
register(SCHEME, usb_opener(HOST))

_numbers = count(1)


def fresh_serial() -> str:
    """A serial number no other test has."""
    return f"T-{next(_numbers):06}"


def url_of(serial: str) -> str:
    """The URL of the pen with this serial number on the tests' bus."""
    return f"{SCHEME}://1209:0001?serial={serial}"
