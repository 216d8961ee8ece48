"""Plays every calibration procedure over 1 000 seeds and writes into ``docs/calibration.md`` how often it was right."""

import sys
from pathlib import Path

from controller.calibration.policy import load_policy
from proving.coverage_of_calibration import AT_LEAST_PERMILLE, AT_MOST_PERMILLE, SEEDS, Covered, coverage
from proving.coverage_on_simulated_pens import depth_of_a_simulated_pen

PAGE = Path(__file__).parent / "calibration.md"
BEGIN, END = "<!-- coverage: written by `make coverage` -->", "<!-- end of coverage -->"
MODEL = "NW-2"
OVER_THE_WIRE = """\
The same asked of a simulated pen over the wire: service lease, setpoints, what STATUS shows; its own drive, play and
sensor noise; the adjustment written to it and read back, and everything read again."""


def table(rows: tuple[Covered, ...]) -> list[str]:
    """The lines of the table."""
    lines = ["| asked for | seeds | 95 % interval holds the truth | ± U (k = 2) holds it |", "|---|---:|---:|---:|"]
    for row in rows:
        mark = "" if row.well else " **outside**"
        lines.append(
            f"| {row.quantity} | {row.seeds} | {row.permille / 10:.1f} %{mark} | {row.expanded_permille / 10:.1f} % |"
        )
    return lines


def main() -> int:
    """0 when every interval holds what it says."""
    policy = load_policy()
    rows = coverage(policy, MODEL, range(SEEDS))
    over_the_wire = coverage(policy, MODEL, range(SEEDS), [depth_of_a_simulated_pen])
    lines = [*table(rows), "", OVER_THE_WIRE, "", *table(over_the_wire)]
    sys.stdout.write("\n".join(lines) + "\n")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    said = (
        f"Seeds 0 to {SEEDS - 1}, the example policy, model {MODEL}. To be right, a 95 % interval has to hold the "
        f"truth in {AT_LEAST_PERMILLE // 10} to {AT_MOST_PERMILLE // 10} % of them."
    )
    PAGE.write_text("\n".join([before + BEGIN, "", said, "", *lines, "", END + after]), encoding="utf-8")
    return 0 if all(row.well for row in (*rows, *over_the_wire)) else 1


if __name__ == "__main__":
    sys.exit(main())
