"""What the measurements share: order alternated, medians, C programs built, processes started and asked."""

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from station.monitoring.doctor import WANTED_NICE

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "benchmarks"
_SOURCES = Path(__file__).parent / "c"
_COMPILER = ("gcc", "-std=c99", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic")


class LoadLost(RuntimeError):
    """The load that was to be measured under was gone at the end: this machine had no time for it."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured. ``quick`` shows that everything works; its figures are coarse. ``soak`` is the long run."""

    quick: bool = False
    soak: bool = False

    def pick(self, quick: int, full: int) -> int:
        """One of two amounts."""
        return quick if self.quick else full

    @property
    def name(self) -> str:
        """What this effort is called in the results."""
        return "quick" if self.quick else "soak" if self.soak else "full"


def alternated(rounds: int, sides: Sequence[Callable[[], float]]) -> list[list[float]]:
    """What each side gives in each round; every other round goes through them backwards.

    A machine that gets slower or faster on the way then does so for all sides alike.
    """
    taken: list[list[float]] = [[] for _ in sides]
    for number in range(rounds):
        order = range(len(sides)) if number % 2 == 0 else reversed(range(len(sides)))
        for place in order:
            taken[place].append(sides[place]())
    return taken


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the ratios of each round."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed: nearest rank, so that it is one that was measured."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def built(name: str) -> Path:
    """The C program of that name, built when its source is newer. Raises RuntimeError with what the compiler said."""
    source, program = _SOURCES / f"{name}.c", BUILD / name
    header = ROOT / "docs" / "c" / "needlework_wire.h"
    newest = max(source.stat().st_mtime, header.stat().st_mtime)
    if program.exists() and program.stat().st_mtime > newest:
        return program
    BUILD.mkdir(parents=True, exist_ok=True)
    fresh = program.with_suffix(f".{os.getpid()}")
    command = [*_COMPILER, f"-I{header.parent}", str(source), "-o", str(fresh)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{source.name} does not build:\n{done.stderr}")
    fresh.replace(program)
    return program


def processors_apart() -> tuple[int, int] | None:
    """Two processors, one for each side of a line; None where there is only one.

    A pen is another computer: it neither shares our processor's time nor is it woken by the same core going idle.
    """
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else None


def as_the_station() -> None:
    """Takes the priority a station asks for: to be called in a new process before its program begins."""
    with suppress(OSError):  # refused to the station too
        os.setpriority(os.PRIO_PROCESS, 0, WANTED_NICE)


def child_command(module: str, *arguments: object) -> list[str]:
    """The command of one of :mod:`benchmarks.children`."""
    return [sys.executable, "-m", f"benchmarks.children.{module}", *map(str, arguments)]


def product_command(module: str, *arguments: str) -> list[str]:
    """The command of a process of the product itself."""
    return [sys.executable, "-m", module, *arguments]


def asked(command: Sequence[str], timeout_s: float, **options: Any) -> Any:
    """Runs a child to its end and reads the JSON line it prints last. Raises RuntimeError with its complaint."""
    done = subprocess.run(
        list(command), capture_output=True, text=True, check=False, timeout=timeout_s, cwd=ROOT, **options
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[2:])} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


class Child:
    """A process that prints a JSON line when it is ready and ends when its standard input does."""

    def __init__(self, command: Sequence[str], first_line: str = "", **options: Any) -> None:
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, **options
        )
        self.pid = self._process.pid
        if first_line:
            self.tell(first_line)

    def tell(self, line: str) -> None:
        """Writes a line to its standard input."""
        if self._process.stdin is None:
            raise RuntimeError("the child has no standard input")
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """Its next JSON line. Raises RuntimeError when it ended instead, or says that it failed."""
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()} before it answered")
        said: dict[str, Any] = json.loads(line)
        if "failed" in said:
            raise RuntimeError(f"{said}")
        return said

    def finish(self) -> None:
        """Asks it to end, by the end of its standard input."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def end(self) -> None:
        """Lets it end; kills it when it does not."""
        self.finish()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextmanager
def running(command: Sequence[str], first_line: str = "", **options: Any) -> Iterator[Child]:
    """A :class:`Child` for as long as the block lasts."""
    child = Child(command, first_line, **options)
    try:
        yield child
    finally:
        child.end()
