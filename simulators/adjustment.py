"""The table by which a pen corrects depth and rate: from what its scale says to what is true, and back. Pure.

To set a depth the pen drives its scale to :meth:`AdjustmentTable.scale_of`, and it shows
:meth:`AdjustmentTable.true_of` of what its scale says. Depths in µm.
"""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from firmware_bridge.wire.service_operations import ADJUSTMENT_POINTS_MAX, AdjustmentData

_POINT = struct.Struct("<hh")
_ONE_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class AdjustmentTable:
    """The table. ``scale_um`` and ``true_um`` both rise strictly, 2 to 16 points of each or none, which changes
    nothing; straight between them and beyond. ``rate_gain_ppm`` is true rate / rate without adjustment."""

    number: int = 0
    rate_gain_ppm: int = _ONE_PPM
    scale_um: tuple[int, ...] = ()
    true_um: tuple[int, ...] = ()

    @classmethod
    def of(cls, data: AdjustmentData) -> Self:
        """The table of a message. Raises ValueError for what is none."""
        if len(data.points) % _POINT.size:
            raise ValueError("a piece of a point is left over")
        points = list(_POINT.iter_unpack(data.points))
        if len(points) == 1 or len(points) > ADJUSTMENT_POINTS_MAX:
            raise ValueError(f"{len(points)} points; none, or 2 to {ADJUSTMENT_POINTS_MAX}")
        if any(after[0] <= before[0] or after[1] <= before[1] for before, after in pairwise(points)):
            raise ValueError("points do not rise strictly")
        scale_um, true_um = (tuple(point[place] for point in points) for place in (0, 1))
        return cls(data.number, data.rate_gain_ppm, scale_um, true_um)

    def as_data(self) -> AdjustmentData:
        """The table as it goes on the wire."""
        points = b"".join(_POINT.pack(*point) for point in zip(self.scale_um, self.true_um, strict=True))
        return AdjustmentData(self.number, self.rate_gain_ppm, points)

    @property
    def rate_gain(self) -> float:
        """True rate / rate without adjustment."""
        return self.rate_gain_ppm / _ONE_PPM

    def true_of(self, scale_um: float) -> float:
        """What the pen shows when its scale says ``scale_um``."""
        return _straight(self.scale_um, self.true_um, scale_um) if self.scale_um else scale_um

    def scale_of(self, true_um: float) -> float:
        """Where the pen drives its scale for the needles to be at ``true_um``."""
        return _straight(self.true_um, self.scale_um, true_um) if self.scale_um else true_um

    def moves_at_most(self, deepest_um: int) -> float:
        """How far it moves a depth from 0 to ``deepest_um``: the greatest such distance, µm."""
        inside = [at for at in self.true_um if 0 < at < deepest_um]
        return max(abs(self.scale_of(float(at)) - at) for at in (0, *inside, deepest_um))


def _straight(given: Sequence[int], wanted: Sequence[int], at: float) -> float:
    """On the line through the two points around ``at``, or the two nearest to it."""
    right = min(max(bisect_right(given, at), 1), len(given) - 1)
    left = right - 1
    slope = (wanted[right] - wanted[left]) / (given[right] - given[left])
    return wanted[left] + (at - given[left]) * slope
