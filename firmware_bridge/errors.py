"""What can go wrong on the wire.

    WireError
    ├── CodecError              a value that cannot be put on the wire, or bytes that make no sense
    ├── TransportError          the way to the pen
    │   ├── UnknownUrl          no transport for this URL, or a malformed one
    │   ├── PortAbsent          no such device, host or name
    │   ├── PortBusy            somebody else holds the port
    │   ├── PortForbidden       the system does not let us open it
    │   ├── PortUnusable        opened, but not usable as the line this URL asks for
    │   └── TransportLost       it was there and went: unplugged, closed by the other side, write failed
    ├── HandshakeError          something is there that we cannot treat with
    │   ├── NotAPen             it answers with bytes that are not our protocol, or not at all
    │   ├── ProtocolVersionError it speaks another version
    │   └── PenBusy             another host holds a live lease on it
    ├── LinkStale               no STATUS for longer than the dead-man time
    ├── RequestError            one request to the pen
    │   ├── RequestRefused      the pen said no, and why
    │   ├── RequestUncertain    no answer: it may or may not have been done
    │   └── LinkClosed          the link is gone or being closed
    └── GaugeError              a reference instrument: see firmware_bridge.gauges.errors

Every message names what happened, what it means, and what to do next; ``url`` says which pen.
"""

from firmware_bridge.wire.messages import Refusal


class WireError(Exception):
    """Root of everything that can go wrong between host and pen. ``url`` names the pen, empty where none is meant."""

    def __init__(self, message: str, *, url: str = "") -> None:
        super().__init__(message)
        self.url = url


class CodecError(WireError):
    """A value that cannot be put on the wire, or bytes that make no sense."""


class TransportError(WireError):
    """The way to the pen failed."""


class UnknownUrl(TransportError):
    """No transport for this URL, or a malformed one."""


class PortAbsent(TransportError):
    """No such device, host or name."""


class PortBusy(TransportError):
    """Somebody else holds the port."""


class PortForbidden(TransportError):
    """The system does not let this user open the port."""


class PortUnusable(TransportError):
    """The port opened, but cannot be used as the URL asks."""


class TransportLost(TransportError):
    """The port was there and went: unplugged, closed by the other side, or a write failed."""


class HandshakeError(WireError):
    """Something answers on the port, or nothing does, and it is no pen we can treat with."""


class NotAPen(HandshakeError):
    """Silence, or bytes that are not our protocol."""


class ProtocolVersionError(HandshakeError):
    """The pen speaks another version of the protocol. ``pen_version`` is the one it speaks."""

    def __init__(self, message: str, *, url: str = "", pen_version: int) -> None:
        super().__init__(message, url=url)
        self.pen_version = pen_version


class PenBusy(HandshakeError):
    """Another host holds a live lease on this pen."""


class LinkStale(WireError):
    """No STATUS came for longer than the dead-man time."""


class RequestError(WireError):
    """One request to the pen did not end in an answer."""


class RequestRefused(RequestError):
    """The pen did not do it. ``refusal`` says why."""

    def __init__(self, message: str, *, url: str = "", refusal: Refusal | int) -> None:
        super().__init__(message, url=url)
        self.refusal = refusal


class RequestUncertain(RequestError):
    """No answer came: it may or may not have been done. It is never sent again; ask OUTCOME with ``key``."""

    def __init__(self, message: str, *, url: str = "", key: int) -> None:
        super().__init__(message, url=url)
        self.key = key


class LinkClosed(RequestError):
    """The link is gone or being closed."""
