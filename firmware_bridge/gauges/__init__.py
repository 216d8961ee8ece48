"""Reference instruments on a serial line: what a pen's depth and rate are held against.

::

    async with await open_gauge("digimatic+serial:///dev/ttyUSB0") as gauge:
        reading = await gauge.read()
"""

from firmware_bridge.gauges.base import Gauge, GaugeReading, Quantity
from firmware_bridge.gauges.errors import (
    GaugeAddress,
    GaugeError,
    GaugeLost,
    GaugeNotOpened,
    GaugeRefused,
    GaugeSilent,
    GaugeUnit,
    GaugeUnreadable,
)
from firmware_bridge.gauges.opening import KINDS, open_gauge

__all__ = [
    "KINDS",
    "Gauge",
    "GaugeAddress",
    "GaugeError",
    "GaugeLost",
    "GaugeNotOpened",
    "GaugeReading",
    "GaugeRefused",
    "GaugeSilent",
    "GaugeUnit",
    "GaugeUnreadable",
    "Quantity",
    "open_gauge",
]
