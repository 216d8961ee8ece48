"""Readings of a reference beside what the pen shows: their plan, and what is refused of them, by line and reason.

A plan is walked in one order: for each repeat, each direction; *up* from the first point to the last, *down* back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from controller.calibration.policy import AccuracyMethod, DepthMethod, RateMethod
from controller.errors import ControlRefused
from controller.service_events import Direction
from controller.units import format_hz, format_mm

Quantity = Literal["depth_um", "rate_mhz"]
PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a plan a reading belongs. ``point`` and ``repeat`` count from 0."""

    point: int
    direction: Direction
    repeat: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading: what was shown and what the reference said of the same state, both in the plan's quantity.

    ``at_ms`` is the time since the series began, None where nobody noted it; then drift within the series is not known.
    ``current_ma`` is what the motor took meanwhile, None where the pen does not say or nobody noted it.
    """

    point: int
    direction: Direction
    repeat: int
    shown: int
    reference: int
    at_ms: int | None = None
    current_ma: int | None = None

    @property
    def place(self) -> Place:
        """Where it belongs."""
        return Place(self.point, self.direction, self.repeat)


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """What is to be read: ``points`` as set, in µm or mHz, and how far off a reading may be to be believed.

    ``absurd`` is in µm for depth, in ppm of the point for rate. ``approach`` is how far beyond the first point of each
    way the pen is driven before it, 0 where nothing has play.
    """

    quantity: Quantity
    points: tuple[int, ...]
    directions: tuple[Direction, ...]
    repeats: int
    absurd: int
    approach: int = 0

    def approach_to(self, place: Place) -> int | None:
        """Where to drive the pen before this place, so that it is come to from the side its direction says.

        None where the place before it in the order of work does that already.
        """
        first = 0 if place.direction == "up" else len(self.points) - 1
        if place.point != first or self.approach == 0:
            return None
        beyond = -self.approach if place.direction == "up" else self.approach
        return max(0, self.points[first] + beyond)

    def places(self) -> Iterator[Place]:
        """Every place, in the order of work."""
        for repeat in range(self.repeats):
            for direction in self.directions:
                ordered = range(len(self.points)) if direction == "up" else reversed(range(len(self.points)))
                for point in ordered:
                    yield Place(point, direction, repeat)

    @property
    def readings(self) -> int:
        """How many readings it asks for."""
        return len(self.points) * len(self.directions) * self.repeats

    def absurd_at(self, point: int) -> int:
        """How far off a reading at a point may be, in the plan's quantity."""
        return self.absurd if self.quantity == "depth_um" else self.points[point] * self.absurd // PPM

    def shown(self, value: int) -> str:
        """A value for people."""
        return f"{value / 1000:.3f} mm" if self.quantity == "depth_um" else format_hz(value)


def depth_plan(method: DepthMethod) -> SeriesPlan:
    """What a depth calibration reads."""
    return SeriesPlan(
        "depth_um", method.points_um, method.directions, method.repeats, method.absurd_um, method.approach_um
    )


def rate_plan(method: RateMethod) -> SeriesPlan:
    """What a rate calibration reads, without load."""
    return SeriesPlan("rate_mhz", method.points_mhz, method.directions, method.repeats, method.absurd_ppm)


def load_plan(method: RateMethod) -> SeriesPlan:
    """What it reads under the known load; no points where the method has no load."""
    return SeriesPlan("rate_mhz", method.load_points_mhz, ("up",), method.repeats, PPM)


def accuracy_depth_plan(method: AccuracyMethod) -> SeriesPlan:
    """What the accuracy test reads of depth."""
    return SeriesPlan("depth_um", method.depth_points_um, ("up",), method.repeats, method.absurd_um, method.approach_um)


def accuracy_rate_plan(method: AccuracyMethod) -> SeriesPlan:
    """What the accuracy test reads of rate."""
    return SeriesPlan("rate_mhz", method.rate_points_mhz, ("up",), method.repeats, method.absurd_ppm)


class ReadingRefused(ControlRefused):
    """A reading is not taken. ``line`` counts from 1, in the file or in the series; ``because`` is for programs:
    reading_text, reading_unit, reading_order, reading_absurd, reading_missing, reading_surplus, load_not_felt."""

    def __init__(self, because: str, line: int, sentence: str) -> None:
        super().__init__(because, f"line {line}: {sentence}")
        self.line = line


@dataclass(frozen=True, slots=True)
class _Mistaken:
    """A unit somebody may have read in: its name, and what to multiply with to be right."""

    name: str
    factor: float


_MISTAKEN: dict[Quantity, tuple[_Mistaken, ...]] = {
    "depth_um": (_Mistaken("inches", 25.4), _Mistaken("micrometres", 0.001), _Mistaken("metres", 1000.0)),
    "rate_mhz": (
        _Mistaken("strokes a minute (rpm)", 1 / 60),
        _Mistaken("kilohertz", 1000.0),
        _Mistaken("millihertz", 0.001),
    ),
}


