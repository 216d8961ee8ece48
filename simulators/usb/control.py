"""Control requests of the simulated USB device: a setup packet in, bytes or the reason of a stall out.

Sources: USB 2.0, 9.4 (standard requests); USB CDC PSTN 1.2, 6.3 (the requests of a serial line).
"""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from simulators.usb.descriptors import (
    CDC_CONTROL_INTERFACE,
    CONFIGURATION,
    CONFIGURATION_TYPE,
    DEVICE,
    ENDPOINTS_OF_INTERFACE,
    STRING,
    UsbIdentity,
    configuration_descriptor,
    device_descriptor,
    string_descriptor,
)

ALL_ENDPOINTS = tuple(endpoint for endpoints in ENDPOINTS_OF_INTERFACE.values() for endpoint in endpoints)

DTR, RTS = 0x01, 0x02
"""Bits of the control line state: a host is there; it wants to send."""

LINE_CODING = struct.pack("<IBBB", 115_200, 0, 0, 8)
"""Baud, stop bits, parity, data bits after a reset. A USB pen keeps what it is told and does nothing with it."""

_ENDPOINT_HALT = 0
_SELF_POWERED = b"\x01\x00"
_TO_HOST = 0x80


class Refused(Exception):
    """The request is stalled; the message says why."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A setup packet, taken apart (USB 2.0, table 9-2)."""

    request_type: int
    request: int
    value: int
    index: int
    length: int

    @classmethod
    def parse(cls, packet: bytes) -> "Setup":
        """Raises ValueError when it is not 8 bytes."""
        if len(packet) != 8:
            raise ValueError(f"a setup packet has 8 bytes, not {len(packet)}")
        return cls(*struct.unpack("<BBHHH", packet))

    def packed(self) -> bytes:
        """The 8 bytes."""
        return struct.pack("<BBHHH", self.request_type, self.request, self.value, self.index, self.length)

    @property
    def to_host(self) -> bool:
        """The data stage goes to the host."""
        return bool(self.request_type & _TO_HOST)

    def __str__(self) -> str:
        return (
            f"request type {self.request_type:#04x}, request {self.request:#04x}, value {self.value:#06x}, "
            f"index {self.index:#06x}, length {self.length}"
        )


Handler = Callable[[Setup, bytes], bytes]


