"""One quantity of a pen over time on a terminal: what was read, what is expected, its ends, its limit. Pure."""

from collections.abc import Callable
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from console.render.dot_plot import DotPlot
from controller.health.assess import HealthRow
from controller.health.history import days
from controller.health.words import on_day

_LABEL = 11
_MARGIN = 0.06
_FEW = 24
"""So many readings are marks of their own; more are dots, which lie closer."""


def extent(row: HealthRow) -> tuple[float, float]:
    """The values a picture of a row goes over: readings, limits, and what is expected; its ends as far as the limit."""
    known = [point.value for point in row.points] + [one.value for one in row.expected] + limits(row)
    low, high = min(known), max(known)
    room = (high - low or 1.0) * _MARGIN
    return (low - room if low < 0 else max(0.0, low - room)), high + room


def is_drawn(row: HealthRow) -> bool:
    """Whether there is a history worth a picture: readings that a limit is for, and not all of them nothing."""
    return len(row.points) >= 2 and row.limit is not None and any(point.value for point in row.points)


def span(row: HealthRow, now: datetime) -> tuple[float, float]:
    """The days a picture of a row goes over."""
    known = [point.day for point in row.points] + [one.day for one in row.expected] + [days(now)]
    first, last = min(known), max(known)
    return first, last if last > first else first + 1


def limits(row: HealthRow) -> list[float]:
    """The values that a row is not to be beyond."""
    if row.limit is None:
        return []
    return [row.limit] if row.side is not None else [-row.limit, row.limit]


def plot(row: HealthRow, now: datetime, width: int, rows: int, label: Callable[[float], str]) -> RenderableType:
    """The picture in ``width`` columns."""
    first, last = span(row, now)
    low, high = extent(row)
    field = DotPlot(max(20, width - _LABEL - 1), rows, (first, last), (low, high))
    if row.expected:
        ahead = [one for one in row.expected if one.day >= row.points[0].day]
        field.dotted([(one.day, one.low) for one in ahead], "yellow")
        field.dotted([(one.day, one.high) for one in ahead], "yellow")
        field.line([(one.day, one.value) for one in ahead], "cyan")
    if row.side is None:  # what was left and what was found belong together
        field.line([(point.day, point.value) for point in row.points], "blue")
    read = [(point.day, point.value) for point in row.points]
    if len(read) <= _FEW:
        field.marks(read, "bold white")
    for day, value in read:
        field.dot(field.across(day), field.down(value), "bold white")
    labels = {field.row_of(value): value for value in (low, high)}
    for limit in limits(row):
        field.level(limit, "red")
        labels[field.row_of(limit)] = limit
    field.upright(days(now), "dim")
    lines = []
    for number in range(rows):
        mark = label(labels[number]) if number in labels else ""
        style = "red" if number in labels and labels[number] in limits(row) else "dim"
        lines.append(Text.assemble((f"{mark:>{_LABEL}} ", style), field.text(number), no_wrap=True, overflow="crop"))
    return Group(*lines, _axis(first, last, days(now), field))


def _axis(first: float, last: float, today: float, field: DotPlot) -> Text:
    """Dates under the picture: both ends, and today where there is room."""
    line = [" "] * field.columns
    marks = [(0, on_day(first).isoformat()), (field.columns - 10, on_day(last).isoformat())]
    at = field.across(today) // 2
    for start in (at - 2, at - 5):
        if 11 < start < field.columns - 16:
            marks.append((start, "today"))
            break
    for start, word in marks:
        line[start : start + len(word)] = word
    return Text(" " * (_LABEL + 1) + "".join(line), style="dim", no_wrap=True, overflow="crop")
