"""Writes the pictures in ``docs/reports.md`` anew: two pages of the report of a treatment played on a simulated pen."""

import sys
from pathlib import Path

from logger.report import Heading, read_session, session_data
from logger.report.typeset import pictures
from proving.recorded import treatment

PLACES = (Path(__file__).parent / "report-zones.png", Path(__file__).parent / "report-curves.png")
MINUTES = 20
ZONES = ("forehead", "nose", "periorbital", "cheek", "chin", "neck")
PPI = 72


def pages() -> list[bytes]:
    """The first pages of the report, as PNG: zones, then curves."""
    data = session_data(read_session(treatment(MINUTES, zones=ZONES)), Heading(site="clinic-1"))
    return pictures("session", data, paper="a4", ppi=PPI)[: len(PLACES)]


def main() -> int:
    """Writes them; 0."""
    for place, picture in zip(PLACES, pages(), strict=True):
        place.write_bytes(picture)
        sys.stdout.write(f"wrote docs/{place.name}, {len(picture) // 1000} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
