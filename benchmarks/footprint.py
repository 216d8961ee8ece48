"""What the station's process takes: processor time and memory for a pen, time to start, memory at rest."""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median

import psutil

from benchmarks.house import house, state_folder
from benchmarks.measuring import Effort, alternated, child_command, median_ratio, product_command, running
from benchmarks.results import Row
from station.process.orders import Orders
from station.settings import PenSetting, StationSettings

SUBJECT = "footprint"
PENS = (1, 4, 16)
SETTLE_S = 1.0
MIB = 1 << 20
BARE = """
import asyncio, json, sys
async def main():
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    print(json.dumps({"ready": "bare"}), flush=True)
    await ended.wait()
asyncio.run(main())
"""


def _memory(process: psutil.Process) -> float:
    """What the process has to itself, in MiB: shared libraries are everybody's."""
    return float(process.memory_full_info().uss) / MIB


async def _under_load(treated: int, seconds: float) -> tuple[float, float]:
    """Share of one processor, and MiB, of a station that treats so many pens."""
    async with house(treated) as busy:
        process = busy.station_process()
        await asyncio.sleep(SETTLE_S)
        before, began = process.cpu_times(), time.monotonic()
        await asyncio.sleep(seconds)
        after, ended = process.cpu_times(), time.monotonic()
        used = after.user + after.system - before.user - before.system
        return used / (ended - began), _memory(process)


def measure(effort: Effort) -> list[Row]:
    """For information: none of these has a goal."""
    rows = []
    loads = [(count, *asyncio.run(_under_load(count, effort.pick(3, 8)))) for count in PENS]
    for count, share, memory in loads:
        rows += [
            Row(SUBJECT, f"processor time for a pen, {count} treating", share / count * 100, "% of one", "a processor"),
            Row(SUBJECT, f"memory of the station, {count} treating", memory, "MiB", "its own, shared libraries aside"),
        ]
    (first, _, least), (last, _, most) = loads[0], loads[-1]
    rows.append(Row(SUBJECT, "memory for one more pen", (most - least) / (last - first), "MiB", "from 1 to 16 pens"))
    return rows + _start(effort)


def _begun(command: Sequence[str], first_line: str, memories: list[float]) -> float:
    """Seconds from a process's start to its first line; its memory at rest goes to ``memories``."""
    began = time.perf_counter()
    with running(command, first_line) as child:
        child.read()
        took = time.perf_counter() - began
        time.sleep(SETTLE_S)
        memories.append(_memory(psutil.Process(child.pid)))
    return took


def _start(effort: Effort) -> list[Row]:
    """Start and rest of a station with one pen, beside an event loop that waits."""
    station_memories: list[float] = []
    bare_memories: list[float] = []

    def station() -> float:
        with state_folder() as state, running(child_command("pens", 1)) as pens:
            pen = PenSetting(name="pen", url=pens.read()["urls"][0])
            settings = StationSettings(site="bench", station="bench", state_dir=state, stop_port=0, pens=(pen,))
            orders = Orders(part="station", settings=settings).model_dump_json()
            return _begun(product_command("station", "station"), orders, station_memories)

    sides: list[Callable[[], float]] = [station, lambda: _begun([sys.executable, "-c", BARE], "", bare_memories)]
    started, bare = alternated(effort.pick(1, 5), sides)
    return [
        Row(SUBJECT, "start of the station, one pen, until it serves", median(started), "s",
            f"bare asyncio {median(bare):.2f} s"),
        Row(SUBJECT, "the same, beside bare asyncio", median_ratio(started, bare), "×", "an event loop that waits"),
        Row(SUBJECT, "memory of the station at rest", median(station_memories), "MiB",
            f"bare asyncio {median(bare_memories):.0f} MiB"),
    ]  # fmt: skip
