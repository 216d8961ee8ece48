"""Lutron optical tachometers (DT-2230 and those alike, sold under many names): a line of sixteen characters, unasked.

Each time the display changes, at 9600 baud 8N1::

    STX 4 1 AA P D NNNNNNNN CR      STX is 02 hexadecimal; all the others are digits of ASCII

4 begins every line; 1 names the display's upper row, 2 its lower one; AA is the unit: 27 revolutions a minute, 11 feet,
60 metres, 28 inches a minute; P is the sign: 0 positive, 1 negative; D is how many of the eight digits N, the display,
are behind the point. One mark on the handpiece's shaft, one turn, one stroke.

Sources: Lutron DT-2230, operation manual, "RS232 PC serial interface" (the sixteen digits); MRC PDT-2250 (the same, its
two rows, its signs). No instrument was at hand.
"""

import asyncio
import re
from fractions import Fraction
from types import TracebackType
from typing import ClassVar, Self

from firmware_bridge.gauges.base import GaugeReading, Quantity
from firmware_bridge.gauges.errors import GaugeSilent, GaugeUnit, GaugeUnreadable
from firmware_bridge.gauges.line import GaugeLine

READING_S = 4.0
"""The display changes about once a second; it takes two to see a rate that has just come."""

REVOLUTIONS_A_MINUTE = "27"
_UNITS = {"11": "feet a minute", "60": "metres a minute", "28": "inches a minute"}
MHZ_PER_RPM = Fraction(1000, 60)

_LINE = re.compile(rb"\x024(?P<row>[12])(?P<unit>[0-9]{2})(?P<sign>[01])(?P<places>[0-7])(?P<digits>[0-9]{8})$")


def parse_lutron(line: bytes, *, at_ms: int, url: str = "") -> GaugeReading | None:
    """The reading a line carries; None for what is none: the tail of a line already begun, or the lower row.

    Raises GaugeUnit for a reading that is not in revolutions a minute.
    """
    value = _LINE.search(line)
    if value is None or value["row"] != b"1":
        return None
    raw = value[0].decode("ascii").removeprefix("\x02")
    unit = value["unit"].decode()
    if unit != REVOLUTIONS_A_MINUTE:
        shown = _UNITS.get(unit, f"unit {unit}")
        raise GaugeUnit(
            f"{url}: the tachometer shows {shown}, not revolutions a minute. This reading was not taken. Set it to RPM "
            "and read again.",
            url=url,
            raw=raw,
        )
    rpm = Fraction(int(value["digits"]), 10 ** int(value["places"]))
    mhz = round(rpm * MHZ_PER_RPM) * (-1 if value["sign"] == b"1" else 1)
    return GaugeReading(value_um=None, rate_mhz=mhz, unit="rpm", at_ms=at_ms, raw=raw)


class LutronTachometer:
    """See :class:`firmware_bridge.gauges.base.Gauge`. ``line`` is open and becomes the gauge's own."""

    kind: ClassVar[str] = "lutron"
    quantity: ClassVar[Quantity] = "rate_mhz"

    def __init__(self, line: GaugeLine) -> None:
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._one = asyncio.Lock()

    @property
    def url(self) -> str:
        """The address it was opened with."""
        return self._line.url

    async def read(self) -> GaugeReading:
        """The next reading whose line begins after this call; see :meth:`firmware_bridge.gauges.base.Gauge.read`."""
        async with self._one:
            self._line.clear()
            until_s = self._loop.time() + READING_S
            noise, lower_row = b"", False
            while (left_s := until_s - self._loop.time()) > 0.0:
                try:
                    line = await self._line.next(left_s)
                except GaugeSilent:
                    if not noise and not lower_row:
                        raise
                    break
                reading = parse_lutron(line, at_ms=int(self._loop.time() * 1000), url=self.url)
                if reading is not None:
                    return reading
                if _LINE.search(line) is None:
                    noise = line
                else:
                    lower_row = True
            if not noise:
                raise GaugeSilent(
                    f"{self.url}: only the lower row of the display came within {READING_S:g} s. This reading was not "
                    "taken. Let the tachometer see its mark turn, then read again.",
                    url=self.url,
                )
            raw = noise.decode("ascii", errors="backslashreplace")
            raise GaugeUnreadable(
                f"{self.url}: {raw!r} is no line of such a tachometer. This reading was not taken. Check what is on "
                "that port and the speed of the line (`baud=9600`).",
                url=self.url,
                raw=raw,
            )

    async def close(self) -> None:
        """Lets go of the line. A second time does nothing."""
        await self._line.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
