"""A filled curve of what was measured, with what was set drawn over it, in the characters of a terminal. Pure."""

from collections.abc import Callable, Sequence

from rich.text import Text

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_LEVELS = 8
SET_MARK = "╌"
LABEL_COLUMNS = 9


def chart(
    measured: Sequence[int | None],
    set_to: Sequence[int | None],
    *,
    rows: int,
    label: Callable[[int], str],
    style: str = "cyan",
) -> Text:
    """``rows`` lines, one column a value. The axis begins at 0 and ends a little above the greatest value of both."""
    greatest = max((value for value in (*measured, *set_to) if value is not None), default=0)
    top = max(1, greatest + greatest // 10)
    lines = Text(no_wrap=True, overflow="crop")
    for row in range(rows - 1, -1, -1):
        mark = label(greatest) if row == _row_of(greatest, top, rows) else label(0) if row == 0 else ""
        lines.append(f"{mark:>{LABEL_COLUMNS - 1}} ", "dim")
        for value, wanted in zip(measured, set_to, strict=True):
            level = 0 if value is None else round(max(0, value) * rows * _LEVELS / top) - row * _LEVELS
            filled = _EIGHTHS[min(_LEVELS, max(0, level))]
            if filled == " " and wanted is not None and _row_of(wanted, top, rows) == row:
                lines.append(SET_MARK, "yellow")
            else:
                lines.append(filled, style)
        lines.append("\n" if row else "")
    return lines


def _row_of(value: int, top: int, rows: int) -> int:
    return min(rows - 1, value * rows // top)


def axis(width: int, first: str, last: str) -> Text:
    """The time axis under a chart of ``width`` columns."""
    gap = max(1, width - len(first) - len(last))
    return Text(" " * LABEL_COLUMNS + first + " " * gap + last, style="dim", no_wrap=True, overflow="crop")


def ribbon(names: Sequence[str | None]) -> Text:
    """Which name holds where, one column each: every stretch named once, from its beginning, as far as it fits."""
    line = Text(" " * LABEL_COLUMNS, no_wrap=True, overflow="crop")
    start = 0
    for index in range(1, len(names) + 1):
        if index == len(names) or names[index] != names[start]:
            length = index - start
            name = names[start] or ""
            word = name[: length - 1] if length - 1 >= min(3, len(name)) else ""
            line.append(("▏" + word).ljust(length)[:length] if name else " " * length)
            start = index
    return line
