"""Mitutoyo Digimatic indicators behind an interface box with a serial line (RS-232, or USB as a serial port).

The box is asked with its channel's digit and CR, and answers with one line that ends with CR:

``01A+0000.123``
    0, the channel, A for a measured value, the sign, eight characters of number with their point. Nothing says whether
    it is millimetres or inches.
``911``, ``912``, ``918``
    9, the channel, and why there is none: 1 no data from the indicator, 2 data that are no number, 8 busy.

Sources: Mitutoyo No. 99MAF600B, "USB Data Output Specification" (the thirteen characters, 9600 baud 8N1, examples in
millimetres and inches); ASDQMS GageMux manual, "Mitutoyo Mux-10 Format" (the same over RS-232, channels); notes of
users of the IT-007R (2400 baud, request ``1``, ``911`` and ``912``, no more than one request a second) and of the
USB-ITN (request ``1`` CR, ``911``, ``918`` busy). No box was at hand: what these do not say is not known here.

**The trap of the inch key.** One key of the indicator switches it to inches, and the line does not tell. The digits
behind the point do: an indicator that shows 0.001 mm shows 0.00005 in, five digits in place of three; 0.01 mm becomes
0.0005 in, four in place of two; 0.0005 mm becomes 0.00002 in, five in place of four. So the resolution is declared
with the unit, and a line with any other number of digits is refused.
"""

import asyncio
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from types import TracebackType
from typing import ClassVar, Literal, Self

from firmware_bridge.gauges.base import GaugeReading, Quantity
from firmware_bridge.gauges.errors import GaugeRefused, GaugeSilent, GaugeUnit, GaugeUnreadable
from firmware_bridge.gauges.line import GaugeLine

UM_PER = {"mm": Decimal(1000), "inch": Decimal(25_400)}

ANSWER_S = 2.0
"""An IT-007R answers within a second; its line of 2400 baud carries the thirteen characters in 60 ms."""

LATE_S = 5.0
"""An answer may still come this long after its request, as a USB-ITN's does from a slow indicator. Nothing in the line
says which request it answers, so nothing is asked before then once one was left unanswered."""

BUSY_TRIES = 6
BUSY_PAUSE_S = 0.1

_VALUE = re.compile(rb"0(?P<channel>[0-9])A(?P<sign>[+-])(?P<number>(?=[0-9.]{3,8}$)[0-9]+\.[0-9]+)$")
_ERROR = re.compile(rb"9(?P<channel>[0-9])(?P<code>[0-9])$")

NO_DATA, NO_NUMBER, BUSY = "1", "2", "8"

_REMEDIES = {
    NO_DATA: "no data come from the indicator. Switch it on, press its cable home at both ends, and see that it is not "
    "in its menu",
    NO_NUMBER: "what the indicator shows is no number: it is beyond its range, its battery is low, or it shows an "
    "error. Bring it within its range and clear the error",
    BUSY: "the box is busy. Leave its DATA key and foot switch alone, and wait a second",
}


@dataclass(frozen=True, slots=True)
class DigimaticSettings:
    """What an indicator is declared to show: the unit, and its resolution in that unit as the data sheet has it."""

    unit: Literal["mm", "inch"] = "mm"
    resolution: Decimal = Decimal("0.001")
    channel: int = 1

    @property
    def digits(self) -> int:
        """Digits behind the point of a number of this resolution."""
        exponent = self.resolution.as_tuple().exponent
        return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def parse_digimatic(line: bytes, settings: DigimaticSettings, *, at_ms: int, url: str = "") -> GaugeReading | None:
    """The reading a line carries; None for a line of another channel, which somebody else's key has sent.

    Raises GaugeUnreadable, GaugeRefused or GaugeUnit.
    """
    raw = line.decode("ascii", errors="backslashreplace")
    if refused := _ERROR.fullmatch(line):
        if int(refused["channel"]) != settings.channel:
            return None
        code = refused["code"].decode()
        why = _REMEDIES.get(code, "the box has an error of its own; its manual tells which")
        raise GaugeRefused(
            f"{url}: the interface box answered {raw}: {why}; then read again. This reading was not taken.",
            url=url,
            code=code,
        )
    value = _VALUE.fullmatch(line)
    if value is None:
        raise GaugeUnreadable(
            f"{url}: {raw!r} is no reading of a Digimatic box. This reading was not taken. Check what is on that port "
            "and the speed of the line: most boxes have baud=9600, the IT-007R baud=2400.",
            url=url,
            raw=raw,
        )
    if int(value["channel"]) != settings.channel:
        return None
    number = value["number"].decode()
    digits = len(number.partition(".")[2])
    if digits != settings.digits:
        raise GaugeUnit(
            f"{url}: the indicator sent {raw}, {digits} digits behind the point; {settings.resolution} {settings.unit} "
            f"has {settings.digits}. It probably shows the other unit: {_other(settings.unit)}. This reading was not "
            "taken. Press its unit key, or declare what it shows (`unit=`, `resolution=`), and read again.",
            url=url,
            raw=raw,
        )
    um = Decimal(value["sign"].decode() + number) * UM_PER[settings.unit]
    return GaugeReading(
        value_um=int(um.to_integral_value(ROUND_HALF_EVEN)), rate_mhz=None, unit=settings.unit, at_ms=at_ms, raw=raw
    )


def _other(unit: str) -> str:
    return "inches, not millimetres" if unit == "mm" else "millimetres, not inches"


class DigimaticGauge:
    """See :class:`firmware_bridge.gauges.base.Gauge`. ``line`` is open and becomes the gauge's own."""

    kind: ClassVar[str] = "digimatic"
    quantity: ClassVar[Quantity] = "depth_um"

    def __init__(self, line: GaugeLine, settings: DigimaticSettings) -> None:
        self._line = line
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._one = asyncio.Lock()
        self._owed_until_s = 0.0

    @property
    def url(self) -> str:
        """The address it was opened with."""
        return self._line.url

    async def read(self) -> GaugeReading:
        """One reading; see :meth:`firmware_bridge.gauges.base.Gauge.read`."""
        async with self._one:
            for _ in range(BUSY_TRIES - 1):
                try:
                    return await self._ask()
                except GaugeRefused as refused:
                    if refused.code != BUSY:
                        raise
                    await asyncio.sleep(BUSY_PAUSE_S)
            return await self._ask()

    async def _ask(self) -> GaugeReading:
        self._line.require()
        await asyncio.sleep(max(self._owed_until_s - self._loop.time(), 0.0))
        self._line.clear()
        asked_s = self._loop.time()
        self._owed_until_s = asked_s + LATE_S
        self._line.write(f"{self._settings.channel}\r".encode())
        left_s = ANSWER_S
        while left_s > 0.0:
            line = await self._line.next(left_s)
            now_s = self._loop.time()
            try:
                reading = parse_digimatic(line, self._settings, at_ms=int(now_s * 1000), url=self.url)
            except (GaugeRefused, GaugeUnit):
                self._owed_until_s = 0.0
                raise
            if reading is not None:
                self._owed_until_s = 0.0
                return reading
            left_s = asked_s + ANSWER_S - now_s
        raise GaugeSilent(
            f"{self.url}: only other channels of the box answered. This reading was not taken. Name the channel that "
            "the indicator is on (`channel=`), then read again.",
            url=self.url,
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
