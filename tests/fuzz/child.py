"""One target under the coverage-guided fuzzer: ``python -m tests.fuzz.child TARGET [libFuzzer's options] CORPUS``.

Apart from everything else because instrumenting happens at import, and because libFuzzer ends the process itself.
"""

import gc
import importlib
import os
import sys
from pathlib import Path

import atheris

NOT_INSTRUMENTED = ["simulators.physics", "simulators.sensors", "simulators.watches", "simulators.pen"]
"""A thousand steps a simulated second, in numbers: what a host sends reaches them through the rest alone."""

GROWTH_MAX_MB = 48
"""The fuzzer's own corpus and tables take some; a target that keeps its inputs passes this within seconds."""

SETTLED_RUNS, LOOK_EVERY_RUNS = 300, 100


def resident_mb() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Runs until libFuzzer ends it."""
    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["firmware_bridge", "simulators", "tests"], exclude=NOT_INSTRUMENTED):
        target = importlib.import_module(f"tests.fuzz.{name}")
    runs, settled_mb = 0, 0.0

    def once(data: bytes) -> None:
        nonlocal runs, settled_mb
        target.fuzz(data)
        runs += 1
        if runs == SETTLED_RUNS:
            gc.collect()
            settled_mb = resident_mb()
        elif runs > SETTLED_RUNS and runs % LOOK_EVERY_RUNS == 0 and resident_mb() > settled_mb + GROWTH_MAX_MB:
            gc.collect()
            grown_mb = resident_mb() - settled_mb
            assert grown_mb <= GROWTH_MAX_MB, f"{grown_mb:.0f} MB more than after {SETTLED_RUNS} runs"

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
