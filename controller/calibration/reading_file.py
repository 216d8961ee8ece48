"""Reference readings as people hand them over: typed, or a CSV file. Every one refused says its line and the reason.

A file's header names quantities with their unit, as in ``set_mm,direction,repeat,shown_mm,reference_mm,time_s``; depth
in mm or µm (``_um``), rate in Hz or mHz (``_mhz``); ``time_s`` may be left out. Repeats count from 1. A line that
begins with # is a remark. Numbers have a point. One line is one reading, in the order they were taken.
"""

import csv
import io
import re
from decimal import Decimal

from controller.calibration.readings import Quantity, Reading, ReadingRefused, SeriesPlan, held_complete
from controller.datafile import nearest
from controller.service_events import Direction
from controller.yaml_tree import shown as quoted

FILE_MAX_CHARACTERS = 256_000
"""A series has some hundred lines of fifty characters."""
_UNITS: dict[Quantity, dict[str, Decimal]] = {
    "depth_um": {"mm": Decimal(1000), "um": Decimal(1), "µm": Decimal(1), "μm": Decimal(1)},
    "rate_mhz": {"hz": Decimal(1000), "mhz": Decimal(1)},
}
_ASKED: dict[Quantity, str] = {"depth_um": "mm", "rate_mhz": "Hz"}
_TYPED = re.compile(r"\s*([-+]?[0-9]+(?:\.[0-9]*)?|[-+]?\.[0-9]+)\s*([^\W\d_]*|in\.|\"|″|/min)\s*")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
"""As instruments and spreadsheets write them; Decimal itself takes ``0_5`` and digits of every script."""
_NOT_FINITE = re.compile(r"[-+]?(s?nan|inf(inity)?)", re.IGNORECASE)
_FACTOR_NAMES = ("set", "shown", "reference")


def typed_reading(text: str, quantity: Quantity, line: int = 1) -> int:
    """A reading as somebody typed it, in whole µm or mHz: ``0.512``, ``0.512 mm``, ``512 um``; ``80.1 Hz``.

    Without a unit it is mm or Hz. Raises ReadingRefused, naming ``line``.
    """
    asked = _ASKED[quantity]
    found = _TYPED.fullmatch(text[:64])
    if found is None:
        comma = " Write a point, as in 0.512." if "," in text else ""
        raise ReadingRefused("reading_text", line, f"{quoted(text)} is no reading in {asked}.{comma} Type it again.")
    number, unit = found.groups()
    factor = _UNITS[quantity].get(unit.casefold() or asked.casefold())
    if factor is None:
        raise ReadingRefused(
            "reading_unit", line,
            f"{quoted(text)} is in {quoted(unit)}, and this reading is taken in {asked}. Set the instrument to {asked} "
            "and read it again: a value worked out in the head is where factors of 25.4 come from.",
        )  # fmt: skip
    return _whole(Decimal(number) * factor, text, line)


