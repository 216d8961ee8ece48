"""The pages of a certificate, from its signed file alone: the same file gives the same bytes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from logger.certificate.document import Address, Body, Certificate, Series, StageName
from logger.certificate.label import label_text, qr_svg
from logger.certificate.sealing import Sealed
from logger.report import certificate_tables as tables
from logger.report.certificate_words import factor_words, short_factor
from logger.report.error_plot import error_plots
from logger.report.quantities import VERDICTS, scale_of
from logger.report.typeset import Paper, typeset
from logger.report.wording import NOTHING, breakable, count, grouped

DEMO: Final = "Demonstration: made on a simulated pen or with example data. Not to be handed out."
HEADINGS: Final = {"calibration": "Calibration certificate", "accuracy_test": "Accuracy test report"}
_WITHHELD: Final = "left out of this copy"
_PLACES: Final = {
    "laboratory": "at the laboratory",
    "customer": "at the customer's",
    "elsewhere": "at another place",
}


@dataclass(frozen=True, slots=True)
class Printed:
    """What is printed: a certificate, and of its file the SHA-256 and the id of the key that signed it."""

    certificate: Certificate
    sha256: str
    key_id: str

    @property
    def issued_at(self) -> datetime:
        """When it was issued: when the pages say that they were made."""
        return datetime.fromisoformat(self.certificate.body.issued_at)


def certificate_report(printed: Printed, paper: Paper = "a4") -> bytes:
    """The PDF of a certificate. Raises ReportExtraMissing, ReportError."""
    return typeset("certificate", certificate_data(printed), at=printed.issued_at, paper=paper)


def certificate_data(printed: Printed) -> dict[str, Any]:
    """What the template prints: text and coordinates, nothing to be computed there."""
    body = printed.certificate.body
    test = body.kind == "accuracy_test"
    return {
        "title": f"{HEADINGS[body.kind]} {body.number}",
        "heading": HEADINGS[body.kind],
        "of": f"No. {body.number}",
        "number": body.number,
        "demo": DEMO if body.demo else "",
        "warnings": _warnings(printed),
        "verdicts": [_verdict(series, test=test) for series in body.results],
        "laboratory": _address(printed, "laboratory"),
        "customer": _address(printed, "customer"),
        "facts": _facts(printed),
        "figures": _figures(body),
        "series": [_series(body, series) for series in body.results],
        "references": [tables.reference_row(reference) for reference in body.references],
        "environment": tables.environment_rows(body.environment),
        "environment_note": tables.environment_note(body),
        "methods": [tables.method_facts(body, series) for series in body.results],
        "decision": tables.decision_facts(body.decision),
        "adjustment": tables.adjustment_rows(body),
        "written": tables.written_facts(body),
        "words": _words(printed),
        "signatures": _signatures(printed),
        "proof": {
            "sha256": grouped(printed.sha256),
            "key": printed.key_id,
            "qr": qr_svg(label_text(body.number, printed.sha256)),
            "code": label_text(body.number, printed.sha256),
        },
        "references_held": _held(body),
        "droop": any(series.droop for series in body.results),
        "test": test,
    }


def _held(body: Body) -> str:
    """Whether the references were in date, in a sentence."""
    late = [each for each in body.references if body.ended_at[:10] > each.due_on]
    early = [each for each in body.references if body.begun_at[:10] < each.calibrated_on]
    if not late and not early:
        return "All were in date while this was measured."
    names = ", ".join(each.serial for each in (*late, *early))
    return f"Not in date while this was measured: {names}. Results told through them are traceable to nothing."


def _warnings(printed: Printed) -> list[str]:
    body, private = printed.certificate.body, printed.certificate.private
    found = []
    if private is None:
        found.append("Customer, laboratory and names were left out of this copy; the signature holds all the same.")
    elif private.laboratory is None or not private.laboratory.name:
        found.append("The laboratory that answers for this is not named: it was issued without being told of one.")
    if private is not None and private.customer is None:
        found.append("No customer is named.")
    air = body.environment
    if air.temperature_dc is None or air.humidity_permille is None:
        found.append("The air was not measured in full; the uncertainty takes the limits of the method for it.")
    if body.replaces is not None:
        reason = private.reissue_reason if private is not None else _WITHHELD
        why = breakable(reason) or "no reason was given"
        found.append(f"This takes the place of No. {body.replaces.number}, because: {why.rstrip('.')}.")
    return found


def _verdict(series: Series, *, test: bool) -> dict[str, Any]:
    scale = scale_of(series.quantity)
    parts = [
        {
            "words": stage_title(stage.stage, test=test),
            "verdict": "in tolerance" if stage.in_tolerance else "out of tolerance",
            "detail": "" if stage.verdict in {"passed", "failed"} else VERDICTS[stage.verdict],
            "good": stage.in_tolerance,
        }
        for stage in series.stages
    ]
    if len(series.stages) == 1 and not test:
        parts[0]["words"] = "As found and as left" if not series.adjusted else parts[0]["words"]
    return {"name": scale.name, "stages": parts}


def stage_title(stage: StageName, *, test: bool) -> str:
    """A stage's name for people."""
    return "As tested" if test else stage.replace("_", " ").capitalize()


def _address(printed: Printed, which: str) -> list[str]:
    private = printed.certificate.private
    if private is None:
        return [_WITHHELD]
    found: Address | None = getattr(private, which)
    if found is None:
        return ["not named"]
    return [breakable(line) for line in (found.name, *found.lines, found.contact) if line]


