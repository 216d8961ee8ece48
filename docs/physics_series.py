"""What a picture of the simulated physics is made of, and a simulated pen's parts to make it with."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from math import inf

from simulators.personality import PenModel
from simulators.physics import Plant

STEP_S = 0.001
SLOW_STEP_S = 0.009  # just under what charge and heat are booked by, so every second one books
"""For what takes minutes: the motor, whose time constant is 28 ms, has long settled then."""
Pairs = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Series:
    """A line or points. Series of one ``colour`` belong together."""

    label: str
    colour: int
    pairs: Pairs


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes. ``bars``: the points are numbers of readings. ``from_zero``: the scale begins at 0."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[Series, ...]
    points: tuple[Series, ...]
    bars: bool = False
    from_zero: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture and the digest of what was simulated for it."""

    name: str
    panels: tuple[Panel, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over the points, to the digits that are seen; the lines are worked out and may differ in the last."""
        points = [
            [[float(f"{x:.5g}"), float(f"{y:.5g}")] for x, y in series.pairs]
            for panel in self.panels
            for series in panel.points
        ]
        told = [{**asdict(panel), "lines": None, "points": None} for panel in self.panels]
        return hashlib.sha256(json.dumps([told, points]).encode()).hexdigest()


def line(label: str, colour: int, of: Callable[[float], float], start: float, end: float, points: int = 120) -> Series:
    """A closed form over a range."""
    xs = [start + (end - start) * number / points for number in range(points + 1)]
    return Series(label, colour, [(x, of(x)) for x in xs])


def run(plant: Plant, seconds: float, step_s: float = STEP_S) -> Plant:
    """So much time passes."""
    plant.stride(round(seconds / step_s), step_s, speed_min=-inf, supply_min=-inf, protrusion_max=inf)
    return plant


def held(model: PenModel, zone: str, *, touching: bool | None = True, **changes: float) -> Plant:
    """A pen's parts on a zone, some numbers changed."""
    plant = Plant(replace(model.plant, **changes), needles=model.needle_count, zone=zone)
    plant.hold_on(zone, touching=touching)
    return plant
