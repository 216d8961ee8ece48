"""A simulated pen behind ``memory://name``, inside the process of its host; every opening is a medium of its own."""

from typing import Generic

from firmware_bridge.transports.memory import MemoryListener, MemoryPeer, listen
from simulators.endpoints.served import M, Served


class MemoryEndpoint(Generic[M]):
    """Serves ``live`` as ``memory://name`` from the time it is made until :meth:`close`. A context manager closes it.

    Raises ValueError for a name that is none, PortBusy when the name is taken.
    """

    def __init__(self, live: Served[M], name: str) -> None:
        self._live = live
        self._peers: dict[MemoryPeer, M] = {}
        self._listener: MemoryListener = listen(name, self._accept)
        self.dropped_bytes = 0

    @property
    def url(self) -> str:
        """The pen's URL for a host of this product."""
        return self._listener.url

    @property
    def ports(self) -> list[M]:
        """The media of the lines open now, oldest first."""
        return list(self._peers.values())

    def unplug(self) -> None:
        """Cuts every line that is open, as when a cable is pulled; goes on listening."""
        for peer, port in list(self._peers.items()):
            peer.close()
            port.detach()
        self._peers.clear()

    def close(self) -> None:
        """Cuts every line and frees the name."""
        self.unplug()
        self._listener.close()

    def __enter__(self) -> "MemoryEndpoint[M]":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _accept(self, peer: MemoryPeer) -> None:
        def send(data: bytes) -> None:
            self.dropped_bytes += len(data) - peer.write(data)

        port = self._peers[peer] = self._live.attach(send)

        def lost() -> None:
            self._peers.pop(peer, None)
            port.detach()

        peer.on_lost = lost
        peer.on_data = port.received
