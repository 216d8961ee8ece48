"""libusb through pyusb: which devices there are, what they are called, and what an error of theirs means.

The back end is a parameter all the way: libusb from its wheel unless another is handed in.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import usb.core
import usb.util
from usb.backend import IBackend

from firmware_bridge.errors import PortAbsent, PortBusy, PortForbidden, PortUnusable, TransportError
from firmware_bridge.transports.holders import PortHolder
from firmware_bridge.transports.usb_facts import LinuxUsbFacts, UsbFacts
from firmware_bridge.usb_id import UsbId

_ENGLISH = 0x0409
_FORBIDDEN = {errno.EACCES, errno.EPERM}
_ABSENT = {errno.ENODEV, errno.ENOENT, errno.ENXIO}


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """A device that is plugged in, not held open."""

    handle: Any
    """pyusb's Device."""
    usb_id: UsbId
    bus: int
    address: int
    serial_number: str | None
    """None where this user may not ask and the system does not tell."""
    refusal: Exception | None
    """Why it did not answer when it was asked; None when it did."""

    @property
    def place(self) -> str:
        """Where it is, as ``lsusb`` shows it."""
        return f"bus {self.bus:03d} device {self.address:03d}"


class UsbHost:
    """The USB of this computer, or one that is not there. ``backend`` None is libusb from its wheel, loaded on first
    use; ``facts`` is what the operating system tells beside it."""

    def __init__(self, backend: IBackend | None = None, facts: UsbFacts | None = None) -> None:
        self._backend = backend
        self.facts: UsbFacts = LinuxUsbFacts() if facts is None else facts

    def devices(self, ids: Iterable[UsbId]) -> list[UsbDevice]:
        """The plugged-in devices of these numbers, by bus and address. Blocking, some milliseconds.

        Raises PortUnusable when there is no libusb on this system.
        """
        wanted = {(usb_id.vendor, usb_id.product) for usb_id in ids}
        found = usb.core.find(
            find_all=True,
            backend=self._loaded(),
            custom_match=lambda device: (device.idVendor, device.idProduct) in wanted,
        )
        described = [self._described(device) for device in found]
        return sorted((device for device in described if device is not None), key=lambda one: (one.bus, one.address))

    def _loaded(self) -> IBackend:
        if self._backend is None:
            import libusb_package  # noqa: PLC0415 - 50 ms that only a USB pen has to pay

            self._backend = libusb_package.get_libusb1_backend()
        if self._backend is None:
            raise PortUnusable(
                "libusb cannot be used on this system, so pens are reached over their serial line only. Install the "
                "package libusb-package into this environment anew, or connect by serial://."
            )
        return self._backend

    def _described(self, device: Any) -> UsbDevice | None:
        """Asks the device only what the system does not tell, so that looking opens nothing where it can be avoided.
        None for a device that went while it was asked."""
        usb_id = UsbId(device.idVendor, device.idProduct)
        serial_number = self.facts.serial_number(device.bus, device.address)
        refusal: Exception | None = None
        try:
            if serial_number is None:
                with closing(device):
                    serial_number = serial_number_of(device)
        except usb.core.USBError as error:
            if error.errno in _ABSENT:
                return None
            refusal = error
        except NotImplementedError as error:  # Windows, where another driver than WinUSB has it
            refusal = error
        return UsbDevice(device, usb_id, device.bus, device.address, serial_number, refusal)


@contextmanager
def closing(device: Any) -> Iterator[None]:
    """Lets go of everything pyusb holds of the device, at the end."""
    try:
        yield
    finally:
        with suppress(usb.core.USBError):
            usb.util.dispose_resources(device)


def serial_number_of(device: Any) -> str | None:
    """Asks the device. Raises USBError; pyusb's own property hides a refusal behind another error."""
    if not device.iSerialNumber:
        return None
    languages = usb.util.get_langids(device)
    text: str | None = usb.util.get_string(device, device.iSerialNumber, languages[0] if languages else _ENGLISH)
    return text or None


def usb_refused(url: str, device: UsbDevice, error: Exception, holders: Iterable[PortHolder]) -> TransportError:
    """The TransportError that says why a device did not open, and what to do about it."""
    number = getattr(error, "errno", None)
    if number in _ABSENT:
        return PortAbsent(
            f"{url}: the pen on {device.place} was unplugged while it was being opened. Plug it in, then connect "
            "again.",
            url=url,
        )
    if number == errno.EBUSY:
        return usb_busy(url, device, holders)
    if number in _FORBIDDEN:
        return PortForbidden(
            f"{url}: this user may not open the pen on {device.place}. Install the udev rule from deploy/, join its "
            "group with `sudo usermod -aG plugdev $USER`, log in again and plug the pen in anew.",
            url=url,
        )
    return PortUnusable(
        f"{url}: the pen on {device.place} cannot be used over USB: {error}. On Windows it needs the WinUSB driver; "
        "elsewhere unplug it and plug it in again. Its serial line may work: `needlework pens` lists it.",
        url=url,
    )


def usb_busy(url: str, device: UsbDevice, holders: Iterable[PortHolder]) -> PortBusy:
    """Somebody else uses the device, named where that can be known."""
    first = next(iter(holders), None)
    if first is None:
        node = f"/dev/bus/usb/{device.bus:03d}/{device.address:03d}"
        who = f"another program; `sudo fuser -v {node}` names it"
    elif first.pid == os.getpid():
        who = "this program itself: it is open already"
    else:
        who = str(first)
    return PortBusy(
        f"{url}: the pen on {device.place} is in use by {who}. One pen has one host: end that use, then connect again.",
        url=url,
    )
