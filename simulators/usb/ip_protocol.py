"""USB/IP as bytes: what a host asks over TCP of a device that is exported to it, and what it is answered.

Pure: bytes in, requests out. What is kept of a host's bytes is bounded by the longest transfer taken, whatever comes.
Source: the Linux kernel's ``Documentation/usb/usbip_protocol.rst``; numbers are big-endian throughout.

A connection begins with one question (OP_REQ_DEVLIST or OP_REQ_IMPORT). After an import it carries the transfers of the
imported device, and nothing else, until it is closed.
"""

import struct
from dataclasses import dataclass, replace
from enum import IntEnum

VERSION = 0x0111
"""USB/IP 1.1.1, the only one Linux has spoken since 2011."""

PORT = 3240
"""The port IANA registered for it, and the one ``usbip attach`` takes when none is named."""

BUS_ID_BYTES = 32
PATH_BYTES = 256

TRANSFER_MAX_BYTES = 65_536
"""Longest transfer that is taken. Linux cuts bulk transfers of user space into pieces of 16 KiB; no pen needs more."""

ENDPOINT_MAX = 15
NO_PACKETS = (0, 0xFFFF_FFFF)
"""``number_of_packets`` of a transfer that is not isochronous: the document says the latter, kernels send either."""


class Status(IntEnum):
    """How a question is answered (the kernel's ``tools/usb/usbip``)."""

    OK = 0
    NA = 1
    BUSY = 2
    ERROR = 3
    NO_DEVICE = 4


class Errno(IntEnum):
    """Linux' error numbers, as they go over the wire whatever system serves: negated, in a transfer's status."""

    NO_MEMORY = 12
    PIPE = 32
    MESSAGE_SIZE = 90
    CONNECTION_RESET = 104
    SHUT_DOWN = 108


class Speed(IntEnum):
    """A device's speed (the kernel's ``enum usb_device_speed``)."""

    LOW = 1
    FULL = 2
    HIGH = 3


class MalformedRequest(Exception):
    """Bytes that are no USB/IP. The message says which; nothing after them on the connection can be understood."""


@dataclass(frozen=True, slots=True)
class ListDevices:
    """OP_REQ_DEVLIST: which devices are exported here?"""


@dataclass(frozen=True, slots=True)
class Import:
    """OP_REQ_IMPORT: this connection is to be that device."""

    bus_id: str


@dataclass(frozen=True, slots=True)
class Submit:
    """USBIP_CMD_SUBMIT: a transfer. ``length`` is the host's buffer; ``data`` what it sends, empty when it reads."""

    sequence: int
    device_id: int
    inward: bool
    endpoint: int
    length: int
    setup: bytes
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class TooLong:
    """A transfer of more than TRANSFER_MAX_BYTES. Its data was skipped and not kept."""

    sequence: int
    length: int


@dataclass(frozen=True, slots=True)
class Unlink:
    """USBIP_CMD_UNLINK: the host no longer wants the transfer of number ``unlinked``."""

    sequence: int
    device_id: int
    unlinked: int


Request = ListDevices | Import | Submit | TooLong | Unlink


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """What both answers tell of an exported device. ``interfaces``: class, subclass, protocol of each."""

    bus_id: str
    bus_number: int
    device_number: int
    speed: Speed
    vendor: int
    product: int
    release_bcd: int
    device_class: tuple[int, int, int]
    configuration: int
    configurations: int
    interfaces: tuple[tuple[int, int, int], ...]

    @property
    def device_id(self) -> int:
        """What a host calls it in every transfer."""
        return self.bus_number << 16 | self.device_number


_OPERATION = struct.Struct(">HHI")
_DEVICE = struct.Struct(f">{PATH_BYTES}s{BUS_ID_BYTES}sIIIHHHBBBBBB")
_COMMAND = struct.Struct(">IIIII28s")
_SUBMIT = struct.Struct(">IiiII8s")
_RETURN_SUBMIT = struct.Struct(">II12xiiiii8x")
_RETURN_UNLINK = struct.Struct(">II12xi24x")

_REQUEST_LIST, _REPLY_LIST = 0x8005, 0x0005
_REQUEST_IMPORT, _REPLY_IMPORT = 0x8003, 0x0003
_SUBMITTED, _UNLINKED, _RETURNED, _RETURNED_UNLINK = 1, 2, 3, 4


