"""The label for a pen, as a page of 52 × 21 mm: PDF, SVG or PNG."""

from typing import Any, Final, Literal

from logger.certificate.label import label_text, qr_svg
from logger.report.certificate import Printed
from logger.report.certificate_words import short_factor
from logger.report.quantities import scale_of
from logger.report.typeset import pictures, typeset, vector
from logger.report.wording import breakable

LabelFormat = Literal["pdf", "svg", "png"]
PPI: Final = 600
"""Dots an inch of a label printer's finer kind: a module of the code is 12 of them wide."""


def label(printed: Printed, form: LabelFormat) -> bytes:
    """A label's file. Raises ReportExtraMissing, ReportError."""
    data = label_data(printed)
    match form:
        case "pdf":
            return typeset("label", data, at=printed.issued_at, paper="a4")
        case "svg":
            return vector("label", data)
        case "png":
            return pictures("label", data, paper="a4", ppi=PPI)[0]


def label_data(printed: Printed) -> dict[str, Any]:
    """What a label says. No interval: a day it is due stands on it only where the customer asked for one.

    *Depth within* is the largest error that was left, and the uncertainty of any single setting upon it.
    """
    body = printed.certificate.body
    test = body.kind == "accuracy_test"
    rows = [["Accuracy tested" if test else "Calibrated", body.ended_at[:10]]]
    if body.due_on:
        rows.append(["Due", body.due_on])
    depth = body.of("depth_nm")
    if depth is not None and depth.last.statement is not None:
        said, scale = depth.last.statement, scale_of("depth_nm")
        factor = short_factor(said.budget.factor_milli)
        # How well an error is known says nothing of how large it is, and whoever holds the pen reads this as both.
        off = abs(depth.last.largest_error) + said.expanded
        rows.append(["Depth within", f"±{scale.uncertainty(off)} {scale.error_unit}, k = {factor}"])
    sound = all(series.last.in_tolerance for series in body.results)
    warning = "" if sound else "NOT IN TOLERANCE"
    if body.demo:
        warning = "DEMONSTRATION"
    text = label_text(body.number, printed.sha256)
    return {
        "title": f"Label of {body.number}",
        "headline": f"{breakable(body.instrument.model)} · {breakable(body.instrument.serial)}",
        "number": body.number,
        "rows": rows,
        "warning": warning,
        "qr": qr_svg(text),
        "code": text,
    }
