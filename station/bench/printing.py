"""A certificate's pages and label as files, beside the signed one that the station keeps."""

from dataclasses import dataclass
from pathlib import Path

from logger.certificate.sealing import open_certificate
from logger.export.files import write_whole
from logger.report import Paper
from logger.report.certificate import Printed, certificate_report
from logger.report.label import label
from station.bench.certifying import Issued


@dataclass(frozen=True, slots=True)
class Papers:
    """What was written."""

    pages: Path
    label: Path


def write_papers(issued: Issued, folder: Path, paper: Paper) -> Papers:
    """Writes ``NUMBER.pdf`` and ``NUMBER-label.pdf``; over themselves where they are there, for they say the same.

    Raises ReportExtraMissing, ReportError, ExportError, OSError.
    """
    opened = open_certificate(issued.sealed.content, issued.path.name)
    printed = Printed(issued.sealed.certificate, opened.sha256, opened.key_id)
    number = issued.event.number
    made = Papers(folder / f"{number}.pdf", folder / f"{number}-label.pdf")
    pages, small = certificate_report(printed, paper), label(printed, "pdf")
    write_whole(made.pages, lambda file: file.write(pages), force=True)
    write_whole(made.label, lambda file: file.write(small), force=True)
    return made