class RequestReader:
    """Takes a host's bytes as they come and gives its requests, in their order.

    After :class:`MalformedRequest` it is spent: the connection has to be closed.
    """

    __slots__ = ("_awaited", "_imported", "_kept", "_skip")

    def __init__(self) -> None:
        self._kept = bytearray()
        self._imported = False
        self._awaited: Submit | None = None
        self._skip = 0

    @property
    def kept_bytes(self) -> int:
        """How much of an unfinished request is held; at most a header and TRANSFER_MAX_BYTES between two feeds."""
        return len(self._kept)

    def feed(self, data: bytes) -> list[Request]:
        """The requests complete with these bytes. Raises MalformedRequest with the reason, after which it is spent."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        self._kept += data
        requests: list[Request] = []
        while (request := self._next()) is not None:
            requests.append(request)
        return requests

    def _next(self) -> Request | None:
        if self._awaited is not None:
            return self._with_data(self._awaited)
        return self._command() if self._imported else self._operation()

    def _take(self, count: int) -> bytes | None:
        if len(self._kept) < count:
            return None
        taken = bytes(self._kept[:count])
        del self._kept[:count]
        return taken

    def _operation(self) -> Request | None:
        if len(self._kept) < _OPERATION.size:
            return None
        version, code, status = _OPERATION.unpack_from(self._kept)
        if version != VERSION:
            raise MalformedRequest(f"it begins with {bytes(self._kept[:4])!r}, which is no USB/IP of version 1.1.1")
        if status != 0:
            raise MalformedRequest(f"a question with the status {status}, where 0 belongs")
        if code == _REQUEST_LIST:
            self._take(_OPERATION.size)
            return ListDevices()
        if code != _REQUEST_IMPORT:
            raise MalformedRequest(f"an unknown question 0x{code:04x}")
        whole = self._take(_OPERATION.size + BUS_ID_BYTES)
        if whole is None:
            return None
        name, end, _rest = whole[_OPERATION.size :].partition(b"\0")
        if not end or not name.isascii():
            raise MalformedRequest(f"a bus id that is no text: {name!r}")
        self._imported = True
        return Import(name.decode("ascii"))

    def _command(self) -> Request | None:
        whole = self._take(_COMMAND.size)
        if whole is None:
            return None
        command, sequence, device_id, direction, endpoint, rest = _COMMAND.unpack(whole)
        if command == _UNLINKED:
            return Unlink(sequence, device_id, int.from_bytes(rest[:4]))
        if command != _SUBMITTED:
            raise MalformedRequest(f"an unknown command 0x{command:08x}")
        _flags, length, _start_frame, packets, _interval, setup = _SUBMIT.unpack(rest)
        if direction not in {0, 1}:
            raise MalformedRequest(f"a transfer in the direction {direction}, which is neither out (0) nor in (1)")
        if endpoint > ENDPOINT_MAX:
            raise MalformedRequest(f"a transfer to endpoint {endpoint} of {ENDPOINT_MAX}")
        if length < 0:
            raise MalformedRequest(f"a transfer of {length} bytes")
        if packets not in NO_PACKETS:
            raise MalformedRequest(f"an isochronous transfer of {packets} packets, for which no pen has an endpoint")
        inward = direction == 1
        if length > TRANSFER_MAX_BYTES:
            if not inward:
                skipped = min(length, len(self._kept))
                del self._kept[:skipped]
                self._skip = length - skipped
            return TooLong(sequence, length)
        submit = Submit(sequence, device_id, inward, endpoint, length, setup)
        if inward or not length:
            return submit
        return self._with_data(submit)

    def _with_data(self, submit: Submit) -> Submit | None:
        data = self._take(submit.length)
        if data is None:
            self._awaited = submit
            return None
        self._awaited = None
        return replace(submit, data=data)


def device_list(records: list[DeviceRecord]) -> bytes:
    """OP_REP_DEVLIST: every exported device, with its interfaces."""
    told = [_OPERATION.pack(VERSION, _REPLY_LIST, Status.OK), len(records).to_bytes(4)]
    for record in records:
        told.append(_device(record))
        told += [bytes((*interface, 0)) for interface in record.interfaces]
    return b"".join(told)


def imported(record: DeviceRecord) -> bytes:
    """OP_REP_IMPORT: from here on the connection is this device."""
    return _OPERATION.pack(VERSION, _REPLY_IMPORT, Status.OK) + _device(record)


def not_imported(status: Status) -> bytes:
    """OP_REP_IMPORT: no, and why."""
    return _OPERATION.pack(VERSION, _REPLY_IMPORT, status)


def submit_done(sequence: int, data: bytes) -> bytes:
    """USBIP_RET_SUBMIT: what was read."""
    return _RETURN_SUBMIT.pack(_RETURNED, sequence, 0, len(data), 0, 0, 0) + data


def submit_taken(sequence: int, count: int) -> bytes:
    """USBIP_RET_SUBMIT: so many bytes were written."""
    return _RETURN_SUBMIT.pack(_RETURNED, sequence, 0, count, 0, 0, 0)


def submit_failed(sequence: int, error: Errno) -> bytes:
    """USBIP_RET_SUBMIT: the transfer failed; PIPE is a stall."""
    return _RETURN_SUBMIT.pack(_RETURNED, sequence, -error, 0, 0, 0, 0)


def unlink_done(sequence: int, *, in_time: bool) -> bytes:
    """USBIP_RET_UNLINK: the transfer was taken back (and has no other answer), or had been answered before."""
    return _RETURN_UNLINK.pack(_RETURNED_UNLINK, sequence, -Errno.CONNECTION_RESET if in_time else 0)


def _device(record: DeviceRecord) -> bytes:
    return _DEVICE.pack(
        f"/sys/devices/needlework/usb{record.bus_number}/{record.bus_id}".encode(),
        record.bus_id.encode(),
        record.bus_number,
        record.device_number,
        record.speed,
        record.vendor,
        record.product,
        record.release_bcd,
        *record.device_class,
        record.configuration,
        record.configurations,
        len(record.interfaces),
    )
