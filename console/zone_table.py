"""The zones of a treatment beside their plan: time on skin, passes, what was measured. Pure."""

from rich.table import Table
from rich.text import Text

from console.render.marks import BAR_COLUMNS, budget_bar
from console.words import count, hz, mm, stopwatch
from controller.events import ZoneDose, ZoneSnapshot
from controller.view import PenView

MIDDLE_COLUMNS = 92
"""From this width on there is room for the greatest depth."""
WIDE_COLUMNS = 112
"""From this width on there is room for the means of depth and rate, too."""
LONG_BAR = 18
PERCENT = 100


def zone_table(view: PenView, width: int, *, planned: bool) -> Table:
    """Every zone that was treated and the one declared now; with ``planned`` those still to come."""
    wide, middle = width >= WIDE_COLUMNS, width >= MIDDLE_COLUMNS
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim", show_edge=False)
    table.add_column("zone", min_width=12, no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("of its plan", no_wrap=True, min_width=20)
    for heading in (
        "passes",
        "strokes",
        "punctures",
        *(("depth mean",) if wide else ()),
        *(("depth max",) if middle else ()),
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    if wide:
        table.add_column("rate mean", justify="right", no_wrap=True)
    doses, plans = {dose.zone: dose for dose in view.doses}, {plan.zone: plan for plan in view.zone_plans}
    here = [view.zone] if view.zone else []
    for name in dict.fromkeys([*doses, *here, *(view.planned_zones if planned else ())]):
        table.add_row(
            *_row(
                name,
                doses.get(name),
                plans.get(name),
                here=name == view.zone,
                wide=wide,
                bar=LONG_BAR if middle else BAR_COLUMNS,
            )[: len(table.columns)]
        )
    return table


def _row(
    name: str, dose: ZoneDose | None, plan: ZoneSnapshot | None, *, here: bool, wide: bool, bar: int
) -> tuple[Text | str, ...]:
    style = "bold" if here else "" if dose is not None else "dim"
    label = Text(f"{'▶' if here else ' '} {name}", style=style)
    on_skin_ms = dose.treated_ms if dose is not None else 0
    head = (label, Text(stopwatch(on_skin_ms), style=style), _of_its_time(on_skin_ms, plan, bar))
    if dose is None:
        return (*head, _passes(0, plan), "", "", "", "", "")
    depths: tuple[str, ...] = (mm(dose.depth_measured_max_um),)
    if wide:
        depths = (mm(dose.depth_measured_mean_um), *depths, hz(dose.rate_measured_mean_mhz))
    return (*head, _passes(dose.passes, plan), count(dose.strokes), count(dose.punctures), *depths)


def _of_its_time(on_skin_ms: int, plan: ZoneSnapshot | None, columns: int) -> Text:
    if plan is None or not plan.dwell_ms:
        return Text("no plan", style="dim")
    bar = budget_bar(on_skin_ms, plan.dwell_ms, plan.dwell_hard_ms, columns)
    over = on_skin_ms > plan.dwell_ms
    return bar.append(
        f" {on_skin_ms * PERCENT // plan.dwell_ms:3d} % of {stopwatch(plan.dwell_ms)}", "bold yellow" if over else ""
    )


def _passes(passes: int, plan: ZoneSnapshot | None) -> str:
    return f"{passes} of {plan.passes}" if plan is not None and plan.passes is not None else str(passes)
