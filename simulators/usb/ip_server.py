"""Simulated pens exported by USB/IP: a Linux host attaches one over TCP, and has it on a USB bus of its own.

One host at a time has a device; who asks for it meanwhile is told that it is taken. What a connection sends that is not
understood ends that connection and no other. Nothing a client does makes this process grow: requests, transfers that
wait, answers that are not fetched and connections are bounded.
"""

import asyncio
import select
import socket
from collections.abc import Callable, Sequence
from typing import cast

from simulators.endpoints.usb import UsbEndpoint
from simulators.errors import EndpointError
from simulators.usb.descriptors import CONFIGURATION, INTERFACE, RELEASE_BCD, configuration_descriptor
from simulators.usb.device import UsbState
from simulators.usb.ip_protocol import (
    PORT,
    DeviceRecord,
    Import,
    ListDevices,
    MalformedRequest,
    Request,
    RequestReader,
    Speed,
    Status,
    Submit,
    TooLong,
    Unlink,
    device_list,
    imported,
    not_imported,
)
from simulators.usb.transfers import Transfers

CONNECTIONS_MAX = 32
"""Connections at once, attached hosts among them; one more is closed unread. Whoever has hung up does not count."""

QUESTION_S = 5.0
"""A connection that has asked for no device by then is closed."""

UNSENT_MAX_BYTES = 65_536
"""Answers that wait for a host that reads none; beyond it, nothing more of it is read until it does."""

TOLD_MAX = 200
"""Sentences told in a server's life; a client that means harm fills no log."""

BUS_NUMBER = 1
FIRST_DEVICE_NUMBER = 2  # number 1 on a bus is its root hub


def bus_id(index: int) -> str:
    """What the pen of that index, from 0, is called: "1-1", "1-2", …"""
    return f"{BUS_NUMBER}-{index + 1}"


