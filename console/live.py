"""The live view of a treatment: a pure function from what a station said last to something rich can draw.

Set and measured stand side by side and are never mixed. What is not known at this moment reads "--", at once, in every
field that was measured: an old number is never shown as a live one.
"""

import io
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from console.digits import large
from console.spark import sparkline
from console.words import LAYERS, UNKNOWN, celsius, count, hz, mm, percent, spoken, stopwatch
from controller.events import LimitSet
from controller.units import MHZ_PER_HZ, UM_PER_MM
from controller.view import STALE_MS, AlarmView, PenView
from station.models import PenStatus, StationStatus

LARGE_COLUMNS = 78
"""Narrower than this the view has no large digits and no panels side by side."""
TRAIL_S = 30.0
TRAIL_POINTS = 400

NARROW_SET_COLUMNS = 86
WIDE_SET_COLUMNS = 116
"""From these widths on the set values have large digits too, narrow ones and then wide ones."""
TRACE_LABEL = " 30 s"

PHASES = {
    "no_session": (" NO SESSION ", "reverse"),
    "prepared": (" PREPARED · not armed ", "reverse cyan"),
    "arming": (" ARMING ", "reverse cyan"),
    "paused": (" PAUSED · armed ", "reverse yellow"),
    "treating": (" TREATING ", "bold reverse green"),
    "stopping": (" STOPPING ", "bold reverse red"),
    "interrupted": (" INTERRUPTED ", "bold reverse red"),
}
PRIORITY_STYLE = {"HIGH": "bold reverse red", "MEDIUM": "bold reverse yellow", "LOW": "reverse cyan"}


@dataclass(frozen=True, slots=True)
class TrailPoint:
    """One measured moment, for the traces: seconds on the viewer's own clock, µm, mHz; None is not known."""

    at_s: float
    depth_measured_um: int | None
    rate_measured_mhz: int | None


@dataclass(frozen=True, slots=True)
class Trail:
    """What was measured over the last ``TRAIL_S`` seconds."""

    points: tuple[TrailPoint, ...] = ()

    def add(self, now_s: float, view: PenView) -> "Trail":
        """The trail with one more moment; the motor at rest leaves no mark."""
        moving = bool(view.motor_on)
        point = TrailPoint(
            now_s,
            view.depth_measured_um if moving else None,
            view.rate_measured_mhz if moving else None,
        )
        kept = tuple(old for old in self.points if old.at_s > now_s - TRAIL_S)
        return Trail((*kept[-TRAIL_POINTS:], point))


@dataclass(frozen=True, slots=True)
class LivePicture:
    """Everything the live view shows. ``silent_s`` is how long the station has said nothing, 0 while it speaks."""

    pen: PenStatus | None
    now_s: float
    trail: Trail = field(default_factory=Trail)
    station: StationStatus | None = None
    silent_s: float = 0.0
    notice: str = ""
    footer: str = ""
    log: tuple[Text, ...] = ()

    @property
    def known(self) -> bool:
        """Whether what the pen measures is known at this moment."""
        if self.pen is None or self.silent_s:
            return False
        age_ms = self.pen.view.status_age_ms
        return age_ms is not None and age_ms <= STALE_MS


def live_view(picture: LivePicture, *, width: int, height: int) -> RenderableType:
    """The view for a screen of ``width`` columns and ``height`` rows: the richest layout that fits."""
    if picture.pen is None:
        return Group(Text("Waiting for the station's first word …", style="bold"), *_foot(picture))
    view = picture.pen.view
    top = [_header(picture, view), *_banners(picture, view)]
    if width >= LARGE_COLUMNS:
        for spare, traced in ((2, True), (1, True), (0, True), (0, False)):
            large_one = Group(
                *top,
                _gauges(picture, view, width, traced=traced),
                Padding(_zones(view), (0, 1)),
                Padding(_facts(picture, view, spare=spare), (1 if spare > 1 else 0, 1, 0, 1)),
                *_foot(picture),
            )
            if rows(large_one, width) <= height:
                return large_one
    return Group(*top, _plain_values(picture, view), *_foot(picture))


