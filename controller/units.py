"""Quantities the controller computes with, as integers with their unit in the type, and how people read them.

Integers, because a limit compared with a rounding error is no limit. Conversion for display happens here and nowhere
else; treatment depth is shown in mm with two decimals, puncture rate in Hz.
"""

import math
from decimal import Decimal, InvalidOperation
from typing import NewType

Micrometres = NewType("Micrometres", int)
Millihertz = NewType("Millihertz", int)
Milliseconds = NewType("Milliseconds", int)

UM_PER_MM = 1000
MHZ_PER_HZ = 1000


class QuantityError(ValueError):
    """A number that is no quantity: not finite, negative, or nonsense."""


def _thousandths(text_or_number: str | int | float | Decimal, name: str) -> int:
    """A decimal number in thousandths, rounded toward zero so that it never grows."""
    if isinstance(text_or_number, float) and not math.isfinite(text_or_number):
        raise QuantityError(f"{name} {text_or_number} is not a number that can be set")
    try:
        value = Decimal(str(text_or_number))
    except InvalidOperation as error:
        point = ". Write a point, as in 0.5" if "," in str(text_or_number) else ""
        raise QuantityError(f"{name} {text_or_number!r} is not a number{point}") from error
    if not value.is_finite():
        raise QuantityError(f"{name} {text_or_number} is not a number that can be set")
    if value < 0:
        raise QuantityError(f"{name} {text_or_number} is negative")
    if value > 1_000_000:
        raise QuantityError(f"{name} {text_or_number} is beyond anything a pen does")
    return int(value * 1000)


def micrometres_from_mm(depth_mm: str | int | float | Decimal) -> Micrometres:
    """Depth in µm from mm, rounded toward shallow. Raises QuantityError for NaN, infinity, negative or text."""
    return Micrometres(_thousandths(depth_mm, "depth"))


def millihertz_from_hz(rate_hz: str | int | float | Decimal) -> Millihertz:
    """Rate in mHz from Hz, rounded toward slow. Raises QuantityError for NaN, infinity, negative or text."""
    return Millihertz(_thousandths(rate_hz, "rate"))


def toward_shallow(value: int, step: int) -> int:
    """The greatest multiple of ``step`` not above ``value``; both in the same unit, ``step`` > 0."""
    return value - value % step


def format_mm(depth_um: int | None) -> str:
    """Depth for people: "0.50 mm", or "not measured"."""
    return "not measured" if depth_um is None else f"{depth_um / UM_PER_MM:.2f} mm"


def format_hz(rate_mhz: int | None) -> str:
    """Rate for people: "120.0 Hz", or "not measured"."""
    return "not measured" if rate_mhz is None else f"{rate_mhz / MHZ_PER_HZ:.1f} Hz"