def _facts(printed: Printed) -> list[list[str]]:
    body, private = printed.certificate.body, printed.certificate.private
    pen = body.instrument
    performed = _days(body.begun_at, body.ended_at)
    facts = [
        ["Item", f"Motorised microneedling pen, model {breakable(pen.model)}"],
        ["Serial number", breakable(pen.serial)],
        ["Firmware", breakable(pen.firmware)],
        ["Its counters", _counters(body)],
    ]
    if private is not None and private.condition:
        facts.append(["Condition", breakable(private.condition)])
    if body.received_on:
        facts.append(["Received", body.received_on])
    place = f", {breakable(private.place)}" if private is not None and private.place else ""
    people = _signatures(printed)
    facts += [
        ["Measured by", people[0]["by"]],
        ["Authorised by", people[1]["by"]],
        ["Performed", performed],
        ["Where", f"{_PLACES[body.performed_at]}{place} · {breakable(body.site)} · {breakable(body.station)}"],
        ["Issued", f"{body.issued_at[:10]} {body.issued_at[11:16]} UTC"],
    ]
    if body.due_on:
        facts.append(["Due again", f"{body.due_on}, a date the customer asked for"])
    return facts


def _counters(body: Body) -> str:
    pen = body.instrument
    told = []
    if pen.run_s is not None:
        told.append(f"{pen.run_s / 3600:.1f} h run")
    if pen.strokes is not None:
        told.append(f"{count(pen.strokes)} strokes")
    if pen.shocks is not None:
        told.append(f"{count(pen.shocks)} {'shock' if pen.shocks == 1 else 'shocks'}")
    return ", ".join(told) or NOTHING


def _days(begun: str, ended: str) -> str:
    if begun[:10] == ended[:10]:
        return f"{begun[:10]}, {begun[11:16]} to {ended[11:16]} UTC"
    return f"{begun[:10]} to {ended[:10]}"


def _figures(body: Body) -> list[dict[str, Any]]:
    """What somebody looks for first, of the first quantity measured."""
    series = body.results[0]
    scale = scale_of(series.quantity)
    figures = [
        {
            "value": f"{_worst(series, stage.stage)} {scale.error_unit}",
            "words": f"largest error, {stage_title(stage.stage, test=body.kind == 'accuracy_test').lower()}",
            "warn": not stage.in_tolerance,
        }
        for stage in series.stages
    ]
    last = series.last
    expanded = max(point.expanded for point in last.points)
    tolerance = max(point.tolerance for point in last.points)
    figures += [
        {"value": f"±{scale.limit(tolerance)} {scale.error_unit}", "words": "tolerance", "warn": False},
        {
            "value": f"{scale.uncertainty(expanded)} {scale.error_unit}",
            "words": f"expanded uncertainty of an error, {factor_words(last)}",
            "warn": False,
        },
    ]
    if last.statement is not None:
        figures.append(
            {
                "value": f"{scale.uncertainty(last.statement.expanded)} {scale.error_unit}",
                "words": f"of any single setting, k = {short_factor(last.statement.budget.factor_milli)}",
                "warn": False,
            }
        )
    return figures


def _worst(series: Series, name: StageName) -> str:
    stage = series.stage(name) or series.last
    point = max(stage.points, key=lambda each: abs(each.error))
    return scale_of(series.quantity).stated(point.error, point.expanded)


def _series(body: Body, series: Series) -> dict[str, Any]:
    test = body.kind == "accuracy_test"
    scale = scale_of(series.quantity)
    titles: dict[str, str] = {stage.stage: stage_title(stage.stage, test=test) for stage in series.stages}
    if len(series.stages) == 1 and not test and not series.adjusted:
        titles = {series.stages[0].stage: "As found and as left"}
    return {
        "name": scale.name,
        "plots": error_plots(series, titles, "set" if test else "shown"),
        "stages": [
            {"title": f"{scale.name}, {titles[stage.stage].lower()}", **tables.stage_tables(series, stage, test=test)}
            for stage in series.stages
        ],
        "droop": tables.droop_rows(series),
        "budgets": tables.budgets(series, test=test),
        "adjusted": series.adjusted,
    }


def _words(printed: Printed) -> dict[str, list[str]]:
    private = printed.certificate.private
    if private is None:
        return {"deviations": [_WITHHELD], "remarks": [], "customer_said": []}
    return {
        "deviations": [breakable(words) for words in private.deviations],
        "remarks": [breakable(words) for words in private.remarks],
        "customer_said": [breakable(words) for words in private.customer_said],
    }


def _signatures(printed: Printed) -> list[dict[str, str]]:
    body, private = printed.certificate.body, printed.certificate.private
    people = private.people if private is not None else {}

    def named(account: str) -> str:
        return f"{breakable(people[account])} ({breakable(account)})" if account in people else breakable(account)

    return [
        {"meaning": "measured by", "by": named(body.technician), "at": f"{body.ended_at[:10]} {body.ended_at[11:16]}"},
        {
            "meaning": "issue authorised by",
            "by": named(body.authorised_by),
            "at": f"{body.issued_at[:10]} {body.issued_at[11:16]}",
        },
    ]


def printed_of(sealed: Sealed, key: str) -> Printed:
    """What is printed of a certificate that was just sealed."""
    return Printed(sealed.certificate, sealed.sha256, key)
