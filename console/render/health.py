"""The health of pens, drawn for a terminal: a page over all of them, and one with plots for one pen. Pure."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from console.render.health_plot import is_drawn, plot
from console.spark import levels
from controller.health.assess import HealthRow, Level, PenHealth
from controller.health.words import NAMES, on_day
from controller.units import UM_PER_MM

LEVELS: dict[Level, tuple[str, str, str]] = {
    "good": ("●", "green", "good"),
    "unknown": ("○", "dim", "not enough known"),
    "watch": ("▲", "yellow", "keep an eye on it"),
    "act": ("■", "bold red", "needs attention"),
}
"""Mark, style and words of each level: never told by colour alone."""
_SEVERAL = {"needs attention": "need attention"}
SPARK_COLUMNS = 16
PLOT_COLUMNS_MOST = 110
PLOT_ROWS = 8
PAGE_COLUMNS = (124, 98)
"""From these widths on the page over all pens has all its columns, and all but what matters least."""
TWO_PLOTS_COLUMNS = 120
SENTENCE_COLUMNS = 125
"""From these widths on two plots go side by side, and what is to come stands in the table."""
_GRAVITY = ("act", "watch", "good", "unknown")
NOT_KNOWN = "–"


def amount(row: HealthRow, value: float | None, *, sign: bool = False) -> str:
    """A value of a row with its unit, as people read it."""
    if value is None:
        return NOT_KNOWN
    if row.unit == "µm":
        return f"{value / UM_PER_MM:{'+' if sign else ''}.3f} mm"
    if row.unit == "‰":
        return f"{value / 10:.0f} %"
    if row.quantity == "rate_error":
        return f"{value / 10_000:{'+' if sign else ''}.1f} %"
    return f"{value:.0f} {row.unit}" if row.unit != "°C" else f"{value:.1f} °C"


def limit_of(row: HealthRow) -> str:
    """The limit with its side."""
    if row.limit is None:
        return NOT_KNOWN
    side = {"at_least": "≥ ", "at_most": "≤ ", None: "± "}[row.side]
    return side + amount(row, row.limit)


def pens_health_view(pens: Sequence[PenHealth], now: datetime, width: int, *, where: str) -> RenderableType:
    """The page over all pens of a clinic: one line each, what needs somebody first, and under it why."""
    if not pens:
        return Text("The record tells of no pen yet. The first one that is connected to a station is listed here.")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("pen", no_wrap=True)
    wide, middling = width >= PAGE_COLUMNS[0], width >= PAGE_COLUMNS[1]
    if middling:
        table.add_column("run", justify="right", no_wrap=True)
    if wide:
        table.add_column("30 days", justify="right", no_wrap=True)
    table.add_column("battery", justify="right", no_wrap=True)
    table.add_column("lasts", justify="right", no_wrap=True)
    table.add_column("depth error", no_wrap=True)
    table.add_column("calibration", no_wrap=True)
    table.add_column("first to leave its limit")
    for pen in pens:
        mark, style, _ = LEVELS[pen.level]
        table.add_row(
            Text(mark, style=style),
            Text(pen.pen, style="bold" if pen.level == "act" else ""),
            *([hours(pen.run_s)] if middling else []),
            *([hours(pen.run_month_s)] if wide else []),
            _battery(pen),
            _left(pen),
            _depth(pen, limited=wide),
            _calibration(pen, now),
            _first(pen, now),
        )
    parts: list[RenderableType] = [_sum(pens, now), Text(""), table]
    reasons = [(pen, row) for pen in pens for row in pen.rows if row.level in {"act", "watch"}]
    if any(_reasons(pen) for pen in pens) or reasons:
        parts += [Text(""), _todo(pens)]
    parts += [Text(""), Text(f"From {where}. One pen with its plots: `needlework pen health PEN`.", style="dim")]
    return Group(*parts)


def _sum(pens: Sequence[PenHealth], now: datetime) -> Text:
    line = Text.assemble(
        (f"{len(pens)} pen{'s' * (len(pens) != 1)}", "bold"), (f"  {now:%Y-%m-%d %H:%M} UTC   ", "dim")
    )
    for level in ("act", "watch", "unknown", "good"):
        number = sum(pen.level == level for pen in pens)
        if number:
            mark, style, words = LEVELS[level]
            words = _SEVERAL.get(words, words) if number > 1 else words
            line.append(f"{mark} {number} {words}   ", style)
    return line


def _todo(pens: Sequence[PenHealth]) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column()
    for pen in pens:
        shown = pen.pen
        for level, what, words in _reasons(pen):
            mark, style, _ = LEVELS[level]
            grid.add_row(Text(mark, style=style), shown, what, words)
            shown = ""
    return grid


def _reasons(pen: PenHealth) -> list[tuple[Level, str, str]]:
    found: list[tuple[Level, str, str]] = []
    if pen.quarantined:
        found.append(("act", "quarantine", "Not to be armed at any station until somebody releases it."))
    if pen.failed_parts:
        found.append(("act", "self-test", f"Failed: {', '.join(pen.failed_parts)}."))
    rows = sorted((row for row in pen.rows if row.level in {"act", "watch"}), key=lambda row: row.level != "act")
    return found + [(row.level, NAMES[row.quantity], row.sentence) for row in rows]


def hours(run_s: int) -> str:
    """Run time as hours and minutes."""
    minutes = run_s // 60
    return f"{minutes // 60}:{minutes % 60:02d} h"


def _battery(pen: PenHealth) -> str:
    return NOT_KNOWN if pen.charge_permille is None else f"{pen.charge_permille / 10:.0f} %"


def _left(pen: PenHealth) -> str:
    left = pen.minutes_left
    return NOT_KNOWN if left is None else f"{left.minutes} min"


def _row_of(pen: PenHealth, quantity: str) -> HealthRow | None:
    return next((row for row in pen.rows if row.quantity == quantity), None)


def _depth(pen: PenHealth, *, limited: bool) -> Text:
    row = _row_of(pen, "depth_error")
    if row is None:
        return Text(NOT_KNOWN, style="dim")
    style = LEVELS[row.level][1] if row.level in {"act", "watch"} else ""
    of = f" of {limit_of(row)}" if limited else ""
    return Text(f"{amount(row, row.value, sign=True)}{of}", style=style)


def _calibration(pen: PenHealth, now: datetime) -> Text:
    if pen.calibration_due is None:
        return Text(NOT_KNOWN, style="dim")
    left = (date.fromisoformat(pen.calibration_due) - now.astimezone(UTC).date()).days
    if left < 0:
        return Text(f"over by {-left} d", style="bold red")
    return Text(f"{left} d left", style="yellow" if left <= 30 else "")


def _first(pen: PenHealth, now: datetime) -> Text:
    """The quantity that leaves its limit first."""
    leaving = [(row.forecast.day, row) for row in pen.rows if row.forecast is not None and row.forecast.day is not None]
    left = [row for row in pen.rows if row.level == "act" and (row.forecast is None or row.forecast.state == "left")]
    if left:
        return Text(f"{NAMES[left[0].quantity]} has left it", style="bold red")
    if not leaving:
        foreseen = any(row.level != "unknown" for row in pen.rows if row.forecast is not None)
        return Text("none foreseen" if foreseen else NOT_KNOWN, style="dim")
    day, row = min(leaving, key=lambda one: one[0])
    ahead = (on_day(day) - now.astimezone(UTC).date()).days
    style = LEVELS[row.level][1] if row.level in {"act", "watch"} else ""
    return Text(f"{NAMES[row.quantity]} in {ahead} d", style=style)


def pen_health_view(pen: PenHealth, now: datetime, width: int, *, where: str) -> RenderableType:
    """One pen: what it is and did, a table of its quantities, and a plot of each that has a history."""
    mark, style, words = LEVELS[pen.level]
    seen = f"seen {pen.seen:%Y-%m-%d}" if pen.seen else "never seen"
    head = Text.assemble((pen.pen, "bold"), (f"   firmware {pen.firmware or NOT_KNOWN}   {seen}   ", "dim"))
    head.append(f"{mark} {words}", style)
    parts: list[RenderableType] = [head, _facts(pen, now), Text(""), _table(pen, width)]
    for level, what, sentence in _reasons(pen):
        if what in {"quarantine", "self-test"}:
            parts.append(Text(f"{LEVELS[level][0]} {what}: {sentence}", style=LEVELS[level][1]))
    drawn = sorted((row for row in pen.rows if is_drawn(row)), key=lambda row: _GRAVITY.index(row.level))
    if drawn:
        parts.append(_plots(drawn, now, width))
        parts.append(
            Text("• read   ─ expected   ⠂ between these ends, at the confidence   ╌ limit   ┊ today", style="dim")
        )
    parts.append(Text(f"From {where}.", style="dim"))
    return Group(*parts)


def _plots(rows: Sequence[HealthRow], now: datetime, width: int) -> RenderableType:
    """A picture a row, side by side where there is room."""
    across = 2 if width >= TWO_PLOTS_COLUMNS else 1
    wide = min(width // across, PLOT_COLUMNS_MOST)
    grid = Table.grid(padding=0)
    panels = [_plot(row, now, wide) for row in rows]
    for first in range(0, len(panels), across):
        grid.add_row(*panels[first : first + across])
    return grid


def _plot(row: HealthRow, now: datetime, wide: int) -> RenderableType:
    title = NAMES[row.quantity] + (f" at {row.at}" if row.at else "")
    body = plot(row, now, wide - 4, PLOT_ROWS, lambda value: amount(row, value))
    mark, style, _ = LEVELS[row.level]
    return Panel(body, title=f"{mark} {title}", title_align="left", border_style=style, width=wide)


def _facts(pen: PenHealth, now: datetime) -> Text:
    by = "counted by the pen" if pen.counted_by == "pen" else "as far as this record goes"
    text = Text(f"ran {hours(pen.run_s)}, {pen.strokes / 1e6:.1f} million strokes, {by}")
    text.append(f"; {hours(pen.run_month_s)} in the last 30 days")
    if pen.shocks is not None:
        text.append(f"; {pen.shocks} knock{'s' * (pen.shocks != 1)}")
    if pen.calibration_due is not None:
        text.append(f"\ncalibration due {pen.calibration_due}, ")
        text.append_text(_calibration(pen, now))
        if pen.out_when_due is not None:
            chance = pen.out_when_due * 100
            text.append(f"; out of tolerance by then with a chance of {'under 1' if chance < 1 else f'{chance:.0f}'} %")
    if pen.charge_permille is not None:
        read = f" on {pen.charge_read:%Y-%m-%d %H:%M} UTC" if pen.charge_read is not None else ""
        text.append(f"\nbattery {_battery(pen)}{read}")
        left = pen.minutes_left
        if left is not None:
            sure = "assumed" if left.confidence_percent is None else f"{left.confidence_percent} %"
            text.append(
                f": {left.minutes} minutes of treating left, between {left.at_least} and {left.at_most} "
                f"({sure}; {left.because})"
            )
    return text


def _table(pen: PenHealth, width: int) -> RenderableType:
    if not pen.rows:
        return Text("Nothing was read of its wear yet: it is read when the pen is connected, and after each session.")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False, header_style="dim")
    for heading, justify in (("", "left"), ("", "left"), ("now", "right"), ("limit", "right"), ("so far", "left")):
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # the two there are
    told = Table.grid(padding=(0, 2, 0, 0))
    if width >= SENTENCE_COLUMNS:
        table.add_column("what is to come", ratio=1)
    for row in pen.rows:
        mark, style, _ = LEVELS[row.level]
        sentence = Text(row.sentence, style="" if row.level in {"act", "watch"} else "dim")
        values = (amount(row, row.value, sign=row.side is None), limit_of(row), Text(spark(row), style="cyan"))
        beside = (sentence,) if width >= SENTENCE_COLUMNS else ()
        table.add_row(Text(mark, style=style), NAMES[row.quantity], *values, *beside)
        if not beside:
            told.add_row(Text(mark, style=style), Text(NAMES[row.quantity], style="dim", no_wrap=True), sentence)
    return Group(table, Text(""), told) if told.row_count else table


def spark(row: HealthRow) -> str:
    """The newest readings in a line, between the least and the greatest of them and 0 or the limit."""
    values = [abs(point.value) if row.side is None else point.value for point in row.points[-SPARK_COLUMNS:]]
    if not values:
        return ""
    floor = 0 if row.side is None else min(*values, row.limit or 0.0)
    top = max(*values, row.limit or 0.0) - floor
    return levels([round((value - floor) * 1000) for value in values], round(top * 1000) or 1)
