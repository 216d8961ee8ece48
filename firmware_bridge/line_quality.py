"""How well the line carries STATUS: gaps between frames, and how long frames lay somewhere before they came."""

from bisect import bisect_left
from dataclasses import dataclass, field

GAP_EDGES_MS = (10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000)
"""Upper edges of the gap histogram: fine around the usual 20 ms, coarse where only the order of size matters."""

ADVISORY_PAUSE_MS = 10_000
"""One advisory in ten seconds: a bad cable should be told of once, not fifty times a second."""


@dataclass(slots=True)
class LineQuality:
    """Counts of one link. Gaps are in ms of the host's clock between STATUS frames."""

    dead_man_ms: int
    gap_counts: list[int] = field(default_factory=lambda: [0] * (len(GAP_EDGES_MS) + 1))
    longest_gap_ms: int = 0
    setpoints_sent: int = 0
    setpoints_withheld: int = 0
    _last_status_ms: int | None = None
    _last_advisory_ms: int | None = None

    def status_seen(self, now_ms: int) -> int | None:
        """Counts a STATUS. Returns the gap in ms when it is over half the dead-man time and worth an advisory now."""
        last, self._last_status_ms = self._last_status_ms, now_ms
        if last is None:
            return None
        gap_ms = now_ms - last
        self.gap_counts[bisect_left(GAP_EDGES_MS, gap_ms)] += 1
        self.longest_gap_ms = max(self.longest_gap_ms, gap_ms)
        if gap_ms * 2 <= self.dead_man_ms:
            return None
        if self._last_advisory_ms is not None and now_ms - self._last_advisory_ms < ADVISORY_PAUSE_MS:
            return None
        self._last_advisory_ms = now_ms
        return gap_ms


DRIFT_PPM = 200
"""How far a pen's clock may run from the host's: twice what two ordinary crystals do."""

_U32 = 1 << 32


class LineDelay:
    """Tells when a STATUS was sent, so that old news delivered late is not taken for fresh.

    The quickest frame so far shows the difference of the two clocks; what a frame lags behind it, it lay in a buffer.
    The difference is let grow by DRIFT_PPM, so that drift of the clocks is not taken for delay.
    """

    __slots__ = ("_at_ms", "_offset_ms", "_unwrapped_ms")

    def __init__(self) -> None:
        self._offset_ms: float | None = None
        self._at_ms = 0
        self._unwrapped_ms = 0

    def overtaken(self, pen_time_ms: int) -> bool:
        """Whether a STATUS of this pen time is a repeat, or was overtaken on its way by one that was sent later."""
        return self._offset_ms is not None and not 0 < (pen_time_ms - self._unwrapped_ms) % _U32 < _U32 // 2

    def sent_at_ms(self, now_ms: int, pen_time_ms: int) -> int:
        """When a frame with this pen time, arriving now, was sent; host's monotonic ms, never in the future."""
        step_ms = (pen_time_ms - self._unwrapped_ms) % _U32
        self._unwrapped_ms += step_ms if step_ms < _U32 // 2 else step_ms - _U32
        offset_ms = now_ms - self._unwrapped_ms
        if self._offset_ms is None:
            self._offset_ms = offset_ms
        else:
            drifted_ms = self._offset_ms + (now_ms - self._at_ms) * DRIFT_PPM / 1_000_000
            self._offset_ms = min(drifted_ms, offset_ms)
        self._at_ms = now_ms
        return now_ms - int(offset_ms - self._offset_ms)