def rows(renderable: RenderableType, width: int) -> int:
    """How many rows something takes on a screen of ``width`` columns."""
    console = Console(width=width, file=io.StringIO(), legacy_windows=False)
    return len(console.render_lines(renderable, console.options))


def live_line(picture: LivePicture) -> str:
    """The view in one line, for a pipe or a log."""
    if picture.pen is None:
        return "waiting for the station"
    view, known = picture.pen.view, picture.known
    alarms = "; ".join(f"{alarm.priority} {spoken(alarm.alarm)}" for alarm in view.alarms)
    pieces = [
        spoken(view.phase) if not picture.silent_s else f"no word from the station for {picture.silent_s:.0f} s",
        f"zone {view.zone or UNKNOWN}",
        f"depth set {_set_mm(view)} measured {mm(view.depth_measured_um, known=known)}",
        f"rate set {_set_hz(view)} measured {hz(view.rate_measured_mhz, known=known)}",
        f"treated {stopwatch(view.treated_ms)}",
        f"strokes {count(view.strokes) if known else UNKNOWN}",
        f"alarms {alarms or 'none'}",
        f"link {_link(picture, view)}",
    ]
    return " · ".join(pieces)


# Above the gauges -----------------------------------------------------------------------------------------------------


def _header(picture: LivePicture, view: PenView) -> RenderableType:
    words, style = PHASES.get(view.phase, (f" {view.phase.upper()} ", "reverse"))
    if picture.silent_s:
        words, style = f" NO WORD FROM THE STATION FOR {picture.silent_s:.0f} s ", "bold reverse red"
    left = Text.assemble((words, style), "  ", (view.zone or "", "bold"))
    if view.session is not None:
        left.append(f"   {stopwatch(view.treated_ms)} treated")
    right = Text(" · ".join(part for part in (view.operator, view.patient) if part), style="dim")
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True, overflow="ellipsis")
    grid.add_row(left, right)
    return grid


def _banners(picture: LivePicture, view: PenView) -> list[RenderableType]:
    """What must not be overlooked: alarms, a record in trouble, a station that fell silent."""
    lines: list[RenderableType] = []
    if picture.silent_s:
        lines.append(
            Text("Everything measured is unknown now. Look at the pen; STOP it by its own button.", style="bold")
        )
    lines.extend(_alarm(alarm) for alarm in view.alarms)
    if view.journal_problem:
        lines.append(Text.assemble((" RECORD ", "bold reverse red"), " ", view.journal_problem))
    if view.link_problem:
        lines.append(Text.assemble((" LINK ", "bold reverse yellow"), " ", view.link_problem))
    return lines


def _alarm(alarm: AlarmView) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column()
    words = f"{spoken(alarm.alarm)}. " if alarm.sentence else spoken(alarm.alarm)
    text = Text.assemble((words.capitalize(), "bold"), alarm.sentence)
    if alarm.acknowledged:
        text.append(" (acknowledged)", style="dim")
    grid.add_row(Text(f" {alarm.priority} ", style=PRIORITY_STYLE[alarm.priority]), text)
    return grid


# The gauges -----------------------------------------------------------------------------------------------------------


def _gauges(picture: LivePicture, view: PenView, width: int, *, traced: bool) -> RenderableType:
    grid = Table.grid(expand=True, padding=0)
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    inside = width // 2 - 4
    grid.add_row(_depth_panel(picture, view, inside, traced=traced), _rate_panel(picture, view, inside, traced=traced))
    return grid


def _depth_panel(picture: LivePicture, view: PenView, inside: int, *, traced: bool) -> Panel:
    value = view.depth_measured_um
    number = None if value is None else f"{value / UM_PER_MM:.2f}"
    trace = [(point.at_s, point.depth_measured_um) for point in picture.trail.points]
    return _gauge(
        picture,
        ("needle depth", "mm"),
        number,
        _bare(view.depth_commanded_um, UM_PER_MM, 2),
        _limit(view.depth_limit),
        sparkline(trace, picture.now_s, inside - len(TRACE_LABEL), TRAIL_S, _top(view.depth_limit)) if traced else "",
        inside,
    )


