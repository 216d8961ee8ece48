"""Pens on this machine, by what USB says of them. Nothing here opens a port: opening one can reset what is behind it.

:func:`list_pens` looks for serial ports and :func:`list_usb_pens` for pens that libusb reaches, often the same pen;
:func:`found_ports` judges what was seen and is pure. :mod:`firmware_bridge.hotplug` tells of what comes and goes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from serial.tools import list_ports

from firmware_bridge.transports.serial import serial_url
from firmware_bridge.usb_id import UsbId, usb_url

if TYPE_CHECKING:
    from firmware_bridge.transports.libusb import UsbHost

PEN_USB_IDS = frozenset({UsbId(0x1209, 0x0001)})
"""What a Needlework pen calls itself on USB: the number pid.codes keeps for trials of open hardware, so anybody else's
trial may use it too. A maker with a number of its own names it by configuration, here and in the udev rule."""

BY_ID = Path("/dev/serial/by-id")
"""Where udev keeps a link for each USB serial port, named after the device itself: it survives plugging and reboots,
where ``/dev/ttyACM0`` is whoever came first."""


class PortRecord(Protocol):
    """What the operating system says of one serial port (pyserial's ListPortInfo)."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    manufacturer: str | None
    product: str | None


@dataclass(frozen=True, slots=True)
class FoundPort:
    """A serial port of this machine, and whether a pen seems to be behind it."""

    url: str
    """What opens it; by the stable name where there is one."""
    device: str
    by_id: str | None
    usb_id: UsbId | None
    serial_number: str | None
    product: str | None
    manufacturer: str | None
    looks_like_pen: bool
    """Its USB number is a pen's. False is not "no pen": it may be any serial device, a pen on an adapter too."""

    @property
    def identity(self) -> str:
        """``vendor:product:serial`` as printed in lists; ``-`` for what the port does not say."""
        return f"{self.usb_id or '-:-'}:{self.serial_number or '-'}"


def found_ports(
    records: Iterable[PortRecord], links: Mapping[str, str], pen_ids: Iterable[UsbId] = PEN_USB_IDS
) -> list[FoundPort]:
    """Judges port records: likely pens first, then by device name, numbers in their order.

    ``links`` maps a device to its stable name. A device listed twice counts once.
    """
    pens = frozenset(pen_ids)
    ports = {record.device: _found(record, links.get(record.device), pens) for record in records}
    return sorted(ports.values(), key=lambda port: (not port.looks_like_pen, _natural(port.device)))


def list_pens(pen_ids: Iterable[UsbId] = PEN_USB_IDS) -> list[FoundPort]:
    """The serial ports of this machine, likely pens first. Reads the system's lists, a few milliseconds, blocking."""
    return found_ports(list_ports.comports(), stable_names(BY_ID), pen_ids)


@dataclass(frozen=True, slots=True)
class FoundUsbPen:
    """A pen that libusb sees, whether or not this user may open it."""

    url: str
    """What opens it."""
    usb_id: UsbId
    serial_number: str | None
    bus: int
    address: int

    @property
    def identity(self) -> str:
        """``vendor:product:serial`` as printed in lists; ``-`` for what the pen does not say."""
        return f"{self.usb_id}:{self.serial_number or '-'}"

    @property
    def device(self) -> str:
        """Where it is: Linux's node for it, which elsewhere is only a way of saying bus and address."""
        return f"/dev/bus/usb/{self.bus:03d}/{self.address:03d}"


def list_usb_pens(host: "UsbHost | None" = None, pen_ids: Iterable[UsbId] = PEN_USB_IDS) -> list[FoundUsbPen]:
    """The pens that libusb reaches on this machine, or on the given host, by bus and address. Blocking, milliseconds.

    Where the system does not tell serial numbers, the pens are asked for theirs; that disturbs no treatment.
    Raises PortUnusable when there is no libusb here.
    """
    if host is None:
        from firmware_bridge.transports.libusb import UsbHost  # noqa: PLC0415 - pyusb only for whoever looks for USB

        host = UsbHost()
    return [
        FoundUsbPen(usb_url(seen.usb_id, seen.serial_number), seen.usb_id, seen.serial_number, seen.bus, seen.address)
        for seen in host.devices(pen_ids)
    ]


def stable_names(folder: Path) -> dict[str, str]:
    """Device → stable name, from a folder of links; empty where there is no such folder."""
    try:
        links = sorted(folder.iterdir())
    except OSError:
        return {}
    return {str(link.resolve()): str(link) for link in links}


def _found(record: PortRecord, by_id: str | None, pens: frozenset[UsbId]) -> FoundPort:
    usb_id = None if record.vid is None or record.pid is None else UsbId(record.vid, record.pid)
    return FoundPort(
        url=serial_url(by_id or record.device),
        device=record.device,
        by_id=by_id,
        usb_id=usb_id,
        serial_number=record.serial_number or None,
        product=record.product or None,
        manufacturer=record.manufacturer or None,
        looks_like_pen=usb_id in pens,
    )


def _natural(name: str) -> list[tuple[str, int]]:
    return [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name)]
