"""Writes the table of planted defects in ``docs/proving.md`` anew: plants each, lets the campaign catch it."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from proving.defects import catch, defects

PAGE = Path(__file__).parent / "proving.md"
BEGIN, END = "<!-- defects: written by `make defects` -->", "<!-- end of defects -->"
SEED = 11


def table() -> tuple[list[str], int]:
    """The lines of the table, and how many defects were not caught."""
    lines = ["| planted defect | in | story | simulated | caught by |", "|---|---|---:|---:|---|"]
    missed = 0
    for defect in defects():
        caught = None if defect.test else catch(defect, SEED)
        if caught is not None:
            violation = caught.violation
            by = f"invariant {violation.number}: {violation.name}"
            story, simulated = str(caught.story.index), f"{caught.simulated_ms / 1000:.0f} s"
        else:
            missed += not defect.test
            by = f"`{defect.test.rpartition('::')[2]}`: {defect.why}" if defect.test else "**nothing**"
            story = simulated = ""
        lines.append(f"| **{defect.name}**: {defect.what} | {defect.where} | {story} | {simulated} | {by} |")
        sys.stdout.write(lines[-1] + "\n")
    return lines, missed


def main() -> int:
    """0 when every defect is caught."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines, missed = table()
    said = (
        f"{len(lines) - 2} defects, {len(lines) - 2 - missed} caught; seed {SEED}, "
        f"{datetime.now(UTC).date().isoformat()}. *Story* and *simulated* are how far the campaign came until then."
    )
    PAGE.write_text("\n".join([before + BEGIN, "", said, "", *lines, "", END + after]), encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
