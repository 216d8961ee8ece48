"""What is shown while treating, apart from the live view: checks before arming, reasons, doses. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.render.marks import OUTCOMES, budget_bar
from console.words import LAYERS, hz, mm, stopwatch
from controller.events import ReadinessRow
from controller.history import ZoneVisit
from controller.view import PenView


def readiness_view(rows: Sequence[ReadinessRow]) -> RenderableType:
    """Every check with its mark and sentence; those that stand in the way in bold."""
    if not rows:
        return Text("The checks are shown while a session is prepared and the pen not armed.", style="dim")
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(2):
        grid.add_column(no_wrap=True)
    grid.add_column()
    for row in rows:
        mark, style = OUTCOMES[row.outcome]
        quiet = row.outcome == "passes"
        grid.add_row(
            Text(mark, style=style),
            Text(row.check, style="dim" if quiet else style),
            Text(row.sentence, style="dim" if quiet else "bold" if row.outcome == "fails" else ""),
        )
    return grid


def reasons_view(reasons: Mapping[str, str]) -> RenderableType:
    """The library's reasons to go beyond a soft limit, numbered."""
    lines = Text()
    for number, (name, words) in enumerate(reasons.items(), 1):
        lines.append("\n" if lines else "").append(f"  {number} {name}", "bold").append(f"  {words}" if words else "")
    return lines


def doses_view(view: PenView) -> RenderableType:
    """Time on skin of each zone against its plan; planned zones that had nothing yet are there too."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    for _ in range(4):
        grid.add_column(no_wrap=True)
    doses, plans = {dose.zone: dose for dose in view.doses}, {plan.zone: plan for plan in view.zone_plans}
    for zone in dict.fromkeys((*view.planned_zones, *doses)):
        dose, plan = doses.get(zone), plans.get(zone)
        on_skin_ms = dose.treated_ms if dose is not None else 0
        passes = dose.passes if dose is not None else 0
        bar, of = Text(""), ""
        if plan is not None and plan.dwell_ms:
            bar = budget_bar(on_skin_ms, plan.dwell_ms, plan.dwell_hard_ms)
            of = f"{on_skin_ms * 100 // plan.dwell_ms} % of {stopwatch(plan.dwell_ms)}"
        planned = f"pass {passes} of {plan.passes}" if plan is not None and plan.passes is not None else ""
        grid.add_row(zone, stopwatch(on_skin_ms), bar, of, planned)
    return grid if grid.row_count else Text("Nothing was treated yet.", style="dim")


def repeated_view(on: date, before: ZoneVisit, view: PenView) -> RenderableType:
    """What was set at an earlier visit beside what is set now, and today's limits."""
    last = f"{mm(before.depth_commanded_um)}, {hz(before.rate_commanded_mhz)}"
    now = f"{mm(view.depth_commanded_um)}, {hz(view.rate_commanded_mhz)}"
    same = (before.depth_commanded_um, before.rate_commanded_mhz) == (view.depth_commanded_um, view.rate_commanded_mhz)
    said = Text(f"{before.zone} on {on.isoformat()}: {last}. ")
    said.append("Set the same." if same else f"Set now: {now}.", "" if same else "bold yellow")
    if view.depth_limit is not None:
        layer = LAYERS.get(view.depth_limit.limited_by, view.depth_limit.limited_by)
        said.append(f" Today's limit is {mm(view.depth_limit.effective)} ({layer}).")
    return Group(said)
