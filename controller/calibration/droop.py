"""Droop under a known load, and whether the load was on at all. Pure.

Droop is told as a fraction of the rate without load, read by the same tachometer, whose own error cancels in it. A load
that was forgotten would droop by nothing, which is the best a pen could do: so readings under a load count only where
something shows it. The motor is slower by more than both readings are uncertain by, and where the pen says what its
motor takes, it takes more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from controller.calibration.acceptance import Verdict, judged, outward
from controller.calibration.rate_budget import droop_lines
from controller.calibration.readings import Reading, ReadingRefused
from controller.calibration.references import KnownLoad
from controller.calibration.scatter import scatter
from controller.calibration.setup import RateSetup
from controller.calibration.uncertainty import Budget, budget
from controller.units import format_hz

PPM = 1_000_000
LAST_DIGIT_MA = 1 / sqrt(12)
"""The standard uncertainty that whole milliamperes leave in a current."""

Spread = tuple[float, int]
"""A standard deviation of one reading, in the unit it is said of, and its degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Droop:
    """How much slower the pen turns under the known load, in ppm of its rate without; ``load`` names it.

    Rounded away from 0, as it is judged.
    """

    point: int
    set_mhz: int
    free_mhz: int
    loaded_mhz: int
    droop_ppm: int
    load: str
    torque_unm: int
    budget: Budget
    verdict: Verdict


def droops_of(free: Sequence[Reading], loaded: Sequence[Reading], setup: RateSetup) -> tuple[Droop, ...]:
    """Droop at each rate the method loads; ``free`` and ``loaded`` are complete series, without load and under it.

    Raises ReadingRefused, with the line of the first reading under load there, where nothing shows that it was on.
    """
    method, load = setup.method, setup.load
    if load is None or method.load is None or method.droop_max_ppm is None:
        return ()
    under_load = scatter([(each.point, None, _of_set(each, method.load_points_mhz)) for each in loaded])
    without = _spread_ppm(free, setup)
    droops = []
    for place, set_mhz in enumerate(method.load_points_mhz):
        point = method.points_mhz.index(set_mhz)
        at, under = _at(free, point), _at(loaded, place)
        droop_ppm, known = _droop(at, under, set_mhz, (under_load.repeatability, under_load.degrees), without, setup)
        line = 1 + next(number for number, each in enumerate(loaded) if each.point == place)
        _held_slower(at, under, droop_ppm, known, set_mhz, load, line)
        _held_stronger(free, at, under, load, line)
        droops.append(
            Droop(
                point=point,
                set_mhz=set_mhz,
                free_mhz=round(_mean([each.reference for each in at])),
                loaded_mhz=round(_mean([each.reference for each in under])),
                droop_ppm=outward(droop_ppm),
                load=load.name,
                torque_unm=load.torque_unm,
                budget=known,
                verdict=judged(outward(droop_ppm) * 1000, known, method.droop_max_ppm, setup.rule),
            )
        )
    return tuple(droops)


def held_braked(reading: Reading, free: Sequence[Reading], setup: RateSetup, line: int) -> None:
    """Raises ReadingRefused where one reading under the load, held against the series without, does not show it.

    So a load that was forgotten is told of at the first reading, while it can be put on.
    """
    load = setup.load
    if load is None:
        return
    set_mhz = setup.method.load_points_mhz[reading.point]
    at, without = _at(free, setup.method.points_mhz.index(set_mhz)), _spread_ppm(free, setup)
    # How readings under load scatter is not known yet: as those without.
    droop_ppm, known = _droop(at, [reading], set_mhz, without, without, setup)
    _held_slower(at, [reading], droop_ppm, known, set_mhz, load, line)
    _held_stronger(free, at, [reading], load, line)


def _droop(
    at: Sequence[Reading], under: Sequence[Reading], set_mhz: int, loaded: Spread, without: Spread, setup: RateSetup
) -> tuple[float, Budget]:
    """The droop in ppm of readings at one rate without and under load, and its budget; spreads in ppm of the set."""
    if setup.load is None:
        raise ValueError("droop is of a load")
    free_mhz, loaded_mhz = _mean([each.reference for each in at]), _mean([each.reference for each in under])
    part = loaded_mhz / free_mhz
    lines = droop_lines(
        free_mhz, loaded_mhz,
        (loaded[0] * set_mhz / free_mhz / sqrt(len(under)), loaded[1]),
        (without[0] * set_mhz / free_mhz * part / sqrt(len(at)), without[1]),
        setup.tachometer, setup.load,
    )  # fmt: skip
    about = f"droop at {set_mhz} mHz under {setup.load.name}"
    return (1 - part) * PPM, budget(about, "ppm", lines, setup.rule.student_below_degrees)


def _held_slower(
    at: Sequence[Reading], under: Sequence[Reading], droop_ppm: float, known: Budget, set_mhz: int, load: KnownLoad,
    line: int,
) -> None:  # fmt: skip
    if droop_ppm * 1000 > known.expanded_milli:
        return
    free_mhz, loaded_mhz = (round(_mean([each.reference for each in some])) for some in (at, under))
    raise ReadingRefused(
        "load_not_felt",
        line,
        f"under {load.name}, set to {format_hz(set_mhz)}, the motor turns at {loaded_mhz / 1000:.2f} Hz, and without "
        f"it at {free_mhz / 1000:.2f} Hz: it is not slower by more than that is uncertain by "
        f"({known.expanded_milli / 1e7:.2f} %), so nothing shows that the load was on. {_PUT_ON}",
    )


def _held_stronger(
    free: Sequence[Reading], at: Sequence[Reading], under: Sequence[Reading], load: KnownLoad, line: int
) -> None:
    """The motor takes more current under load; nothing is asked where the pen does not say."""
    told = [((each.point, each.direction), None, each.current_ma) for each in free if each.current_ma is not None]
    free_ma = [each.current_ma for each in at if each.current_ma is not None]
    under_ma = [each.current_ma for each in under if each.current_ma is not None]
    if len(told) < len(free) or len(under_ma) < len(under):
        return
    spread_ma = sqrt(scatter(told).repeatability ** 2 + LAST_DIGIT_MA**2)
    rise_ma = _mean(under_ma) - _mean(free_ma)
    if rise_ma > 2 * spread_ma * sqrt(1 / len(under_ma) + 1 / len(free_ma)):
        return
    raise ReadingRefused(
        "load_not_felt",
        line,
        f"under {load.name} the motor takes {round(_mean(under_ma))} mA, and without it {round(_mean(free_ma))} mA: "
        f"nothing that the motor works against was on it. {_PUT_ON}",
    )


_PUT_ON = "Nothing was taken; put the load on so that the needles work against it, and read this point again."


def _spread_ppm(free: Sequence[Reading], setup: RateSetup) -> Spread:
    found = scatter([((each.point, each.direction), None, _of_set(each, setup.method.points_mhz)) for each in free])
    return found.repeatability, found.degrees


def _at(readings: Sequence[Reading], point: int) -> list[Reading]:
    return [each for each in readings if each.point == point]


def _of_set(reading: Reading, points_mhz: Sequence[int]) -> float:
    """What is delivered, in ppm of what was set."""
    return reading.reference / points_mhz[reading.point] * PPM


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
