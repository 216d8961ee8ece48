"""A soak of a pen's line, drawn: how long answers took, and the gaps between STATUS. Pure."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from console.render.marks import heading
from firmware_bridge.line_quality import GAP_EDGES_MS
from station.monitoring.soak import Soak

TRIP_EDGES_MS = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 100, 200, 500)
"""Upper edges of the answers' histogram: fine where a good line is, coarse where only the size matters."""
BAR_COLUMNS = 46
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def soak_view(soak: Soak) -> RenderableType:
    """Both histograms."""
    trips = [0] * (len(TRIP_EDGES_MS) + 1)
    for taken_ms in soak.round_trips_ms:
        trips[sum(taken_ms > edge for edge in TRIP_EDGES_MS)] += 1
    return Group(
        heading(f"{soak.pen}, {soak.seconds:.0f} s"),
        Text(f"time to an answer, of {len(soak.round_trips_ms)}", style="bold"),
        *_bars(TRIP_EDGES_MS, trips, soak.dead_man_ms),
        Text(f"gaps between STATUS, of {sum(soak.gap_counts)}", style="bold"),
        *_bars(GAP_EDGES_MS, soak.gap_counts, soak.dead_man_ms),
        Text(""),
    )


def _bars(edges: Sequence[float], counts: Sequence[int], dead_man_ms: int) -> list[Text]:
    """A bar for each class from the first that has something to the last; red beyond half of the dead-man time."""
    filled = [number for number, count in enumerate(counts) if count]
    if not filled:
        return [Text("  none", style="dim")]
    most = max(counts)
    lines = []
    for number in range(filled[0], filled[-1] + 1):
        over = f"over {edges[-1]:g}" if number == len(edges) else f"to {edges[number]:g}"
        least = edges[number - 1] if number else 0
        style = "red" if 2 * least >= dead_man_ms else "cyan"
        share = f"{counts[number]:>7}"
        lines.append(Text.assemble((f"{over:>9} ms {share} ", "dim"), (_bar(counts[number], most), style)))
    return lines


def _bar(count: int, most: int) -> str:
    """A bar on a linear scale; what is there is at least a sliver."""
    eighths = max(1, round(count * BAR_COLUMNS * 8 / most)) if count else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
