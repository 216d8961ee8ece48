"""``tcp://host:port``: a pen, a simulated pen or a serial server's raw port on the network.

No options. The connection is set so that a small frame leaves when it is sent.
"""

import asyncio
import errno
import os
import socket
import struct
import sys
from contextlib import ExitStack

from firmware_bridge.errors import PortAbsent, PortForbidden, TransportError, UnknownUrl
from firmware_bridge.transports.base import PenUrl, Receiver, Transport
from firmware_bridge.transports.descriptor import DescriptorTransport
from firmware_bridge.transports.line_settings import line_settings
from firmware_bridge.transports.opening import open_in_thread
from firmware_bridge.transports.options import require_known
from firmware_bridge.transports.promptness import make_prompt
from firmware_bridge.transports.pump import open_pumped_device

if sys.platform != "win32":
    import fcntl

CONNECT_DEADLINE_S = 2.5
"""For the name and the connection together. On a site's network both take milliseconds; whoever named a wrong address
is told so within three seconds."""

_SIOCOUTQNSD = 0x894B
"""Linux: bytes of a socket not sent yet, without those sent and not yet acknowledged."""

Address = tuple[int, tuple[str | int | bytes, ...]]


class SocketHandle:
    """See :class:`firmware_bridge.transports.descriptor.Handle`."""

    hang_up = "the other side closed the connection"

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.fd = connection.fileno()

    def queued_bytes(self) -> int:
        """Bytes the system has not put on the network; known on Linux only."""
        if sys.platform != "linux":
            return 0
        try:
            return int(struct.unpack("i", fcntl.ioctl(self.fd, _SIOCOUTQNSD, b"\0\0\0\0"))[0])
        except OSError:
            return 0

    def drop_queued(self) -> None:
        """Makes the close reset the connection instead of sending old bytes later."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        """Closes the socket."""
        self._connection.close()


async def open_tcp(url: PenUrl, receiver: Receiver) -> Transport:
    """Connects. Raises UnknownUrl (no port number), PortAbsent, PortForbidden, or PortUnusable for any option."""
    require_known(url, ())
    if not url.host or url.port is None:
        raise UnknownUrl(
            f"{url.text}: a network pen's address is a host and a port, as in tcp://192.0.2.7:7070.", url=url.text
        )
    if sys.platform == "win32":  # its event loop cannot wait for a bare socket
        return await open_pumped_device(url, f"socket://{url.host}:{url.port}", line_settings(url), receiver)
    try:
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            connection = await _connect(url.text, url.host, url.port)
    except TimeoutError as error:
        raise PortAbsent(
            f"{url.text}: no answer within {CONNECT_DEADLINE_S} s. Check that the pen is switched on and in this "
            "network, and that no firewall stands between.",
            url=url.text,
        ) from error
    return DescriptorTransport(SocketHandle(connection), url.text, receiver, asyncio.get_running_loop())


async def _connect(url: str, host: str, port: int) -> socket.socket:
    failure: OSError | None = None
    for family, address in await _addresses(url, host, port):
        with ExitStack() as undo:
            try:
                connection = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
                connection.setblocking(False)
                make_prompt(connection)
                await asyncio.get_running_loop().sock_connect(connection, address)
            except OSError as error:
                failure = error
            else:
                undo.pop_all()
                return connection
    raise _refused(url, host, port, failure) from failure


async def _addresses(url: str, host: str, port: int) -> list[Address]:
    """The addresses of a host, looked up in a thread of its own: a resolver may take longer than we wait for it."""
    try:
        found = await open_in_thread(
            f"look up {host}",
            lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM),
            lambda _addresses: None,
            CONNECT_DEADLINE_S,
        )
    except socket.gaierror as error:
        raise PortAbsent(
            f"{url}: no host is called {host}. Check the spelling, or use its number as in tcp://192.0.2.7:{port}.",
            url=url,
        ) from error
    return [(family, address) for family, _type, _protocol, _name, address in found]


def _refused(url: str, host: str, port: int, error: OSError | None) -> TransportError:
    reason = os.strerror(error.errno) if error is not None and error.errno else "it has no address"
    if error is not None and error.errno in (errno.EACCES, errno.EPERM):
        return PortForbidden(
            f"{url}: this system does not let us connect to {host}: {reason}. "
            f"Ask its administrator to allow port {port}.",
            url=url,
        )
    return PortAbsent(
        f"{url}: nothing answers at {host}, port {port}: {reason}. Start the pen there, or correct the address.",
        url=url,
    )