def _rate_panel(picture: LivePicture, view: PenView, inside: int, *, traced: bool) -> Panel:
    value = view.rate_measured_mhz
    number = None if value is None else f"{value / MHZ_PER_HZ:.0f}"
    trace = [(point.at_s, point.rate_measured_mhz) for point in picture.trail.points]
    return _gauge(
        picture,
        ("puncture rate", "Hz"),
        number,
        _bare(view.rate_commanded_mhz, MHZ_PER_HZ, 0),
        _limit(view.rate_limit),
        sparkline(trace, picture.now_s, inside - len(TRACE_LABEL), TRAIL_S, _top(view.rate_limit)) if traced else "",
        inside,
    )


def _gauge(
    picture: LivePicture, name: tuple[str, str], number: str | None, set_to: str, limit: Text, trace: str, inside: int
) -> Panel:
    what, unit = name
    shown = (number if number is not None else "") if picture.known else UNKNOWN
    style = "bold" if picture.known else "bold yellow"
    measured: RenderableType = large(shown, style) if shown else Text("\n\nnot measured\n\n", style="bold")
    width = 2 * (inside + 4)
    pixel_columns = 2 if width >= WIDE_SET_COLUMNS else 1
    set_text = Text(f"\n\n{set_to}\n\n", style="bold")
    if width >= NARROW_SET_COLUMNS:
        set_text = large(set_to, "cyan", pixel_columns=pixel_columns)
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True)  # aligned by its width: aligning right would strip the digits' own blanks
    grid.add_row(Text("measured", style="dim"), Text("set", style="dim"))
    grid.add_row(measured, set_text)
    live = bool(picture.pen and picture.pen.view.motor_on and picture.known)
    below: list[RenderableType] = [limit]
    if trace:
        below = [Text(""), limit, Text.assemble((trace, "cyan"), (TRACE_LABEL, "dim"), no_wrap=True)]
    return Panel(
        Group(grid, *below),
        title=f"{what}, {unit}",
        title_align="left",
        box=box.HEAVY if live else box.ROUNDED,
        border_style="green" if live else "dim",
        padding=(0, 1),
    )


def _bare(value: int, scale: int, decimals: int) -> str:
    return f"{value / scale:.{decimals}f}" if value else UNKNOWN


def _set_mm(view: PenView) -> str:
    return mm(view.depth_commanded_um) if view.depth_commanded_um else UNKNOWN


def _set_hz(view: PenView) -> str:
    return hz(view.rate_commanded_mhz) if view.rate_commanded_mhz else UNKNOWN


def _limit(limit: LimitSet | None) -> Text:
    if limit is None:
        return Text("limit: known once the pen is armed", style="dim", no_wrap=True, overflow="ellipsis")
    value = mm(limit.effective) if limit.quantity == "depth_um" else hz(limit.effective)
    return Text.assemble(
        "limit ",
        (value, "bold"),
        f" ({LAYERS.get(limit.limited_by, limit.limited_by)})",
        no_wrap=True,
        overflow="ellipsis",
    )


def _top(limit: LimitSet | None) -> int | None:
    return limit.effective if limit is not None and limit.effective else None


# Below the gauges -----------------------------------------------------------------------------------------------------


def _zones(view: PenView) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim", show_edge=False)
    table.add_column("zone", min_width=14, no_wrap=True)
    for heading in ("treated", "strokes", "punctures", "depth mean", "depth max", "rate mean"):
        table.add_column(heading, justify="right", no_wrap=True)
    doses = {dose.zone: dose for dose in view.doses}
    for name in dict.fromkeys([*doses, *([view.zone] if view.zone else [])]):
        here = name == view.zone
        label = Text(f"{'▶' if here else ' '} {name}", style="bold" if here else "")
        dose = doses.get(name)
        if dose is None:
            table.add_row(label, "0:00", "0", "0", "", "", "")
            continue
        table.add_row(
            label,
            stopwatch(dose.treated_ms),
            count(dose.strokes),
            count(dose.punctures),
            mm(dose.depth_measured_mean_um),
            mm(dose.depth_measured_max_um),
            hz(dose.rate_measured_mean_mhz),
        )
    return table


