"""What a station says of itself, drawn for a terminal. Pure."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.live import PHASES, PRIORITY_STYLE
from console.render.readiness import doses_view, readiness_view
from console.render.record_parts import course_words
from console.words import UNKNOWN, count, hz, mm, percent, spoken, stopwatch
from controller.view import STALE_MS, PenView
from station.api.models import PenStatus, StationStatus


def status_view(status: StationStatus) -> RenderableType:
    """The station, then each of its pens, then what is worth a look."""
    parts: list[RenderableType] = [_station(status)]
    if status.start_of_day:
        parts += [Text(""), Text("Before the first patient", style="bold underline")]
        parts += [Text(one.sentence, style="bold red" if one.stops else "yellow") for one in status.start_of_day]
    if not status.pens:
        parts.append(Text("No pen is driven here.", style="bold"))
    for pen in status.pens:
        parts += [Text(""), _pen(pen)]
    if status.notices:
        parts += [Text(""), Text("Notices", style="bold underline")]
        parts += [Text(f"{notice.utc}  {notice.sentence}") for notice in status.notices]
    return Group(*parts)


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    return grid


def _station(status: StationStatus) -> RenderableType:
    grid = _grid()
    grid.add_row("station", Text.assemble((status.station, "bold"), f" of site {status.site}, {status.software}"))
    grid.add_row("since", f"{status.started_utc.replace('T', ' ').replace('+00:00', ' UTC')}, process {status.pid}")
    if status.mode == "demo":
        grid.add_row("limits", Text("DEMO: limits signed by nobody; not for use on people", style="bold yellow"))
    waiting = max(0, status.record.committed - status.record.acknowledged)
    record = Text(f"{count(status.record.committed)} entries on disk, ")
    record.append(
        "all confirmed by the recorder" if not waiting else f"{count(waiting)} not yet confirmed by the recorder"
    )
    if status.record.problem:
        record.append(f" {status.record.problem}", "bold red")
    grid.add_row("record", record)
    bus = Text("connected" if status.bus.connected else "not connected", style="" if status.bus.connected else "yellow")
    bus.append(f" to {status.bus.url}" if status.bus.url else "")
    if status.bus.problem:
        bus.append(f": {status.bus.problem}")
    grid.add_row("broker", bus)
    grid.add_row("STOP", f"listens on 127.0.0.1:{status.stop_port}")
    for caveat in status.caveats:
        grid.add_row("caveat", Text(caveat, style="yellow"))
    return grid


def _pen(pen: PenStatus) -> RenderableType:
    view = pen.view
    known = view.status_age_ms is not None and view.status_age_ms <= STALE_MS
    words, style = PHASES.get(view.phase, (f" {view.phase} ", "reverse"))
    head = Text.assemble((pen.name, "bold"), "  ", (words, style), f"  {view.zone or ''}")
    grid = _grid()
    grid.add_row("pen", f"{view.pen or 'not connected'}, {pen.url}")
    if view.link_problem:
        grid.add_row("link", Text(view.link_problem, style="yellow"))
    grid.add_row("operated by", pen.seat or "nobody")
    grid.add_row(
        "depth",
        _pair(mm(view.depth_measured_um, known=known), mm(view.depth_commanded_um or None), view.depth_commanded_um),
    )
    grid.add_row(
        "rate",
        _pair(hz(view.rate_measured_mhz, known=known), hz(view.rate_commanded_mhz or None), view.rate_commanded_mhz),
    )
    if view.depth_limit is not None:
        grid.add_row("limit", view.depth_limit.sentence)
    if view.session:
        grid.add_row("session", _session(view))
        grid.add_row("zones", doses_view(view))
    if view.readiness:
        odd = [row for row in view.readiness if row.outcome in ("fails", "open")]
        grid.add_row("to arm", readiness_view(odd) if odd else "every check passes")
    grid.add_row("battery", percent(view.battery_permille) if known else UNKNOWN)
    for alarm in view.alarms:
        grid.add_row(
            "alarm",
            Text.assemble(
                (f" {alarm.priority} ", PRIORITY_STYLE[alarm.priority]), f" {spoken(alarm.alarm)}: {alarm.sentence}"
            ),
        )
    if view.audio_paused_ms:
        grid.add_row("audio", f"alarms are silent for another {stopwatch(view.audio_paused_ms)}")
    grid.add_row("next", Text(view.next_step, style="bold"))
    return Group(head, grid)


def _session(view: PenView) -> Text:
    said = Text(f"{view.session}, treated {stopwatch(view.treated_ms)}")
    if view.course is not None:
        said.append(f", {course_words(view.course)}")
    if view.resumes:
        said.append(f", resumes {view.resumes}")
    if view.demo:
        said.append(" DEMO", "bold yellow")
    return said


def _pair(measured: str, set_to: str, commanded: int) -> str:
    return f"measured {measured}, set {set_to if commanded else UNKNOWN}"
