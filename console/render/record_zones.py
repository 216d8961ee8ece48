"""The part of a record about zones: time against plan, depth and rate as measured, and their course in time. Pure."""

from datetime import timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.render.chart import LABEL_COLUMNS, axis, chart, ribbon
from console.render.marks import budget_bar
from console.trace import Moment, buckets
from console.words import count, offset, stopwatch
from controller.units import MHZ_PER_HZ, UM_PER_MM
from logger.record.models import SessionRecord, ZoneRecord
from logger.record.telemetry import Spread

CHART_ROWS = 5
CHART_COLUMNS_MAX = 110
WIDE_TABLE_COLUMNS = 92
NOT_MEASURED = "n/m"
NO_PLAN = "–"
PERCENT = 100


def zones_against_plan(record: SessionRecord, width: int) -> RenderableType:
    """Time on skin, passes, strokes and punctures of each zone, beside what was planned for it."""
    if not record.zones:
        ran = any(item.what == "started" for item in record.timeline)
        return Text("No telemetry is on disk yet." if ran else "The motor never ran.", style="dim")
    table = _table(width)
    table.add_column("zone", no_wrap=True)
    table.add_column("on skin", justify="right", no_wrap=True)
    table.add_column("of its time", no_wrap=True)
    for heading in ("passes", "strokes", "punctures"):
        table.add_column(heading, justify="right", no_wrap=True)
    for zone in record.zones:
        table.add_row(
            Text(zone.zone, style="bold"),
            stopwatch(zone.counted_ms),
            _of_plan(zone),
            _passes(zone),
            count(zone.strokes),
            count(zone.punctures),
        )
    for name in record.untreated:
        table.add_row(Text(name, style="bold"), "0:00", Text("planned, not treated", style="yellow"), "", "", "")
    said = "of its time: time on skin against the plan's; punctures: strokes on skin × needles of the cartridge in use"
    if record.resumes:
        said += f"; on skin with what {record.resumes} had given, the rest is of this session alone"
    return Group(table, Text(said, style="dim"))


def _of_plan(zone: ZoneRecord) -> Text:
    plan = zone.plan
    if plan is None or plan.dwell_ms is None:
        return Text(NO_PLAN, style="dim")
    bar = budget_bar(zone.counted_ms, plan.dwell_ms, plan.dwell_hard_ms)
    bar.append(f" {zone.counted_ms * PERCENT // plan.dwell_ms:3d} % of {stopwatch(plan.dwell_ms)}")
    return bar


def _passes(zone: ZoneRecord) -> str:
    planned = zone.plan.passes if zone.plan is not None else None
    return str(zone.passes) if planned is None else f"{zone.passes} of {planned}"


def _table(width: int) -> Table:
    return Table(box=None, padding=(0, 2 if width >= WIDE_TABLE_COLUMNS else 1, 0, 0), header_style="dim")


def measured(record: SessionRecord, width: int) -> RenderableType:
    """Set and measured depth and rate of each zone, each in columns of its own."""
    table = _table(width)
    table.add_column("\nzone", no_wrap=True)
    for heading in ("depth, mm\nset", "\nmean", "\np95", "\nmax", "rate, Hz\nset", "\nmean"):
        table.add_column(heading, justify="right", no_wrap=True)
    for zone in record.zones:
        table.add_row(
            Text(zone.zone, style="bold"),
            _extent(zone.depth_commanded_um, zone.depth_set_um, UM_PER_MM, 2),
            *_of(zone.depth_measured_um, UM_PER_MM, 2, ("mean", "p95", "maximum")),
            _extent(zone.rate_commanded_mhz, zone.rate_set_mhz, MHZ_PER_HZ, 0),
            *_of(zone.rate_measured_mhz, MHZ_PER_HZ, 1, ("mean",)),
        )
    note = f"set: asked for while treating; mean, p95, max: measured while the motor ran; {NOT_MEASURED}: not measured"
    return Group(table, Text(note, style="dim"))


def _of(spread: Spread | None, scale: int, decimals: int, names: tuple[str, ...]) -> list[str]:
    if spread is None:
        return [NOT_MEASURED] * len(names)
    return [f"{getattr(spread, name) / scale:.{decimals}f}" for name in names]


def _extent(commanded: tuple[int, ...], in_force: Spread | None, scale: int, decimals: int) -> str:
    """What was asked for while treating; of a pen whose value is a dial, what was in force."""
    asked = [value for value in commanded if value]
    if not asked and in_force is None:
        return NOT_MEASURED
    ends = (asked[0], asked[-1]) if asked else (in_force.minimum, in_force.maximum) if in_force is not None else (0, 0)
    low, high = (f"{value / scale:.{decimals}f}" for value in ends)
    return low if low == high else f"{low}–{high}"


def chart_of(record: SessionRecord, trace: list[Moment], width: int) -> RenderableType | None:
    """Depth and rate over the time the motor ran, None when it never did."""
    columns = min(CHART_COLUMNS_MAX, width - LABEL_COLUMNS - 1)
    found, first_ms, last_ms = buckets(trace, columns)
    if not found:
        return None
    depth = chart(
        [bucket.depth_measured_um for bucket in found],
        [bucket.depth_set_um for bucket in found],
        rows=CHART_ROWS,
        label=lambda um: f"{um / UM_PER_MM:.2f} mm",
    )
    rate = chart(
        [bucket.rate_measured_mhz for bucket in found],
        [bucket.rate_set_mhz for bucket in found],
        rows=2,
        label=lambda mhz: f"{mhz / MHZ_PER_HZ:.0f} Hz",
        style="magenta",
    )
    names = [
        _zone_at(record, first_ms + (last_ms - first_ms) * place // max(1, columns - 1)) for place in range(columns)
    ]
    key = Text.assemble(
        " " * LABEL_COLUMNS, ("█", "cyan"), " depth, ", ("█", "magenta"), " rate, measured   ", ("╌", "yellow"), " set"
    )
    return Group(depth, rate, axis(columns, offset(first_ms), offset(last_ms)), ribbon(names), key)


def _zone_at(record: SessionRecord, at_ms: int) -> str | None:
    """The zone declared ``at_ms`` after the session was opened."""
    zone = None
    for item in record.timeline:
        if (item.at - record.opened_at) / timedelta(milliseconds=1) > at_ms:
            break
        if item.what in ("opened", "zone"):
            zone = item.detail.removeprefix("zone ").partition(",")[0]
    return zone
