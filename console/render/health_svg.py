"""The health of a pen drawn as SVG: a panel for each quantity with a history, readable alone and printed. Pure."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from xml.sax.saxutils import escape

from console.render.health import LEVELS, amount, limit_of
from console.render.health_plot import extent, is_drawn, limits, span
from controller.health.assess import HealthRow, PenHealth
from controller.health.history import days
from controller.health.words import NAMES, on_day

_WIDTH, _COLUMNS, _GAP, _EDGE = 1080, 2, 28, 32
_HEAD, _PANEL, _PICTURE = 92, 246, 150
_LEFT, _RIGHT = 70, 12
_COLOURS = {"good": "#1a7f37", "unknown": "#6e7781", "watch": "#9a6700", "act": "#cf222e"}
_INK, _QUIET, _GRID, _READ, _EXPECTED, _LIMIT = "#1f2328", "#59636e", "#d8dee4", "#0a3069", "#0969da", "#cf222e"
_STEPS = (1, 2, 5)
_TEXT_COLUMNS = 78


def health_svg(pen: PenHealth, now: datetime) -> str:
    """The whole drawing. What has no history yet is told in words."""
    drawn = [row for row in pen.rows if is_drawn(row)]
    lines = -(-len(drawn) // _COLUMNS)
    height = _HEAD + max(1, lines) * (_PANEL + _GAP) + _EDGE // 2
    wide = (_WIDTH - 2 * _EDGE - (_COLUMNS - 1) * _GAP) // _COLUMNS
    body = [_head(pen, now)]
    if not drawn:
        body.append(_text(_EDGE, _HEAD + 24, "Nothing was read of its wear often enough to be drawn.", 13, _QUIET))
    for number, row in enumerate(drawn):
        left = _EDGE + (number % _COLUMNS) * (wide + _GAP)
        top = _HEAD + (number // _COLUMNS) * (_PANEL + _GAP)
        body.append(_panel(row, now, left, top, wide))
    title = escape(f"Health of {pen.pen} on {now:%Y-%m-%d}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="DejaVu Sans, Libertinus Serif, sans-serif" role="img" aria-labelledby="t">'
        f'<title id="t">{title}</title>'
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>{"".join(body)}</svg>\n'
    )


def _head(pen: PenHealth, now: datetime) -> str:
    mark, _, words = LEVELS[pen.level]
    run = f"ran {pen.run_s // 3600} h, {pen.strokes / 1e6:.1f} million strokes"
    by = "its own count" if pen.counted_by == "pen" else "as far as the record goes"
    due = f", calibration due {pen.calibration_due}" if pen.calibration_due else ""
    return (
        _text(_EDGE, 38, pen.pen, 22, _INK, bold=True)
        + _text(_WIDTH - _EDGE, 38, f"{mark} {words}", 15, _COLOURS[pen.level], bold=True, anchor="end")
        + _text(_EDGE, 62, f"{run} ({by}), firmware {pen.firmware or 'not known'}{due}", 12.5, _QUIET)
        + _text(_WIDTH - _EDGE, 62, f"{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC", 12.5, _QUIET, anchor="end")
        + f'<line x1="{_EDGE}" x2="{_WIDTH - _EDGE}" y1="76" y2="76" stroke="{_GRID}"/>'
    )


def _panel(row: HealthRow, now: datetime, left: float, top: float, wide: float) -> str:
    first, last = span(row, now)
    low, high = extent(row)
    x_0, x_1 = left + _LEFT, left + wide - _RIGHT
    y_0, y_1 = top + 42, top + 42 + _PICTURE

    def x(day: float) -> float:
        return round(x_0 + (day - first) / (last - first) * (x_1 - x_0), 1)

    def y(value: float) -> float:
        return round(min(max(y_1 - (value - low) / (high - low) * (y_1 - y_0), y_0), y_1), 1)

    title = NAMES[row.quantity].capitalize() + (f", {row.at}" if row.at else "")
    now_is = amount(row, row.value, sign=row.side is None)
    parts = [
        _text(left, top + 14, title, 14, _INK, bold=True),
        _text(left, top + 31, f"now {now_is}, limit {limit_of(row)}", 11.5, _QUIET),
        _text(left + wide - _RIGHT, top + 14, f"{LEVELS[row.level][0]} {LEVELS[row.level][2]}", 11.5,
              _COLOURS[row.level], anchor="end"),
    ]  # fmt: skip
    for tick in _ticks(low, high):
        parts.append(f'<line x1="{x_0}" x2="{x_1}" y1="{y(tick)}" y2="{y(tick)}" stroke="{_GRID}" stroke-width="0.7"/>')
        parts.append(
            _text(x_0 - 7, y(tick) + 4, amount(row, tick).removesuffix(" in 30 days"), 10.5, _QUIET, anchor="end")
        )
    for day in _dates(first, last):
        at = x(day)
        parts.append(f'<line x1="{at}" x2="{at}" y1="{y_1}" y2="{y_1 + 4}" stroke="{_QUIET}" stroke-width="0.7"/>')
        parts.append(_text(at, y_1 + 16, f"{on_day(day):%Y-%m}", 10.5, _QUIET, anchor="middle"))
    today = x(days(now))
    parts.append(
        f'<line x1="{today}" x2="{today}" y1="{y_0}" y2="{y_1}" stroke="{_QUIET}" stroke-width="0.8" '
        f'stroke-dasharray="2 3"/>' + _text(today, y_0 - 2, "today", 9.5, _QUIET, anchor="middle")
    )
    if row.expected:
        band = [(x(one.day), y(one.high)) for one in row.expected]
        band += [(x(one.day), y(one.low)) for one in reversed(row.expected)]
        middle = [(x(one.day), y(one.value)) for one in row.expected]
        parts.append(f'<polygon points="{_points(band)}" fill="{_EXPECTED}" fill-opacity="0.13"/>')
        parts.append(f'<polyline points="{_points(middle)}" fill="none" stroke="{_EXPECTED}" stroke-width="1.6"/>')
    parts += [
        f'<line x1="{x_0}" x2="{x_1}" y1="{y(limit)}" y2="{y(limit)}" stroke="{_LIMIT}" stroke-width="1.3" '
        'stroke-dasharray="7 4"/>'
        for limit in limits(row)
    ]
    read = [(x(point.day), y(point.value)) for point in row.points]
    if row.side is None:
        parts.append(f'<polyline points="{_points(read)}" fill="none" stroke="{_READ}" stroke-width="1"/>')
    size = 3.4 if len(read) < 40 else 1.8
    parts += [f'<circle cx="{at}" cy="{value}" r="{size}" fill="{_READ}"/>' for at, value in read]
    parts.append(
        f'<rect x="{x_0}" y="{y_0}" width="{x_1 - x_0:.1f}" height="{y_1 - y_0}" fill="none" '
        f'stroke="{_QUIET}" stroke-width="0.7"/>'
    )
    for number, line in enumerate(_wrapped(row.sentence, _TEXT_COLUMNS)):
        parts.append(_text(left, y_1 + 36 + 15 * number, line, 11.5, _INK))
    return f"<g>{''.join(parts)}</g>"


def _ticks(low: float, high: float) -> list[float]:
    """Some four round values within a span."""
    scale = 1e-6
    while True:
        for step in (number * scale for number in _STEPS):
            if (high - low) / step <= 5:
                first = -(-low // step)
                return [step * (first + number) for number in range(int((high - first * step) // step) + 1)]
        scale *= 10


def _dates(first: float, last: float) -> list[float]:
    """Firsts of months within a span, some five of them."""
    begin = on_day(first)
    found: list[float] = []
    months = max(1, round((last - first) / 30.4 / 5))
    year, month = begin.year, begin.month
    while True:
        month += 1
        year, month = (year + 1, 1) if month > 12 else (year, month)
        day = float((date(year, month, 1) - date(1970, 1, 1)) / timedelta(days=1))
        if day > last:
            return found
        if (year * 12 + month) % months == 0:
            found.append(day)


def _wrapped(words: str, columns: int) -> list[str]:
    lines = [""]
    for word in words.replace(" %", "\N{NO-BREAK SPACE}%").split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > columns:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _text(
    x: float, y: float, words: str, size: float, colour: str, *, bold: bool = False, anchor: str = "start"
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}>'
        f"{escape(words)}</text>"
    )
