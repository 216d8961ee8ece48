"""Small traces of a measured value over time, drawn with eighths of a block. Pure."""

from collections.abc import Sequence

_EIGHTHS = "▁▂▃▄▅▆▇█"
BLANK = " "


def sparkline(
    points: Sequence[tuple[float, int | None]], now_s: float, width: int, span_s: float, top: int | None
) -> str:
    """The last ``span_s`` seconds in ``width`` columns, newest at the right; a column is the greatest value in it.

    ``top`` is the value of a full column (a limit); without one the greatest value shown is. What is over the top is
    drawn full; where nothing was measured the column is blank.
    """
    slots: list[int | None] = [None] * width
    for at_s, value in points:
        slot = width - 1 - int((now_s - at_s) / span_s * width)
        if value is not None and 0 <= slot < width:
            known = slots[slot]
            slots[slot] = value if known is None else max(known, value)
    return levels(slots, top)


def levels(values: Sequence[int | None], top: int | None) -> str:
    """One character a value, between 0 and ``top``; blank where there is none."""
    full = top or max((value for value in values if value is not None), default=0)
    if full <= 0:
        return "".join(BLANK if value is None else _EIGHTHS[0] for value in values)
    return "".join(
        BLANK if value is None else _EIGHTHS[min(7, max(0, value) * 8 // full if value < full else 7)]
        for value in values
    )
