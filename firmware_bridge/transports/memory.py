"""``memory://name``: a line inside the process, for simulators and tests.

It behaves as a port does. Bytes arrive later, in order, in pieces that need not be the ones written; each direction
holds a bounded number of bytes; what was on the line when one side closed still arrives, then the loss, once. It needs
an event loop for ``call_soon`` only, so it runs under a virtual clock too. All of it belongs to the loop's thread.

The simulator's side::

    def accept(peer: MemoryPeer) -> None:
        peer.on_lost = lambda: ...             # the host closed
        peer.on_data = lambda data: ...        # assigning it begins reading; None stops, and the line fills up

    listener = listen("pen-1", accept)         # the host opens memory://pen-1, as often as it likes
    accepted = peer.write(b"...")              # may take fewer bytes than given, as a non-blocking port may
    peer.close()                               # unplugged: the host's receiver hears TransportLost
    listener.close()                           # the name is gone and every open line with it
"""

import asyncio
import re
from collections.abc import Callable

from firmware_bridge.errors import PortAbsent, PortBusy, TransportLost
from firmware_bridge.transports.base import READ_BYTES, PenUrl, Receiver, Transport
from firmware_bridge.transports.options import require_known
from firmware_bridge.transports.queued import LOSS_REMEDY, QueuedTransport

LINE_BYTES = 4096
"""What one direction of the line holds: what a Linux terminal's buffer does."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


class _Lane:
    """One direction: bounded, asynchronous, in order, with an end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._bytes = bytearray()
        self._scheduled = False
        self._ending = False
        self.deliver: Callable[[bytes], None] | None = None
        self.drained: Callable[[], None] | None = None
        self.ended: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._bytes)

    def put(self, data: bytes | memoryview) -> int:
        count = 0 if self._ending else min(len(data), LINE_BYTES - len(self._bytes))
        if count:
            self._bytes += data[:count]
            self.wake()
        return count

    def end(self) -> None:
        """After what is on the line, the end."""
        self._ending = True
        self.wake()

    def cut(self) -> None:
        """Nobody listens any more: nothing further is delivered."""
        self._bytes.clear()
        self.deliver = self.drained = self.ended = None

    def wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._step)

    def _step(self) -> None:
        self._scheduled = False
        if self._bytes:
            if self.deliver is None:
                return
            chunk = bytes(self._bytes[:READ_BYTES])
            del self._bytes[:READ_BYTES]
            if self._bytes or self._ending:
                self.wake()
            if self.drained is not None:
                self.drained()
            self.deliver(chunk)
        elif self._ending and self.ended is not None:
            ended, self.ended = self.ended, None
            ended()


class MemoryPeer:
    """The simulator's end of one line. ``on_lost`` is called once, after the last byte, when the host is gone."""

    def __init__(self, to_host: _Lane, from_host: _Lane, forget: Callable[["MemoryPeer"], None]) -> None:
        self._to_host = to_host
        self._from_host = from_host
        self._forget = forget
        self._closed = False
        self.on_lost: Callable[[], None] | None = None
        from_host.ended = self._host_gone

    @property
    def on_data(self) -> Callable[[bytes], None] | None:
        """Who gets what the host sends. None does not read: the line fills up and the host's bytes wait."""
        return self._from_host.deliver

    @on_data.setter
    def on_data(self, handler: Callable[[bytes], None] | None) -> None:
        if not self._closed:
            self._from_host.deliver = handler
            self._from_host.wake()

    @property
    def closed(self) -> bool:
        """The line is closed, from either side."""
        return self._closed

    def write(self, data: bytes) -> int:
        """Puts as much of ``data`` on the line as it takes and says how many bytes that was; 0 on a closed line."""
        return 0 if self._closed else self._to_host.put(data)

    def close(self) -> None:
        """The pen's side goes away, as when unplugged; ``on_lost`` is not called. A second time does nothing."""
        if not self._closed:
            self._closed = True
            self._forget(self)
            self._from_host.cut()
            self._to_host.end()

    def _host_gone(self) -> None:
        if not self._closed:
            self._closed = True
            self._forget(self)
            self._from_host.cut()
            if self.on_lost is not None:
                self.on_lost()


