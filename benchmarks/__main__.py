"""``python -m benchmarks``: measures, prints a table, keeps it as results.md and results.json."""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from rich.console import Console

from benchmarks.measuring import BUILD, Effort, LoadLost
from benchmarks.results import Row, keep, show

SUBJECTS = {
    "round_trip": "request–answer over a pseudo-terminal",
    "decode": "telemetry to typed objects",
    "journal": "rows to the disk",
    "publish": "entries from the journal into the recorder's store",
    "verify": "verifying a journal",
    "ingest": "batches into SQLite and PostgreSQL",
    "stop": "STOP to the wire while the station is busy",
    "ticks": "how late the 20 Hz loop is while the station is busy",
    "footprint": "processor time, memory and start",
    "fleet": "fifty simulated pens from one process, as slow as their lines",
    "report": "the PDF of a session of an hour",
    "simulator": "simulated pens beside other simulators",
    "campaign": "simulated treatments against life, and what a control tick costs",
}
KEPT = Path(__file__).parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures. 0 also when a goal is missed, for a table that says so is a result; 1 when none could be made."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=SUBJECTS, action="append", help="one subject; may be given several times")
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument("--quick", action="store_true", help="coarse figures within a minute and a half")
    how_long.add_argument("--soak", action="store_true", help="the ticks for ten minutes instead of one")
    parser.add_argument(
        "--into",
        type=Path,
        help="folder for results.md and results.json; without it the kept ones are replaced, "
        "by a part of the table or a quick run never (those go to build/benchmarks)",
    )
    given = parser.parse_args(arguments)
    effort = Effort(quick=given.quick, soak=given.soak)
    whole = not given.only and not given.quick
    folder: Path = given.into or (KEPT if whole else BUILD)
    console = Console(width=None if sys.stdout.isatty() else 120)
    rows: list[Row] = []
    for name in given.only or SUBJECTS:
        console.print(f"… {SUBJECTS[name]}", style="dim")
        measure: Callable[[Effort], list[Row]] = import_module(f"benchmarks.{name}").measure
        try:
            rows += measure(effort)
        except LoadLost as lost:
            console.print(f"{lost} Once more.", style="yellow")
            try:
                rows += measure(effort)
            except LoadLost as again:
                console.print(f"{again} Nothing is kept. Measure on a quieter machine.", style="bold red")
                return 1
    show(rows, console)
    keep(rows, effort.name, folder)
    missed = [row.name for row in rows if row.met is False]
    console.print(f"{len(missed)} goals missed: {'; '.join(missed)}." if missed else "Every goal is met.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