class Sparing:
    """Tells sentences on to ``tell``: each once, and no more than TOLD_MAX."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told: set[str] = set()

    def __call__(self, sentence: str) -> None:
        if sentence in self._told or len(self._told) > TOLD_MAX:
            return
        self._told.add(sentence)
        self._tell(sentence if len(self._told) <= TOLD_MAX else "USB/IP: further refusals are not told.")


class _Export:
    """One exported pen and the connection that has it, if any."""

    def __init__(self, index: int, pen: UsbEndpoint) -> None:
        identity = pen.device.identity
        self.pen = pen
        self.host: _Connection | None = None
        self.record = DeviceRecord(
            bus_id=bus_id(index),
            bus_number=BUS_NUMBER,
            device_number=FIRST_DEVICE_NUMBER + index,
            speed=Speed.FULL,
            vendor=identity.vendor_id,
            product=identity.product_id,
            release_bcd=RELEASE_BCD,
            device_class=(0xEF, 2, 1),
            configuration=CONFIGURATION,
            configurations=1,
            interfaces=_interfaces(),
        )


class UsbIpServer:
    """Exports ``pens`` on ``host``:``port`` (0 picks a free one): the first as bus id 1-1, the next as 1-2, and so on.

    A pen is plugged in when a host imports it and pulled out when that host goes. ``log`` gets a sentence about what
    was refused. An async context manager opens and closes it. Belongs to the running event loop's thread.
    """

    def __init__(
        self, pens: Sequence[UsbEndpoint], host: str = "127.0.0.1", port: int = PORT, *, log: Callable[[str], None]
    ) -> None:
        self.port = 0
        self.log = log
        self._host = host
        self._wanted_port = port
        self._exports = {export.record.bus_id: export for export in map(_Export, range(len(pens)), pens)}
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """Where it listens, "HOST:PORT"."""
        return f"[{self._host}]:{self.port}" if ":" in self._host else f"{self._host}:{self.port}"

    @property
    def bus_ids(self) -> list[str]:
        """What a host can ask for."""
        return list(self._exports)

    @property
    def attached(self) -> list[str]:
        """The bus ids a host has at present."""
        return [bus for bus, export in self._exports.items() if export.host is not None]

    async def open(self) -> None:
        """Begins to listen. Raises EndpointError when the address cannot be had."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Connection(self), self._host, self._wanted_port)
        except OSError as error:
            raise EndpointError(
                f"{self._host}:{self._wanted_port} cannot be listened on for USB/IP: {error.strerror}. "
                "Name another address."
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    def pull(self, bus: str) -> None:
        """Pulls the cable of one pen: the host that has it loses it, and may import it again. Raises KeyError."""
        connection = self._exports[bus].host
        if connection is not None:
            connection.abort()

    async def close(self) -> None:
        """Pulls every cable and stops listening."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.abort()
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> "UsbIpServer":
        await self.open()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    # For its connections

    def joined(self, connection: "_Connection") -> bool:
        """A client connected: whether there is room for it."""
        if len(self._connections) >= CONNECTIONS_MAX:
            for gone in [other for other in self._connections if other.peer_gone]:  # their end is not yet heard here
                gone.abort()
                self._connections.discard(gone)
        if len(self._connections) >= CONNECTIONS_MAX:
            self.log(f"USB/IP: a connection was closed unread: there are {CONNECTIONS_MAX} already.")
            return False
        self._connections.add(connection)
        return True

    def left(self, connection: "_Connection") -> None:
        """A connection is gone, and a cable with it."""
        self._connections.discard(connection)
        for export in self._exports.values():
            if export.host is connection:
                export.host = None
                export.pen.unplug()

    def records(self) -> list[DeviceRecord]:
        """What is exported here."""
        return [export.record for export in self._exports.values()]

    def give(self, bus: str, connection: "_Connection") -> "_Export | Status":
        """The pen of this bus id, plugged in for this connection; or why not."""
        export = self._exports.get(bus)
        if export is None:
            self.log(f"USB/IP: {bus!r} was asked for; exported are {', '.join(self._exports)}.")
            return Status.NO_DEVICE
        if export.host is not None:
            self.log(f"USB/IP: {bus} was asked for while another host has it. Detach it there first.")
            return Status.BUSY
        export.host = connection
        export.pen.plug()
        return export


class UsbIpPlug:
    """The cable of a pen by USB/IP: pulled, its host loses it. It goes in again when a host attaches it."""

    def __init__(self, server: UsbIpServer, bus_id: str) -> None:
        self._server = server
        self._bus_id = bus_id

    def unplug(self) -> None:
        """Takes the pen from the host that has it."""
        self._server.pull(self._bus_id)

    def plug(self) -> None:
        """Nothing: attaching is a host's to do."""


class _Connection(asyncio.Protocol):
    """One client: a question, and after an import the transfers of one pen."""

    def __init__(self, server: UsbIpServer) -> None:
        self._server = server
        self._reader: RequestReader | None = RequestReader()
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._export: _Export | None = None
        self._transfers: Transfers | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._server.joined(self):
            self.abort()
            return
        self._transport.set_write_buffer_limits(high=UNSENT_MAX_BYTES)
        self._deadline = asyncio.get_running_loop().call_later(QUESTION_S, self._too_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader = None
        if self._deadline is not None:
            self._deadline.cancel()
        if self._export is not None:
            self._export.pen.device.on_news = _nobody
        self._server.left(self)

    def abort(self) -> None:
        """Cuts the connection at once."""
        self._reader = None
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._reader is None:
            return
        try:
            requests = self._reader.feed(data)
            for request in requests:
                self._serve(request)
        except MalformedRequest as error:
            self._server.log(f"USB/IP: a connection was closed: {error}.")
            self.abort()

    @property
    def peer_gone(self) -> bool:
        """The client has closed its end, whether or not that was heard yet."""
        if self._transport is None or self._transport.is_closing():
            return True
        looked = select.poll()
        looked.register(self._transport.get_extra_info("socket"), getattr(select, "POLLRDHUP", 0))
        return bool(looked.poll(0))

    def eof_received(self) -> None:
        """Whoever hung up has no place any more; the connection is closed."""
        self._server.left(self)

    def pause_writing(self) -> None:
        if self._transport is not None and self._transfers is not None:
            self._transfers.held = True
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None and self._transfers is not None:
            self._transfers.held = False
            self._transport.resume_reading()
            self._transfers.go_on()

    def _too_late(self) -> None:
        self._server.log(f"USB/IP: a connection was closed that asked for nothing in {QUESTION_S:.0f} s.")
        self.abort()

    def _answer(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _serve(self, request: Request) -> None:
        if self._reader is None:  # closed meanwhile, by what came before in the same bytes
            return
        match request:
            case ListDevices():
                self._end_with(device_list(self._server.records()))
            case Import(bus_id=bus):
                self._import(bus)
            case Submit() | Unlink() if self._export is None or request.device_id != self._export.record.device_id:
                raise MalformedRequest(f"a transfer for a device {request.device_id:#x}, which it did not import")
            case Submit() if self._transfers is not None:
                self._transfers.submit(request)
            case TooLong() if self._transfers is not None:
                self._server.log(f"USB/IP: a transfer of {request.length} bytes was refused as too long.")
                self._transfers.too_long(request)
            case Unlink() if self._transfers is not None:
                self._transfers.unlink(request)

    def _import(self, bus: str) -> None:
        given = self._server.give(bus, self)
        if isinstance(given, Status):
            self._end_with(not_imported(given))
            return
        if self._deadline is not None:
            self._deadline.cancel()
        if self._transport is not None:
            _notice_vanished_hosts(self._transport.get_extra_info("socket"))
        self._export = given
        self._answer(imported(given.record))
        self._transfers = Transfers(given.pen.device, self._answer)
        given.pen.device.on_news = self._news

    def _news(self) -> None:
        if self._export is None or self._transfers is None:
            return
        self._transfers.go_on()
        if self._export.pen.device.state is UsbState.DETACHED:  # pulled out by whoever plays a fault
            self.abort()

    def _end_with(self, data: bytes) -> None:
        self._answer(data)
        self._reader = None
        if self._transport is not None:
            self._transport.close()


def _nobody() -> None:
    """Hears the news of a device that no host has."""


def _notice_vanished_hosts(connection: socket.socket) -> None:
    """A host that lost power says nothing: the system asks after ten idle seconds, and frees the pen after forty."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _interfaces() -> tuple[tuple[int, int, int], ...]:
    """Class, subclass and protocol of each interface, as the configuration tells them."""
    rest, found = configuration_descriptor(), []
    while rest:
        if rest[1] == INTERFACE:
            found.append((rest[5], rest[6], rest[7]))
        rest = rest[rest[0] :]
    return tuple(found)
