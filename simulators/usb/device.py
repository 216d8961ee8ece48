"""The USB device a host sees in front of a simulated pen: pure, stepped, without a clock or a thread.

A host side (the USB/IP server, the virtual back end, a test) hands in setup packets and bulk transfers and gets bytes
or a :class:`Handshake`. The pen side hands in what the pen says by :meth:`UsbDevice.say` and gets what the host sends
through ``to_pen``. The serial line and the bulk pair are two media of one pen; which of them it listens to, and that it
answers *busy* to the other, is its firmware's business.

What the device refuses it stalls, and tells ``log`` in one sentence. Faults are methods of their own, out of band:
:meth:`~UsbDevice.halt`, :meth:`~UsbDevice.slow_to`, :meth:`~UsbDevice.suspend`, :meth:`~UsbDevice.unplug`.
"""

import struct
from collections.abc import Callable, Iterable
from enum import Enum

from simulators.usb.control import DTR, ControlPipe, Refused, Setup
from simulators.usb.descriptors import (
    BULK_IN,
    BULK_OUT,
    CDC_CONTROL_INTERFACE,
    CDC_IN,
    CDC_NOTIFY,
    CDC_OUT,
    PACKET_BYTES,
    UsbIdentity,
)

HELD_BYTES = 4096
"""What the pen holds for a host that does not fetch it, for each way in."""

_SERIAL_STATE = struct.pack("<BBHHH", 0xA1, 0x20, 0, CDC_CONTROL_INTERFACE, 2)
_CARRIER_AND_READY = 0x0003
"""DCD and DSR: the pen hears."""


class UsbWay(Enum):
    """The two ways in, each a medium of the pen."""

    CDC = "cdc"
    BULK = "bulk"


class Handshake(Enum):
    """What a host gets in place of bytes."""

    NAK = "nothing now"
    """Nothing to fetch, or no room: the host asks again."""
    STALL = "refused"
    """The endpoint is halted, or there is no such endpoint: the host has to act."""
    GONE = "not there"
    """Unplugged: nothing answers."""


class UsbState(Enum):
    """USB 2.0, figure 9-1, as far as a device can tell; *suspended* is beside it."""

    DETACHED = "detached"
    DEFAULT = "default"
    ADDRESSED = "addressed"
    CONFIGURED = "configured"


_WAY_OUT = {CDC_OUT: UsbWay.CDC, BULK_OUT: UsbWay.BULK}
_IN_OF_WAY = {UsbWay.CDC: CDC_IN, UsbWay.BULK: BULK_IN}

ToPen = Callable[[UsbWay, bytes], int]
"""Gets what the host sent on one way in, and says how many bytes of it the pen took; 0 makes the host wait."""


