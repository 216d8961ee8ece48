"""Depth and rate, measured and set, in digits for arm's length, each with its limit and the last half minute. Pure."""

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from console.digits import large
from console.picture import TRAIL_S, LivePicture
from console.spark import sparkline
from console.words import LAYERS, UNKNOWN, hz, mm
from controller.events import LimitSet
from controller.units import MHZ_PER_HZ, UM_PER_MM
from controller.view import PenView

NARROW_SET_COLUMNS = 86
WIDE_SET_COLUMNS = 116
"""From these widths on the set values have large digits too, narrow ones and then wide ones."""
TRACE_LABEL = " 30 s"


def gauges(picture: LivePicture, view: PenView, width: int, *, traced: bool) -> RenderableType:
    """Depth and rate side by side; ``traced`` with the last seconds under each."""
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
        limit_words(view.depth_limit),
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
        limit_words(view.rate_limit),
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


def set_mm(view: PenView) -> str:
    """The depth that is set, or ``UNKNOWN`` while none is chosen."""
    return mm(view.depth_commanded_um) if view.depth_commanded_um else UNKNOWN


def set_hz(view: PenView) -> str:
    """The rate that is set, or ``UNKNOWN`` while none is chosen."""
    return hz(view.rate_commanded_mhz) if view.rate_commanded_mhz else UNKNOWN


def limit_words(limit: LimitSet | None, *, named: bool = True) -> Text:
    """A limit and the layer that decides it, on one line; ``named`` begins it with that word."""
    if limit is None:
        words = f"{'limit: ' * named}known once the pen is armed"
        return Text(words, style="dim", no_wrap=True, overflow="ellipsis")
    value = mm(limit.effective) if limit.quantity == "depth_um" else hz(limit.effective)
    return Text.assemble(
        "limit " * named,
        (value, "bold"),
        f" ({LAYERS.get(limit.limited_by, limit.limited_by)})",
        no_wrap=True,
        overflow="ellipsis",
    )


def _top(limit: LimitSet | None) -> int | None:
    return limit.effective if limit is not None and limit.effective else None
