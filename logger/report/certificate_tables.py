"""The tables of a certificate as the template prints them: rows of text. Pure."""

from typing import Any, Final

from logger.certificate.document import (
    Body,
    Budget,
    DecisionRule,
    Environment,
    PointResult,
    Reference,
    Series,
    Stage,
    Table,
)
from logger.report.certificate_words import findings
from logger.report.quantities import MINUS, VERDICTS, Scale, budget_unit, degrees, factor, gain, scale_of, signed
from logger.report.wording import NOTHING, breakable, grouped

_KINDS: Final = {
    "depth_gauge": "Length gauge",
    "tachometer": "Tachometer",
    "load": "Known load",
    "cartridge": "Reference cartridge",
    "thermometer": "Thermometer and hygrometer",
}
_DISTRIBUTIONS: Final = {
    "student": "Student's t",
    "normal": "normal, k = 2",
    "rectangular": "rectangular",
    "two_valued": "two values",
}


def reference_row(reference: Reference) -> list[str]:
    """A reference standard: what, which, vouched for by whom, until when, how well known."""
    resolution = f"; last digit {reference.resolution}" if reference.resolution else ""
    return [
        f"{_KINDS[reference.kind]}: {breakable(reference.name)}",
        breakable(reference.serial),
        breakable(reference.certificate),
        breakable(reference.calibrated_by),
        reference.calibrated_on,
        reference.due_on,
        breakable(f"{reference.uncertainty}{resolution}"),
    ]


def environment_rows(air: Environment) -> list[list[str]]:
    """What the air was, and within which limits it had to be."""
    return [
        ["Temperature", _span(air.temperature_dc, "°C"), _span(air.temperature_limits_dc, "°C")],
        ["Relative humidity", _span(air.humidity_permille, "%"), _span(air.humidity_limits_permille, "%")],
    ]


def environment_note(body: Body) -> str:
    """What the air was read from, in a sentence; empty where nobody measured it."""
    if body.environment.temperature_dc is None and body.environment.humidity_permille is None:
        return ""
    read_from = [each for each in body.references if each.kind == "thermometer"]
    if read_from:
        return f"Read from {', '.join(breakable(each.serial) for each in read_from)}, listed with the references."
    return (
        "The air was read from an instrument that is not among the references, with no certificate named here: it is "
        "for information, and traceable to nothing."
    )


def _span(tenths: tuple[int, int] | None, unit: str) -> str:
    if tenths is None:
        return "not measured"
    least, most = (f"{value / 10:.1f}" for value in tenths)
    return f"{least} {unit}" if least == most else f"{least} to {most} {unit}"


def method_facts(body: Body, series: Series) -> dict[str, Any]:
    """How a quantity was measured."""
    method = series.method
    scale = scale_of(series.quantity)
    points = ", ".join(scale.tick(value) for value in dict.fromkeys(point.set for point in series.last.points))
    directions = " and ".join({"up": "from below", "down": "from above"}[each] for each in method.directions)
    held = []
    if method.rate_mhz is not None:
        held.append(f"motor turning at {method.rate_mhz / 1000:g} Hz")
    if method.depth_um is not None:
        held.append(f"depth held at {method.depth_um / 1000:g} mm")
    return {
        "title": scale.name,
        "facts": [
            ["Method", f"{breakable(method.name)} ({breakable(method.id)})"],
            ["Its source", breakable(method.source)],
            ["Points", f"{points} {scale.unit}"],
            ["Readings", f"{method.repeats} at each point {directions}"],
            ["Settled for", f"{method.settle_ms / 1000:g} s before each reading"],
            ["Held", "; ".join(held) or NOTHING],
        ],
        "policy": grouped(method.policy_sha256),
        "edition": body.software,
    }


