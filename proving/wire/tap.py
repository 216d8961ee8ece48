"""A tap between a host and a pen: opens the pen, offers a port to the host, and records what goes through.

It adds nothing, takes nothing away and keeps nothing: bytes go on as they come. A pen that is unplugged is unplugged
for the host too, and plugged in again when it comes back.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

from firmware_bridge.errors import TransportError
from firmware_bridge.recording import TrafficRecorder
from firmware_bridge.supervisor import backoff_s
from firmware_bridge.transports import Transport, open_transport
from proving.wire.offering import Place, check_places, offer


class _Way:
    """One host's way through the tap."""

    def __init__(self, line: "_Line", send: Callable[[bytes], None]) -> None:
        self._line = line
        self.send = send

    def received(self, data: bytes) -> None:
        self._line.to_pen(data)

    def detach(self) -> None:
        self._line.ways.discard(self)


class _Line:
    """The pen's port for as long as it is plugged in, and the hosts that have opened what is offered."""

    def __init__(self, recorder: Callable[[], TrafficRecorder]) -> None:
        self._recorder = recorder
        self._recording: TrafficRecorder | None = None
        self._transport: Transport | None = None
        self.ways: set[_Way] = set()
        self.gone = asyncio.Event()
        self.cause: TransportError | None = None

    def begin(self, transport: Transport) -> None:
        self._transport = transport
        self._recording = self._recorder()

    def attach(self, send: Callable[[bytes], None]) -> _Way:
        way = _Way(self, send)
        self.ways.add(way)
        return way

    def to_pen(self, data: bytes) -> None:
        if self._transport is not None and self._recording is not None:
            self._recording.tap(True, data)
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self._recording is not None:
            self._recording.tap(False, data)
        for way in list(self.ways):
            way.send(data)

    def transport_lost(self, cause: TransportError | None) -> None:
        self._transport = None
        self.cause = cause
        self.gone.set()


async def tap(
    pen_url: str,
    recorder: Callable[[], TrafficRecorder],
    *,
    pty: bool = True,
    link: Path | None = None,
    tcp: str | None = None,
    ready: Callable[[Place], None],
    news: Callable[[str], None],
    random: Random,
) -> None:
    """Taps the pen at ``pen_url`` until cancelled.

    ``recorder`` is asked once the pen is open, and again each time it has come back. ``ready`` is called once, when
    hosts can open the tap; ``news`` gets a sentence when the pen goes and comes.

    Raises a TransportError when the pen cannot be opened at the beginning, EndpointError when the tap cannot be offered
    as asked, OSError from ``recorder``.
    """
    check_places(pty=pty, link=link, tcp=tcp)
    told, failures = False, 0
    while True:
        line = _Line(recorder)
        try:
            transport = await open_transport(pen_url, line)
        except TransportError:
            if not told:
                raise
            failures += 1
            await asyncio.sleep(backoff_s(failures, random))
            continue
        failures = 0
        try:
            line.begin(transport)
            async with AsyncExitStack() as stack:
                place = await offer(line, stack, pty=pty, link=link, tcp=tcp)
                if told:
                    news(f"{pen_url}: the pen is back; the tap is at {place['url']}.")
                else:
                    told, tcp = True, place["tcp"] if isinstance(place["tcp"], str) else None
                    ready(place)
                await line.gone.wait()
            news(f"The pen went: {line.cause}")
        finally:
            await transport.close()
