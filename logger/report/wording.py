"""Numbers, times and names as a report prints them, and text made safe to print. Pure."""

import re
import unicodedata
from datetime import date, datetime
from typing import Any, Final

from controller.units import MHZ_PER_HZ, UM_PER_MM

MS_PER_S: Final = 1000
NO_BREAK: Final = "\N{NO-BREAK SPACE}"
NARROW_SPACE: Final = "\N{NARROW NO-BREAK SPACE}"
_BREAK: Final = "\N{ZERO WIDTH SPACE}"
_LONG_WORD: Final = re.compile(r"\S{19,}")
"""Longer than a column is wide."""
_PIECE: Final = re.compile(r"[^/_-]{1,18}[/_-]?|[/_-]")
NOTHING: Final = "–"

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_SAFE: Final = ((0x20, 0x7E), (0xA0, 0x17F), (0x391, 0x3A1), (0x3A3, 0x3C9), (0x410, 0x44F))
_SAFE_SIGNS: Final = frozenset("–—‘’“”„…•‰€−≤≥×µ·\N{NARROW NO-BREAK SPACE}\N{ZERO WIDTH SPACE}ЁёІіЇїЄє")
"""What the typesetter's own fonts surely have, with Latin, Greek and Cyrillic letters."""

LAYERS: Final = {
    "mechanical": "mechanism",
    "labelled": "maker's label",
    "cartridge": "cartridge",
    "zone_hard": "zone, hard",
    "zone_soft": "zone, soft",
    "operator": "operator's scope",
    "calibration": "calibration",
    "depth_rate_curve": "depth-rate curve",
    "lease": "pen's lease",
}
"""The layers of a limit, short."""


def clock(at: datetime) -> str:
    """The time of day, to the second."""
    return at.strftime("%H:%M:%S")


def moment(at: datetime) -> str:
    """Day and time of day."""
    return at.strftime("%Y-%m-%d %H:%M:%S")


def day(at: datetime | date) -> str:
    """The day, as an ISO date."""
    return at.strftime("%Y-%m-%d")


def time_of(at: datetime, opened: datetime) -> str:
    """The time of day; with its date where that is not the day on which the session was opened."""
    return clock(at) if at.date() == opened.date() else moment(at)


def span(ms: int) -> str:
    """How long something took: "8.4 s", "3:07 min", "1:02:03 h"."""
    if ms < 60 * MS_PER_S:
        return f"{ms / MS_PER_S:.1f} s"
    minutes, seconds = divmod(ms // MS_PER_S, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d} h" if hours else f"{minutes}:{seconds:02d} min"


def stopwatch(ms: int) -> str:
    """A moment on a time axis: "0:08", "12:30", "1:02:00"."""
    minutes, seconds = divmod(ms // MS_PER_S, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def mm(depth_um: int | None) -> str:
    """A depth without its unit: "0.50"; "not measured" where there is none."""
    return "not measured" if depth_um is None else f"{depth_um / UM_PER_MM:.2f}"


def hz(rate_mhz: int | None) -> str:
    """A rate without its unit: "120"; "not measured" where there is none."""
    return "not measured" if rate_mhz is None else f"{rate_mhz / MHZ_PER_HZ:.0f}"


def quantity(name: str, value: int | None) -> str:
    """A value of a limit with its unit, by the quantity's name in the record."""
    if value is None:
        return "not known"
    return f"{mm(value)} mm" if name == "depth_um" else f"{hz(value)} Hz"


def count(number: int | None) -> str:
    """A count with its thousands apart: "12 345"; "not known" for None."""
    return "not known" if number is None else f"{number:,}".replace(",", NARROW_SPACE)


def spoken(name: str) -> str:
    """A name of the record in words: "depth_over_limit" → "depth over limit", "upper-lip" → "upper lip"."""
    return name.replace("_", " ").replace("-", " ")


def several(items: tuple[str, ...] | list[str]) -> str:
    """A list in a sentence."""
    return ", ".join(items) if items else NOTHING


def grouped(digest: str) -> str:
    """A digest in groups of eight, for people who compare it by eye."""
    return " ".join(digest[start : start + 8] for start in range(0, len(digest), 8))


def breakable(text: str) -> str:
    """The same text, in which a word too long for a column may go on in the next line, best after a hyphen."""
    return _LONG_WORD.sub(lambda found: _BREAK.join(_PIECE.findall(found[0])), text)


def visible(data: Any) -> Any:
    """A tree of JSON values in which every character can be seen: what has no form of its own, or turns the direction
    of what follows, is spelled as its number."""
    return _mapped(data, lambda sign: sign == _BREAK or unicodedata.category(sign) not in _INVISIBLE)


def spelled(data: Any) -> Any:
    """The same, with every character outside Latin, Greek and Cyrillic as its number: for fonts that lack it."""
    return _mapped(data, lambda sign: sign in _SAFE_SIGNS or any(first <= ord(sign) <= last for first, last in _SAFE))


def _mapped(data: Any, printable: Any) -> Any:
    match data:
        case str():
            if data.isascii() and data.isprintable():
                return data
            return "".join(sign if printable(sign) else f"[U+{ord(sign):04X}]" for sign in data.replace("\n", " "))
        case dict():
            return {key: _mapped(value, printable) for key, value in data.items()}
        case list() | tuple():
            return [_mapped(value, printable) for value in data]
        case _:
            return data
