"""A host of USB/IP, for tests: what Linux' vhci-hcd says on the wire, and no more of it than a test needs."""

import asyncio
import contextlib
import struct
from dataclasses import dataclass

from simulators.usb.ip_protocol import VERSION

LIST = struct.pack(">HHI", VERSION, 0x8005, 0)
GET_DEVICE_DESCRIPTOR = bytes((0x80, 6, 0, 1, 0, 0, 18, 0))
GET_CONFIGURATION_DESCRIPTOR = bytes((0x80, 6, 0, 2, 0, 0, 255, 0))
SET_CONFIGURATION = bytes((0x00, 9, 1, 0, 0, 0, 0, 0))
OPEN_LINE = bytes((0x21, 0x22, 3, 0, 0, 0, 0, 0))
"""SET_CONTROL_LINE_STATE, DTR and RTS: somebody opens the serial port."""


def import_of(bus_id: str) -> bytes:
    """The question for a device."""
    return struct.pack(">HHI32s", VERSION, 0x8003, 0, bus_id.encode())


def submit(
    sequence: int,
    endpoint: int,
    *,
    inward: bool = False,
    length: int | None = None,
    data: bytes = b"",
    setup: bytes = bytes(8),
    device_id: int = 0x10002,
    packets: int = 0,
    command: int = 1,
) -> bytes:
    """A transfer. ``length`` is that of the data, where it is not said otherwise."""
    count = len(data) if length is None else length
    return (
        struct.pack(">IIIIIIiiiI8s", command, sequence, device_id, inward, endpoint, 0, count, 0, packets, 0, setup)
        + data
    )


def unlink(sequence: int, unlinked: int, *, device_id: int = 0x10002) -> bytes:
    """Takes a transfer back."""
    return struct.pack(">IIIIII24x", 2, sequence, device_id, 0, 0, unlinked)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a transfer came to. ``kind`` is 3 for a transfer, 4 for one taken back; ``data`` what was read."""

    kind: int
    sequence: int
    status: int
    count: int
    data: bytes


class UsbIpHost:
    """One connection. Who submits a read says so by ``inward``, for then its answer carries bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._reads: set[int] = set()
        self._sequence = 0

    @classmethod
    async def to(cls, port: int) -> "UsbIpHost":
        """Connects."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    @classmethod
    async def attached(cls, port: int, bus_id: str = "1-1") -> "UsbIpHost":
        """Connects, imports, and configures as Linux does."""
        host = await cls.to(port)
        assert await host.attach(bus_id) == 0
        answer = await host.control(SET_CONFIGURATION)
        assert answer.status == 0
        return host

    async def attach(self, bus_id: str) -> int:
        """Asks for a device: 0, or why not."""
        self.writer.write(import_of(bus_id))
        status = int.from_bytes((await self.reader.readexactly(8))[4:])
        if not status:
            self.device = await self.reader.readexactly(312)
        return status

    async def control(self, setup: bytes, data: bytes = b"") -> Answer:
        """A control transfer, from its setup packet."""
        inward = bool(setup[0] & 0x80)
        length = int.from_bytes(setup[6:8], "little") if inward else len(data)
        return await self.outcome(self.put(0, inward=inward, length=length, data=data, setup=setup))

    def put(self, endpoint: int, *, inward: bool = False, **rest: object) -> int:
        """Submits a transfer and does not wait; its number."""
        self._sequence += 1
        if inward:
            self._reads.add(self._sequence)
        self.writer.write(submit(self._sequence, endpoint, inward=inward, **rest))  # type: ignore[arg-type]
        return self._sequence

    def take_back(self, unlinked: int) -> int:
        """Unlinks, and does not wait; the number of that."""
        self._sequence += 1
        self.writer.write(unlink(self._sequence, unlinked))
        return self._sequence

    async def answer(self) -> Answer:
        """The next answer."""
        head = await self.reader.readexactly(48)
        kind, sequence, status, count = struct.unpack(">II12xii20x", head)
        data = await self.reader.readexactly(count) if kind == 3 and sequence in self._reads else b""
        return Answer(kind, sequence, status, count if kind == 3 else 0, data)

    async def outcome(self, sequence: int) -> Answer:
        """The next answer, which has to be to that transfer."""
        answer = await self.answer()
        assert answer.sequence == sequence
        return answer

    async def gone(self) -> bool:
        """The server hung up, sooner or later."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        return True

    async def close(self) -> None:
        """Hangs up."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()
