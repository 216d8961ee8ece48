"""From data to a PDF: the one place that knows the typesetter.

Text of the record goes in as JSON and is printed as it is; it is never read as markup. Only the fonts that come with
the typesetter are used and the time in the file is the caller's, so the same data gives the same bytes everywhere.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from logger.errors import ReportError, ReportExtraMissing
from logger.report.wording import spelled, visible

Paper = Literal["a4", "letter"]
"""What is printed on."""

STANDARDS: Final = ("a-2a", "ua-1")
"""PDF/A-2a holds all of PDF/A-2b, and tags; PDF/UA-1 asks for a title, a language, and words for every drawing. The
typesetter refuses to write a file that is not as these say."""

_TEMPLATES: Final = Path(__file__).parent / "templates"
_PAPERS: Final = {"a4": "a4", "letter": "us-letter"}


def typeset(template: str, data: dict[str, Any], *, at: datetime, paper: Paper) -> bytes:
    """The PDF that a template makes of ``data``. ``at`` is when the document says it was made.

    Characters that no font at hand has are printed as their numbers. Raises ReportExtraMissing, ReportError.
    """
    when = at.astimezone(UTC).replace(microsecond=0)
    made = _compiled(template, data, paper, format="pdf", pdf_standards=list(STANDARDS), timestamp=when)
    return bytes(made)


def pictures(template: str, data: dict[str, Any], *, paper: Paper, ppi: int) -> list[bytes]:
    """The same pages as PNG, ``ppi`` dots an inch: to be looked at. Raises ReportExtraMissing, ReportError."""
    made = _compiled(template, data, paper, format="png", ppi=float(ppi))
    return [made] if isinstance(made, bytes) else list(made)


def vector(template: str, data: dict[str, Any]) -> bytes:
    """What a template of one page makes, as SVG. Raises ReportExtraMissing, ReportError."""
    return bytes(_compiled(template, data, "a4", format="svg"))


def picture_of(svg: str, kind: str, *, at: datetime) -> bytes:
    """A drawing in SVG as *png* (144 dots an inch) or *pdf*. Raises ReportExtraMissing, ReportError."""
    typst = typesetter()
    source = _TEMPLATES / "drawing.typ"
    into = {"ppi": 144.0} if kind == "png" else {"timestamp": at.astimezone(UTC).replace(microsecond=0)}
    try:
        made = typst.compile(
            source, root=_TEMPLATES, ignore_system_fonts=True, sys_inputs={"svg": svg}, format=kind, **into
        )
    except typst.TypstError as error:
        raise ReportError(
            f"The drawing could not be made: {error} The record is as it was; give a file that ends in .svg. "
            "Please report this as a fault of the product."
        ) from error
    return bytes(made)


def typesetter() -> Any:
    """What reports are typeset with. Raises ReportExtraMissing where it is not installed."""
    try:
        import typst  # noqa: PLC0415 an extra, and large: only who makes a report loads it
    except ImportError as error:
        raise ReportExtraMissing(
            "Reports as PDF need the extra `report`, which is not installed. The record is as it was. "
            "Install it: `pip install 'needlework[report]'`."
        ) from error
    return typst


def _compiled(template: str, data: dict[str, Any], paper: Paper, **into: Any) -> Any:
    typst = typesetter()
    shown = visible(data)
    attempts = [shown] if spelled(shown) == shown else [shown, spelled(shown)]
    refused: Exception | None = None
    for attempt in attempts:
        given = {"data": json.dumps(attempt, ensure_ascii=False), "paper": _PAPERS[paper]}
        source = _TEMPLATES / f"{template}.typ"
        try:
            return typst.compile(source, root=_TEMPLATES, ignore_system_fonts=True, sys_inputs=given, **into)
        except typst.TypstError as error:
            refused = error
    raise ReportError(
        f"The report could not be typeset: {refused} The record is as it was; `needlework sessions show` prints it. "
        "Please report this as a fault of the product."
    ) from refused
