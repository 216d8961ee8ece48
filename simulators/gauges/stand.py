"""The stand a simulated pen is clamped in: instruments that look at what it truly does, each on a terminal of its own.

It sees the pen's parts and nothing of its firmware, so it is as right or wrong about the pen as its own errors are.
"""

import random
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from simulators.controlled import Hand
from simulators.endpoints.pty import PtyEndpoint
from simulators.gauges.digimatic import BUSY, NO_DATA, NO_NUMBER, GaugeOwnError, SimulatedDigimatic
from simulators.gauges.served import DigimaticMedium, DigimaticServed, TachometerMedium, TachometerServed
from simulators.gauges.tachometer import SimulatedTachometer
from simulators.pen import SimulatedPen

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
        hands: dict[str, Hand] = {}
        if (gauge := self.gauge_line) is not None:
            hands |= {
                "gauge_out": lambda _asked: gauge.unplug(),
                "gauge_in": lambda _asked: _plug(gauge),
                "gauge_inch": lambda _asked: setattr(self.indicator, "unit", "inch"),
                "gauge_mm": lambda _asked: setattr(self.indicator, "unit", "mm"),
                "gauge_off": lambda _asked: setattr(self.indicator, "silent", True),
                "gauge_on": lambda _asked: self._well(),
                "gauge_no_data": lambda _asked: setattr(self.indicator, "refuses", NO_DATA),
                "gauge_over_range": lambda _asked: setattr(self.indicator, "refuses", NO_NUMBER),
                "gauge_busy": lambda _asked: setattr(self.indicator, "refuses", BUSY),
            }
        if (tachometer := self.tachometer_line) is not None:
            hands |= {
                "tachometer_out": lambda _asked: tachometer.unplug(),
                "tachometer_in": lambda _asked: _plug(tachometer),
                "tachometer_off": lambda _asked: setattr(self.tachometer, "silent", True),
                "tachometer_on": lambda _asked: setattr(self.tachometer, "silent", False),
            }
        return hands

    def _well(self) -> None:
        self.indicator.silent, self.indicator.refuses = False, 0

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


def _plug(line: PtyEndpoint[Any]) -> None:
    if not line.plugged:
        line.plug()