def decision_facts(rule: DecisionRule) -> dict[str, Any]:
    """The decision rule in words, and what its four verdicts mean."""
    share = rule.guard_band_permille / 1000
    guard = (
        "no guard band: the acceptance limit is the tolerance"
        if rule.guard_band_permille == 0
        else f"guard band w = {share:g} × U: the acceptance limit is the tolerance less w"
    )
    graded = rule.statement == "graded"
    return {
        "facts": [
            ["Rule", breakable(rule.name)],
            ["In words", breakable(rule.sentence)],
            ["Guard band", guard],
            ["Source", breakable(rule.source)],
        ],
        "verdicts": [
            [VERDICTS["passed"], "the error is within the acceptance limit"],
            *(
                [
                    [VERDICTS["passed_on_condition"], "between acceptance limit and tolerance: may be beyond it"],
                    [VERDICTS["failed_on_condition"], "beyond the tolerance by less than w: may be within it"],
                ]
                if graded
                else []
            ),
            [
                VERDICTS["failed"],
                "beyond the tolerance" + (" by more than w" if graded else ", or not shown within it"),
            ],
        ],
        "condition": (
            "Passed on condition counts as in tolerance."
            if graded and rule.condition_is_in_order
            else "Only what passed counts as in tolerance."
        ),
    }


def stage_tables(series: Series, stage: Stage, *, test: bool) -> dict[str, Any]:
    """The readings of a stage, and what comes of them."""
    scale = scale_of(series.quantity)
    true = "Measured" if test else "Reference"
    shown = [] if test else [f"Shown, {scale.unit}"]
    put = ["Delivered, %"] if scale.error_unit == "%" and not test else []
    return {
        "when": f"{stage.begun_at[:10]} {stage.begun_at[11:16]} to {stage.ended_at[11:16]} UTC",
        "readings": _readings(scale, stage, true, test=test),
        "results": {
            "heads": [
                f"Set, {scale.unit}",
                *shown,
                "From",
                f"{true}, {scale.unit}",
                *put,
                f"s, {scale.error_unit}",
                f"Error, {scale.error_unit}",
                f"U, {scale.error_unit}",
                "k",
                "ν eff",
                f"T, {scale.error_unit}",
                f"A, {scale.error_unit}",
                *([f"Worst single, {scale.error_unit}"] if _singles(stage) else []),
                "p, %",
                "Verdict",
            ],
            "rows": [_result_row(scale, point, test=test) for point in stage.points],
            "note": "s: standard deviation of the readings. T: tolerance. A: acceptance limit, the tolerance less the "
            "guard band. p: probability that the true error is within T, by this measurement alone."
            + (" Each single reading is held to T, too." if _singles(stage) else ""),
        },
        "findings": findings(scale, stage, test=test),
    }


def _singles(stage: Stage) -> bool:
    return any(point.worst_single is not None for point in stage.points)


def _from(point: PointResult) -> str:
    return {"up": "below", "down": "above"}[point.direction]


def _readings(scale: Scale, stage: Stage, true: str, *, test: bool) -> dict[str, Any]:
    """Every reading, a row a point; where the pen did not show the same at each, what it showed stands behind it."""
    directions = list(dict.fromkeys(point.direction for point in stage.points))
    several = not test and any(len({each.shown for each in point.readings}) > 1 for point in stage.points)
    cells: dict[int, dict[str, str]] = {}
    for point in stage.points:
        cells.setdefault(point.set, {})[point.direction] = "   ".join(
            f"{scale.value(each.reference)} ({scale.value(each.shown)})" if several else scale.value(each.reference)
            for each in point.readings
        )
    names = {"up": "from below", "down": "from above"}
    heads = [
        f"{true} {names[each]}, {scale.unit}" if len(directions) > 1 else f"{true}, {scale.unit}" for each in directions
    ]
    return {
        "title": f"Every reading, {scale.name.lower()}",
        "heads": [f"Set, {scale.unit}", *heads],
        "rows": [[scale.value(put), *(row.get(each, NOTHING) for each in directions)] for put, row in cells.items()],
        "note": "In brackets: what the pen showed at that reading." if several else "",
    }


