"""Pure: what each zone received, added up from the pen's own telemetry, and how that stands to its dwell budget."""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.events import DoseWarning, ZoneDose
from controller.loop import DWELL_HARD, DWELL_NEARLY, DWELL_OVER
from controller.plan import ResolvedPlan, ZonePlan
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import PenState

U32 = 1 << 32
GAP_MAX_MS = (
    500  # the longest silence a running pen survives; over a longer one nothing is known, so no time is counted
)
PASS_MIN_MS = 1_000
"""Time on skin that makes a stretch with the motor on a pass over the zone, and not a touch."""

NEARLY_PERCENT = 80
MHZ_MS = 1_000_000  # mHz × ms for one stroke


@dataclass(frozen=True, slots=True)
class DoseTally:
    """Running sums of one zone: times in ms, depths in µm, rates in mHz.

    ``turned_mhz_ms`` is rate × time on skin, by the measured rate or else the one in force: the strokes of a pen whose
    stroke counter stands still. ``stretch_ms`` is time on skin since the motor was last off. ``pierced`` is strokes ×
    the needles that made them, None once a stroke was made with a cartridge whose needles nobody knows.
    """

    zone: str
    treated_ms: int = 0
    strokes: int = 0
    pierced: int | None = 0
    depth_max_um: int | None = None
    depth_sum_um_ms: int = 0
    depth_ms: int = 0
    rate_sum_mhz_ms: int = 0
    rate_ms: int = 0
    turned_mhz_ms: int = 0
    stretch_ms: int = 0
    passes: int = 0

    @classmethod
    def resumed(cls, dose: ZoneDose) -> "DoseTally":
        """The tally of an interrupted session, to be counted on."""
        mean_um, mean_mhz = dose.depth_measured_mean_um, dose.rate_measured_mean_mhz
        return cls(
            zone=dose.zone,
            treated_ms=dose.treated_ms,
            strokes=dose.strokes,
            pierced=dose.punctures,
            depth_max_um=dose.depth_measured_max_um,
            depth_sum_um_ms=(mean_um or 0) * dose.treated_ms,
            depth_ms=dose.treated_ms if mean_um is not None else 0,
            rate_sum_mhz_ms=(mean_mhz or 0) * dose.treated_ms,
            rate_ms=dose.treated_ms if mean_mhz is not None else 0,
            passes=dose.passes or 0,
        )

    def add(self, before: PenSnapshot, after: PenSnapshot, needles: int | None) -> "DoseTally":
        """The tally after the time between two snapshots of one pen, ``after`` not older than ``before``.

        Time counts where the motor runs in the later one, on skin. Strokes count by the pen's counter, also over a gap
        and the stretch in which the motor went off: what was done to skin is never lost. A counter that went back
        (another cartridge, a pen that forgets over a reboot) is never negative: what it shows is new.
        """
        running = after.state is PenState.RUNNING
        was_running = before.state is PenState.RUNNING
        if not running and not was_running:
            return self
        on_skin = after.on_skin is not False
        strokes, pierced = self.strokes, self.pierced
        # The end of a stretch is on skin if it was when last seen: motor off and skin off are told in one status.
        if after.strokes != before.strokes and (on_skin or before.on_skin is not False):
            same = after.strokes >= before.strokes
            if same or after.boot_id == before.boot_id:
                made = after.strokes - before.strokes if same else after.strokes
                strokes += made
                pierced = None if pierced is None or needles is None else pierced + made * needles
        elapsed_ms = (after.pen_time_ms - before.pen_time_ms) % U32
        counted = running and on_skin and 0 < elapsed_ms <= GAP_MAX_MS and after.boot_id == before.boot_id
        if not counted:
            if strokes == self.strokes and running:
                return self
            return self._with(strokes, pierced, 0 if not running else self.stretch_ms)
        depth, rate = after.depth_measured_um, after.rate_measured_mhz
        turned = rate if rate is not None else after.rate_set_mhz or 0
        stretch_ms = self.stretch_ms + elapsed_ms
        return DoseTally(
            self.zone,
            self.treated_ms + elapsed_ms,
            strokes,
            pierced,
            depth if self.depth_max_um is None or (depth or 0) > self.depth_max_um else self.depth_max_um,
            self.depth_sum_um_ms + (depth or 0) * elapsed_ms,
            self.depth_ms + (elapsed_ms if depth is not None else 0),
            self.rate_sum_mhz_ms + (rate or 0) * elapsed_ms,
            self.rate_ms + (elapsed_ms if rate is not None else 0),
            self.turned_mhz_ms + turned * elapsed_ms,
            stretch_ms,
            self.passes + (1 if self.stretch_ms < PASS_MIN_MS <= stretch_ms else 0),
        )

    def _with(self, strokes: int, pierced: int | None, stretch_ms: int) -> "DoseTally":
        return DoseTally(
            self.zone,
            self.treated_ms,
            strokes,
            pierced,
            self.depth_max_um,
            self.depth_sum_um_ms,
            self.depth_ms,
            self.rate_sum_mhz_ms,
            self.rate_ms,
            self.turned_mhz_ms,
            stretch_ms,
            self.passes,
        )

    def dose(self, needle_count: int | None) -> ZoneDose:
        """As a record. Punctures = strokes × needles, None when the needle count is not known.

        Where the counter never moved while the motor turned on skin, strokes are rate × time on skin, and punctures
        those × ``needle_count``.
        """
        strokes = self.strokes or self.turned_mhz_ms // MHZ_MS
        estimated = None if needle_count is None else strokes * needle_count
        return ZoneDose(
            zone=self.zone,
            treated_ms=self.treated_ms,
            strokes=strokes,
            punctures=self.pierced if self.strokes else estimated,
            depth_measured_max_um=self.depth_max_um,
            depth_measured_mean_um=self.depth_sum_um_ms // self.depth_ms if self.depth_ms else None,
            rate_measured_mean_mhz=self.rate_sum_mhz_ms // self.rate_ms if self.rate_ms else None,
            passes=self.passes,
        )


