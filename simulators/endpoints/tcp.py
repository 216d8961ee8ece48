"""A simulated pen behind a TCP socket; every connection is a medium of its own."""

import asyncio
from typing import Any, Generic, Self, cast

from simulators.endpoints.served import M, Served
from simulators.errors import EndpointError

UNSENT_MAX_BYTES = 16_384
"""What waits for a host that does not read; beyond it the pen's words are dropped, as a full serial buffer does."""


class _Connection(asyncio.Protocol, Generic[M]):
    def __init__(self, endpoint: "TcpEndpoint[M]") -> None:
        self._endpoint = endpoint
        self._port: M | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if not self._endpoint.plugged:
            self.transport.abort()
            return
        self._port = self._endpoint.joined(self)

    def data_received(self, data: bytes) -> None:
        if self._port is not None:
            self._port.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._port is not None:
            self._port.detach()
            self._port = None
        self._endpoint.left(self)

    def send(self, data: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > UNSENT_MAX_BYTES:
            self._endpoint.dropped_bytes += len(data)
            return
        self.transport.write(data)


class TcpEndpoint(Generic[M]):
    """Listens on ``host``:``port`` (0 picks a free one). An async context manager opens and closes it.

    While ``plugged`` is false, whoever connects is cut off at once.
    """

    def __init__(self, live: Served[M], host: str = "127.0.0.1", port: int = 0) -> None:
        self._live = live
        self._host = host
        self._wanted_port = port
        self._server: asyncio.Server | None = None
        self._connections: dict[_Connection[M], M] = {}
        self.port = 0
        self.plugged = True
        self.dropped_bytes = 0

    @property
    def url(self) -> str:
        """The pen's URL for a host of this product."""
        return f"tcp://{self._host}:{self.port}"

    @property
    def ports(self) -> list[M]:
        """The media of the connections open now, oldest first."""
        return list(self._connections.values())

    async def open(self) -> None:
        """Begins to listen. Raises EndpointError when the address cannot be had."""
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: _Connection(self), self._host, self._wanted_port
            )
        except OSError as error:
            raise EndpointError(
                f"{self._host}:{self._wanted_port} cannot be listened on: {error.strerror}. Name another address."
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    def unplug(self) -> None:
        """Cuts every connection, at once; goes on listening."""
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def close(self) -> None:
        """Cuts every connection and stops listening."""
        if self._server is None:
            return
        self._server.close()
        self.unplug()
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    def joined(self, connection: _Connection[M]) -> M:
        """A host connected."""
        port = self._connections[connection] = self._live.attach(connection.send)
        return port

    def left(self, connection: _Connection[M]) -> None:
        """A connection is gone."""
        self._connections.pop(connection, None)


class TcpPlug:
    """The plug of a pen behind a TCP socket: out, its address is there and takes nobody."""

    def __init__(self, endpoint: TcpEndpoint[Any]) -> None:
        self._endpoint = endpoint

    def unplug(self) -> None:
        """Cuts every connection, and whoever connects."""
        self._endpoint.plugged = False
        self._endpoint.unplug()

    def plug(self) -> None:
        """Takes connections again."""
        self._endpoint.plugged = True
