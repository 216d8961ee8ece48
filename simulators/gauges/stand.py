"""The stand a simulated pen is clamped in: instruments that look at what it truly does, each on a terminal of its own.

It sees the pen's parts and nothing of its firmware, so it is as right or wrong about the pen as its own errors are.
"""

import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from simulators.controlled import Hand
from simulators.endpoints.pty import PtyEndpoint
from simulators.gauges.digimatic import BUSY, NO_DATA, NO_NUMBER, GaugeOwnError, SimulatedDigimatic
from simulators.gauges.served import DigimaticMedium, DigimaticServed, TachometerMedium, TachometerServed
from simulators.gauges.tachometer import SimulatedTachometer
from simulators.pen import SimulatedPen

Instrument = Literal["gauge", "tachometer"]

GAUGE_OWN_ERROR = GaugeOwnError(noise_um=0.5)
"""What an indicator of 0.001 mm repeats to in a good stand."""

TACHOMETER_NOISE_RPM = 0.2


class GaugeStand:
    """Instruments at ``pen``. A context manager plugs them in and out.

    ``link`` gives the terminals names that stay: with ``-gauge`` and ``-tachometer`` behind it.
    """

    def __init__(
        self,
        pen: SimulatedPen,
        *,
        gauge: bool,
        tachometer: bool,
        seed: int | None = None,
        link: Path | None = None,
        own: GaugeOwnError = GAUGE_OWN_ERROR,
    ) -> None:
        rng = random.Random(seed)  # noqa: S311 - noise of a simulation
        self.indicator = SimulatedDigimatic(lambda: pen.truth.protrusion_um, rng=rng, own=own)
        self.tachometer = SimulatedTachometer(lambda: pen.truth.rate_hz, rng=rng, noise_rpm=TACHOMETER_NOISE_RPM)
        self.gauge_line: PtyEndpoint[DigimaticMedium] | None = None
        self.tachometer_line: PtyEndpoint[TachometerMedium] | None = None
        if gauge:
            self.gauge_line = PtyEndpoint(DigimaticServed(self.indicator), link=_beside(link, "gauge"))
        if tachometer:
            self.tachometer_line = PtyEndpoint(TachometerServed(self.tachometer), link=_beside(link, "tachometer"))
        self._plugged = ExitStack()

    @property
    def record(self) -> dict[str, str | None]:
        """Where they are: the terminals, and the addresses a host of this product opens them by."""
        gauge, tachometer = self.gauge_line, self.tachometer_line
        return {
            "gauge": None if gauge is None else gauge.path,
            "gauge_url": None if gauge is None else f"digimatic+{gauge.url}",
            "tachometer": None if tachometer is None else tachometer.path,
            "tachometer_url": None if tachometer is None else f"lutron+{tachometer.url}",
        }

    @property
    def hands(self) -> dict[str, Hand]:
        """What somebody at the stand can do to the instruments that are there."""
        there = {"gauge": self.gauge_line is not None, "tachometer": self.tachometer_line is not None}
        return {name: partial(hand.act, self) for name, hand in INSTRUMENT_HANDS.items() if there[hand.at]}

    def pull(self, at: Instrument) -> None:
        """The cable of an instrument is out. Harmless when it is."""
        if (line := self._line_of(at)) is not None:
            line.unplug()

    def plug(self, at: Instrument) -> None:
        """It is in again. Harmless when it is."""
        if (line := self._line_of(at)) is not None and not line.plugged:
            line.plug()

    def press_unit(self, unit: Literal["mm", "inch"]) -> None:
        """The indicator shows this unit from now on."""
        self.indicator.unit = unit

    def refuse(self, code: int) -> None:
        """The indicator's box says this code in place of readings, until it is switched on anew."""
        self.indicator.refuses = code

    def switch(self, at: Instrument, *, on: bool) -> None:
        """An instrument is silent, or well again."""
        if at == "tachometer":
            self.tachometer.silent = not on
        else:
            self.indicator.silent = not on
            self.indicator.refuses = 0 if on else self.indicator.refuses

    def _line_of(self, at: Instrument) -> PtyEndpoint[Any] | None:
        return self.gauge_line if at == "gauge" else self.tachometer_line

    def __enter__(self) -> Self:
        with ExitStack() as plugging:
            for line in (self.gauge_line, self.tachometer_line):
                if line is not None:
                    line.plug()
                    plugging.callback(line.unplug)
            self._plugged = plugging.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._plugged.close()


def _beside(link: Path | None, what: str) -> Path | None:
    return None if link is None else link.with_name(f"{link.name}-{what}")


@dataclass(frozen=True, slots=True)
class InstrumentHand:
    """What somebody at the stand does with an instrument, in words and how."""

    at: Instrument
    does: str
    act: Callable[[GaugeStand], None]


INSTRUMENT_HANDS: dict[str, InstrumentHand] = {
    "gauge_out": InstrumentHand("gauge", "pulls the cable of its box", lambda stand: stand.pull("gauge")),
    "gauge_in": InstrumentHand("gauge", "plugs it in", lambda stand: stand.plug("gauge")),
    "gauge_inch": InstrumentHand("gauge", "presses the unit key: inch", lambda stand: stand.press_unit("inch")),
    "gauge_mm": InstrumentHand("gauge", "presses the unit key: mm", lambda stand: stand.press_unit("mm")),
    "gauge_off": InstrumentHand("gauge", "makes it silent", lambda stand: stand.switch("gauge", on=False)),
    "gauge_on": InstrumentHand("gauge", "makes it well again", lambda stand: stand.switch("gauge", on=True)),
    "gauge_no_data": InstrumentHand(
        "gauge", f"its box has no data: code {NO_DATA}, until `gauge_on`", lambda stand: stand.refuse(NO_DATA)
    ),
    "gauge_over_range": InstrumentHand(
        "gauge", f"it has no number: code {NO_NUMBER}, until `gauge_on`", lambda stand: stand.refuse(NO_NUMBER)
    ),
    "gauge_busy": InstrumentHand(
        "gauge", f"its box is busy: code {BUSY}, until `gauge_on`", lambda stand: stand.refuse(BUSY)
    ),
    "tachometer_out": InstrumentHand("tachometer", "pulls its cable", lambda stand: stand.pull("tachometer")),
    "tachometer_in": InstrumentHand("tachometer", "plugs it in", lambda stand: stand.plug("tachometer")),
    "tachometer_off": InstrumentHand(
        "tachometer", "makes it silent", lambda stand: stand.switch("tachometer", on=False)
    ),
    "tachometer_on": InstrumentHand(
        "tachometer", "makes it well again", lambda stand: stand.switch("tachometer", on=True)
    ),
}
"""By the names that requests have for them, of which ``docs/faults.md`` is made."""