class UsbDevice:
    """A composite device: CDC-ACM and vendor bulk. Begins unplugged.

    ``on_news`` is called after everything that may let a waiting host go on: bytes to fetch, room, a halt, a loss. It
    may be called from inside :meth:`bulk_out` and :meth:`control`.
    """

    def __init__(self, identity: UsbIdentity, to_pen: ToPen, *, log: Callable[[str], None]) -> None:
        self.identity = identity
        self.suspended = False
        self.stalled_requests = 0
        self.on_news: Callable[[], None] = lambda: None
        self._to_pen = to_pen
        self._log = log
        self._plugged = False
        self._held = {endpoint: bytearray() for endpoint in (CDC_IN, BULK_IN, CDC_NOTIFY)}
        self._short_due = dict.fromkeys(self._held, False)
        self._frame_bytes: int | None = None
        self._budget = 0
        self._control = ControlPipe(identity, self._empty, self._lines_set)

    # State

    @property
    def state(self) -> UsbState:
        """Where the device stands."""
        if not self._plugged:
            return UsbState.DETACHED
        if self._control.configuration:
            return UsbState.CONFIGURED
        return UsbState.ADDRESSED if self._control.address else UsbState.DEFAULT

    @property
    def configuration(self) -> int:
        """The configuration the host chose; 0 is none."""
        return self._control.configuration

    @property
    def address(self) -> int:
        """The address the host gave by SET_ADDRESS; 0 is none."""
        return self._control.address

    @property
    def line_coding(self) -> bytes:
        """What the host asked of the serial line, 7 bytes."""
        return self._control.line_coding

    @property
    def control_lines(self) -> int:
        """DTR (1) and RTS (2) as the host set them."""
        return self._control.lines

    @property
    def halted(self) -> frozenset[int]:
        """Endpoints that stall until the host clears them."""
        return frozenset(self._control.halted)

    # The host's side

    def control(self, setup: bytes, data: bytes = b"") -> bytes | Handshake:
        """A control transfer: 8 bytes of setup, ``data`` of the data stage when it goes to the device.

        The bytes for the host, at most as many as it asked for; empty where none were asked for. Raises ValueError for
        a setup packet that is none.
        """
        parsed = Setup.parse(setup)
        if not self._plugged:
            return Handshake.GONE
        if self.suspended:
            return Handshake.NAK
        try:
            answer = self._control.answer(parsed, data)
        except Refused as refusal:
            self.stalled_requests += 1
            self._log(f"USB request stalled: {refusal} ({parsed}).")
            return Handshake.STALL
        self.on_news()
        return answer

    def bulk_out(self, endpoint: int, data: bytes) -> int | Handshake:
        """A transfer to the device: how many bytes it took, fewer than given when there is no more room.

        A transfer of nothing (a zero-length packet) is taken and means nothing.
        """
        way = _WAY_OUT.get(endpoint)
        if refusal := self._refusal(endpoint, known=way is not None):
            return refusal
        if way is None or not data:
            return 0
        allowed = self._allowed(len(data))
        count = self._to_pen(way, data[:allowed]) if allowed else 0
        if not count:
            return Handshake.NAK
        self._spend(count)
        return count

    def bulk_in(self, endpoint: int, most: int) -> bytes | Handshake:
        """A transfer from the device of up to ``most`` bytes, from a bulk or the interrupt endpoint.

        It ends short of ``most`` with a short packet. When the last bytes fill both the transfer and a whole packet,
        the zero-length packet that ends them is a transfer of its own: the next call returns ``b""`` once.
        """
        held = self._held.get(endpoint)
        if refusal := self._refusal(endpoint, known=held is not None):
            return refusal
        if held is None or not most:
            return b""
        if not held:
            if not self._short_due[endpoint]:
                return Handshake.NAK
            self._short_due[endpoint] = False
            return b""
        count = min(len(held), most, self._allowed(most))
        if not count:
            return Handshake.NAK
        data = bytes(held[:count])
        del held[:count]
        self._spend(count)
        self._short_due[endpoint] = not held and count == most and not count % PACKET_BYTES
        self.on_news()
        return data

    def reset(self) -> None:
        """The host resets the bus: not configured, nothing halted, buffers empty. The pen itself goes on."""
        self.suspended = False
        self._control.reset()
        self.on_news()

    # The pen's side

    def say(self, way: UsbWay, data: bytes) -> int:
        """The pen says something on one way in: how many bytes could be held, the rest being the caller's to keep
        or to lose. 0 for a device that no host has configured."""
        endpoint = _IN_OF_WAY[way]
        held = self._held[endpoint]
        if self.state is not UsbState.CONFIGURED:
            return 0
        count = min(len(data), HELD_BYTES - len(held))
        if count:
            held += data[:count]
            self._short_due[endpoint] = False
            self.on_news()
        return count

    # Hands and faults

    def plug(self) -> None:
        """The cable goes in: a device in its default state, which the host will give an address."""
        if not self._plugged:
            self._plugged = True
            self.reset()

    def unplug(self) -> None:
        """The cable comes out: everything the host asks from here on meets nothing."""
        if self._plugged:
            self.reset()
            self._plugged = False
            self.on_news()

    def suspend(self) -> None:
        """The host's controller puts the bus to sleep: nothing moves until :meth:`resume` or a reset."""
        self.suspended = True

    def resume(self) -> None:
        """The bus wakes up."""
        self.suspended = False
        self.on_news()

    def halt(self, endpoint: int) -> None:
        """The endpoint stalls until the host clears it. Raises ValueError for an endpoint there is not."""
        if endpoint not in self._held and endpoint not in _WAY_OUT:
            raise ValueError(f"the simulated pen has no endpoint {endpoint:#04x}")
        self._control.halted.add(endpoint)
        self.on_news()

    def slow_to(self, frame_bytes: int | None) -> None:
        """No more than so many bytes a millisecond from here on, both directions together; 0 moves nothing, None is as
        fast as the host asks. Whoever steps the device calls :meth:`frames`."""
        self._frame_bytes = frame_bytes
        self._budget = 0
        self.on_news()

    def frames(self, count: int = 1) -> None:
        """So many milliseconds passed: a slow device may move bytes again."""
        if self._frame_bytes is not None and count > 0:
            self._budget = self._frame_bytes * count
            self.on_news()

    # Inside

    def _refusal(self, endpoint: int, *, known: bool) -> Handshake | None:
        if not self._plugged:
            return Handshake.GONE
        if self.suspended:
            return Handshake.NAK
        if not known or not self._control.configuration or endpoint in self._control.halted:
            return Handshake.STALL
        return None

    def _allowed(self, wanted: int) -> int:
        return wanted if self._frame_bytes is None else min(wanted, self._budget)

    def _spend(self, count: int) -> None:
        if self._frame_bytes is not None:
            self._budget -= count

    def _empty(self, endpoints: Iterable[int]) -> None:
        for endpoint in endpoints:
            if endpoint in self._held:
                self._held[endpoint].clear()
                self._short_due[endpoint] = False

    def _lines_set(self, lines: int) -> None:
        """A host opens or leaves the serial line. What the one that left did not fetch is not the next one's."""
        if not lines & DTR:
            self._empty((CDC_IN, CDC_NOTIFY))
        elif not self._control.lines & DTR:
            self._held[CDC_NOTIFY] += _SERIAL_STATE + struct.pack("<H", _CARRIER_AND_READY)
