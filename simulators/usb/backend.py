"""libusb as pyusb sees it, over a bus that is not there: real pyusb code meets simulated pens, on any system.

Errors are libusb's own: its number, the errno pyusb maps it to, and its words, so that what handles them here handles
them with a pen that is really there. Sources: pyusb 1.3 (``usb.backend``); libusb 1.0, ``libusb_error``.
"""

import array
import errno
import struct
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import usb.backend
from usb.core import USBError, USBTimeoutError

from simulators.usb.bus import BUS_NUMBER, DRIVEN_BY_KERNEL, Place, VirtualBus
from simulators.usb.control import Setup
from simulators.usb.descriptors import (
    CDC_CONTROL_INTERFACE,
    ENDPOINT,
    ENDPOINTS_OF_INTERFACE,
    INTERFACE,
    PACKET_BYTES,
    configuration_descriptor,
    device_descriptor,
)
from simulators.usb.device import Handshake

_ERRORS = {
    "access": (-3, errno.EACCES, "Access denied (insufficient permissions)"),
    "no device": (-4, errno.ENODEV, "No such device (it may have been disconnected)"),
    "not found": (-5, errno.ENOENT, "Entity not found"),
    "busy": (-6, errno.EBUSY, "Resource busy"),
    "overflow": (-8, errno.EOVERFLOW, "Overflow"),
    "pipe": (-9, errno.EPIPE, "Pipe error"),
}
_FULL_SPEED = 2
_DEVICE_FIELDS = (
    "bLength", "bDescriptorType", "bcdUSB", "bDeviceClass", "bDeviceSubClass", "bDeviceProtocol",
    "bMaxPacketSize0", "idVendor", "idProduct", "bcdDevice", "iManufacturer", "iProduct", "iSerialNumber",
    "bNumConfigurations",
)  # fmt: skip
_CONFIGURATION_FIELDS = (
    "bLength", "bDescriptorType", "wTotalLength", "bNumInterfaces", "bConfigurationValue", "iConfiguration",
    "bmAttributes", "bMaxPower",
)  # fmt: skip
_INTERFACE_FIELDS = (
    "bLength", "bDescriptorType", "bInterfaceNumber", "bAlternateSetting", "bNumEndpoints", "bInterfaceClass",
    "bInterfaceSubClass", "bInterfaceProtocol", "iInterface",
)  # fmt: skip
_ENDPOINT_FIELDS = (
    "bLength", "bDescriptorType", "bEndpointAddress", "bmAttributes", "wMaxPacketSize", "bInterval",
)  # fmt: skip


def _failure(name: str) -> USBError:
    code, number, words = _ERRORS[name]
    return USBError(words, code, number)


def _timed_out() -> USBTimeoutError:
    return USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)


class Handle:
    """One opening of one plugging."""

    def __init__(self, place: Place) -> None:
        self.place = place


