"""What can go wrong with a reference instrument.

    WireError
    └── GaugeError
        ├── GaugeAddress      not the address of a gauge, or an option it does not have
        ├── GaugeNotOpened    its line does not open; the transport's error is the cause
        ├── GaugeLost         it was there and went: unplugged in the middle of a series
        ├── GaugeSilent       no answer in time
        ├── GaugeUnreadable   an answer that is no reading
        ├── GaugeRefused      the interface box says why there is no reading; ``code`` is its word for it
        └── GaugeUnit         a reading, but not in the unit and resolution that were declared

Every message names what happened, what it means for the readings, and what to do next; ``url`` says which gauge. None
of them leaves half a reading behind: what was read before stays good, and the same reading may be asked for again.
"""

from firmware_bridge.errors import WireError


class GaugeError(WireError):
    """Root of everything that can go wrong with a reference instrument."""


class GaugeAddress(GaugeError):
    """Not the address of a gauge, or an option that this kind does not have."""


class GaugeNotOpened(GaugeError):
    """The gauge's line does not open."""


class GaugeLost(GaugeError):
    """The gauge's line was there and went. This gauge is used up; open it anew."""


class GaugeSilent(GaugeError):
    """No answer came in time."""


class GaugeUnreadable(GaugeError):
    """Something came that is no reading. ``raw`` is what."""

    def __init__(self, message: str, *, url: str = "", raw: str) -> None:
        super().__init__(message, url=url)
        self.raw = raw


class GaugeRefused(GaugeError):
    """The interface box says that it has no reading. ``code`` is its own word for why."""

    def __init__(self, message: str, *, url: str = "", code: str) -> None:
        super().__init__(message, url=url)
        self.code = code


class GaugeUnit(GaugeError):
    """A reading that cannot be in the declared unit and resolution. ``raw`` is what came."""

    def __init__(self, message: str, *, url: str = "", raw: str) -> None:
        super().__init__(message, url=url)
        self.raw = raw