def held_sound(reading: Reading, before: Reading | None, plan: SeriesPlan, line: int) -> None:
    """Raises ReadingRefused where a reading is not to be believed: absurd, in another unit, against its neighbour.

    ``before`` is the reading before it in the order of work, None for the first. The place is not looked at.
    """
    set_to, limit = plan.points[reading.point], plan.absurd_at(reading.point)
    if abs(reading.shown - set_to) > limit:
        raise ReadingRefused(
            "reading_absurd", line,
            f"the pen shows {plan.shown(reading.shown)} where {plan.shown(set_to)} was set: it has not followed, or "
            "the line is of another point. Nothing was taken; read this point again.",
        )  # fmt: skip
    if abs(reading.reference - reading.shown) > limit:
        hint = _unit_hint(reading, plan, near=limit // 4)
        raise ReadingRefused(
            "reading_unit" if hint else "reading_absurd", line,
            f"the reference reads {plan.shown(reading.reference)} where the pen shows {plan.shown(reading.shown)}, "
            f"farther off than {plan.shown(limit)}{hint}. Nothing was taken; look at the gauge and read this point "
            "again.",
        )  # fmt: skip
    if before is None and abs(reading.reference - reading.shown) > limit // 4:
        # Small values of another unit are not absurd yet; those after them would be refused, and these be left.
        hint = _unit_hint(reading, plan, near=limit // 16)
        if hint:
            raise ReadingRefused(
                "reading_unit", line,
                f"the reference reads {plan.shown(reading.reference)} where the pen shows {plan.shown(reading.shown)}"
                f"{hint}. Nothing was taken; look at the gauge and read this point again.",
            )  # fmt: skip
    jump = 0 if before is None else reading.reference - reading.shown - (before.reference - before.shown)
    if before is not None and abs(jump) > limit // 4:
        hint = _unit_hint(reading, plan, near=limit // 16, error=before.reference - before.shown)
        if hint:
            raise ReadingRefused(
                "reading_unit", line,
                f"the reference reads {plan.shown(reading.reference)}, and the one before was not as far off{hint}. "
                "Nothing was taken; look at the gauge and read this point again.",
            )  # fmt: skip
    if before is not None and before.direction == reading.direction and before.repeat == reading.repeat:
        rises = reading.point > before.point
        if reading.point != before.point and (reading.reference > before.reference) != rises:
            raise ReadingRefused(
                "reading_order", line,
                f"the reference reads {plan.shown(reading.reference)} after {plan.shown(before.reference)}, though the "
                f"pen was set {'up' if rises else 'down'} to {plan.shown(set_to)}: two readings are exchanged, or the "
                "gauge does not follow. Nothing was taken; read this point again.",
            )  # fmt: skip


def _unit_hint(reading: Reading, plan: SeriesPlan, near: int, error: int = 0) -> str:
    """Which other unit, or sign, brings a reading near what was shown and the error that is expected; or nothing."""
    expected = reading.shown + error
    for unit in _MISTAKEN[plan.quantity]:
        if abs(reading.reference * unit.factor - expected) <= near:
            return f"; it would fit if it was read in {unit.name}: set the gauge's unit"
    if abs(-reading.reference - expected) <= near:
        return "; it would fit with the other sign: turn the gauge's counting direction round"
    return ""


def held_complete(readings: Sequence[Reading], plan: SeriesPlan) -> None:
    """Raises ReadingRefused for the first reading that is out of place, unsound, missing or too many."""
    before: Reading | None = None
    for line, (place, reading) in enumerate(zip(plan.places(), readings, strict=False), 1):
        if reading.place != place:
            raise ReadingRefused(
                "reading_order", line,
                f"this is {_told(reading.place, plan)}, but {_told(place, plan)} is due here. Every point is read in "
                "turn, up and then down, so that direction and drift can be told apart. Put the lines in order.",
            )  # fmt: skip
        held_sound(reading, before, plan, line)
        if before is not None and None not in {reading.at_ms, before.at_ms} and _ms(reading) < _ms(before):
            raise ReadingRefused("reading_order", line, "its time is before that of the line above. Correct it.")
        before = reading
    missing = list(plan.places())[len(readings) :]
    if missing:
        raise ReadingRefused(
            "reading_missing", len(readings) + 1,
            f"{len(readings)} readings of {plan.readings}; {_told(missing[0], plan)} comes next. With fewer the "
            "uncertainty would be a guess. Read the rest.",
        )  # fmt: skip
    if len(readings) > plan.readings:
        raise ReadingRefused(
            "reading_surplus", plan.readings + 1,
            f"the method asks for {plan.readings} readings and here are {len(readings)}; none is left out by choice. "
            "Take out what does not belong to this series.",
        )  # fmt: skip


def _ms(reading: Reading) -> int:
    return reading.at_ms or 0


def _told(place: Place, plan: SeriesPlan) -> str:
    point = plan.points[place.point] if 0 <= place.point < len(plan.points) else None
    value = (
        "an unknown point" if point is None else format_mm(point) if plan.quantity == "depth_um" else plan.shown(point)
    )
    return f"{value}, {place.direction}, repeat {place.repeat + 1}"
