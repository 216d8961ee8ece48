"""Pure: what each zone received, added up from the pen's own telemetry."""

from dataclasses import dataclass

from controller.events import ZoneDose
from controller.evolving import replace
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import PenState

U32 = 1 << 32
GAP_MAX_MS = (
    500  # the longest silence a running pen survives; over a longer one nothing is known, so nothing is counted
)


@dataclass(frozen=True)  # without slots: `controller.evolving` copies it whole
class DoseTally:
    """Running sums of one zone: times in ms, depths in µm, rates in mHz."""

    zone: str
    treated_ms: int = 0
    strokes: int = 0
    depth_max_um: int | None = None
    depth_sum_um_ms: int = 0
    depth_ms: int = 0
    rate_sum_mhz_ms: int = 0
    rate_ms: int = 0

    def add(self, before: PenSnapshot, after: PenSnapshot) -> "DoseTally":
        """The tally after the time between two snapshots of the same boot, the motor running in the later one."""
        elapsed_ms = (after.pen_time_ms - before.pen_time_ms) % U32
        if elapsed_ms > GAP_MAX_MS or after.boot_id != before.boot_id or after.state is not PenState.RUNNING:
            return self
        if after.on_skin is False:
            return self
        depth, rate = after.depth_measured_um, after.rate_measured_mhz
        return replace(
            self,
            treated_ms=self.treated_ms + elapsed_ms,
            strokes=self.strokes + (after.strokes - before.strokes if after.strokes >= before.strokes else 0),
            depth_max_um=depth if self.depth_max_um is None or (depth or 0) > self.depth_max_um else self.depth_max_um,
            depth_sum_um_ms=self.depth_sum_um_ms + (depth or 0) * elapsed_ms,
            depth_ms=self.depth_ms + (elapsed_ms if depth is not None else 0),
            rate_sum_mhz_ms=self.rate_sum_mhz_ms + (rate or 0) * elapsed_ms,
            rate_ms=self.rate_ms + (elapsed_ms if rate is not None else 0),
        )

    def dose(self, needle_count: int | None) -> ZoneDose:
        """As a record. Punctures = strokes × needles, None when the needle count is not known."""
        return ZoneDose(
            zone=self.zone,
            treated_ms=self.treated_ms,
            strokes=self.strokes,
            punctures=None if needle_count is None else self.strokes * needle_count,
            depth_measured_max_um=self.depth_max_um,
            depth_measured_mean_um=self.depth_sum_um_ms // self.depth_ms if self.depth_ms else None,
            rate_measured_mean_mhz=self.rate_sum_mhz_ms // self.rate_ms if self.rate_ms else None,
        )
