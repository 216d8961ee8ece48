"""Simulated pens beside other simulators of devices: lewis, sinstruments, pymodbus' server; and our host beside theirs.

They are tools of the developer that are run as they are, each in a process of its own.
"""

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import psutil

from benchmarks.children.terminal_client import ANSWER_BYTES, Instrument, Pen
from benchmarks.measuring import Effort, alternated, asked, child_command, median_ratio, processors_apart, running
from benchmarks.results import Row, at_least, at_most

SUBJECT = "simulator"
TIMEOUT_S = 120.0
MANY = 50
MIB = 1 << 20
_BIN = Path(sys.executable).parent


def measure(effort: Effort) -> list[Row]:
    """Ratios, medians over blocks or runs."""
    return [*_steps(effort), *_answers(effort), *_hosts(effort), *_starts(effort), *_memory(effort)]


def _steps(effort: Effort) -> list[Row]:
    """A millisecond of a pen, a cycle of lewis, a call of a method."""
    taken = asked(child_command("device_steps", effort.pick(5, 25)), TIMEOUT_S)
    pen, lewis, bare = taken["pen"], taken["lewis"], taken["bare"]
    return [
        Row(SUBJECT, "a millisecond of a whole pen that treats", median_ratio(lewis, pen), "× its speed",
            "a full cycle of lewis' example motor, its log off", at_least(20)),
        Row(SUBJECT, "the same, beside a bare method", median_ratio(bare, pen), "× its speed",
            "a Python method that adds one number", at_least(0.1)),
    ]  # fmt: skip


def simulate(*options: str) -> list[str]:
    """A simulated pen as the product serves it."""
    return [str(_BIN / "needlework"), "simulate", "--leash", "--seed", "1", *options]


def _answers(effort: Effort) -> list[Row]:
    """The p50 of an answer over a pseudo-terminal, by one pyserial client."""
    with running(simulate()) as pens, running(child_command("line_instruments", 1, ANSWER_BYTES)) as instruments:
        pen, instrument = pens.read()["device"], instruments.read()["paths"][0]
        apart = processors_apart()
        options = {}
        if apart is not None:
            for server in (pens, instruments):
                os.sched_setaffinity(server.pid, {apart[1]})
            options["preexec_fn"] = lambda: os.sched_setaffinity(0, {apart[0]})
        taken = asked(child_command("terminal_client", pen, instrument, effort.pick(7, 41)), TIMEOUT_S, **options)
    ours, theirs = (list(map(statistics.median, taken[side])) for side in ("pen", "instrument"))
    return [
        Row(SUBJECT, "answer over a pseudo-terminal, p50", median_ratio(ours, theirs), "×",
            "an instrument of sinstruments that says one line, the same pyserial client", at_most(1.2)),
        Row(SUBJECT, "the same in time", statistics.median(ours) * 1e6, "µs",
            f"sinstruments {statistics.median(theirs) * 1e6:.0f} µs"),
    ]  # fmt: skip


def _hosts(effort: Effort) -> list[Row]:
    """Each host against a simulator: ours, pymodbus against its own, pyvisa-py against sinstruments."""
    requests = effort.pick(300, 1500)
    taken: dict[str, list[dict[str, float]]] = {"pen": [], "modbus": [], "visa": []}

    def one(which: str) -> float:
        taken[which].append(asked(child_command("client", which, requests), TIMEOUT_S))
        return 0.0

    sides: list[Callable[[], float]] = [lambda: one("pen"), lambda: one("modbus"), lambda: one("visa")]
    alternated(effort.pick(5, 7), sides)

    def each(which: str, clock: str) -> list[float]:
        return [run[clock] / requests for run in taken[which]]

    walls, cpus = ({which: each(which, clock) for which in taken} for clock in ("wall_s", "cpu_s"))
    us = {which: statistics.median(times) * 1e6 for which, times in walls.items()}
    return [
        Row(SUBJECT, "request–answer of host and simulated pen", median_ratio(walls["modbus"], walls["pen"]),
            "× its speed", "pymodbus' asynchronous client and its own server", at_least(2)),
        Row(SUBJECT, "processor time of that host", median_ratio(cpus["pen"], cpus["visa"]), "×",
            "pyvisa-py asking an instrument of sinstruments", at_most(0.8)),
        Row(SUBJECT, "one request–answer of host and simulated pen", us["pen"], "µs",
            f"pymodbus {us['modbus']:.0f} µs, pyvisa-py {us['visa']:.0f} µs"),
    ]  # fmt: skip


