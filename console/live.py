"""The live view of a treatment: a pure function from what a station said last to something rich can draw.

Set and measured stand side by side and are never mixed. What is not known at this moment reads "--", at once, in every
field that was measured: an old number is never shown as a live one.
"""

import io
from collections.abc import Iterator
from textwrap import shorten

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from console.gauges import gauges, limit_words, set_hz, set_mm
from console.picture import LivePicture, Step
from console.render.marks import DEMO_SCREEN
from console.render.readiness import readiness_view
from console.words import UNKNOWN, celsius, count, hz, mm, percent, spoken, stopwatch
from console.zone_table import WIDE_COLUMNS, zone_table
from controller.view import PenView
from station.api.models import StationStatus

BRIEF_ROWS = 2
HOW_TO_BEGIN = "`needlework treat --help` says how to operate it from another terminal."
LARGE_COLUMNS = 78
"""Narrower than this the view has no large digits and no panels side by side."""
ALL = 99
LARGE_LAYOUTS = (
    (2, True, ALL),
    (1, True, ALL),
    (1, True, 1),
    (1, False, ALL),
    (1, False, 1),
    (0, True, 1),
    (0, False, 1),
)
"""Spare rows of facts, traces, and steps of the log, richest first. The newest step is whole in every one of them."""
PLAIN_LAYOUTS = ((False, False, ALL), (True, False, ALL), (True, False, 1), (True, True, ALL), (True, True, 1),
                 (True, True, 0))  # fmt: skip
"""Short alarms, bare values, and steps of the log; 0 holds all of them on one line each."""

PHASES = {
    "no_session": (" NO SESSION ", "reverse"),
    "prepared": (" PREPARED · not armed ", "reverse cyan"),
    "arming": (" ARMING ", "reverse cyan"),
    "paused": (" PAUSED · armed ", "reverse yellow"),
    "treating": (" TREATING ", "bold reverse green"),
    "stopping": (" STOPPING ", "bold reverse red"),
    "interrupted": (" INTERRUPTED ", "bold reverse red"),
}
PRIORITY_STYLE = {"HIGH": "bold reverse red", "MEDIUM": "bold yellow", "LOW": "cyan"}
"""Only what stops a treatment shouts; the rest asks for a look."""


def live_view(picture: LivePicture, *, width: int, height: int) -> RenderableType:
    """The view for a screen of ``width`` columns and ``height`` rows: the richest layout that fits."""
    if picture.pen is None:
        return Group(Text("Waiting for the station's first word …", style="bold"), *_foot(picture))
    view = picture.pen.view
    candidates: Iterator[RenderableType] = iter(())
    if width >= LARGE_COLUMNS:
        candidates = _checks(picture, view, width) if view.readiness else _large(picture, view, width)
    for candidate in (*candidates, *_plain(picture, view, width)):
        if rows(candidate, width) <= height:
            return candidate
    return candidate


def _checks(picture: LivePicture, view: PenView, width: int) -> Iterator[RenderableType]:
    """Layouts of the table of checks before arming, whole first, then what is not well alone."""
    odd = tuple(row for row in view.readiness if row.outcome != "passes")
    said = Text(f"{len(view.readiness) - len(odd)} of {len(view.readiness)} checks pass.", style="dim")
    for shown, spare, steps in ((view.readiness, 1, ALL), (view.readiness, 0, 1), (odd, 1, ALL), (odd, 0, 1)):
        short = [] if shown is view.readiness else [said]
        yield Group(
            _header(picture, view, width),
            *_banners(picture, view, width, brief=not spare),
            Padding(Group(readiness_view(shown), *short), (1, 1)),
            Padding(_facts(picture, view, spare=spare), (0, 1)),
            *_foot(picture, steps),
        )


