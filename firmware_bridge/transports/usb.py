"""``usb://1209:0001?serial=NW1-000001``: a pen's bulk endpoints through libusb.

``1209:0001`` are vendor and product, four hexadecimal digits each. One option:

``serial=…``
    Which pen of that kind. It may be left out where only one is plugged in.

All interfaces of the pen are taken for as long as the transport is open, its serial line with them: two programs that
each have a way into one pen would take turns in stopping it. A driver of the system's is sent away from the line and
asked back on release, and a line that somebody has open is not taken from them. Two threads move the bytes, with short
time-outs (:mod:`firmware_bridge.transports.pump`). One USB packet is one transfer, so that a stalled transfer has not
been taken in part and can be sent again after the stall is cleared.
"""

import asyncio
import errno
import io
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import usb.core
import usb.util

from firmware_bridge.errors import PortAbsent, PortUnusable, TransportError, UnknownUrl
from firmware_bridge.transports.base import READ_BYTES, Opener, PenUrl, Receiver, Transport
from firmware_bridge.transports.libusb import UsbDevice, UsbHost, usb_busy, usb_refused
from firmware_bridge.transports.opening import open_in_thread
from firmware_bridge.transports.options import require_known
from firmware_bridge.transports.pump import POLL_S, PumpedTransport
from firmware_bridge.usb_id import UsbId, parse_usb_id, usb_url

OPEN_DEADLINE_S = 2.5
"""Descriptors and claims take milliseconds; a device that answers none of it within this time will not."""

STALLS_MAX = 3
"""Stalls of one endpoint in a row, with no byte in between, after which clearing it is not going to help."""

_POLL_MS = round(POLL_S * 1000)
_BULK, _VENDOR_SPECIFIC = 2, 0xFF
_TO_HOST = 0x80


class UsbPort:
    """An open pen as the pump sees a port: the pair of bulk endpoints.

    Reading and writing are for one thread each; :meth:`close` waits for a transfer under way, ``POLL_S`` at most.
    """

    def __init__(self, device: Any, detached: Iterable[int], pair: tuple[Any, Any]) -> None:
        self.timeout: float | None = POLL_S
        self._device = device
        self._detached = tuple(detached)
        self._in, self._out = pair
        self._came = b""
        self._stalls = dict.fromkeys((self._in.bEndpointAddress, self._out.bEndpointAddress), 0)
        self._writing = threading.Lock()
        self._closed = False

    @property
    def in_waiting(self) -> int:
        """Bytes of the last transfer that have not been read yet."""
        return len(self._came)

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes, after ``POLL_S`` at most. Raises OSError (USBError) when the pen is gone."""
        if not self._came:
            self._came = self._fetch()
        data, self._came = self._came[:size], self._came[size:]
        return data

    def write(self, data: bytes, /) -> int:
        """Sends all of ``data``, waiting for room. Raises OSError (USBError) when the pen is gone, or the port was
        closed meanwhile."""
        packet_bytes = self._out.wMaxPacketSize
        with self._writing:
            for begin in range(0, len(data), packet_bytes):
                self._send(data[begin : begin + packet_bytes])
            if not len(data) % packet_bytes:
                self._send(b"")  # ends the transfer for firmware that waits for a short packet
        return len(data)

    def fileno(self) -> int:
        """A device of libusb's has no descriptor to wait for: raises UnsupportedOperation."""
        raise io.UnsupportedOperation("fileno")

    def close(self) -> None:
        """Gives the interfaces back, the system's drivers too, and closes. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        with self._writing:
            release(self._device, self._detached)

    def _fetch(self) -> bytes:
        try:
            data = bytes(self._device.read(self._in.bEndpointAddress, READ_BYTES, _POLL_MS))
        except usb.core.USBTimeoutError:
            return b""
        except usb.core.USBError as error:
            self._clear_or_raise(self._in.bEndpointAddress, error)
            return b""
        if data:
            self._stalls[self._in.bEndpointAddress] = 0
        return data

    def _send(self, packet: bytes) -> None:
        while True:
            if self._closed:
                raise OSError(errno.EBADF, "closed while bytes were waiting")
            try:
                packet = packet[self._device.write(self._out.bEndpointAddress, packet, _POLL_MS) :]
            except usb.core.USBTimeoutError:
                continue  # it takes nothing at present
            except usb.core.USBError as error:
                self._clear_or_raise(self._out.bEndpointAddress, error)
                continue
            self._stalls[self._out.bEndpointAddress] = 0
            if not packet:
                return

    def _clear_or_raise(self, endpoint: int, error: usb.core.USBError) -> None:
        if error.errno == errno.EINTR:
            return
        if error.errno != errno.EPIPE:
            raise error
        self._stalls[endpoint] += 1
        if self._stalls[endpoint] > STALLS_MAX:
            raise OSError(errno.EPIPE, f"its endpoint {endpoint:#04x} stalls again each time it is cleared") from error
        self._device.clear_halt(endpoint)


def release(device: Any, detached: Iterable[int]) -> None:
    """Gives back every interface and closes; then the system's drivers may have theirs again."""
    with suppress(usb.core.USBError):
        for interface in device.get_active_configuration():
            with suppress(usb.core.USBError):  # not claimed, or the pen is gone
                usb.util.release_interface(device, interface.bInterfaceNumber)
    for number in detached:
        with suppress(usb.core.USBError, NotImplementedError):  # gone, or the driver took it by itself
            device.attach_kernel_driver(number)
    with suppress(usb.core.USBError):
        usb.util.dispose_resources(device)


