"""A USB bus that is not there: simulated devices, and the host's kernel between them and libusb.

It gives addresses, configures what is plugged in, binds a serial driver to the line of a pen as Linux does, and keeps
who has claimed which interface. Safe to use from several threads: whoever touches a plugged-in device holds
:attr:`VirtualBus.changed`.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from simulators.usb.control import Setup
from simulators.usb.descriptors import CDC_CONTROL_INTERFACE, CDC_DATA_INTERFACE, CONFIGURATION
from simulators.usb.device import UsbDevice

BUS_NUMBER = 1
LAST_ADDRESS = 127

DRIVEN_BY_KERNEL = frozenset((CDC_CONTROL_INTERFACE, CDC_DATA_INTERFACE))
"""What Linux's cdc-acm driver takes, and lets go of, together."""

LetPass = Callable[[threading.Condition, float], float]
"""Lets up to so many ms pass, less when something happens on the bus, and says how many did. Called with the condition
held."""


def real_time(changed: threading.Condition, most_ms: float) -> float:
    """Waits by the system's clock, as a driver does."""
    began_s = time.monotonic()
    changed.wait(most_ms / 1000)
    return (time.monotonic() - began_s) * 1000


def stepped(step_1ms: Callable[[], None]) -> LetPass:
    """Time that passes only where a host waits for it: each millisecond of waiting is one call of ``step_1ms``. A
    driver's time-out costs no time at all. For hosts of one thread."""

    def let_pass(_changed: threading.Condition, _most_ms: float) -> float:
        step_1ms()
        return 1.0

    return let_pass


@dataclass(eq=False, slots=True)
class Place:
    """One plugging of one device. Handles that outlive it find nobody."""

    device: UsbDevice
    address: int
    port: int
    forbidden: bool = False
    """This user may not open the device, as where no udev rule lets them."""
    present: bool = True
    driven: set[int] = field(default_factory=set)
    """Interfaces the kernel's own driver holds."""
    claims: dict[int, object] = field(default_factory=dict)
    """Interface → who claimed it."""


class VirtualBus:
    """``kernel_driver``: a serial driver takes the line of each pen, as on Linux with cdc-acm. ``let_pass`` is how
    transfers wait."""

    def __init__(self, *, kernel_driver: bool = True, let_pass: LetPass = real_time) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.let_pass = let_pass
        self._kernel_driver = kernel_driver
        self._places: list[Place] = []
        self._last_address = 0

    @property
    def places(self) -> list[Place]:
        """What is plugged in now, longest first."""
        with self.changed:
            return list(self._places)

    def place(self, device: UsbDevice) -> Place:
        """Where a device is plugged in. Raises LookupError when it is not."""
        for place in self.places:
            if place.device is device:
                return place
        raise LookupError("the device is not plugged into this bus")

    def plug(self, device: UsbDevice, *, forbidden: bool = False) -> Place:
        """The cable goes in: a fresh address, the first configuration, the kernel's driver on the serial line."""
        with self.changed:
            taken = {place.address for place in self._places}
            addresses = [*range(self._last_address + 1, LAST_ADDRESS + 1), *range(1, self._last_address + 1)]
            self._last_address = next(address for address in addresses if address not in taken)
            ports = {place.port for place in self._places}
            port = next(number for number in range(1, LAST_ADDRESS + 1) if number not in ports)
            place = Place(device, self._last_address, port, forbidden)
            device.on_news = self._tell
            device.plug()
            self.enumerate(place)
            self.bind(place, DRIVEN_BY_KERNEL if self._kernel_driver else ())
            self._places.append(place)
            self.changed.notify_all()
            return place

    def unplug(self, device: UsbDevice) -> None:
        """The cable comes out; transfers under way end at once. Raises LookupError when it was not in."""
        with self.changed:
            place = self.place(device)
            self._places.remove(place)
            place.present = False
            device.unplug()
            self.changed.notify_all()

    def re_enumerate(self, device: UsbDevice) -> Place:
        """The device drops off the bus and comes back with another address, as after a glitch of its supply."""
        with self.changed:
            forbidden = self.place(device).forbidden
            self.unplug(device)
            return self.plug(device, forbidden=forbidden)

    def reset(self, place: Place) -> None:
        """A host resets the device; the kernel gives it back its address and configuration, handles stay good."""
        with self.changed:
            place.device.reset()
            self.enumerate(place)

    def enumerate(self, place: Place) -> None:
        """What a kernel does with a device in its default state."""
        place.device.control(Setup(0x00, 5, place.address, 0, 0).packed())
        place.device.control(Setup(0x00, 9, CONFIGURATION, 0, 0).packed())

    def bind(self, place: Place, interfaces: Iterable[int]) -> None:
        """The kernel's driver takes these interfaces."""
        place.driven.update(interfaces)

    def _tell(self) -> None:
        with self.changed:
            self.changed.notify_all()
