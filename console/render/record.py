"""A session's record, drawn for a terminal: what was asked, what was refused and why, what the pen measured. Pure."""

from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.render.chart import LABEL_COLUMNS, axis, chart, ribbon
from console.trace import Moment, buckets
from console.words import count, duration, hz, mm, offset, spoken
from controller.units import MHZ_PER_HZ, UM_PER_MM
from logger.records import AlarmRecord, SessionRecord
from logger.telemetry import Spread

OUTCOME_STYLE = {"completed": "bold green", "stopped": "bold yellow", "interrupted": "bold red", "open": "bold cyan"}
CHART_ROWS = 5
CHART_COLUMNS_MAX = 110
WIDE_TABLE_COLUMNS = 92
NOT_MEASURED = "n/m"


def record_view(record: SessionRecord, trace: list[Moment], *, width: int) -> RenderableType:
    """The whole record for a screen or a page of ``width`` columns."""
    parts: list[RenderableType] = [_title(record), _about(record), Text("")]
    parts += [_heading("What each zone got, from the pen's own telemetry"), _zones(record, width), Text("")]
    drawn = _chart(record, trace, width)
    if drawn is not None:
        parts += [_heading("Measured over time"), drawn, Text("")]
    parts += [_heading("Limits in force"), _limits(record), Text("")]
    if record.overrides:
        parts += [_heading("Soft limits gone beyond"), _overrides(record), Text("")]
    parts += [_heading("Refused"), _refusals(record), Text("")]
    parts += [_heading("Alarms"), _alarms(record), Text("")]
    parts += [_heading("Cartridge and calibration"), _parts_used(record), Text("")]
    parts += [_heading("Course"), _timeline(record)]
    return Group(*parts)


def _heading(words: str) -> Text:
    return Text(words, style="bold underline")


def _title(record: SessionRecord) -> RenderableType:
    title = Text.assemble(
        ("Session ", "bold"),
        (record.session, "bold"),
        "  ",
        (f" {record.outcome.upper()} ", f"{OUTCOME_STYLE.get(record.outcome, 'bold')} reverse"),
    )
    if not record.demo:
        return title
    return Group(title, Text("Example limits, signed by no physician: for demonstration only.", style="yellow"))


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    return grid


def _about(record: SessionRecord) -> RenderableType:
    grid = _grid()
    lasted = record.closed_at - record.opened_at if record.closed_at else None
    begun = record.opened_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    when = f"{begun}, {duration(int(lasted / timedelta(milliseconds=1)))}" if lasted else f"{begun}, not closed"
    grid.add_row("when", when)
    grid.add_row("who", f"patient {record.patient or 'not known'}, treated by {record.operator or 'not known'}")
    grid.add_row("pen", " ".join(part for part in (record.pen, record.pen_firmware) if part) or "not known")
    grid.add_row(
        "protocol", f"{record.protocol or 'not known'}, {record.skin or 'not known'} skin; {record.library or ''}"
    )
    grid.add_row("treated", f"{duration(record.treated_ms)}, {count(record.strokes)} strokes")
    if record.reason:
        grid.add_row("ended", f"{record.outcome}: {record.reason}")
    confirmed = [spoken(item) for item, answer in record.checklist.items() if answer]
    grid.add_row("confirmed", ", ".join(confirmed) or "nothing")
    grid.add_row(
        "entries", f"{count(record.entries)} of station {record.station}, {record.first_entry} to {record.last_entry}"
    )
    if record.unread:
        grid.add_row("unread", f"{record.unread} entries are of a later version; a newer Needlework reads them")
    return grid


# Zones and curves -----------------------------------------------------------------------------------------------------


