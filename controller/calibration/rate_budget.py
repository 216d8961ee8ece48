"""The lines of rate's budgets, all relative, in ppm."""

from math import sqrt

from controller.calibration.fit import Line
from controller.calibration.references import KnownLoad, Tachometer
from controller.calibration.scatter import Scatter
from controller.calibration.setup import RateSetup
from controller.calibration.uncertainty import Contribution
from controller.service_events import Direction

PPM = 1_000_000

Key = tuple[int, Direction]


def row_lines(reference_mhz: float, factor: float, found: Scatter[Key], setup: RateSetup) -> list[Contribution]:
    """What the mean relative error of one rate from one direction is uncertain by."""
    return [
        Contribution("repeatability of the mean", "A", "student", found.repeatability, factor, found.degrees),
        *tachometer_lines(reference_mhz, setup.tachometer),
        _shown_step(reference_mhz, setup),
    ]


def tachometer_lines(reference_mhz: float, tachometer: Tachometer) -> list[Contribution]:
    """What one reading of a tachometer is uncertain by, beside repeats."""
    return [
        Contribution("tachometer: its certificate", "B", "normal", float(tachometer.expanded_ppm)),
        Contribution(
            "tachometer: its last digit", "B", "rectangular", tachometer.resolution_mhz / 2, PPM / reference_mhz
        ),
    ]


def gain_lines(line: Line, found: Scatter[Key], setup: RateSetup) -> list[Contribution]:
    """What the one gain is uncertain by, as a mean over the rates; digits as at the slowest."""
    slowest = float(setup.method.points_mhz[0])
    return [
        Contribution("repeatability of the mean", "A", "student", line.offset_standard, degrees=found.degrees),
        *tachometer_lines(slowest, setup.tachometer),
        _shown_step(slowest, setup),
    ]


def left_lines(line: Line, found: Scatter[Key], setup: RateSetup) -> list[Contribution]:
    """What one reading at any rate, from either direction, is uncertain by when the gain is all that is known."""
    lines = [
        Contribution("repeatability of one reading", "A", "student", found.repeatability, degrees=found.degrees),
        *gain_lines(line, found, setup),
        Contribution("what one gain does not follow", "A", "student", line.left, degrees=line.degrees_between),
    ]
    if len(setup.method.directions) > 1:
        points = range(len(setup.method.points_mhz))
        differences = [found.means[point, "down"].value - found.means[point, "up"].value for point in points]
        square = sum(each**2 for each in differences) / len(differences)
        by_chance = 2 * found.repeatability**2 / setup.method.repeats
        lines.append(Contribution("direction of approach", "A", "two_valued", sqrt(max(0.0, square - by_chance)), 0.5))
    return lines


def droop_lines(
    free_mhz: float, loaded_mhz: float, under: tuple[float, int], without: tuple[float, int], tachometer: Tachometer,
    load: KnownLoad,
) -> list[Contribution]:  # fmt: skip
    """What a droop is uncertain by; ``under`` and ``without``: standard uncertainty of a mean in ppm, its degrees.

    The tachometer's own error is the same factor in both rates and cancels. That of the load is in proportion: twice
    the load, twice the droop, near enough for its few percent.
    """
    part, digit_mhz = loaded_mhz / free_mhz, tachometer.resolution_mhz / 2
    return [
        Contribution("repeatability under load", "A", "student", under[0], degrees=under[1]),
        Contribution("repeatability without load", "A", "student", without[0], degrees=without[1]),
        Contribution("tachometer: last digit under load", "B", "rectangular", digit_mhz, PPM / free_mhz),
        Contribution("tachometer: last digit without", "B", "rectangular", digit_mhz, PPM / free_mhz * part),
        Contribution("known load: its certificate", "B", "normal", float(load.expanded_ppm), 1 - part),
    ]


def _shown_step(rate_mhz: float, setup: RateSetup) -> Contribution:
    return Contribution("pen: its last digit", "B", "rectangular", setup.shown_step_mhz / 2, PPM / rate_mhz)