class MemoryListener:
    """A name that can be opened. Made by :func:`listen`."""

    def __init__(self, name: str, accept: Callable[[MemoryPeer], None]) -> None:
        self.name = name
        self.url = f"memory://{name}"
        self._accept = accept
        self._peers: set[MemoryPeer] = set()

    def connect(self, to_host: _Lane, from_host: _Lane) -> None:
        """Makes the listening side's end of a new line and hands it to ``accept``."""
        peer = MemoryPeer(to_host, from_host, self._peers.discard)
        self._peers.add(peer)
        self._accept(peer)

    def close(self) -> None:
        """Frees the name and closes every line opened by it. A second time does nothing."""
        if _LISTENERS.get(self.name) is self:
            del _LISTENERS[self.name]
        for peer in list(self._peers):
            peer.close()


_LISTENERS: dict[str, MemoryListener] = {}


def listen(name: str, accept: Callable[[MemoryPeer], None]) -> MemoryListener:
    """Makes ``memory://name`` openable; ``accept`` gets the peer of each line as it is opened.

    Names are lower-case letters, digits, dot, dash and underscore (ValueError otherwise). Raises PortBusy when the name
    is taken.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name for memory://: lower-case letters, digits, '.', '-' and '_'")
    if name in _LISTENERS:
        raise PortBusy(f"memory://{name} is listened on already. Close that one or take another name.", url=name)
    listener = _LISTENERS[name] = MemoryListener(name, accept)
    return listener


class MemoryTransport(QueuedTransport):
    """The host's end of a line; see :class:`firmware_bridge.transports.base.Transport`."""

    def __init__(self, url: str, receiver: Receiver, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(url, receiver, loop)
        self.outgoing = _Lane(loop)
        self.incoming = _Lane(loop)
        self.outgoing.drained = self._drained
        self.incoming.deliver = receiver.data_received
        self.incoming.ended = self._peer_gone

    @property
    def unsent_bytes(self) -> int:
        """Bytes the peer has not been given yet."""
        return 0 if self._gone else self._outbox.size + len(self.outgoing)

    def write(self, data: bytes, *, urgent: bool = False) -> None:
        """Puts ``data`` on the line, or in the queue for it."""
        if self._gone:
            return
        self._outbox.push(data, urgent=urgent)
        self._fill()
        self._overfull()

    async def _drain(self) -> None:
        while self.unsent_bytes:
            self._emptied.clear()
            await self._emptied.wait()

    def _release(self) -> None:
        self._outbox.clear()
        self.incoming.cut()
        self.outgoing.drained = None
        self.outgoing.end()
        self._loop.call_soon(self._tell)

    def _fill(self) -> None:
        while self._outbox.size:
            count = self.outgoing.put(self._outbox.head())
            if not count:
                return
            self._outbox.sent(count)

    def _drained(self) -> None:
        self._fill()
        if not self.unsent_bytes:
            self._emptied.set()

    def _peer_gone(self) -> None:
        self._lose(
            TransportLost(
                f"{self.url}: the pen's side closed the line. {LOSS_REMEDY} Start it again, then connect again.",
                url=self.url,
            )
        )


async def open_memory(url: PenUrl, receiver: Receiver) -> Transport:
    """Opens ``memory://name``. Raises PortAbsent when nobody listens by that name, PortUnusable for any option."""
    require_known(url, ())
    listener = _LISTENERS.get(url.host)
    if listener is None:
        raise PortAbsent(
            f"{url.text}: nothing in this process listens by that name. memory:// lines exist inside one process only; "
            "start the simulated pen first.",
            url=url.text,
        )
    transport = MemoryTransport(url.text, receiver, asyncio.get_running_loop())
    listener.connect(transport.incoming, transport.outgoing)
    return transport