def _zones(record: SessionRecord, width: int) -> RenderableType:
    if not record.zones:
        ran = any(item.what == "started" for item in record.timeline)
        return Text("No telemetry is on disk yet." if ran else "The motor never ran.", style="dim")
    table = Table(box=None, padding=(0, 2 if width >= WIDE_TABLE_COLUMNS else 1, 0, 0), header_style="dim")
    table.add_column("\nzone", no_wrap=True)
    for heading in ("\ntime", "\nstrokes", "\npunctures"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("depth, mm\nset", "\nmean", "\np95", "\nmax", "rate, Hz\nset", "\nmean"):
        table.add_column(heading, justify="right", no_wrap=True)
    for zone in record.zones:
        table.add_row(
            Text(zone.zone, style="bold"),
            duration(zone.treated_ms),
            count(zone.strokes),
            count(zone.punctures),
            _extent(zone.depth_set_um, UM_PER_MM, 2),
            *_of(zone.depth_measured_um, UM_PER_MM, 2, ("mean", "p95", "maximum")),
            _extent(zone.rate_set_mhz, MHZ_PER_HZ, 0),
            *_of(zone.rate_measured_mhz, MHZ_PER_HZ, 1, ("mean",)),
        )
    note = (
        f"set: in force at the pen; mean, p95, max: measured by it while its motor ran; {NOT_MEASURED}: not measured; "
    )
    note += "punctures: strokes on skin × needles"
    return Group(table, Text(note, style="dim"))


def _of(spread: Spread | None, scale: int, decimals: int, names: tuple[str, ...]) -> list[str]:
    if spread is None:
        return [NOT_MEASURED] * len(names)
    return [f"{getattr(spread, name) / scale:.{decimals}f}" for name in names]


def _extent(spread: Spread | None, scale: int, decimals: int) -> str:
    if spread is None:
        return NOT_MEASURED
    low, high = f"{spread.minimum / scale:.{decimals}f}", f"{spread.maximum / scale:.{decimals}f}"
    return low if low == high else f"{low}–{high}"


def _chart(record: SessionRecord, trace: list[Moment], width: int) -> RenderableType | None:
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
        if _since_ms(record, item.at) > at_ms:
            break
        if item.what in ("opened", "zone"):
            zone = item.detail.removeprefix("zone ")
    return zone


def _since_ms(record: SessionRecord, at: datetime) -> int:
    return int((at - record.opened_at) / timedelta(milliseconds=1))


# Why ------------------------------------------------------------------------------------------------------------------


def _limits(record: SessionRecord) -> RenderableType:
    if not record.limits:
        return Text("The pen was not armed, so no limits were in force.", style="dim")
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column()
    shown: set[tuple[str, str]] = set()
    for limits in record.limits:
        when, zone = offset(_since_ms(record, limits.at)), limits.zone
        for quantity, limit in (("depth", limits.depth), ("rate", limits.rate)):
            if (limits.zone, limit.sentence) not in shown:  # a limit is made anew with every change of the other
                shown.add((limits.zone, limit.sentence))
                grid.add_row(when, zone, quantity, limit.sentence)
                when = zone = ""
    return grid


def _overrides(record: SessionRecord) -> RenderableType:
    grid = _grid()
    for item in record.overrides:
        show = mm if item.quantity == "depth_um" else hz
        grid.add_row(
            offset(_since_ms(record, item.at)),
            f"{item.zone}: {show(item.wanted)} instead of {show(item.soft_limit)}; reason given: {item.reason}",
        )
    return grid


def _refusals(record: SessionRecord) -> RenderableType:
    if not record.refusals:
        return Text("Nothing was refused.", style="dim")
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    for refusal in record.refusals:
        grid.add_row(
            offset(_since_ms(record, refusal.at)),
            refusal.asked,
            Text.assemble((f"{spoken(refusal.because)}: ", "bold"), refusal.sentence),
        )
    return grid


def _alarms(record: SessionRecord) -> RenderableType:
    if not record.alarms:
        return Text("None was raised.", style="dim")
    grid = _grid()
    for alarm in record.alarms:
        text = Text.assemble((f"{alarm.priority} {spoken(alarm.alarm)}: ", "bold"), alarm.sentence)
        text.append(_alarm_end(record, alarm), "dim")
        grid.add_row(offset(_since_ms(record, alarm.raised_at)), text)
    return grid


def _alarm_end(record: SessionRecord, alarm: AlarmRecord) -> str:
    said = " Not acknowledged."
    if alarm.acknowledged_at is not None:
        said = f" Acknowledged {offset(_since_ms(record, alarm.acknowledged_at))} by {alarm.acknowledged_by}."
    if alarm.cleared_at is not None:
        said += f" Cleared {offset(_since_ms(record, alarm.cleared_at))}."
    return said


def _parts_used(record: SessionRecord) -> RenderableType:
    grid = _grid()
    for cartridge in record.cartridges:
        expiry = f", usable until {cartridge.expiry}" if cartridge.expiry else ""
        identity = ", ".join(
            part
            for part in (
                f"lot {cartridge.lot}" if cartridge.lot else "",
                f"serial {cartridge.serial}" if cartridge.serial else "",
            )
            if part
        )
        grid.add_row(
            "cartridge",
            f"{cartridge.name}: {cartridge.needle_count} needles of {mm(cartridge.needle_length_um)}"
            f"{f', {identity}' if identity else ''}{expiry}; unused: {cartridge.unused}",
        )
    for calibration in record.calibrations:
        grid.add_row(
            "calibration",
            f"certificate {calibration.certificate} of {calibration.calibrated_on}, due {calibration.due_on}, "
            f"depth ±{mm(calibration.depth_uncertainty_um)} (k = 2)",
        )
    if not record.cartridges:
        grid.add_row("cartridge", "none was taken into use")
    return grid


def _timeline(record: SessionRecord) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column()
    for item in record.timeline:
        grid.add_row(offset(_since_ms(record, item.at)), item.what, item.detail)
    return grid
