"""How long bytes take on a real line: a UART gives them one after the other, USB in packets once a millisecond.

Deterministic and without a clock: the time of each call is the pen's, in ms. A pseudo-terminal or a socket hands over a
whole frame at once; software that was tried against that alone meets half frames on a real pen for the first time.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from firmware_bridge.wire.fields import fields_of
from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import Setpoint, Status
from simulators.errors import EndpointError

BITS_A_BYTE = 10
"""Start bit, eight of data, no parity, one stop bit."""

HELD_MAX_BYTES = 1024
"""What waits for a line that is too slow; a piece that finds no room is lost whole, as by a firmware whose transmit
buffer is full."""

FROM_HOST_MAX_BYTES = 65_536
"""The same for what a host writes: its system keeps what waits for the line, and makes the writer wait for the rest."""

USB_PACKET_BYTES = 64
USB_PACKETS_A_FRAME = 19
"""Full speed: bulk packets of at most 64 bytes, at most 19 in the frame of a millisecond (USB 2.0, table 5-9)."""

BAUD_MIN, BAUD_MAX = 300, 4_000_000

SETPOINTS_A_S = 20
"""How often a host says what it wants (docs/protocol.md, section 1)."""

_NS_A_MS = 1_000_000
_NS_A_S = 1_000_000_000


class Pacer(Protocol):
    """One direction of a paced line. ``lost_bytes`` counts what found no room."""

    lost_bytes: int

    @property
    def due_ms(self) -> int | None:
        """When the next bytes have arrived, or None where none are on their way."""

    def push(self, data: bytes, now_ms: int) -> None:
        """``data`` is ready to be sent at ``now_ms``."""

    def pull(self, now_ms: int) -> bytes:
        """What has arrived at the other end by ``now_ms`` and was not pulled before."""


Pace = Callable[[int], Pacer]
"""Makes the pacer of one direction of one medium, from how many bytes may wait in it."""


class Uart:
    """An asynchronous serial line: every byte takes ten bit times, and none is there before its last bit."""

    __slots__ = ("_begun_ns", "_byte_ns", "_held", "_held_max_bytes", "lost_bytes")

    def __init__(self, baud: int, held_max_bytes: int = HELD_MAX_BYTES) -> None:
        self._held_max_bytes = held_max_bytes
        self._byte_ns = -(-BITS_A_BYTE * _NS_A_S // baud)  # rounded up: never faster than the line
        self._held = bytearray()
        self._begun_ns = 0  # when the first byte held began, or the line fell idle
        self.lost_bytes = 0

    @property
    def due_ms(self) -> int | None:
        """As of :class:`Pacer`."""
        return -(-(self._begun_ns + self._byte_ns) // _NS_A_MS) if self._held else None

    def push(self, data: bytes, now_ms: int) -> None:
        """As of :class:`Pacer`."""
        if len(self._held) + len(data) > self._held_max_bytes:
            self.lost_bytes += len(data)
            return
        if not self._held:
            self._begun_ns = max(self._begun_ns, now_ms * _NS_A_MS)
        self._held += data

    def pull(self, now_ms: int) -> bytes:
        """As of :class:`Pacer`."""
        count = min(len(self._held), (now_ms * _NS_A_MS - self._begun_ns) // self._byte_ns)
        if count <= 0:
            return b""
        arrived = bytes(self._held[:count])
        del self._held[:count]
        self._begun_ns += count * self._byte_ns
        return arrived


class UsbFrames:
    """A full-speed bulk pipe: what is ready waits for the next frame of a millisecond, and leaves in packets.

    A piece ends its packet, as a device does that hands over what it has; :meth:`packets` keeps the packets apart.
    """

    __slots__ = ("_held", "_held_max_bytes", "_pulled_ms", "_waiting_bytes", "lost_bytes")

    def __init__(self, held_max_bytes: int = HELD_MAX_BYTES) -> None:
        self._held_max_bytes = held_max_bytes
        self._held: list[tuple[int, bytes]] = []
        self._waiting_bytes = 0
        self._pulled_ms = -1
        self.lost_bytes = 0

    @property
    def due_ms(self) -> int | None:
        """As of :class:`Pacer`."""
        return max(self._held[0][0], self._pulled_ms) + 1 if self._held else None

    def push(self, data: bytes, now_ms: int) -> None:
        """As of :class:`Pacer`."""
        if self._waiting_bytes + len(data) > self._held_max_bytes:
            self.lost_bytes += len(data)
            return
        self._waiting_bytes += len(data)
        for start in range(0, len(data), USB_PACKET_BYTES):
            self._held.append((now_ms, data[start : start + USB_PACKET_BYTES]))

    def packets(self, now_ms: int) -> list[bytes]:
        """The packets of the frames up to and with that of ``now_ms``."""
        arrived: list[bytes] = []
        while (due := self.due_ms) is not None and due <= now_ms:
            left = USB_PACKETS_A_FRAME
            while self._held and left and self._held[0][0] < due:
                arrived.append(self._held.pop(0)[1])
                left -= 1
            self._pulled_ms = due
        self._waiting_bytes -= sum(map(len, arrived))
        return arrived

    def pull(self, now_ms: int) -> bytes:
        """As of :class:`Pacer`."""
        return b"".join(self.packets(now_ms))


def too_slow(baud: int, status_period_ms: int) -> str:
    """Why no host can treat over a line of ``baud`` bits a second, in a sentence; empty where one can.

    Each direction has a line of its own: setpoints go one way, STATUS comes the other.
    """
    carried = baud // BITS_A_BYTE
    status = len(frame(Status(*(0 for _ in fields_of(Status))), 0))
    setpoint = len(frame(Setpoint(1, 1, 0, 0, 0, 0), 0))
    statuses, setpoints = status * 1000 // status_period_ms, setpoint * SETPOINTS_A_S
    if carried >= max(statuses, setpoints):
        return ""
    least = max(statuses, setpoints) * BITS_A_BYTE
    return (
        f"{baud} baud carry {carried} bytes a second each way. This pen says a STATUS of {status} bytes every "
        f"{status_period_ms} ms, which is {statuses}; a host sends a SETPOINT of {setpoint} bytes "
        f"{SETPOINTS_A_S} times a second, which is {setpoints}. What does not fit comes late or is lost, and no host "
        f"can treat over this line: it takes {least} baud at least."
    )


def at_baud(baud: int) -> Pace:
    """The pace of a serial line of ``baud`` bits a second. Raises EndpointError for one that no line has."""
    if not BAUD_MIN <= baud <= BAUD_MAX:
        raise EndpointError(f"No serial line has {baud} baud. Name a rate from {BAUD_MIN} to {BAUD_MAX}, as 115200.")
    return partial(Uart, baud)
