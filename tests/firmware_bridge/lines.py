"""The far end of a line, for tests of transports: one for each medium, all with the same few verbs.

A line reads only when a test asks it to, so a peer that does not read needs nothing special.
"""

import asyncio
import contextlib
import os
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator

from firmware_bridge.errors import TransportError
from firmware_bridge.transports import Transport, open_transport
from firmware_bridge.transports.memory import MemoryPeer, listen
from simulators.usb.descriptors import UsbIdentity
from simulators.usb.device import HELD_BYTES, UsbDevice, UsbWay
from tests.conftest import open_descriptors
from tests.usb_bus import BUS, fresh_serial, url_of

DEADLINE_S = 8.0
"""Nothing here takes a tenth of it; it ends a test that would hang."""


class Recorder:
    """A receiver that keeps what it is told, and what was open when it was told of the loss."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.pieces: list[int] = []
        self.losses: list[TransportError | None] = []
        self.open_when_lost: dict[int, str] = {}
        self._news = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        assert not self.losses, "bytes after the loss"
        self.data += data
        self.pieces.append(len(data))
        self._news.set()

    def transport_lost(self, cause: TransportError | None) -> None:
        self.losses.append(cause)
        self.open_when_lost = open_descriptors()
        self._news.set()

    async def received(self, count: int) -> bytes:
        """All that came, once it is ``count`` bytes."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.data) < count:
                self._news.clear()
                await self._news.wait()
        return bytes(self.data)

    async def lost(self) -> TransportError | None:
        """The loss, once it has been told."""
        async with asyncio.timeout(DEADLINE_S):
            while not self.losses:
                self._news.clear()
                await self._news.wait()
        return self.losses[0]


class Line(ABC):
    """The far end."""

    url: str
    absent_url: str
    delivers_before_hang_up = True
    """What was sent before the hang-up still arrives; a terminal that hangs up forgets it."""

    counts_what_is_under_way = False
    """Bytes count as unsent until the peer has read them; elsewhere the medium takes some and says nothing."""

    @abstractmethod
    async def connected(self) -> None:
        """Completes the far end of a line that the transport has just opened."""

    @abstractmethod
    async def read_some(self) -> bytes:
        """Some bytes from the host, once there are any."""

    @abstractmethod
    async def send(self, data: bytes) -> None:
        """Sends all of ``data``."""

    @abstractmethod
    def vanish(self) -> None:
        """The pen is unplugged."""

    @abstractmethod
    def descriptors(self) -> set[int]:
        """The far end's own descriptors."""

    async def read_exactly(self, count: int) -> bytes:
        data = bytearray()
        async with asyncio.timeout(DEADLINE_S):
            while len(data) < count:
                data += await self.read_some()
        assert len(data) == count
        return bytes(data)


class DescriptorLine(Line):
    """A far end that is a descriptor."""

    fd = -1

    async def _wait(self, writing: bool) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
        add(self.fd, ready.set)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await ready.wait()
        finally:
            remove(self.fd)

    async def read_some(self) -> bytes:
        while True:
            try:
                return os.read(self.fd, 65536)
            except BlockingIOError:
                await self._wait(writing=False)

    async def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self.fd, rest) :]
            except BlockingIOError:
                await self._wait(writing=True)

    def descriptors(self) -> set[int]:
        return {self.fd}


class PtyLine(DescriptorLine):
    """A pseudo-terminal. Its near end stays open here as well: without that, the far end hangs up by itself whenever
    the transport closes."""

    absent_url = "serial:///dev/ttyAbsent0"
    delivers_before_hang_up = False

    def __init__(self, url: str = "serial://{device}") -> None:
        self.fd, self._near = os.openpty()
        os.set_blocking(self.fd, False)
        self.device = os.ttyname(self._near)
        self.url = url.format(device=self.device)

    async def connected(self) -> None:
        """A terminal has no connections."""

    def descriptors(self) -> set[int]:
        return {self.fd, self._near}

    def vanish(self) -> None:
        for fd in {self.fd, self._near} - {-1}:
            os.close(fd)
        self.fd = self._near = -1