def _starts(effort: Effort) -> list[Row]:
    """From the start of a process to the first answer of what it simulates."""
    sides: list[Callable[[], float]] = [_start_pen, _start_instrument, _start_lewis]
    pen, instrument, lewis = map(statistics.median, alternated(effort.pick(5, 9), sides))
    return [
        Row(SUBJECT, "start of a simulated pen, to its first answer", pen, "s",
            f"sinstruments {instrument:.2f} s, lewis {lewis:.2f} s")
    ]  # fmt: skip


def _start_pen() -> float:
    began = time.perf_counter()
    with running(simulate()) as pen, closing(Pen(pen.read()["device"]).line):
        return time.perf_counter() - began


def _start_instrument() -> float:
    began = time.perf_counter()
    command = child_command("line_instruments", 1, ANSWER_BYTES)
    with running(command) as instrument, closing(Instrument(instrument.read()["paths"][0]).line):
        return time.perf_counter() - began


class _Lewis:
    """lewis with its example motor on TCP; it says nothing when it is ready, so it is tried until it answers."""

    def __init__(self) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self._address = free.getsockname()
        adapter = f"stream: {{bind_address: 127.0.0.1, port: {self._address[1]}}}"
        self.process = subprocess.Popen(
            [str(_BIN / "lewis"), "-c", "0.001", "-o", "none", "-k", "lewis.examples", "-p", adapter, "example_motor"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self) -> str:
        """Its state. Raises RuntimeError when it does not answer."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with suppress(ConnectionError), closing(socket.create_connection(self._address, timeout=5)) as line:
                line.sendall(b"S?\r\n")
                return line.recv(100).decode()
            time.sleep(0.002)
        raise RuntimeError("lewis does not answer")

    def end(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.wait()


def _start_lewis() -> float:
    began = time.perf_counter()
    lewis = _Lewis()
    try:
        lewis.ask()
        return time.perf_counter() - began
    finally:
        lewis.end()


def _uss_mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_full_info().uss) / MIB


def _memory(effort: Effort) -> list[Row]:
    """What a process has to itself, with one and with many; lewis has one device a process."""

    def served(command: list[str]) -> float:
        with running(command) as child:
            child.read()
            return _uss_mib(child.pid)

    def lewis() -> float:
        one = _Lewis()
        try:
            one.ask()
            return _uss_mib(one.process.pid)
        finally:
            one.end()

    sides: list[Callable[[], float]] = [
        lambda: served(simulate()),
        lambda: served(simulate("--pens", str(MANY))),
        lambda: served(child_command("line_instruments", 1, ANSWER_BYTES)),
        lambda: served(child_command("line_instruments", MANY, ANSWER_BYTES)),
        lewis,
    ]
    pen, pens, instrument, instruments, motor = map(statistics.median, alternated(effort.pick(1, 5), sides))
    return [
        Row(SUBJECT, "memory of a process with one simulated pen", pen, "MiB",
            f"sinstruments {instrument:.0f} MiB, lewis {motor:.0f} MiB"),
        Row(SUBJECT, f"memory for one more pen, of {MANY}", (pens - pen) / (MANY - 1) * 1024, "KiB",
            f"sinstruments {(instruments - instrument) / (MANY - 1) * 1024:.0f} KiB, lewis a whole process"),
    ]  # fmt: skip
