"""How a serial line is to be set up, read from the options of its URL. What each option means: see serial.py."""

from dataclasses import dataclass

from firmware_bridge.transports.base import PenUrl
from firmware_bridge.transports.options import choice, whole_number

BAUD_DEFAULT = 115_200
LINE_OPTIONS = ("baud", "dtr", "rts", "exclusive")

_ON_OFF = {"on": True, "off": False}


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How a serial line is to be set up."""

    baud: int
    dtr: bool
    rts: bool
    exclusive: bool


def line_settings(url: PenUrl) -> LineSettings:
    """The line settings in a URL's options. Raises PortUnusable for a value that is none."""
    return LineSettings(
        baud=whole_number(url, "baud", BAUD_DEFAULT, least=50, most=10_000_000),
        dtr=choice(url, "dtr", "on", _ON_OFF),
        rts=choice(url, "rts", "on", _ON_OFF),
        exclusive=choice(url, "exclusive", "on", _ON_OFF),
    )
