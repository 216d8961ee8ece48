"""Plays rounds of kills and writes what came of them, and of the planted defects, into ``docs/reliability.md``."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the houses are the tests'

from tests.faults.clinic import played_at_a_clinic  # noqa: E402 - behind the path
from tests.faults.defects import RECORD_DEFECTS  # noqa: E402
from tests.faults.rounds import Tally, played  # noqa: E402
from tests.faults.treated import played_under_treatment  # noqa: E402

PAGE = Path(__file__).parent / "reliability.md"
BEGIN, END = "<!-- kills: written by `make kills` -->", "<!-- end of kills -->"
HOUSES = (
    ("load, Mosquitto, recorder, SQLite; power cut too", played, 70),
    ("load, Mosquitto, recorder, PostgreSQL", played_at_a_clinic, 20),
    ("station under treatment, Mosquitto, recorder, SQLite", played_under_treatment, 10),
)
"""Each kind of house, how it is played, and its share of the rounds in hundredths."""


def tell(line: str) -> None:
    """On the terminal, as it happens."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def rounds_table(rounds: int, seed: int) -> tuple[list[str], bool]:
    """The lines about the rounds, and whether all was well."""
    lines = [
        "| house | rounds | killed | entries stored | known as durable | lost | duplicated | chain |",
        "|---|---:|---|---:|---:|---:|---:|---|",
    ]
    well = True
    for name, play, share in HOUSES:
        tally: Tally = asyncio.run(play(seed, rounds * share // 100, tell))
        killed = ", ".join(f"{part} {times}" for part, times in sorted(tally.killed.items()))
        well = well and not tally.violations
        lines.append(
            f"| {name} | {tally.rounds} | {killed} | {tally.entries} | {tally.durable} | {tally.lost} | "
            f"{tally.duplicated} | {'; '.join(tally.violations) or 'intact'} |"
        )
    return lines, well


def defects_table(seed: int) -> tuple[list[str], bool]:
    """The lines about planted defects, and whether each was caught."""
    lines = ["| planted defect | in | rounds | first sign |", "|---|---|---:|---|"]
    well = True
    for defect in RECORD_DEFECTS:
        planted = (defect.part, defect.name)
        tally = asyncio.run(played(seed, defect.rounds, tell, victims=defect.victims, defect=planted, deadline_s=10))
        well = well and bool(tally.violations)
        sign = tally.violations[0].split(". ")[0] if tally.violations else "**nothing**"
        lines.append(f"| **{defect.name}**: {defect.what} | {defect.part} | {tally.rounds} | {sign} |")
    return lines, well


def main() -> int:
    """0 when nothing was lost, duplicated or changed, and every defect was caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args()
    rounds, kept = rounds_table(given.rounds, given.seed)
    defects, caught = defects_table(given.seed)
    said = f"{given.rounds} rounds, seed {given.seed}, {datetime.now(UTC).date().isoformat()}."
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("\n".join([before + BEGIN, "", said, "", *rounds, "", *defects, "", END + after]), encoding="utf-8")
    return 0 if kept and caught else 1


if __name__ == "__main__":
    sys.exit(main())
