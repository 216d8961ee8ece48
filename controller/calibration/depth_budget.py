"""The lines of depth's budgets: what each measured quantity is uncertain by, with a name for each source."""

from collections.abc import Sequence
from math import sqrt

from controller.calibration.fit import Line
from controller.calibration.references import DepthGauge, ReferenceCartridge
from controller.calibration.scatter import Scatter
from controller.calibration.setup import DepthSetup, Environment
from controller.calibration.uncertainty import Contribution
from controller.service_events import Direction

REFERENCE_TEMPERATURE_DC = 200
"""20 °C, at which lengths are stated (ISO 1:2022)."""
PPM = 1_000_000

Key = tuple[int, Direction]


def reference_lines(
    reference_um: float, gauge: DepthGauge, cartridge: ReferenceCartridge, environment: Environment,
    alignment_mrad: int, expansion_ppb_per_k: int,
) -> list[Contribution]:  # fmt: skip
    """What one reading of that size is uncertain by, beside repeats; in µm.

    Alignment is one-sided (a tilted gauge only reads too much); as a half-width to both sides it is taken too large.
    """
    length_um = abs(reference_um)
    certificate_um = (gauge.expanded_nm + gauge.expanded_ppm * length_um / 1000) / 1000
    return [
        Contribution("gauge: its certificate", "B", "normal", certificate_um),
        Contribution("gauge: its last digit", "B", "rectangular", gauge.resolution_nm / 2000),
        Contribution("reference cartridge: needles off the nominal", "B", "rectangular", float(cartridge.tolerance_um)),
        Contribution("gauge not along the needles", "B", "rectangular", length_um * _tilt(alignment_mrad)),
        Contribution(
            "temperature off 20 °C", "B", "rectangular", _off_k(environment), length_um * expansion_ppb_per_k / 1e9
        ),
    ]


def key_lines(reference_um: float, factor: float, found: Scatter[Key], setup: DepthSetup) -> list[Contribution]:
    """What the mean error of one point from one direction is uncertain by."""
    return [
        Contribution("repeatability of the mean", "A", "student", found.repeatability, factor, found.degrees),
        *_references(reference_um, setup),
        _shown_step(setup),
    ]


def line_offset_lines(line: Line, found: Scatter[Key], setup: DepthSetup) -> list[Contribution]:
    """What the line's error at 0 is uncertain by."""
    return [
        Contribution("repeatability of the line", "A", "student", line.offset_standard, degrees=found.degrees),
        _not_followed(line, line.offset_standard, found),
        *_references(0.0, setup),
        _shown_step(setup),
    ]


def line_gain_lines(line: Line, found: Scatter[Key], setup: DepthSetup) -> list[Contribution]:
    """What the line's gain is uncertain by, in ppm: what is the same at every depth does not touch it."""
    method = setup.method
    return [
        Contribution("repeatability of the line", "A", "student", line.slope_standard, PPM, found.degrees),
        _not_followed(line, line.slope_standard, found, PPM),
        Contribution("gauge: its certificate", "B", "normal", float(setup.gauge.expanded_ppm)),
        Contribution("gauge not along the needles", "B", "rectangular", PPM * _tilt(method.alignment_mrad)),
        Contribution(
            "temperature off 20 °C", "B", "rectangular", _off_k(setup.environment), method.expansion_ppb_per_k / 1000
        ),
    ]


def left_lines(
    line: Line, shown_um: float, differences: Sequence[float], found: Scatter[Key], setup: DepthSetup
) -> list[Contribution]:
    """What one setting at a depth, from either direction, is uncertain by when the line is all that is known."""
    lines = [
        Contribution("repeatability of one setting", "A", "student", found.repeatability, degrees=found.degrees),
        Contribution("repeatability of the line", "A", "student", line.standard_at(shown_um), degrees=found.degrees),
        Contribution("what a line does not follow", "A", "student", line.left, degrees=line.degrees_between),
        *_references(line.error(shown_um) + shown_um, setup),
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


def _references(reference_um: float, setup: DepthSetup) -> list[Contribution]:
    method = setup.method
    return reference_lines(
        reference_um, setup.gauge, setup.cartridge, setup.environment, method.alignment_mrad, method.expansion_ppb_per_k
    )


def _shown_step(setup: DepthSetup) -> Contribution:
    return Contribution("pen: its last digit", "B", "rectangular", setup.shown_step_um / 2)


def _not_followed(line: Line, standard: float, found: Scatter[Key], unit: float = 1.0) -> Contribution:
    """The part of a line's parameter that comes from what the line does not follow, scaled as repeats are."""
    readings = found_readings(found) / len({point for point, _ in found.means})
    ratio = line.left * sqrt(readings) / found.repeatability if found.repeatability > 0.0 else 0.0
    return Contribution("what a line does not follow", "A", "student", standard * ratio, unit, line.degrees_between)


def found_readings(found: Scatter[Key]) -> int:
    """How many readings there are in all."""
    return sum(mean.readings for mean in found.means.values())


def _tilt(alignment_mrad: int) -> float:
    """How much too long a gauge reads that stands askew by that angle, as a fraction: 1 - cos, to second order."""
    return (alignment_mrad / 1000) ** 2 / 2


def _off_k(environment: Environment) -> float:
    return abs(environment.temperature_dc - REFERENCE_TEMPERATURE_DC) / 10
