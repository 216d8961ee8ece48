"""How late the 20 Hz loop is under full load: sixteen pens under treatment, journal, publisher, API and live views.

Every tick of every pen counts. Beside it, on the same machine at the same time and with the same priority, a process
that does nothing but tick: what it is late, the machine made late.
"""

import asyncio
import time
from collections.abc import Sequence

from benchmarks.house import house
from benchmarks.measuring import Effort, as_the_station, child_command, percentile, running
from benchmarks.results import Row, under
from controller.hosting import TICK_S

SUBJECT = "ticks"
TREATED = 16
SETTLE_S = 2.0
"""After the last pen began: what starting costs is no part of a treatment."""


async def _lateness_ms(seconds: float) -> tuple[list[float], list[float]]:
    """Lateness of the station's ticks and of the probe's."""
    with running(child_command("idle_probe"), preexec_fn=as_the_station) as probe:
        probe.read()
        async with house(TREATED) as busy:
            await asyncio.sleep(SETTLE_S)
            began_ns = time.monotonic_ns()
            await asyncio.sleep(seconds)
            ended_ns = time.monotonic_ns()
        probe.finish()
        alone = probe.read()["ticks"]
    return _within(busy.heard["ticks"], began_ns, ended_ns), _within(alone, began_ns, ended_ns)


def _within(ticks: Sequence[tuple[int, float]], began_ns: int, ended_ns: int) -> list[float]:
    return [late_s * 1e3 for at_ns, late_s in ticks if began_ns <= at_ns <= ended_ns]


def measure(effort: Effort) -> list[Row]:
    """The figure that safety is stated in, and its surroundings."""
    seconds = 600 if effort.soak else effort.pick(8, 60)
    late, alone = asyncio.run(_lateness_ms(seconds))
    expected = (TREATED + 1) * seconds / TICK_S
    span = f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds} s"
    return [
        Row(SUBJECT, f"20 Hz tick, late, p99.9 over {span}", percentile(late, 0.999), "ms",
            f"idle probe {percentile(alone, 0.999):.1f} ms", under(25)),
        Row(SUBJECT, "20 Hz tick, late, p99", percentile(late, 0.99), "ms",
            f"idle probe {percentile(alone, 0.99):.1f} ms"),
        Row(SUBJECT, "20 Hz tick, late, worst", max(late), "ms", f"idle probe {max(alone):.1f} ms"),
        Row(SUBJECT, "20 Hz ticks kept", len(late) / expected, "× those due", f"{TREATED + 1} pens, {span}"),
    ]  # fmt: skip