def add_to_zone(
    doses: tuple[DoseTally, ...], zone: str, before: PenSnapshot, after: PenSnapshot, needles: int | None
) -> tuple[DoseTally, ...]:
    """The tallies after the time between two snapshots in ``zone`` with so many needles; the same ones when it added
    nothing."""
    for index, tally in enumerate(doses):
        if tally.zone == zone:
            added = tally.add(before, after, needles)
            return doses if added is tally else (*doses[:index], added, *doses[index + 1 :])
    added = DoseTally(zone).add(before, after, needles)
    return (*doses, added) if added != DoseTally(zone) else doses


# The dwell budget -----------------------------------------------------------------------------------------------------


def treated_ms(doses: tuple[DoseTally, ...], zone: str) -> int:
    """Time on skin in a zone, ms."""
    for tally in doses:
        if tally.zone == zone:
            return tally.treated_ms
    return 0


def dwell_level(time_ms: int, plan: ZonePlan) -> int:
    """How time on skin stands to the zone's budget, as bits of :class:`controller.loop.Loop`; 0 without a budget."""
    budget_ms, hard_ms = plan.dwell_ms, plan.dwell_hard_ms
    level = 0
    if budget_ms is not None:
        if time_ms >= budget_ms:
            level = DWELL_NEARLY | DWELL_OVER
        elif time_ms * 100 >= budget_ms * NEARLY_PERCENT:
            level = DWELL_NEARLY
    if hard_ms is not None and time_ms >= hard_ms:
        level = DWELL_NEARLY | DWELL_OVER | DWELL_HARD
    return level


def over_hard_budget(doses: tuple[DoseTally, ...], zone: str, plan: ResolvedPlan | None) -> bool:
    """Whether a zone has had its hard budget of time on skin, so that nothing starts in it."""
    zones: Mapping[str, ZonePlan] = plan.zones if plan is not None else {}
    return zone in zones and bool(dwell_level(treated_ms(doses, zone), zones[zone]) & DWELL_HARD)


def dwell_warnings(zone: str, before: int, after: int, time_ms: int, plan: ZonePlan) -> tuple[DoseWarning, ...]:
    """What to journal when a zone's level rises from ``before`` to ``after``: each step once."""
    return tuple(
        DoseWarning.model_validate(
            {
                "zone": zone,
                "treated_ms": time_ms,
                "dwell_ms": plan.dwell_ms,
                "dwell_hard_ms": plan.dwell_hard_ms,
                "level": level,
            }
        )
        for bit, level in ((DWELL_NEARLY, "nearly"), (DWELL_OVER, "budget"), (DWELL_HARD, "hard"))
        if after & bit and not before & bit
    )
