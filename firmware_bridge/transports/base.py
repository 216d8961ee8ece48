"""What a transport is, and the registry that opens one from a URL.

A transport moves bytes and knows nothing of frames. Its life is short and one-way: opened, used, gone; a lost one is
replaced, never reopened.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from firmware_bridge.errors import TransportError, UnknownUrl

READ_BYTES = 4096
"""Most that is taken from a port at once: a few dozen frames, so that one busy pen does not hold up the loop."""


class Receiver(Protocol):
    """Who gets what comes in. Both methods are called on the event loop's thread and must not block."""

    def data_received(self, data: bytes) -> None:
        """Bytes came in, in order."""

    def transport_lost(self, cause: TransportError | None) -> None:
        """The transport is gone: called exactly once, after the handle is released.

        ``cause`` is None when it was closed or aborted from this side.
        """


class Transport(Protocol):
    """An open way to a pen."""

    @property
    def url(self) -> str:
        """The URL it was opened with."""

    @property
    def unsent_bytes(self) -> int:
        """Bytes accepted by ``write`` that have not left for the line yet, as far as can be known."""

    def write(self, data: bytes, *, urgent: bool = False) -> None:
        """Sends ``data`` now if the port takes it, else as soon as it does; never blocks.

        ``urgent`` data goes ahead of everything that has not begun to leave; a piece that has begun is finished first.
        On a transport that is gone it does nothing: the loss is told through the receiver.
        """

    async def close(self, drain_s: float = 0.2) -> None:
        """Lets unsent bytes leave for at most ``drain_s`` seconds, then aborts. Returns when the handle is released."""

    def abort(self) -> None:
        """Drops unsent bytes and releases the handle."""


@dataclass(frozen=True, slots=True)
class PenUrl:
    """A pen's URL, taken apart."""

    text: str
    scheme: str
    host: str
    port: int | None
    path: str
    options: dict[str, str] = field(default_factory=dict)


Opener = Callable[[PenUrl, Receiver], Awaitable[Transport]]

_OPENERS: dict[str, Opener] = {}


def register(scheme: str, opener: Opener) -> None:
    """Makes ``scheme://`` URLs open through ``opener``. A scheme is registered once; a second time is ValueError."""
    if scheme in _OPENERS:
        raise ValueError(f"scheme {scheme}:// is registered already")
    _OPENERS[scheme] = opener


def schemes() -> list[str]:
    """The registered schemes, sorted."""
    return sorted(_OPENERS)


_WITHOUT_PORT = {"usb"}
"""Behind the colon of these stands something else: a USB product, in hexadecimal."""


def parse_url(url: str) -> PenUrl:
    """Takes a URL apart. Raises UnknownUrl, with what a URL looks like, when it is none or says an option twice."""
    try:
        parts = urlsplit(url)
        port = None if parts.scheme in _WITHOUT_PORT else parts.port
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise UnknownUrl(f"{url!r} is not a pen's address: {error}. {_EXAMPLES}", url=url) from error
    if not parts.scheme or "://" not in url:
        raise UnknownUrl(f"{url!r} is not a pen's address: it has no scheme. {_EXAMPLES}", url=url)
    options = dict(pairs)
    if len(options) < len(pairs):
        twice = next(name for name in options if sum(name == other for other, _ in pairs) > 1)
        raise UnknownUrl(f"{url!r}: {twice!r} is there more than once. Leave the one that is meant.", url=url)
    return PenUrl(url, parts.scheme, parts.hostname or "", port, parts.path, options)


_EXAMPLES = (
    "Examples: serial:///dev/ttyACM0, usb://1209:0001, tcp://192.0.2.7:7070. "
    "`needlework pens` lists the pens plugged in."
)


async def open_transport(url: str, receiver: Receiver) -> Transport:
    """Opens the transport a URL names. A cancelled open leaves nothing open.

    Raises UnknownUrl, PortAbsent, PortBusy, PortForbidden or PortUnusable; each says what to do next.
    """
    parsed = parse_url(url)
    opener = _OPENERS.get(parsed.scheme)
    if opener is None:
        known = ", ".join(f"{scheme}://" for scheme in schemes())
        raise UnknownUrl(f"{url!r}: no transport is called {parsed.scheme}://. There are {known}.", url=url)
    return await opener(parsed, receiver)
