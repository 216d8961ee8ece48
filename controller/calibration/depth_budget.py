"""The lines of depth's budgets: what each measured quantity is uncertain by, with a name for each source."""

from collections.abc import Sequence
from math import sqrt

from controller.calibration.fit import Line
from controller.calibration.scatter import Scatter
from controller.calibration.setup import AccuracySetup, DepthSetup
from controller.calibration.uncertainty import Contribution
from controller.service_events import Direction

REFERENCE_TEMPERATURE_DC = 200
"""20 °C, at which lengths are stated (ISO 1:2022)."""
PPM = 1_000_000

Key = tuple[int, Direction]


def reference_lines(reference_um: float, setup: DepthSetup | AccuracySetup, beginnings: int = 1) -> list[Contribution]:
    """What one reading of that size is uncertain by, beside repeats; in µm.

    Alignment is one-sided (a tilted gauge only reads too much); as a half-width to both sides it is taken too large.
    A series is read with one seating of the cartridge and few starts of the pen, all its readings are off by the same
    for that; ``beginnings`` is 2 where another setting, after another beginning, is told of.
    """
    length_um = abs(reference_um)
    gauge, cartridge, method = setup.gauge, setup.cartridge, setup.method
    begun = method.beginning
    certificate_um = (gauge.expanded_nm + gauge.expanded_ppm * length_um / 1000) / 1000
    return [
        Contribution("gauge: its certificate", "B", "normal", certificate_um),
        Contribution("gauge: its last digit", "B", "rectangular", gauge.resolution_nm / 2000),
        Contribution("reference cartridge: needles off the nominal", "B", "rectangular", float(cartridge.tolerance_um)),
        Contribution("gauge not along the needles", "B", "rectangular", length_um * _tilt(method.alignment_mrad)),
        Contribution(
            "temperature off 20 °C", "B", "rectangular", _off_k(setup), length_um * method.expansion_ppb_per_k / 1e9
        ),
        Contribution(
            "cartridge seated, pen started anew", "A", "student", begun.standard_nm / 1000, sqrt(beginnings),
            begun.degrees,
        ),
    ]  # fmt: skip


def key_lines(reference_um: float, factor: float, found: Scatter[Key], setup: DepthSetup) -> list[Contribution]:
    """What the mean error of one point from one direction is uncertain by."""
    return [
        Contribution("repeatability of the mean", "A", "student", found.repeatability, factor, found.degrees),
        *reference_lines(reference_um, setup),
        _shown_step(setup),
    ]


def mean_lines(reference_um: float, point: int, found: Scatter[Key], setup: DepthSetup) -> list[Contribution]:
    """What the mean error of one point, of all directions it was read from, is uncertain by."""
    readings = setup.method.repeats * len(setup.method.directions)
    off_h = sum(found.means[point, direction].off_h for direction in setup.method.directions)
    factor = sqrt(1 / readings + (off_h / len(setup.method.directions) * found.off_factor_h) ** 2)
    return [
        Contribution("repeatability of the mean", "A", "student", found.repeatability, factor, found.degrees),
        *reference_lines(reference_um, setup),
        _shown_step(setup),
    ]


def hysteresis_lines(found: Scatter[Key], setup: DepthSetup) -> list[Contribution]:
    """What the mean difference between directions is uncertain by. What the references add is in both and cancels.

    Down is read later than up: the less is known of the drift, the less of the difference.
    """
    points = len(setup.method.points_um)
    later_h = sum(mean.off_h if key[1] == "down" else -mean.off_h for key, mean in found.means.items()) / points
    factor = sqrt(2 / (setup.method.repeats * points) + (later_h * found.off_factor_h) ** 2)
    return [
        Contribution("repeatability of a mean difference", "A", "student", found.repeatability, factor, found.degrees),
        *_digits(setup, sqrt(2 / points)),
    ]


def drift_lines(found: Scatter[Key], setup: DepthSetup) -> list[Contribution]:
    """What the drift while it was read is uncertain by, in µm per hour."""
    return [
        Contribution("repeatability", "A", "student", found.repeatability, found.off_factor_h, found.degrees),
        *_digits(setup, found.off_factor_h),
    ]


def line_offset_lines(line: Line, found: Scatter[Key], setup: DepthSetup) -> list[Contribution]:
    """What the line's error at 0 is uncertain by, as the line through these points; a bend is no part of it."""
    return [
        Contribution("repeatability of the line", "A", "student", line.offset_standard, degrees=found.degrees),
        *reference_lines(0.0, setup),
        _shown_step(setup),
    ]


def line_gain_lines(line: Line, found: Scatter[Key], setup: DepthSetup) -> list[Contribution]:
    """What the line's gain is uncertain by, in ppm: what is the same at every depth, how the cartridge sits too, does
    not touch it."""
    method = setup.method
    return [
        Contribution("repeatability of the line", "A", "student", line.slope_standard, PPM, found.degrees),
        Contribution("gauge: its certificate", "B", "normal", float(setup.gauge.expanded_ppm)),
        Contribution("gauge not along the needles", "B", "rectangular", PPM * _tilt(method.alignment_mrad)),
        Contribution("temperature off 20 °C", "B", "rectangular", _off_k(setup), method.expansion_ppb_per_k / 1000),
    ]


def left_lines(
    line: Line, shown_um: float, differences: Sequence[float], found: Scatter[Key], setup: DepthSetup
) -> list[Contribution]:
    """What one setting at a depth, from either direction, is uncertain by when the line is all that is known."""
    lines = [
        Contribution("repeatability of one setting", "A", "student", found.repeatability, degrees=found.degrees),
        Contribution("repeatability of the line", "A", "student", line.standard_at(shown_um), degrees=found.degrees),
        Contribution("what a line does not follow", "A", "student", line.left, degrees=line.degrees_between),
        *reference_lines(line.error(shown_um) + shown_um, setup, beginnings=2),
        _shown_step(setup),
        Contribution("whole µm in what the pen holds", "B", "rectangular", 0.5),
    ]
    if differences:
        square = sum(each**2 for each in differences) / len(differences)
        by_chance = 2 * found.repeatability**2 / setup.method.repeats
        lines.append(Contribution("direction of approach", "A", "two_valued", sqrt(max(0.0, square - by_chance)), 0.5))
    if found.slope is not None:
        lines.append(Contribution("drift while it was read", "A", "rectangular", abs(found.slope), found.hours / 2))
    return lines


def _digits(setup: DepthSetup, sensitivity: float) -> list[Contribution]:
    """What is left of both last digits in differences, where everything else of the references cancels."""
    return [
        Contribution("gauge: its last digit", "B", "rectangular", setup.gauge.resolution_nm / 2000, sensitivity),
        Contribution("pen: its last digit", "B", "rectangular", setup.shown_step_um / 2, sensitivity),
    ]


def _shown_step(setup: DepthSetup) -> Contribution:
    return Contribution("pen: its last digit", "B", "rectangular", setup.shown_step_um / 2)


def _tilt(alignment_mrad: int) -> float:
    """How much too long a gauge reads that stands askew by that angle, as a fraction: 1 - cos, to second order."""
    return (alignment_mrad / 1000) ** 2 / 2


def _off_k(setup: DepthSetup | AccuracySetup) -> float:
    """How far from 20 °C it may have been: what was read, and what the thermometer is uncertain by."""
    read_k = abs(setup.environment.temperature_dc - REFERENCE_TEMPERATURE_DC) / 10
    return read_k if setup.thermometer is None else read_k + setup.thermometer.expanded_mk / 1000