class VirtualBackend(usb.backend.IBackend):  # type: ignore[misc]  # pyusb has no types
    """Hand it to pyusb as ``backend=``; what is plugged into ``bus`` is what pyusb finds."""

    def __init__(self, bus: VirtualBus) -> None:
        super().__init__()
        self.bus = bus

    # Descriptors

    def enumerate_devices(self) -> Iterator[Place]:
        return iter(self.bus.places)

    def get_parent(self, _place: Place) -> None:
        return None

    def get_device_descriptor(self, place: Place) -> SimpleNamespace:
        values = struct.unpack("<BBHBBBBHHHBBBB", device_descriptor(place.device.identity))
        return SimpleNamespace(
            **dict(zip(_DEVICE_FIELDS, values, strict=True)),
            address=place.address,
            bus=BUS_NUMBER,
            port_number=place.port,
            port_numbers=(place.port,),
            speed=_FULL_SPEED,
        )

    def get_configuration_descriptor(self, _place: Place, index: int) -> SimpleNamespace:
        if index:
            raise _failure("not found")
        return _fields(_CONFIGURATION_FIELDS, "<BBHBBBBB", configuration_descriptor()[:9], b"")

    def get_interface_descriptor(self, _place: Place, number: int, alternate: int, _index: int) -> SimpleNamespace:
        pieces = _interface_pieces(number)
        if alternate or not pieces:
            raise IndexError(f"there is no interface {number} with alternate setting {alternate}")
        extra = b"".join(piece for piece in pieces[1:] if piece[1] != ENDPOINT)
        return _fields(_INTERFACE_FIELDS, "<BBBBBBBBB", pieces[0], extra)

    def get_endpoint_descriptor(
        self, _place: Place, index: int, number: int, _alternate: int, _index: int
    ) -> SimpleNamespace:
        endpoints = [piece for piece in _interface_pieces(number) if piece[1] == ENDPOINT]
        found = _fields(_ENDPOINT_FIELDS, "<BBBBHB", endpoints[index], b"")
        found.bRefresh = found.bSynchAddress = 0
        return found

    # Opening and claiming

    def open_device(self, place: Place) -> Handle:
        with self.bus.changed:
            if not place.present:
                raise _failure("no device")
            if place.forbidden:
                raise _failure("access")
            return Handle(place)

    def close_device(self, handle: Handle) -> None:
        with self.bus.changed:
            claims = handle.place.claims
            for number in [number for number, owner in claims.items() if owner is handle]:
                del claims[number]

    def claim_interface(self, handle: Handle, number: int) -> None:
        with self.bus.changed:
            place = self._present(handle)
            if number not in ENDPOINTS_OF_INTERFACE:
                raise _failure("not found")
            if number in place.driven or place.claims.get(number, handle) is not handle:
                raise _failure("busy")
            place.claims[number] = handle

    def release_interface(self, handle: Handle, number: int) -> None:
        with self.bus.changed:
            if self._present(handle).claims.get(number) is not handle:
                raise _failure("not found")
            del handle.place.claims[number]

    def is_kernel_driver_active(self, handle: Handle, number: int) -> bool:
        with self.bus.changed:
            return number in self._present(handle).driven

    def detach_kernel_driver(self, handle: Handle, number: int) -> None:
        with self.bus.changed:
            place = self._present(handle)
            if number not in place.driven:
                raise _failure("not found")
            place.driven.clear()

    def attach_kernel_driver(self, handle: Handle, number: int) -> None:
        with self.bus.changed:
            place = self._present(handle)
            if number != CDC_CONTROL_INTERFACE:
                raise _failure("not found")
            if DRIVEN_BY_KERNEL & (place.driven | place.claims.keys()):
                raise _failure("busy")
            self.bus.bind(place, DRIVEN_BY_KERNEL)

    # Control

    def set_configuration(self, handle: Handle, value: int) -> None:
        with self.bus.changed:
            if self._present(handle).claims or handle.place.driven:
                raise _failure("busy")
            self._ask(handle, Setup(0x00, 9, value, 0, 0), b"")

    def get_configuration(self, handle: Handle) -> int:
        with self.bus.changed:
            return self._present(handle).device.configuration

    def set_interface_altsetting(self, handle: Handle, number: int, alternate: int) -> None:
        with self.bus.changed:
            if self._present(handle).claims.get(number) is not handle:
                raise _failure("not found")
            self._ask(handle, Setup(0x01, 11, alternate, number, 0), b"")

    def clear_halt(self, handle: Handle, endpoint: int) -> None:
        with self.bus.changed:
            self._ask(handle, Setup(0x02, 1, 0, endpoint, 0), b"")

    def reset_device(self, handle: Handle) -> None:
        with self.bus.changed:
            self.bus.reset(self._present(handle))

    def ctrl_transfer(
        self, handle: Handle, request_type: int, request: int, value: int, index: int, data: "array.array[int]",
        timeout: int,
    ) -> int:  # fmt: skip
        setup = Setup(request_type, request, value, index, len(data))
        answer = self._ask(handle, setup, b"" if setup.to_host else data.tobytes(), timeout)
        if setup.to_host:
            data[: len(answer)] = array.array("B", answer)
            return len(answer)
        return len(data)

    def _ask(self, handle: Handle, setup: Setup, data: bytes, timeout_ms: int = 0) -> bytes:
        def control() -> bytes | Handshake:
            return handle.place.device.control(setup.packed(), data)

        return self._transfer(handle, control, timeout_ms)

    # Bulk and interrupt

    def bulk_write(self, handle: Handle, endpoint: int, _interface: int, data: "array.array[int]", timeout: int) -> int:
        rest = data.tobytes()
        sent = 0
        left_ms = _patience_ms(timeout)
        with self.bus.changed:
            while True:
                self._present(handle)
                taken = handle.place.device.bulk_out(endpoint, rest[sent:])
                if isinstance(taken, int):
                    sent += taken
                    if sent == len(rest):
                        return sent
                    continue
                if taken is not Handshake.NAK:
                    raise _failure("pipe" if taken is Handshake.STALL else "no device")
                if left_ms <= 0:
                    break
                left_ms -= self.bus.let_pass(self.bus.changed, left_ms)
        if not sent:
            raise _timed_out()
        return sent

    def bulk_read(self, handle: Handle, endpoint: int, _interface: int, buff: "array.array[int]", timeout: int) -> int:
        whole_packets = -(-len(buff) // PACKET_BYTES) * PACKET_BYTES

        def fetch() -> bytes | Handshake:
            return handle.place.device.bulk_in(endpoint, whole_packets)

        data = self._transfer(handle, fetch, timeout)
        if len(data) > len(buff):
            raise _failure("overflow")
        buff[: len(data)] = array.array("B", data)
        return len(data)

    intr_write, intr_read = bulk_write, bulk_read

    def _transfer(self, handle: Handle, attempt: Callable[[], bytes | Handshake], timeout_ms: int) -> bytes:
        left_ms = _patience_ms(timeout_ms)
        with self.bus.changed:
            while True:
                self._present(handle)
                answer = attempt()
                if isinstance(answer, bytes):
                    return answer
                if answer is Handshake.STALL:
                    raise _failure("pipe")
                if answer is Handshake.GONE:
                    raise _failure("no device")
                if left_ms <= 0:
                    raise _timed_out()
                left_ms -= self.bus.let_pass(self.bus.changed, left_ms)

    def _present(self, handle: Handle) -> Place:
        if not handle.place.present:
            raise _failure("no device")
        return handle.place


_FOREVER_MS = 1e9
"""libusb's time-out of 0 means none. A driver of Python's would not end for longer than that: eleven days."""


def _patience_ms(timeout_ms: int) -> float:
    return timeout_ms or _FOREVER_MS


def _fields(names: tuple[str, ...], layout: str, data: bytes, extra: bytes) -> SimpleNamespace:
    values = struct.unpack(layout, data)
    return SimpleNamespace(**dict(zip(names, values, strict=True)), extra_descriptors=list(extra))


def _interface_pieces(number: int) -> list[bytes]:
    """The descriptors of one interface, its own first; empty when there is no such interface."""
    found: list[bytes] = []
    rest = configuration_descriptor()
    while rest:
        piece, rest = rest[: rest[0]], rest[rest[0] :]
        if piece[1] == INTERFACE:
            if found:
                break
            if piece[2] == number:
                found.append(piece)
        elif found:
            found.append(piece)
    return found