class SocketLine(DescriptorLine):
    """A TCP connection on loopback."""

    def __init__(self, scheme: str) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        # A small window, so that a peer that does not read is noticed after kilobytes and not after megabytes.
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self._server.setblocking(False)
        self._peer: socket.socket | None = None
        self.url = f"{scheme}://127.0.0.1:{self._server.getsockname()[1]}"
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            self.absent_url = f"{scheme}://127.0.0.1:{unused.getsockname()[1]}"

    async def connected(self) -> None:
        if self._peer is not None:
            self._peer.close()
        self._peer, _ = await asyncio.get_running_loop().sock_accept(self._server)
        self._peer.setblocking(False)
        self.fd = self._peer.fileno()

    def descriptors(self) -> set[int]:
        return {self._server.fileno(), self.fd}

    def vanish(self) -> None:
        self._server.close()
        if self._peer is not None:
            self._peer.close()

    def reset(self) -> None:
        """Ends the connection as a crashed peer's system does."""
        assert self._peer is not None
        self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._peer.close()


class MemoryLine(Line):
    """A line inside the process."""

    url = "memory://pen"
    absent_url = "memory://absent"
    counts_what_is_under_way = True

    def __init__(self) -> None:
        self._listener = listen("pen", self._accept)
        self.peer: MemoryPeer | None = None
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()

    def _accept(self, peer: MemoryPeer) -> None:
        self.peer = peer

    async def connected(self) -> None:
        """The listener was called within the open."""

    async def read_some(self) -> bytes:
        assert self.peer is not None
        self.peer.on_data = self._take_one
        return await self._arrived.get()

    def _take_one(self, data: bytes) -> None:
        assert self.peer is not None
        self.peer.on_data = None
        self._arrived.put_nowait(data)

    async def send(self, data: bytes) -> None:
        assert self.peer is not None
        while data:
            data = data[self.peer.write(data) :]
            await asyncio.sleep(0)

    def vanish(self) -> None:
        self._listener.close()

    def descriptors(self) -> set[int]:
        return set()


class UsbLine(Line):
    """The bulk pair of a USB device on a virtual bus: libusb is not there, pyusb is."""

    absent_url = url_of("absent")
    delivers_before_hang_up = False

    def __init__(self) -> None:
        serial = fresh_serial()
        self.url = url_of(serial)
        self._arrived = bytearray()
        self.device = UsbDevice(UsbIdentity("line", serial), self._to_pen, log=lambda _sentence: None)
        BUS.plug(self.device)

    def _to_pen(self, way: UsbWay, data: bytes) -> int:
        taken = data[: HELD_BYTES - len(self._arrived)] if way is UsbWay.BULK else b""
        self._arrived += taken
        return len(taken)

    async def connected(self) -> None:
        """USB has no connections."""

    async def read_some(self) -> bytes:
        while True:
            with BUS.changed:
                data = bytes(self._arrived)
                self._arrived.clear()
                BUS.changed.notify_all()
            if data:
                return data
            await asyncio.sleep(0.001)

    async def send(self, data: bytes) -> None:
        while data:
            with BUS.changed:
                data = data[self.device.say(UsbWay.BULK, data) :]
            await asyncio.sleep(0)

    def vanish(self) -> None:
        with contextlib.suppress(LookupError):  # a test has pulled the cable
            BUS.unplug(self.device)

    def descriptors(self) -> set[int]:
        return set()


MEDIA = {
    "serial": PtyLine,
    "tcp": lambda: SocketLine("tcp"),
    "memory": MemoryLine,
    "usb": UsbLine,
    "pump-socket": lambda: SocketLine("socket"),
    "pump-serial": lambda: PtyLine("alt://{device}?class=Serial"),
}


@contextlib.asynccontextmanager
async def opened(line: Line) -> AsyncIterator[tuple[Transport, Recorder]]:
    """An open transport on ``line``, and what it tells."""
    recorder = Recorder()
    transport = await open_transport(line.url, recorder)
    try:
        await line.connected()
        yield transport, recorder
    finally:
        await transport.close(0)
