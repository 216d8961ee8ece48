"""A transport with an adapter in it: the host sees a pen that speaks our protocol, the line carries another one."""

import asyncio
from collections.abc import Callable

from firmware_bridge.dialects.base import Dialect, Said
from firmware_bridge.errors import TransportError
from firmware_bridge.transports.base import Opener, PenUrl, Receiver, Transport, open_transport
from firmware_bridge.wire.framing import Deframer, frame


class DialectTransport:
    """See :class:`firmware_bridge.transports.base.Transport`. Made by :func:`open_dialect`."""

    def __init__(self, url: str, receiver: Receiver, dialect: Dialect) -> None:
        self.url = url
        self._receiver = receiver
        self._dialect = dialect
        self._deframer = Deframer()
        self._sequence = 0
        self._inner: Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._gone = False

    async def open(self, inner_url: str) -> None:
        """Opens the line to the pen. Raises a TransportError."""
        self._inner = await open_transport(inner_url, self)
        self._tick()

    # Transport, for the host

    @property
    def unsent_bytes(self) -> int:
        """Bytes that have not left for the pen."""
        return 0 if self._inner is None else self._inner.unsent_bytes

    def write(self, data: bytes, *, urgent: bool = False) -> None:
        """Frames of ours; what they mean in the dialect is sent."""
        for message in self._deframer.feed(data):
            self._pass_on(self._dialect.host_said(message, self._now_ms()), urgent=urgent)

    async def close(self, drain_s: float = 0.2) -> None:
        """Ends it, as the transport inside does."""
        self._end()
        if self._inner is not None:
            await self._inner.close(drain_s)

    def abort(self) -> None:
        """Ends it at once."""
        self._end()
        if self._inner is not None:
            self._inner.abort()

    # Receiver, for the line

    def data_received(self, data: bytes) -> None:
        """Bytes of the pen."""
        self._pass_on(self._dialect.pen_said(data, self._now_ms()))

    def transport_lost(self, cause: TransportError | None) -> None:
        """The line is gone."""
        self._end()
        self._receiver.transport_lost(cause)

    # Inside

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1000)

    def _tick(self) -> None:
        if not self._gone:
            self._pass_on(self._dialect.tick(self._now_ms()))
            self._timer = self._loop.call_later(self._dialect.tick_ms / 1000, self._tick)

    def _pass_on(self, said: Said, *, urgent: bool = False) -> None:
        if said.to_pen and self._inner is not None:
            self._inner.write(said.to_pen, urgent=urgent)
        wire = b""
        for message in said.to_host:
            wire += frame(message, self._sequence)
            self._sequence = (self._sequence + 1) & 0xFF
        if wire:
            self._loop.call_soon(self._deliver, wire)  # never from within the host's own write

    def _deliver(self, wire: bytes) -> None:
        if not self._gone:
            self._receiver.data_received(wire)

    def _end(self) -> None:
        self._gone = True
        if self._timer is not None:
            self._timer.cancel()


def opener(make: Callable[[], Dialect]) -> Opener:
    """What opens URLs of a dialect: the part of the scheme before the plus sign is the dialect, the rest the line's."""

    async def open_dialect(url: PenUrl, receiver: Receiver) -> Transport:
        transport = DialectTransport(url.text, receiver, make())
        await transport.open(url.text.partition("+")[2])
        return transport

    return open_dialect