def usb_opener(host: UsbHost) -> Opener:
    """What opens ``usb://`` URLs through this host's USB."""

    async def open_usb(url: PenUrl, receiver: Receiver) -> Transport:
        usb_id, serial_number = usb_address(url)
        try:
            port = await open_in_thread(
                url.text, lambda: _open(host, url.text, usb_id, serial_number), UsbPort.close, OPEN_DEADLINE_S
            )
        except TimeoutError as error:
            raise PortUnusable(
                f"{url.text}: the pen did not open within {OPEN_DEADLINE_S} s: it does not answer on USB. "
                "Unplug it and plug it in again.",
                url=url.text,
            ) from error
        return PumpedTransport(port, url.text, receiver, asyncio.get_running_loop())

    return open_usb


def usb_address(url: PenUrl) -> tuple[UsbId, str | None]:
    """Which pen a ``usb://`` URL means: its number, and its serial number where one is named.

    Raises UnknownUrl, or PortUnusable for an unknown option.
    """
    require_known(url, ("serial",))
    usb_id = parse_usb_id(urlsplit(url.text).netloc)
    if usb_id is None or url.path.strip("/"):
        raise UnknownUrl(
            f"{url.text}: a USB pen's address is its vendor and product, four hexadecimal digits each, and its serial "
            "number, as in usb://1209:0001?serial=NW1-000001. `needlework pens` lists the pens plugged in.",
            url=url.text,
        )
    return usb_id, url.options.get("serial") or None


def _open(host: UsbHost, url: str, usb_id: UsbId, serial_number: str | None) -> UsbPort:
    """Finds, opens and claims, blocking; runs in a thread."""
    device = _chosen(url, host.devices([usb_id]), usb_id, serial_number)
    if device.refusal is not None:
        raise _refused(host, url, device, device.refusal) from device.refusal
    holders = host.facts.line_holders(device.bus, device.address)
    if holders:
        raise usb_busy(url, device, holders)
    detached: list[int] = []
    try:
        return _claimed(url, device, detached)
    except (usb.core.USBError, NotImplementedError) as error:
        release(device.handle, detached)
        raise _refused(host, url, device, error) from error
    except BaseException:
        release(device.handle, detached)
        raise


def _refused(host: UsbHost, url: str, device: UsbDevice, error: Exception) -> TransportError:
    return usb_refused(url, device, error, host.facts.device_holders(device.bus, device.address))


def _chosen(url: str, devices: list[UsbDevice], usb_id: UsbId, serial_number: str | None) -> UsbDevice:
    """The one device that is meant; one that could not be asked may be it. Raises PortAbsent or PortUnusable."""
    if serial_number is None:
        if len(devices) > 1:
            urls = " or ".join(usb_url(device.usb_id, device.serial_number) for device in devices)
            raise PortUnusable(f"{url}: {len(devices)} such pens are plugged in. Name one: {urls}.", url=url)
        matching = devices
    else:
        matching = [device for device in devices if device.serial_number == serial_number] or [
            device for device in devices if device.serial_number is None and device.refusal is not None
        ]
    if matching:
        return matching[0]
    which = f"pen {usb_id}" + (f" with the serial number {serial_number}" if serial_number else "")
    others = ", ".join(sorted(device.serial_number or "one without a serial number" for device in devices))
    remedy = (
        f"Plugged in: {others}. Plug that pen in, or correct the serial number."
        if others
        else "Plug it in and switch it on; `needlework pens` lists what is plugged in."
    )
    raise PortAbsent(f"{url}: no {which} is plugged in. {remedy}", url=url)


def _claimed(url: str, device: UsbDevice, detached: list[int]) -> UsbPort:
    """Takes all interfaces; the numbers of those taken from a driver are put into ``detached`` as it happens."""
    handle = device.handle
    try:
        configuration = handle.get_active_configuration()
    except usb.core.USBError as error:
        if error.errno in (errno.EACCES, errno.ENODEV):
            raise
        handle.set_configuration()  # on some systems nobody has chosen one
        configuration = handle.get_active_configuration()
    pair = _bulk_pair(configuration)
    if pair is None:
        raise PortUnusable(
            f"{url}: the device on {device.place} has no bulk endpoints of a pen. It may have a serial line: "
            "`needlework pens` lists it.",
            url=url,
        )
    numbers = sorted({interface.bInterfaceNumber for interface in configuration})
    for number in numbers:
        with suppress(NotImplementedError):  # a system where no driver has to be sent away
            if handle.is_kernel_driver_active(number):
                handle.detach_kernel_driver(number)
                detached.append(number)
    for number in numbers:
        usb.util.claim_interface(handle, number)
    return UsbPort(handle, detached, pair)


def _bulk_pair(configuration: Any) -> tuple[Any, Any] | None:
    """The bulk endpoints of the vendor's own interface, in and out."""
    for interface in configuration:
        if interface.bInterfaceClass != _VENDOR_SPECIFIC:
            continue
        bulk = [endpoint for endpoint in interface if usb.util.endpoint_type(endpoint.bmAttributes) == _BULK]
        to_host = [endpoint for endpoint in bulk if endpoint.bEndpointAddress & _TO_HOST]
        to_pen = [endpoint for endpoint in bulk if not endpoint.bEndpointAddress & _TO_HOST]
        if to_host and to_pen:
            return to_host[0], to_pen[0]
    return None
