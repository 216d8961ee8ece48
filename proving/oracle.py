"""What the limits come to, worked out a second time from the plan's data: plain, and knowing nothing of the envelope.

The campaign's truth about limits. It is written from the rules of the record and the protocol, not from
:mod:`controller.envelope`, and stays apart from it on purpose: a mistake would have to be made twice.
"""

from dataclasses import dataclass

from controller.plan import ResolvedPlan
from simulators.personality import PenModel


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a pen's calibration says, and the greatest error the pen really has beside it; µm and millionths."""

    gain_ppm: int
    offset_um: int
    uncertainty_um: int
    error_um: int

    def true_um(self, commanded_um: int) -> float:
        """Where the needles really go."""
        return commanded_um * self.gain_ppm / 1_000_000 + self.offset_um + self.error_um


class Oracle:
    """Limits of one plan on one pen with one calibration. Depths in µm, rates in mHz; 0 allows nothing."""

    def __init__(self, plan: ResolvedPlan, model: PenModel, calibrated: Calibrated) -> None:
        self._plan = plan
        self._model = model
        self._calibrated = calibrated

    def absolute_um(self, zone: str, needle_um: int) -> int:
        """What no reason and no calibration goes beyond: mechanism, label, needles, the zone's hard limit."""
        limits = self._plan.zones.get(zone)
        if limits is None:
            return 0
        return min(self._model.depth_max_um, self._plan.profile.labelled_depth_max_um, needle_um, limits.hard_um)

    def depth_um(self, zone: str, *, overridden_um: int, approved_um: int, rate_mhz: int, needle_um: int) -> int:
        """The deepest that may be commanded in a zone at a rate.

        ``overridden_um`` is how deep a reason was given for, ``approved_um`` what a physician approved; 0 is nothing.
        """
        limits = self._plan.zones.get(zone)
        if limits is None:
            return 0
        absolute_um = self.absolute_um(zone, needle_um)
        certain_um = absolute_um - self._calibrated.offset_um - self._calibrated.uncertainty_um
        if certain_um <= 0:
            return 0
        least = min(
            absolute_um,
            certain_um * 1_000_000 // self._calibrated.gain_ppm,
            max(limits.soft_um, overridden_um),
            max(self._plan.operator_cap_um, approved_um),
            max((point.depth_um for point in self._plan.profile.curve if point.rate_max_mhz >= rate_mhz), default=0),
        )
        return least // self._model.depth_step_um * self._model.depth_step_um

    def rate_mhz(self, zone: str, *, depth_um: int) -> int:
        """The fastest that may be commanded in a zone at a depth."""
        limits = self._plan.zones.get(zone)
        if limits is None:
            return 0
        reached = (point.rate_max_mhz for point in self._plan.profile.curve if point.depth_um >= depth_um)
        least = min(
            self._model.rate_max_mhz,
            self._plan.profile.labelled_rate_max_mhz,
            limits.rate_max_mhz,
            max(reached, default=0),
        )
        return least // self._model.rate_step_mhz * self._model.rate_step_mhz

    def true_um(self, zone: str, *, overridden_um: int, approved_um: int, rate_mhz: int, needle_um: int) -> float:
        """The deepest the needles may really be: where the deepest command leads, and never beyond what is absolute."""
        deepest_um = self.depth_um(
            zone, overridden_um=overridden_um, approved_um=approved_um, rate_mhz=rate_mhz, needle_um=needle_um
        )
        return min(float(self.absolute_um(zone, needle_um)), self._calibrated.true_um(deepest_um))