def _large(picture: LivePicture, view: PenView, width: int) -> Iterator[RenderableType]:
    """Layouts with large digits, richest first. Alarms are shortened last of all."""
    for brief in (False, True):
        for spare, traced, steps in LARGE_LAYOUTS:
            zones = zone_table(view, width, planned=spare > 0)
            yield Group(
                _header(picture, view, width),
                *_banners(picture, view, width, brief=brief),
                gauges(picture, view, width, traced=traced),
                Padding(zones if view.zone or view.doses else Text(HOW_TO_BEGIN, style="dim"), (0, 1)),
                Padding(
                    _facts(picture, view, spare=spare, wide=width >= WIDE_COLUMNS), (1 if spare > 1 else 0, 1, 0, 1)
                ),
                *_foot(picture, steps),
            )


def _plain(picture: LivePicture, view: PenView, width: int) -> Iterator[RenderableType]:
    """Layouts in plain text, richest first; the last holds what nobody may miss."""
    for brief, bare, steps in PLAIN_LAYOUTS:
        yield Group(
            _header(picture, view, width),
            *_banners(picture, view, width, brief=brief),
            _plain_values(picture, view, bare=bare),
            *_foot(picture, steps),
        )


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
        f"depth set {set_mm(view)} measured {mm(view.depth_measured_um, known=known)}",
        f"rate set {set_hz(view)} measured {hz(view.rate_measured_mhz, known=known)}",
        f"treated {stopwatch(view.treated_ms)}",
        f"strokes {count(view.strokes) if known else UNKNOWN}",
        f"alarms {alarms or 'none'}",
        f"link {_link(picture, view)}",
    ]
    if _demo(picture, view):
        pieces.append(DEMO_SCREEN.strip())
    return " · ".join(pieces)


# Above the gauges -----------------------------------------------------------------------------------------------------


def _header(picture: LivePicture, view: PenView, width: int) -> RenderableType:
    words, style = PHASES.get(view.phase, (f" {view.phase.upper()} ", "reverse"))
    if picture.silent_s:
        words, style = f" NO WORD FROM THE STATION FOR {picture.silent_s:.0f} s ", "bold reverse red"
    left = Text.assemble((words, style), "  ", (view.zone or "", "bold"))
    if view.session is not None:
        left.append(f"   {stopwatch(view.treated_ms)} treated")
    demo = Text.assemble((DEMO_SCREEN, "reverse yellow"), no_wrap=True) if _demo(picture, view) else None
    if width < LARGE_COLUMNS:
        return left if demo is None else Group(left, demo)
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True, overflow="ellipsis")
    grid.add_row(left, demo or _who(view))
    if demo is None or view.session is None:
        return grid
    return Group(grid, _who(view))


def _who(view: PenView) -> Text:
    """Operator, patient, and where the session stands in its course, as far as there are any."""
    course = ""
    if view.course is not None:
        course = f"session {view.course.number}"
        course += f" of {view.course.sessions}" if view.course.sessions is not None else ""
        course += " resumed" if view.resumes else ""
    said = " · ".join(part for part in (view.protocol, course, view.operator, view.patient) if part)
    return Text(said, style="dim", no_wrap=True, overflow="ellipsis")


def _demo(picture: LivePicture, view: PenView) -> bool:
    """Whether the limits are signed by nobody: known of a session, and of a station that allows it."""
    return view.demo or (picture.station is not None and picture.station.mode == "demo")


def _banners(picture: LivePicture, view: PenView, width: int, *, brief: bool) -> list[RenderableType]:
    """What must not be overlooked: alarms, a record in trouble, a silent station. ``brief`` where rows are few."""
    lines: list[RenderableType] = []
    if picture.silent_s:
        lines.append(
            Text("Everything measured is unknown now. Look at the pen; STOP it by its own button.", style="bold")
        )
    troubles: list[tuple[str, str, str, bool]] = [
        (alarm.priority, f"{spoken(alarm.alarm).capitalize()}.", alarm.sentence, alarm.acknowledged)
        for alarm in view.alarms
    ]
    if view.journal_problem:
        troubles.append(("RECORD", "", view.journal_problem, False))
    if view.link_problem and not (brief and view.alarms):
        troubles.append(("LINK", "", view.link_problem, False))
    for badge, name, sentence, acknowledged in troubles:
        room = BRIEF_ROWS * (width - 10) - len(name)
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True)
        grid.add_column()
        said = shorten(sentence, max(20, room), placeholder=" …") if brief else sentence
        text = Text.assemble((f"{name} " if name else "", "bold"), said)
        if acknowledged:
            text.append(" (acknowledged)", style="dim")
        grid.add_row(Text(f" {badge} ", style=PRIORITY_STYLE.get(badge, "bold reverse yellow")), text)
        lines.append(grid)
    if view.audio_paused_ms:
        lines.append(Text(f"Alarms are silent for another {stopwatch(view.audio_paused_ms)}.", style="dim"))
    return lines