def _result_row(scale: Scale, point: PointResult, *, test: bool) -> list[str]:
    return [
        scale.value(point.set),
        *([] if test else [scale.value(point.shown)]),
        _from(point),
        scale.value(point.reference),
        *([signed((point.reference / point.set - 1) * 100, 2)] if scale.error_unit == "%" and not test else []),
        f"{point.spread / scale.per_error_unit:.{1 if scale.per_error_unit == 1000 else 3}f}",
        scale.stated(point.error, point.expanded),
        scale.uncertainty(point.expanded),
        factor(point.factor_milli),
        degrees(point.degrees),
        f"±{scale.limit(point.tolerance)}",
        f"±{scale.limit(point.acceptance)}" if point.acceptance >= 0 else "none",
        *([] if point.worst_single is None else [scale.stated(point.worst_single, point.expanded)]),
        f"{point.conforming_permille / 10:.1f}",
        _verdict(point),
    ]


def _verdict(point: PointResult) -> str:
    if point.worst_single is not None and abs(point.worst_single) > point.tolerance and point.verdict == "passed":
        return "failed: a single reading"
    return VERDICTS[point.verdict]


def droop_rows(series: Series) -> list[list[str]]:
    """How much slower it turns under the known load."""
    return [
        [
            droop.load,
            f"{droop.set_mhz / 1000:g}",
            f"{droop.free_mhz / 1000:.2f}",
            f"{droop.loaded_mhz / 1000:.2f}",
            signed(droop.droop_ppm / 10_000, 2).removeprefix("+"),
            f"{droop.expanded_ppm / 10_000:.2f}",
            f"{droop.limit_ppm / 10_000:g}",
            VERDICTS[droop.verdict],
        ]
        for droop in series.droop
    ]


def budgets(series: Series, *, test: bool) -> list[dict[str, Any]]:
    """The budgets of the last stage: of an error, and of any single setting."""
    last = series.last
    found = [_budget(last.budget)]
    if last.statement is not None and not test:
        found.append(_budget(last.statement.budget))
    return found


def _budget(budget: Budget) -> dict[str, Any]:
    unit = budget_unit(budget.unit)
    return {
        "title": budget.measurand,
        "unit": unit,
        "rows": [
            [
                line.source,
                line.evaluation,
                _DISTRIBUTIONS[line.distribution],
                _thousandths(line.value_milli),
                _thousandths(line.divisor_milli),
                _thousandths(line.sensitivity_milli),
                _thousandths(line.standard_milli),
                degrees(line.degrees),
                f"{line.share_permille / 10:.1f}",
            ]
            for line in budget.lines
        ],
        "sum": ["Combined standard uncertainty", _thousandths(budget.standard_milli), degrees(budget.degrees), "100"],
        "expanded": (
            f"Expanded: U = {factor(budget.factor_milli)} × {_thousandths(budget.standard_milli)} {unit} = "
            f"{_thousandths(budget.expanded_milli)} {unit}; an interval of ±{_thousandths(budget.interval_95_milli)} "
            f"{unit} holds 95 %."
        ),
    }


def _thousandths(milli: int) -> str:
    return f"{milli / 1000:.3f}"


def adjustment_rows(body: Body) -> list[list[str]]:
    """What was changed in the pen; empty where nothing was."""
    change = body.adjustment
    if change is None:
        return []
    return [["Before", *_table(change.before)], ["After", *_table(change.after)]]


def _table(table: Table) -> list[str]:
    pairs = ", ".join(
        f"{shown / 1000:.3f} → {true / 1000:.3f}" for shown, true in zip(table.shown_um, table.true_um, strict=True)
    )
    return [str(table.number), pairs or "none: what is shown is its own scale", gain(table.rate_gain_ppm)]


def written_facts(body: Body) -> str:
    """What the pen was given as its calibration; empty where nothing was."""
    written = body.written
    if written is None:
        return ""
    sign = MINUS if written.depth_offset_um < 0 else "+"
    return (
        f"Written to the pen and read back: depth true = {gain(written.depth_gain_ppm)} × shown {sign} "
        f"{abs(written.depth_offset_um)} µm, known to ±{written.depth_uncertainty_um} µm (k = 2); rate true = "
        f"{gain(written.rate_gain_ppm)} × shown. Whoever arms the pen subtracts that uncertainty from what it allows."
    )
