"""Near misses and overrides, drawn for a terminal. Pure."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.render.marks import demo_of
from console.words import LAYERS, spoken
from logger.proof.findings import counted
from logger.record.overrides import OverrideReport


def overrides_view(report: OverrideReport, place: str) -> RenderableType:
    """Operators first, then limits, the most met first, and what the numbers mean."""
    since = "" if report.since is None else f" since {report.since.isoformat()}"
    if not report.sessions:
        return Group(
            Text(f"No session{since} in {place}, so nothing was refused or overridden in one."), *_others(report)
        )
    head = Text.assemble(
        ("Near misses and overrides", "bold"),
        f"{since}: {counted(report.sessions, 'session')}, "
        f"{counted(report.setpoint_changes, 'change')} of depth or rate. From {place}.",
    )
    parts: list[RenderableType] = [head, Text(), _operators(report)]
    if report.demo_sessions:
        parts.insert(1, demo_of(report.demo_sessions, report.sessions))
    if report.limits:
        parts += [Text(), _limits(report)]
    else:
        parts += [Text(), Text("No limit was met.")]
    return Group(*parts, *_others(report), Text(), _legend())


def _operators(report: OverrideReport) -> Table:
    table = _table(
        "operator",
        "sessions",
        "with an override",
        "changes",
        "refused",
        "of asked",
        "tenfold",
        "overridden",
        "of changes",
    )
    for row in report.operators:
        table.add_row(
            Text(row.operator, style="bold"),
            str(row.sessions),
            str(row.sessions_with_override),
            str(row.setpoint_changes),
            str(row.refused),
            _percent(row.refused_permille),
            str(row.tenfold),
            str(row.overridden),
            _percent(row.overridden_permille),
        )
    return table


def _limits(report: OverrideReport) -> Table:
    table = _table("limit", "refused", "tenfold", "overridden", "zone", "operator", "reasons given", right=(1, 2, 3))
    for row in report.limits:
        table.add_row(
            LAYERS.get(row.limit, spoken(row.limit)),
            str(row.refused),
            Text(str(row.tenfold), style="bold yellow" if row.tenfold else ""),
            str(row.overridden),
            row.zone,
            row.operator,
            ", ".join(f"{reason} {count}" for reason, count in row.reasons.items()),
        )
    return table


def _table(*headings: str, right: tuple[int, ...] | None = None) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for place, heading in enumerate(headings):
        at_right = place > 0 if right is None else place in right
        table.add_column(heading, justify="right" if at_right else "left")
    return table


def _others(report: OverrideReport) -> list[RenderableType]:
    if not report.other_refusals:
        return []
    said = ", ".join(f"{spoken(because)} {count}" for because, count in report.other_refusals.items())
    return [Text(), Text(f"Refused for other reasons: {said}.")]


def _legend() -> Text:
    return Text(
        "refused: beyond the limit was asked for, and nothing changed. tenfold: a tenth of it was set next, a decimal "
        "slip. overridden: a person went beyond a soft limit and gave a reason. of asked, of changes: what part of all "
        "that was asked for, or changed.",
        style="dim",
    )


def _percent(permille: int | None) -> str:
    return "–" if permille is None else f"{permille / 10:.1f} %"
