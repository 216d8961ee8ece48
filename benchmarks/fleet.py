"""Fifty simulated pens from one process on one processor, their lines paced, under treatment by hosts on another.

A pen's deadline is its next STATUS: one that is later than a period has been overtaken by what it should have said.
Beside it, on the same processor with the same priority, a process that does nothing but tick.
"""

import json
import os
import sys
import time
from functools import partial
from statistics import median

import psutil

from benchmarks.footprint import BARE, MIB
from benchmarks.measuring import (
    Effort,
    alternated,
    as_the_station,
    child_command,
    percentile,
    processors_apart,
    product_command,
    running,
)
from benchmarks.results import Row, at_most, under

SUBJECT = "fleet"
PENS = 50
BAUD = 115_200
STATUS_MS = 20
SETTLE_S = 0.5


def _on(processor: int | None) -> None:
    """In a new process: that processor alone, with a station's priority."""
    as_the_station()
    if processor is not None:
        os.sched_setaffinity(0, {processor})


def _treated(seconds: int, *, paced: bool) -> tuple[dict[str, float], float, float]:
    """What the hosts heard, the pens' share of a processor, and the idle probe's lateness, p99.9 in ms."""
    pens_on, hosts_on = processors_apart() or (None, None)
    options = ["--baud", str(BAUD)] if paced else []
    simulate = product_command("console.cli", "simulate", "--pens", str(PENS), *options)
    with (
        running(child_command("idle_probe"), preexec_fn=partial(_on, pens_on)) as probe,
        running(simulate, preexec_fn=partial(_on, pens_on)) as fleet,
    ):
        probe.read()
        urls = json.dumps([pen["url"] for pen in fleet.read()["pens"]])
        process = psutil.Process(fleet.pid)
        with running(child_command("fleet_hosts", seconds), urls, preexec_fn=partial(_on, hosts_on)) as hosts:
            hosts.read()
            before, began = process.cpu_times(), time.monotonic()
            heard = hosts.read()
            after, ended = process.cpu_times(), time.monotonic()
        probe.finish()
        ticks = [late_s * 1e3 for at_ns, late_s in probe.read()["ticks"] if at_ns / 1e9 >= began]
        process.terminate()
    used = after.user + after.system - before.user - before.system
    return heard, used / (ended - began), percentile(ticks, 0.999)


def _memory(pens: int) -> float:
    """MiB that a process of so many pens has to itself; of none: an event loop that waits."""
    fleet = product_command("console.cli", "simulate", "--pens", str(pens))
    command = fleet if pens else [sys.executable, "-c", BARE]
    with running(command) as child:
        child.read()
        time.sleep(SETTLE_S)
        process = psutil.Process(child.pid)
        taken = float(process.memory_full_info().uss) / MIB
        process.terminate()
    return taken


def measure(effort: Effort) -> list[Row]:
    """Lateness with its bystander, what it costs, and memory."""
    seconds = effort.pick(3, 30)
    heard, share, alone = _treated(seconds, paced=True)
    _, unpaced_share, _ = _treated(max(3, seconds // 3), paced=False)
    sides = [partial(_memory, count) for count in (1, PENS, 0)]
    one, many, bare = map(median, alternated(effort.pick(1, 3), sides))
    name = f"{PENS} paced pens on one processor"
    return [
        Row(SUBJECT, f"{name}: STATUS late, p99.9 over {seconds} s", heard["p999_ms"], "ms",
            f"idle probe {alone:.1f} ms", under(STATUS_MS)),
        Row(SUBJECT, f"{name}: those that stopped themselves or were lost", heard["stopped"] + heard["lost"], "pens",
            f"{heard['status']} STATUS heard, worst {heard['worst_ms']:.0f} ms late", at_most(0)),
        Row(SUBJECT, f"{name}: processor time of all of them", share * 100, "% of one",
            f"unpaced {unpaced_share * 100:.0f} %"),
        Row(SUBJECT, "memory for one more pen, no host yet", (many - one) / (PENS - 1) * 1024, "KiB",
            f"from 1 to {PENS} pens"),
        Row(SUBJECT, f"memory of a process of {PENS} pens", many, "MiB", f"bare asyncio {bare:.0f} MiB"),
    ]  # fmt: skip