class ControlPipe:
    """What control requests read and change. ``emptied`` is told of endpoints whose buffers are to be forgotten,
    ``lines_set`` of the serial line's control lines, before they change to the new value it is given."""

    def __init__(
        self, identity: UsbIdentity, emptied: Callable[[Iterable[int]], None], lines_set: Callable[[int], None]
    ) -> None:
        self.address = 0
        self.configuration = 0
        self.halted: set[int] = set()
        self.lines = 0
        self.line_coding = LINE_CODING
        self._identity = identity
        self._emptied = emptied
        self._lines_set = lines_set
        # By request type (direction, kind, recipient) and request number; what is not here is stalled.
        self._handlers: dict[tuple[int, int], Handler] = {
            (0x80, 0x00): self._device_status,
            (0x81, 0x00): self._interface_status,
            (0x82, 0x00): self._endpoint_status,
            (0x02, 0x01): self._clear_halt,
            (0x02, 0x03): self._set_halt,
            (0x00, 0x05): self._set_address,
            (0x80, 0x06): self._descriptor,
            (0x80, 0x08): self._get_configuration,
            (0x00, 0x09): self._set_configuration,
            (0x81, 0x0A): self._get_interface,
            (0x01, 0x0B): self._set_interface,
            (0x21, 0x20): self._set_line_coding,
            (0xA1, 0x21): self._get_line_coding,
            (0x21, 0x22): self._set_control_lines,
        }

    def reset(self) -> None:
        """The state after a bus reset: no address, not configured, nothing halted."""
        self.address = self.configuration = 0
        self._forget_line()
        self._restart(ALL_ENDPOINTS)

    def answer(self, setup: Setup, data: bytes) -> bytes:
        """The data stage's bytes for the host, empty where there are none. Raises Refused."""
        handler = self._handlers.get((setup.request_type, setup.request))
        if handler is None:
            raise Refused("no such request is known here")
        if not setup.to_host and len(data) != setup.length:
            raise Refused(f"the data stage has {len(data)} bytes and not the {setup.length} announced")
        return handler(setup, data)[: setup.length]

    def _restart(self, endpoints: Iterable[int]) -> None:
        endpoints = tuple(endpoints)
        self.halted.difference_update(endpoints)
        self._emptied(endpoints)

    def _forget_line(self) -> None:
        self._lines_set(0)
        self.lines = 0
        self.line_coding = LINE_CODING

    # Standard requests

    def _device_status(self, _setup: Setup, _data: bytes) -> bytes:
        return _SELF_POWERED

    def _interface_status(self, setup: Setup, _data: bytes) -> bytes:
        self._interface(setup)
        return b"\x00\x00"

    def _endpoint_status(self, setup: Setup, _data: bytes) -> bytes:
        if setup.index & 0x7F == 0:
            return b"\x00\x00"
        return bytes((self._endpoint(setup) in self.halted, 0))

    def _set_halt(self, setup: Setup, _data: bytes) -> bytes:
        self._require_halt(setup)
        if setup.index & 0x7F:
            self.halted.add(self._endpoint(setup))
        return b""

    def _clear_halt(self, setup: Setup, _data: bytes) -> bytes:
        self._require_halt(setup)
        if setup.index & 0x7F:
            self.halted.discard(self._endpoint(setup))
        return b""

    def _set_address(self, setup: Setup, _data: bytes) -> bytes:
        if setup.value > 127:
            raise Refused(f"{setup.value} is no address; there are 127")
        self.address = setup.value
        return b""

    def _descriptor(self, setup: Setup, _data: bytes) -> bytes:
        kind, index = divmod(setup.value, 256)
        if kind == DEVICE and index == 0:
            return device_descriptor(self._identity)
        if kind == CONFIGURATION_TYPE and index == 0:
            return configuration_descriptor()
        text = string_descriptor(self._identity, index) if kind == STRING else None
        if text is None:
            raise Refused(f"there is no descriptor of type {kind} with index {index}")
        return text

    def _get_configuration(self, _setup: Setup, _data: bytes) -> bytes:
        return bytes((self.configuration,))

    def _set_configuration(self, setup: Setup, _data: bytes) -> bytes:
        if setup.value not in (0, CONFIGURATION):
            raise Refused(f"there is no configuration {setup.value}")
        self.configuration = setup.value
        self._forget_line()
        self._restart(ALL_ENDPOINTS)
        return b""

    def _get_interface(self, setup: Setup, _data: bytes) -> bytes:
        self._interface(setup)
        return b"\x00"

    def _set_interface(self, setup: Setup, _data: bytes) -> bytes:
        number = self._interface(setup)
        if setup.value:
            raise Refused(f"interface {number} has no alternate setting {setup.value}")
        self._restart(ENDPOINTS_OF_INTERFACE[number])
        return b""

    # The serial line's

    def _get_line_coding(self, setup: Setup, _data: bytes) -> bytes:
        self._line(setup)
        return self.line_coding

    def _set_line_coding(self, setup: Setup, data: bytes) -> bytes:
        self._line(setup)
        if len(data) != len(LINE_CODING):
            raise Refused(f"a line coding has {len(LINE_CODING)} bytes, not {len(data)}")
        self.line_coding = data
        return b""

    def _set_control_lines(self, setup: Setup, _data: bytes) -> bytes:
        self._line(setup)
        self._lines_set(setup.value)
        self.lines = setup.value
        return b""

    # What requests name

    def _require_halt(self, setup: Setup) -> None:
        if setup.value != _ENDPOINT_HALT:
            raise Refused(f"endpoints have no feature {setup.value}")

    def _interface(self, setup: Setup) -> int:
        if not self.configuration or setup.index not in ENDPOINTS_OF_INTERFACE:
            raise Refused(f"there is no interface {setup.index} in configuration {self.configuration}")
        return setup.index

    def _endpoint(self, setup: Setup) -> int:
        if not self.configuration or setup.index not in ALL_ENDPOINTS:
            raise Refused(f"there is no endpoint {setup.index:#04x} in configuration {self.configuration}")
        return setup.index

    def _line(self, setup: Setup) -> None:
        if self._interface(setup) != CDC_CONTROL_INTERFACE:
            raise Refused(f"interface {setup.index} is no serial line")
