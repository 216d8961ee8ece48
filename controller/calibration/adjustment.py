"""From what was found to the table a pen corrects itself by. Pure.

The series was read through the table the pen held: shown = T(scale). With true = F(shown) as fitted, the new table is
F after T. Both are straight between points, so the new one is too, exactly, at the points of either.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.calibration.depth_results import DepthCalibration
from controller.calibration.fit import between
from controller.calibration.rate import RateCalibration
from controller.errors import ControlRefused
from firmware_bridge.wire.service_operations import ADJUSTMENT_POINTS_MAX

PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A pen's table: depth on its own scale → true depth, both µm and strictly rising; none means "as the scale says".

    ``rate_gain_ppm``: true rate / rate on its own scale.
    """

    shown_um: tuple[int, ...] = ()
    true_um: tuple[int, ...] = ()
    rate_gain_ppm: int = PPM

    def true_at(self, scale_um: float) -> float:
        """True depth at a depth of the scale, µm."""
        return between(list(zip(self.shown_um, self.true_um, strict=True)), scale_um) if self.shown_um else scale_um

    def scale_at(self, true_um: float) -> float:
        """Depth of the scale for a true depth, µm."""
        return between(list(zip(self.true_um, self.shown_um, strict=True)), true_um) if self.shown_um else true_um


IDENTITY = Adjustment()


def adjustment_for(depth: DepthCalibration | None, rate: RateCalibration | None, previous: Adjustment) -> Adjustment:
    """The table that takes out what was found, given the one it was found with. What is None stays as it was.

    Raises ControlRefused where no rising table in the range of the wire would do it.
    """
    table = list(zip(previous.shown_um, previous.true_um, strict=True))
    if depth is not None:
        table = _composed(depth, previous)
    gain_ppm = previous.rate_gain_ppm if rate is None else round(previous.rate_gain_ppm * rate.gain_ppm / PPM)
    if table and not all(-32_767 <= value <= 32_767 for point in table for value in point):
        raise ControlRefused(
            "adjustment_out_of_range",
            "The table that would correct this pen does not fit into it: the errors found are beyond any adjustment. "
            "Repair the pen, then calibrate it again. Nothing was written.",
        )
    return Adjustment(tuple(scale for scale, _ in table), tuple(true for _, true in table), gain_ppm)


def _composed(depth: DepthCalibration, previous: Adjustment) -> list[tuple[int, int]]:
    """F after T at the points of both, thinned to what a pen holds."""
    fit = depth.fit
    if fit.kind == "line":
        first, last = depth.rows[0].shown_um, depth.rows[-1].shown_um
        shown: Sequence[float] = (first, last)
    else:
        shown = [knot_nm / 1000 for knot_nm, _ in fit.knots_nm]
    scales = sorted({round(previous.scale_at(each)) for each in shown} | set(previous.shown_um))
    table: list[tuple[int, int]] = []
    for scale in scales:
        true = round(fit.true_at(previous.true_at(scale)))
        if table and true <= table[-1][1]:
            true = table[-1][1] + 1
        table.append((scale, true))
    return _thinned(table)


def _thinned(table: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Leaves out, while there are too many, the inner point that the straight piece past it misses least."""
    table = list(table)
    while len(table) > ADJUSTMENT_POINTS_MAX:
        missed = {
            place: abs(between([table[place - 1], table[place + 1]], table[place][0]) - table[place][1])
            for place in range(1, len(table) - 1)
        }
        del table[min(missed, key=lambda place: missed[place])]
    return table