# Below the gauges -----------------------------------------------------------------------------------------------------


def _facts(picture: LivePicture, view: PenView, *, spare: int, wide: bool = False) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(ratio=1)
    if spare and view.depth_limit is not None:
        grid.add_row("limit", view.depth_limit.sentence)
    if spare > 1 and wide and view.rate_limit is not None:
        grid.add_row("", view.rate_limit.sentence)
    grid.add_row("alarms", "none" if not view.alarms else Text(f"{len(view.alarms)}, above", style="bold"))
    grid.add_row("pen", Text.assemble((view.pen or "not connected", "bold"), " · ", _pen_facts(picture, view)))
    grid.add_row("link", _link(picture, view))
    record = _record(picture.station)
    if spare and record is not None:
        grid.add_row("record", record)
    if picture.notice:
        grid.add_row("notice", picture.notice)
    grid.add_row("next", _next(picture, view))
    return grid


def _next(picture: LivePicture, view: PenView) -> Text:
    """What a person does next; while nothing is known of the pen, to look at it."""
    if picture.silent_s:
        return Text("Look at the pen. `needlework status` tells whether the station is back.", style="bold")
    return Text(view.next_step, style="bold")


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


def _plain_values(picture: LivePicture, view: PenView, *, bare: bool) -> RenderableType:
    """For small screens: the same values without large digits."""
    known = picture.known
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_row("", Text("measured", style="dim"), Text("set", style="dim"))
    grid.add_row("depth", Text(mm(view.depth_measured_um, known=known), style="bold"), set_mm(view))
    grid.add_row("rate", Text(hz(view.rate_measured_mhz, known=known), style="bold"), set_hz(view))
    rest = Table.grid(padding=(0, 2, 0, 0))
    rest.add_column(style="dim", no_wrap=True)
    rest.add_column()
    if not bare:
        rest.add_row("limit", limit_words(view.depth_limit, named=False))
        rest.add_row("strokes", count(view.strokes) if known else UNKNOWN)
        rest.add_row("alarms", "none" if not view.alarms else str(len(view.alarms)))
        rest.add_row("pen", Text.assemble((view.pen or "not connected", "bold"), " · ", _pen_facts(picture, view)))
    rest.add_row("link", _link(picture, view))
    if picture.notice and not bare:
        rest.add_row("notice", picture.notice)
    rest.add_row("next", _next(picture, view))
    return Group(grid, rest)


def _foot(picture: LivePicture, steps: int = 0) -> list[RenderableType]:
    """The last ``steps`` of the log, the newest over as many lines as it needs: a refusal is read to its end.

    The older ones have a line each; with 0 all of them are there, and each has a line.
    """
    lines: list[RenderableType] = []
    log = picture.log[-steps:]
    for place, step in enumerate(log, 1):
        lines.append(step if place == len(log) and steps else _first_line(step))
    if picture.typing is not None:
        lines.append(Text.assemble(("> ", "bold"), picture.typing, (" ", "reverse"), no_wrap=True))
    return [*lines, Text(picture.footer, style="dim")] if picture.footer else lines


def _first_line(step: Step) -> Text:
    """A step of the log on one line."""
    first = step if isinstance(step, Text) else step.renderables[0]
    line = first.copy() if isinstance(first, Text) else Text("…")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line
