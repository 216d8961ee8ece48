"""A calibration on a terminal while it goes on: readings, what an adjustment would do, a budget. Pure."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from controller.calibration.fit import between
from controller.calibration.readings import SeriesPlan
from controller.calibration.series import CalibrationUnderWay, Read, Results
from controller.calibration.series import Table as Held
from logger.certificate.document import Budget, Series

WHAT = {"depth": "depth", "rate": "rate", "load": "rate under the known load"}
STAGE = {"as_found": "As found", "as_left": "As left"}
ARROW = {"up": "↑", "down": "↓"}


def quantity(what: str, value: int, *, signed: bool = False) -> str:
    """A depth or a rate, or an error of one."""
    sign = "+z" if signed else "z"
    return f"{value / 1000:{sign}.3f} mm" if what == "depth" else f"{value / 1000:{sign}.2f} Hz"


def due_words(due: Read, plan: SeriesPlan) -> str:
    """Which reading is due, for whoever types it."""
    point = quantity(due.what, plan.points[due.place.point])
    return f"{due.line}/{due.count} {ARROW[due.place.direction]} set {point}: reference reads"


def reading_line(due: Read, shown: int, reference: int, plan: SeriesPlan) -> Text:
    """A reading that was taken, with its error."""
    error = quantity(due.what, reference - shown, signed=True)
    return Text(
        f"  {due.line:>3}/{due.count} {ARROW[due.place.direction]} "
        f"set {quantity(due.what, plan.points[due.place.point])}   shown {quantity(due.what, shown)}   "
        f"reference {quantity(due.what, reference)}   error {error}"
    )


def heading(title: str, due: Read, plan: SeriesPlan) -> Text:
    """A series that begins, or goes on."""
    ways = " and ".join(plan.directions)
    points = "1 point" if len(plan.points) == 1 else f"{len(plan.points)} points"
    left = due.count - due.line + 1
    rest = "" if left == due.count else f", {left} left"
    return Text.assemble(
        "\n",
        (f"{title}, {WHAT[due.what]}: ", "bold"),
        f"{points} {ways}, {plan.repeats} times: {due.count} readings{rest}",
    )


def adjustment_view(found: Results, before: Held, wanted: Held) -> RenderableType:
    """What would be written, and what it does at the points that were read."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("pen shows", "needles now at", "after it at"):
        table.add_column(name, justify="right", no_wrap=True)
    old, new = before.adjustment(), wanted.adjustment()
    truth = [(mean.shown_um, mean.shown_um + mean.error_um) for mean in found.depth.means]
    for shown_um, true_um in truth:
        after_um = round(between(truth, old.true_at(new.scale_at(shown_um))))
        table.add_row(*(f"{value / 1000:.3f} mm" for value in (shown_um, true_um, after_um)))
    gain = wanted.rate_gain_ppm / 10_000
    points = ", ".join(
        f"{scale / 1000:.3f} → {true / 1000:.3f}" for scale, true in zip(wanted.shown_um, wanted.true_um, strict=True)
    )
    words = Text(f"Table number {wanted.number}: own scale → true, mm: {points}; rate × {gain:.3f} %", "dim")
    grid = Table.grid()
    grid.add_row(Text("What an adjustment would do", "bold"))
    grid.add_row(table)
    grid.add_row(words)
    return grid


def budget_view(name: str, budget: Budget) -> RenderableType:
    """An uncertainty line by line, the largest first."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(f"{name}: what its uncertainty comes from", no_wrap=False)
    table.add_column("type", no_wrap=True)
    table.add_column("u", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    unit = {"um": "µm", "mhz": "mHz", "ppm": "ppm"}[budget.unit]
    for line in sorted(budget.lines, key=lambda each: -each.share_permille):
        share = f"{line.share_permille / 10:.1f} %"
        table.add_row(line.source, line.evaluation, f"{line.standard_milli / 1000:.1f} {unit}", share)
    total = f"{budget.expanded_milli / 1000:.0f} {unit}"
    table.add_row(Text(f"expanded, k = {budget.factor_milli / 1000:.2f}", "bold"), "", Text(total, "bold"), "")
    return table


def results_data(series: Sequence[Series]) -> list[dict[str, object]]:
    """What a program is told of the last stage of each."""
    return [
        {
            "quantity": each.quantity,
            "stage": each.last.stage,
            "in_tolerance": each.last.in_tolerance,
            "verdict": each.last.verdict,
            "largest_error": each.last.largest_error,
            "points": [
                {
                    "set": point.set,
                    "direction": point.direction,
                    "shown": point.shown,
                    "reference": point.reference,
                    "error": point.error,
                    "expanded": point.expanded,
                    "verdict": point.verdict,
                }
                for point in each.last.points
            ],
        }
        for each in series
    ]


def begun_line(work: CalibrationUnderWay) -> Text:
    """What is under way."""
    taken = len(work.readings)
    return Text(f"Begun {work.begun_at} by {work.technician}; {taken} readings were taken.")
