"""Numbers and moments as people read them in a terminal. Pure.

``UNKNOWN`` stands for what is not known at this moment (stale, or no pen); "not measured" for what a pen has no sensor
for. The two are never mixed: the one calls for a look at the cable, the other for nothing.
"""

from controller.units import format_hz, format_mm

UNKNOWN = "--"
MS_PER_S = 1000
S_PER_MINUTE = 60
MINUTES_PER_HOUR = 60

LAYERS = {
    "mechanical": "mechanism",
    "labelled": "the maker's label",
    "cartridge": "cartridge",
    "zone_hard": "zone, hard limit",
    "zone_soft": "zone, soft limit",
    "operator": "operator's scope",
    "calibration": "calibration",
    "depth_rate_curve": "depth-rate curve",
}
"""The layer that decides a limit, short enough for a gauge; the record has the whole sentence."""


def mm(depth_um: int | None, *, known: bool = True) -> str:
    """A depth: "0.50 mm", "not measured", or ``UNKNOWN`` when the whole status is not known."""
    return format_mm(depth_um) if known else UNKNOWN


def hz(rate_mhz: int | None, *, known: bool = True) -> str:
    """A rate: "120.0 Hz", "not measured", or ``UNKNOWN`` when the whole status is not known."""
    return format_hz(rate_mhz) if known else UNKNOWN


def duration(ms: int) -> str:
    """A time span: "8.4 s", "3:07 min", "1:02:03 h"."""
    if ms < S_PER_MINUTE * MS_PER_S:
        return f"{ms / MS_PER_S:.1f} s"
    minutes, seconds = divmod(ms // MS_PER_S, S_PER_MINUTE)
    hours, minutes = divmod(minutes, MINUTES_PER_HOUR)
    return f"{hours}:{minutes:02d}:{seconds:02d} h" if hours else f"{minutes}:{seconds:02d} min"


def stopwatch(ms: int) -> str:
    """A running time: "0:08", "12:34", "1:02:03"."""
    minutes, seconds = divmod(ms // MS_PER_S, S_PER_MINUTE)
    hours, minutes = divmod(minutes, MINUTES_PER_HOUR)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def offset(ms: int) -> str:
    """A moment by the time since something began: "+0:08.4"."""
    sign = "-" if ms < 0 else "+"
    minutes, rest_ms = divmod(abs(ms), S_PER_MINUTE * MS_PER_S)
    return f"{sign}{minutes}:{rest_ms // MS_PER_S:02d}.{rest_ms % MS_PER_S // 100}"


def count(number: int | None) -> str:
    """A count with its thousands apart: "12 345", or "not known"."""
    return "not known" if number is None else f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def percent(permille: int | None) -> str:
    """A charge: "97 %", or "not measured"."""
    return "not measured" if permille is None else f"{permille // 10} %"


def celsius(decidegrees: int | None) -> str:
    """A temperature: "31.5 °C", or "not measured"."""
    return "not measured" if decidegrees is None else f"{decidegrees / 10:.1f} °C"


def spoken(name: str) -> str:
    """A name of the record in words: "depth_over_limit" → "depth over limit"."""
    return name.replace("_", " ")