def _facts(picture: LivePicture, view: PenView, *, spare: int) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_row("alarms", "none" if not view.alarms else Text(f"{len(view.alarms)}, above", style="bold"))
    grid.add_row("pen", Text.assemble((view.pen or "not connected", "bold"), " · ", _pen_facts(picture, view)))
    grid.add_row("link", _link(picture, view))
    record = _record(picture.station)
    if spare and record is not None:
        grid.add_row("record", record)
    if spare and view.demo:
        grid.add_row("limits", "example library, signed by no physician: demo only")
    if picture.notice:
        grid.add_row("notice", picture.notice)
    grid.add_row("next", Text(view.next_step, style="bold"))
    return grid


def _pen_facts(picture: LivePicture, view: PenView) -> str:
    if not picture.known:
        return UNKNOWN
    return " · ".join(
        (
            {True: "on skin", False: "off skin", None: "contact not measured"}[view.on_skin],
            {True: "needles out", False: "needles not out", None: UNKNOWN}[view.needles_out],
            f"battery {percent(view.battery_permille)}",
            celsius(view.temperature_dc),
        )
    )


def _link(picture: LivePicture, view: PenView) -> str:
    if picture.silent_s:
        return UNKNOWN
    if view.status_age_ms is None or view.link != "connected":
        return view.link
    if not picture.known:
        return f"{view.link}, but the pen has said nothing for {view.status_age_ms / 1000:.1f} s"
    return f"{view.link} · status {view.status_age_ms} ms old · longest gap {view.longest_gap_ms} ms"


def _record(station: StationStatus | None) -> RenderableType | None:
    if station is None:
        return None
    record = station.record
    waiting = record.committed - record.acknowledged
    words = f"{count(record.committed)} entries on disk, "
    words += "all confirmed by the recorder" if waiting <= 0 else f"{count(waiting)} not yet confirmed by the recorder"
    if not station.bus.connected:
        words += f"; broker away ({station.bus.problem or station.bus.url}), delivered later"
    return Text(words, style="" if station.bus.connected and not record.problem else "yellow")


def _plain_values(picture: LivePicture, view: PenView) -> RenderableType:
    """For small screens: the same values without large digits."""
    known = picture.known
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_row("", Text("measured", style="dim"), Text("set", style="dim"))
    grid.add_row("depth", Text(mm(view.depth_measured_um, known=known), style="bold"), _set_mm(view))
    grid.add_row("rate", Text(hz(view.rate_measured_mhz, known=known), style="bold"), _set_hz(view))
    rest = Table.grid(padding=(0, 2, 0, 0))
    rest.add_column(style="dim", no_wrap=True)
    rest.add_column()
    rest.add_row("limit", view.depth_limit.sentence if view.depth_limit else "known once the pen is armed")
    rest.add_row("strokes", count(view.strokes) if known else UNKNOWN)
    rest.add_row("alarms", "none" if not view.alarms else str(len(view.alarms)))
    rest.add_row("pen", Text.assemble((view.pen or "not connected", "bold"), " · ", _pen_facts(picture, view)))
    rest.add_row("link", _link(picture, view))
    if picture.notice:
        rest.add_row("notice", picture.notice)
    rest.add_row("next", Text(view.next_step, style="bold"))
    return Group(grid, rest)


def _foot(picture: LivePicture) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for step in picture.log:
        line = step.copy()
        line.no_wrap, line.overflow = True, "ellipsis"
        lines.append(line)
    return [*lines, Text(picture.footer, style="dim")] if picture.footer else lines
