"""Pens that are not true: by how much the needles and the motor are beside what the pen's own scale says.

error = true − shown. The scale is what the pen drives to what is set, and shows; where the needles truly are is
:meth:`Untruth.true_of` of it, and that is what a reference gauge on the cartridge's face would read.
"""

from dataclasses import dataclass, fields
from difflib import get_close_matches
from random import Random

from simulators.errors import BadUntruth
from simulators.parts import PlantParameters
from simulators.physics import Plant

_ONE_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Untruth:
    """By how much a pen is not true; by default it is.

    ``gain_ppm`` and ``offset_um``: true = gain · scale + offset. ``bend_um``: so much deeper in the middle of the
    range, falling off to its ends as a parabola does. ``hysteresis_um``: the whole play between scale and needles, half
    of it behind whichever way it went; the play of the data sheet is in front of the scale, which sees it.
    ``noise_um``: standard deviation of where the needles come to lie, drawn anew whenever a depth is driven to.
    ``drift_um_per_h``: so much deeper for each hour that passes over the pen, at rest too; it shows from the next drive
    on. ``rate_gain_ppm``: true rate / rate shown.
    """

    gain_ppm: int = _ONE_PPM
    offset_um: float = 0.0
    bend_um: float = 0.0
    hysteresis_um: float = 0.0
    noise_um: float = 0.0
    drift_um_per_h: float = 0.0
    rate_gain_ppm: int = _ONE_PPM

    def true_of(self, scale_um: float, range_um: float) -> float:
        """Where the needles are when the scale says ``scale_um``, play, noise and drift aside; µm."""
        share = min(max(scale_um / range_um, 0.0), 1.0)
        return self.gain_ppm / _ONE_PPM * scale_um + self.offset_um + 4.0 * self.bend_um * share * (1.0 - share)

    def check(self, parts: PlantParameters, range_um: float) -> None:
        """Raises BadUntruth for what no mechanism is: one that turns back, or does not come home."""
        for name in ("hysteresis_um", "noise_um"):
            if getattr(self, name) < 0:
                raise BadUntruth(f"{name} is {getattr(self, name)}; it cannot be under 0.")
        if not 0.5 <= self.gain_ppm / _ONE_PPM <= 2.0 or not 0.5 <= self.rate_gain_ppm / _ONE_PPM <= 2.0:
            raise BadUntruth("A gain is from 0.5 to 2: no pen is that far beside itself.")
        if self.gain_ppm / _ONE_PPM <= 4.0 * abs(self.bend_um) / range_um:
            raise BadUntruth(f"A bend of {self.bend_um} µm over {range_um:.0f} µm would turn the needles back.")
        parked_um = self.true_of(parts.park_um, range_um) + self.hysteresis_um / 2.0 + 4.0 * self.noise_um
        if parked_um > parts.home_um:
            raise BadUntruth(
                f"The needles would park at {parked_um:.0f} µm, where the home switch does not close "
                f"({parts.home_um:.0f} µm). Take less offset, hysteresis or noise."
            )


_WORDS = {
    "gain": ("gain_ppm", 1_000_000.0),
    "offset_mm": ("offset_um", 1000.0),
    "bend_mm": ("bend_um", 1000.0),
    "hysteresis_mm": ("hysteresis_um", 1000.0),
    "noise_mm": ("noise_um", 1000.0),
    "drift_mm_per_h": ("drift_um_per_h", 1000.0),
    "rate_gain": ("rate_gain_ppm", 1_000_000.0),
}
"""What a person writes, in mm and as plain gains: the field it is, and by how much it is multiplied."""


def parse_untruth(text: str) -> Untruth:
    """The untruth in ``gain=1.04,offset_mm=0.08``. Raises BadUntruth."""
    given: dict[str, float] = {}
    for piece in text.split(","):
        name, equals, value = (part.strip() for part in piece.partition("="))
        if name not in _WORDS:
            near = get_close_matches(name, _WORDS, n=3) or list(_WORDS)
            raise BadUntruth(f"A pen has no untruth {name[:40]!r}. Nearest: {', '.join(near)}.")
        field, factor = _WORDS[name]
        try:
            number = float(value)
        except ValueError:
            raise BadUntruth(f"{name} needs a number, as in {name}=0.05; {value[:40]!r} is none.") from None
        if not equals or not -1e3 < number < 1e3:
            raise BadUntruth(f"{name}={value[:40]} is nothing a pen could be.")
        if field in given:
            raise BadUntruth(f"{name} is said twice.")
        given[field] = number * factor
    whole = {each.name for each in fields(Untruth) if each.name.endswith("_ppm")}
    return Untruth(**{name: round(value) if name in whole else value for name, value in given.items()})  # type: ignore[arg-type] # a field of each type by its name


class UntruePlant(Plant):
    """A pen's parts whose scale is not true. ``protrusion_um`` and speed are the truth, ``carriage_um`` is the scale.

    Target, actuator and carriage are counted by the scale; the needles follow the carriage. ``hours`` is how long the
    pen has lived, for what drifts.
    """

    __slots__ = ("_drift_um", "_half_hysteresis_um", "_lies_um", "_needle_um", "_random", "_range_um", "_untruth",
                 "carriage_um", "hours")  # fmt: skip

    carriage_um: float

    def __init__(
        self, parameters: PlantParameters, untruth: Untruth, random: Random, *, range_um: float, needles: int = 12
    ) -> None:
        """``random`` draws where the needles come to lie. Raises BadUntruth."""
        untruth.check(parameters, range_um)
        super().__init__(parameters, needles=needles)
        self._untruth = untruth
        self._random = random
        self._range_um = range_um
        self._half_hysteresis_um = untruth.hysteresis_um / 2.0
        self._lies_um = self._drift_um = self.hours = 0.0
        self._needle_um = self.carriage_um = self.protrusion_um
        self.rate_gain = untruth.rate_gain_ppm / _ONE_PPM
        self.protrusion_um = self._true(self._needle_um)

    def _true(self, needle_um: float) -> float:
        return self._untruth.true_of(needle_um, self._range_um) + self._lies_um + self._drift_um

    def drive(self, depth_um: float, rate_hz: float) -> None:
        """As of a true one, by the scale."""
        driven_to = self.target_um if self.driven else None
        super().drive(depth_um, rate_hz * self.rate_gain)
        if self.target_um != driven_to:
            if self._untruth.noise_um:
                self._lies_um = self._random.gauss(0.0, self._untruth.noise_um)
            self._drift_um = self._untruth.drift_um_per_h * self.hours

    def least_protrusion_at(self, carriage_um: float) -> float:
        """The needles are at least here when the carriage is at ``carriage_um`` or beyond."""
        return self._true(carriage_um - self._half_hysteresis_um)

    def _settle(self) -> None:
        self.hours += self._unsettled_s / 3600.0
        super()._settle()

    def _move_carriage(self, actuator_um: float, dt_s: float) -> None:
        self.protrusion_um = self.carriage_um  # the base moves what it knows as the needles: here that is the scale
        super()._move_carriage(actuator_um, dt_s)
        self.carriage_um = scale_um = self.protrusion_um
        half_um = self._half_hysteresis_um
        self._needle_um = min(max(self._needle_um, scale_um - half_um), scale_um + half_um)
        self.protrusion_um = self._true(self._needle_um)
