"""``python -m tests.faults``: rounds of kills from the command line, with a seed, on a house of real processes."""

import argparse
import asyncio
import sys

from tests.faults.clinic import played_at_a_clinic
from tests.faults.defects import RECORD_DEFECTS
from tests.faults.rounds import played
from tests.faults.treated import played_under_treatment

HOUSES = {"load": played, "clinic": played_at_a_clinic, "treated": played_under_treatment}


def options() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--house", choices=HOUSES, default="load", help="load: SQLite, and power is cut too")
    parser.add_argument("--defect", choices=[defect.name for defect in RECORD_DEFECTS], help="plant it first")
    return parser


def main() -> int:
    """0 when nothing was lost, duplicated or changed; 1 when something was."""
    given = options().parse_args()
    defect = next((one for one in RECORD_DEFECTS if one.name == given.defect), None)

    def tell(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    if defect is None:
        tally = asyncio.run(HOUSES[given.house](given.seed, given.rounds, tell))
    else:
        planted = (defect.part, defect.name)
        tally = asyncio.run(played(given.seed, defect.rounds, tell, victims=defect.victims, defect=planted))
    killed = ", ".join(f"{name} {times} times" for name, times in sorted(tally.killed.items()))
    sys.stdout.write(
        f"{tally.rounds} rounds; killed: {killed}; {tally.entries} entries stored, {tally.durable} known as durable: "
        f"{tally.lost} lost, {tally.duplicated} duplicated; {len(tally.violations)} violations.\n"
    )
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
