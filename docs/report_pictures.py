"""Writes the pictures in ``docs/reports.md`` and ``docs/certificates.md`` anew.

Two pages of the report of a treatment played on a simulated pen, and the first page of a made-up certificate.
"""

import sys
from pathlib import Path

from logger.certificate.sealing import open_certificate
from logger.report import Heading, read_session, session_data
from logger.report.certificate import Printed, certificate_data
from logger.report.typeset import pictures
from proving.recorded import treatment

PLACES = (Path(__file__).parent / "report-zones.png", Path(__file__).parent / "report-curves.png")
CERTIFICATE_PLACE = Path(__file__).parent / "certificate.png"
CERTIFICATE = Path(__file__).parents[1] / "tests" / "vectors" / "certificates" / "v1.json"
MINUTES = 20
ZONES = ("forehead", "nose", "periorbital", "cheek", "chin", "neck")
PPI = 72


def pages() -> list[bytes]:
    """The first pages of the report, as PNG: zones, then curves."""
    data = session_data(read_session(treatment(MINUTES, zones=ZONES)), Heading(site="clinic-1"))
    return pictures("session", data, paper="a4", ppi=PPI)[: len(PLACES)]


def certificate() -> bytes:
    """The first page of a certificate, as PNG."""
    opened = open_certificate(CERTIFICATE.read_bytes(), CERTIFICATE.name)
    if opened.certificate is None:
        raise ValueError(f"{CERTIFICATE} is of a later version")
    data = certificate_data(Printed(opened.certificate, opened.sha256, opened.key_id))
    return pictures("certificate", data, paper="a4", ppi=PPI)[0]


def main() -> int:
    """Writes them; 0."""
    for place, picture in zip((*PLACES, CERTIFICATE_PLACE), (*pages(), certificate()), strict=True):
        place.write_bytes(picture)
        sys.stdout.write(f"wrote docs/{place.name}, {len(picture) // 1000} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