def read_series(text: str, plan: SeriesPlan) -> tuple[Reading, ...]:
    """The readings in a CSV text, complete and sound for the plan. Raises ReadingRefused with the file's line."""
    if len(text) > FILE_MAX_CHARACTERS:
        raise ReadingRefused(
            "reading_text", 1, f"the file is longer than {FILE_MAX_CHARACTERS} characters: no series is."
        )
    rows = _rows(text.removeprefix("\N{BOM}"))
    if not rows:
        raise ReadingRefused("reading_text", 1, f"the file is empty. Its first line is {_header(plan)}.")
    columns = _columns(rows[0], plan)
    lines, readings = [], []
    for line, cells in rows[1:]:
        if len(cells) != len(rows[0][1]):
            raise ReadingRefused(
                "reading_text", line, f"{len(cells)} columns, and the first line has {len(rows[0][1])}. Correct it."
            )
        lines.append(line)
        readings.append(_reading(dict(zip(columns, cells, strict=True)), columns, plan, line))
    try:
        held_complete(readings, plan)
    except ReadingRefused as refused:
        after_last = (lines[-1] if lines else rows[0][0]) + 1
        line = lines[refused.line - 1] if refused.line <= len(lines) else after_last
        raise ReadingRefused(refused.because, line, refused.sentence.partition(": ")[2]) from refused
    return tuple(readings)


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Lines with content and their numbers, cut at whatever separates the first of them."""
    kept = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and line[:1] != "#"]
    separator = next((mark for mark in ("\t", ";") if kept and mark in kept[0][1]), ",")
    try:
        return [
            (number, [cell.strip() for cell in next(csv.reader(io.StringIO(line), delimiter=separator, strict=True))])
            for number, line in kept
        ]
    except (csv.Error, StopIteration) as error:
        raise ReadingRefused("reading_text", 1, f"this is no table in CSV ({error}). Save it as CSV again.") from error


def _header(plan: SeriesPlan) -> str:
    unit = "mm" if plan.quantity == "depth_um" else "hz"
    return f"set_{unit},direction,repeat,shown_{unit},reference_{unit},time_s"


def _columns(header: tuple[int, list[str]], plan: SeriesPlan) -> list[str]:
    """The names of the columns, each known and each once, with every needed one there."""
    line, names = header[0], [name.casefold() for name in header[1]]
    units = _UNITS[plan.quantity]
    known = [f"{name}_{unit}" for name in _FACTOR_NAMES for unit in units] + ["direction", "repeat", "time_s"]
    for name in names:
        if name not in known:
            unitless = name in _FACTOR_NAMES
            why = " has no unit" if unitless else " is no column of this table"
            raise ReadingRefused(
                "reading_unit" if unitless or name.partition("_")[0] in _FACTOR_NAMES else "reading_text", line,
                f"{quoted(name)}{why}. {nearest(name, known)} The whole line is {_header(plan)}.",
            )  # fmt: skip
    parts = [name.partition("_")[0] for name in names]
    for needed in (*_FACTOR_NAMES, "direction", "repeat"):
        if parts.count(needed) != 1:
            many = "is missing" if parts.count(needed) == 0 else "stands there twice"
            raise ReadingRefused(
                "reading_text", line, f"the column {needed} {many}. The whole line is {_header(plan)}."
            )
    return names


def _reading(cells: dict[str, str], columns: list[str], plan: SeriesPlan, line: int) -> Reading:
    values = {name.partition("_")[0]: (name, cells[name]) for name in columns}
    set_to = _value(*values["set"], plan, line)
    if set_to not in plan.points:
        points = ", ".join(plan.shown(point) for point in plan.points)
        raise ReadingRefused(
            "reading_order", line, f"{plan.shown(set_to)} is no point of this method; they are {points}. Correct it."
        )
    direction = cells["direction"].casefold()
    if direction not in {"up", "down"}:
        raise ReadingRefused("reading_text", line, f"{quoted(direction)} is no direction; write up or down.")
    repeat = cells["repeat"]
    if not re.fullmatch("[0-9]{1,3}", repeat):
        raise ReadingRefused("reading_text", line, f"{quoted(repeat)} is no number of a repeat; they count from 1.")
    upward: Direction = "up" if direction == "up" else "down"
    at_ms = None if "time_s" not in cells else _number(cells["time_s"], "time_s", Decimal(1000), line)
    return Reading(
        point=plan.points.index(set_to),
        direction=upward,
        repeat=int(repeat) - 1,
        shown=_value(*values["shown"], plan, line),
        reference=_value(*values["reference"], plan, line),
        at_ms=at_ms,
    )


def _value(name: str, cell: str, plan: SeriesPlan, line: int) -> int:
    return _number(cell, name, _UNITS[plan.quantity][name.rpartition("_")[2]], line)


def _number(cell: str, name: str, factor: Decimal, line: int) -> int:
    if _NOT_FINITE.fullmatch(cell):
        return _whole(Decimal("Infinity"), cell, line)
    if not _NUMBER.fullmatch(cell):
        comma = " Write a point, as in 0.512." if "," in cell else ""
        raise ReadingRefused("reading_text", line, f"{quoted(cell)} in {name} is no number.{comma}")
    return _whole(Decimal(cell) * factor, cell, line)


def _whole(value: Decimal, text: str, line: int) -> int:
    """Rounded to a whole µm, mHz or ms; what is beyond anything measured here is refused."""
    if not value.is_finite() or abs(value) > 1_000_000_000:
        raise ReadingRefused("reading_absurd", line, f"{quoted(text)} is beyond anything a pen does. Read it again.")
    return int(value.to_integral_value())
