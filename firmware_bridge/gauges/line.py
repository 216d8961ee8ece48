"""A line of text from an instrument: bytes in, lines out, what nobody asked for thrown away."""

import asyncio
from collections import deque

from firmware_bridge.errors import PortAbsent, TransportError
from firmware_bridge.gauges.errors import GaugeLost, GaugeNotOpened, GaugeSilent
from firmware_bridge.transports import open_transport
from firmware_bridge.transports.base import Transport

LINE_MAX_BYTES = 64
"""Four times what the longest instrument here says at once; more without an end is noise, and is not kept."""

LINES_KEPT = 16
"""Of what nobody has asked for. Somebody who leans on a DATA key fills no memory."""


class LineSplitter:
    """Takes lines out of what comes, in whatever pieces. A line ends with CR or LF; NUL, spaces and empty ones go."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their ends."""
        lines = []
        for byte in data:
            if byte in b"\r\n":
                line = bytes(self._held).strip(b" \0")
                self._held.clear()
                if line:
                    lines.append(line)
            elif len(self._held) < LINE_MAX_BYTES:
                self._held.append(byte)
        return lines

    def clear(self) -> None:
        """What was begun is forgotten."""
        self._held.clear()


class GaugeLine:
    """The receiving end of an instrument's line. Made by :func:`open_line`; closed once."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._splitter = LineSplitter()
        self._lines: deque[bytes] = deque(maxlen=LINES_KEPT)
        self._arrived = asyncio.Event()
        self._lost: TransportError | None = None
        self._gone = False
        self.transport: Transport | None = None

    # Receiver

    def data_received(self, data: bytes) -> None:
        """Bytes of the instrument."""
        self._lines.extend(self._splitter.feed(data))
        if self._lines:
            self._arrived.set()

    def transport_lost(self, cause: TransportError | None) -> None:
        """The line is gone; whoever waits is told."""
        self._gone, self._lost = True, cause
        self._arrived.set()

    # What an adapter does with it

    def clear(self) -> None:
        """Everything that has come so far is forgotten, the beginning of a line too."""
        self._splitter.clear()
        self._lines.clear()
        if not self._gone:
            self._arrived.clear()

    def require(self) -> None:
        """Raises GaugeLost on a line that is gone."""
        if self._gone:
            raise self._loss()

    def write(self, data: bytes) -> None:
        """Sends a request. Raises GaugeLost on a line that is gone."""
        if self._gone or self.transport is None:
            raise self._loss()
        self.transport.write(data)

    async def next(self, within_s: float) -> bytes:
        """The next line. Raises GaugeSilent when none came within ``within_s`` seconds, GaugeLost without a line."""
        try:
            async with asyncio.timeout(within_s):
                while not self._lines:
                    if self._gone:
                        raise self._loss()
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError as error:
            raise GaugeSilent(
                f"{self.url}: the gauge did not answer within {within_s:g} s. This reading was not taken, those before "
                "it stay. Check that the gauge is on and its cable in, that the address names its port and the speed "
                "of its line (`baud=`), then read again.",
                url=self.url,
            ) from error
        return self._lines.popleft()

    async def close(self) -> None:
        """Lets go of the line. A second time does nothing."""
        if self.transport is not None and not self._gone:
            await self.transport.close()
        self.transport = None
        self._gone = True

    def _loss(self) -> GaugeLost:
        error = GaugeLost(
            f"{self.url}: the gauge's line is gone: unplugged, or closed. This reading was not taken, those before it "
            "stay. Plug it in again and open it anew, then go on where you were.",
            url=self.url,
        )
        error.__cause__ = self._lost
        return error


async def open_line(url: str, line_url: str) -> GaugeLine:
    """Opens the line of the gauge at ``url``. Raises GaugeNotOpened with the transport's error as its cause."""
    line = GaugeLine(url)
    try:
        line.transport = await open_transport(line_url, line)
    except PortAbsent as error:
        raise GaugeNotOpened(
            f"{url}: there is nothing of that name. Plug in the gauge's interface cable; `needlework gauge list` tells "
            "the serial ports there are.",
            url=url,
        ) from error
    except TransportError as error:
        raise GaugeNotOpened(f"The gauge's line does not open. {error}", url=url) from error
    return line
