"""What a depth calibration comes to: rows, fit, hysteresis, repeatability, drift, what is left, the verdict."""

from dataclasses import dataclass

from controller.calibration.acceptance import Verdict
from controller.calibration.fit import DepthFit
from controller.calibration.uncertainty import Budget
from controller.service_events import Direction, ErrorAtDepth


@dataclass(frozen=True, slots=True)
class DepthRow:
    """One point from one direction: means in µm, the spread (standard deviation) of its readings in nm, the verdict.

    ``budget`` is of the error: ``error_um`` to the nearest µm; as it was judged it is in the verdict. Where times
    were noted, the error stands for the middle of the series.
    """

    point: int
    direction: Direction
    set_um: int
    shown_um: int
    reference_um: int
    error_um: int
    readings: int
    spread_nm: int
    budget: Budget
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class DepthMean:
    """One point, mean of its directions: what drift from one certificate to the next is told by."""

    point: int
    shown_um: int
    error_um: int
    budget: Budget


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """Error approached from deeper less error from shallower: mean over the points with its uncertainty, and the
    largest of one point. ``significant``: the mean is more than its 95 % interval."""

    mean_um: int
    largest_um: int
    mean_nm: int
    expanded_nm: int
    interval_95_nm: int
    significant: bool


@dataclass(frozen=True, slots=True)
class Repeatability:
    """Standard deviation of one reading, pooled over points and directions; 95 % lies between the two bounds.

    Pooling takes for granted that readings scatter alike everywhere. Cochran's test asks: ``widest_point`` and
    ``widest_direction`` scatter most, and ``chance_ppm`` is how likely one group does so much more than the rest by
    chance, at most. ``even``: that likely, by the method's level of significance.
    """

    standard_nm: int
    degrees: int
    at_least_nm: int
    at_most_nm: int
    widest_point: int
    widest_direction: Direction
    chance_ppm: int
    even: bool


@dataclass(frozen=True, slots=True)
class SeriesDrift:
    """How the error ran while the series was read, in nm per hour. ``significant``: more than its 95 % interval."""

    nm_per_h: int
    expanded_nm_per_h: int
    interval_95_nm_per_h: int
    during_ms: int
    significant: bool


@dataclass(frozen=True, slots=True)
class DepthLeft:
    """What CALIBRATION_WRITE states: true = gain × shown + offset, within ± ``expanded_um`` (k = 2).

    It holds for one setting, at any depth between the outer points, from either direction: so it contains hysteresis,
    the repeatability of a single setting, and what a straight line does not follow.
    """

    gain_ppm: int
    offset_um: int
    expanded_um: int
    budget: Budget


@dataclass(frozen=True, slots=True)
class DepthCalibration:
    """The whole result of one series. ``hysteresis`` is None where one direction was read, ``drift`` without times.

    ``verdict`` is of the worst row. ``largest_error_um`` is signed: true minus shown.
    """

    rows: tuple[DepthRow, ...]
    means: tuple[DepthMean, ...]
    fit: DepthFit
    hysteresis: Hysteresis | None
    repeatability: Repeatability
    drift: SeriesDrift | None
    left: DepthLeft
    verdict: Verdict
    largest_error_um: int

    @property
    def budget(self) -> Budget:
        """The budget of the row that is known least."""
        return max((row.budget for row in self.rows), key=lambda each: each.standard_milli)

    @property
    def in_tolerance(self) -> bool:
        """Whether the pen, as this series found it, is in order by the decision rule."""
        return self.verdict.in_tolerance

    @property
    def errors(self) -> tuple[ErrorAtDepth, ...]:
        """The error at each point, of its two directions the larger: for sessions that were treated with it."""
        largest: dict[int, DepthRow] = {}
        for row in self.rows:
            if row.point not in largest or abs(row.error_um) > abs(largest[row.point].error_um):
                largest[row.point] = row
        return tuple(ErrorAtDepth(shown_um=row.shown_um, error_um=row.error_um) for _, row in sorted(largest.items()))
