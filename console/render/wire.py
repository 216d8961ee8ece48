"""Wire traffic drawn for a terminal, a frame a line. Pure."""

from collections import Counter
from collections.abc import Iterator

from rich.text import Text

from firmware_bridge.wire.dissection import NO_FRAME, Dissected, Value
from firmware_bridge.wire.messages import Direction

DIRECTIONS = {Direction.HOST_TO_PEN: ("host →", "cyan"), Direction.PEN_TO_HOST: ("pen  →", "green")}
"""Who speaks, and the colour of all that is theirs."""

KIND_STYLES = {
    "STOP": "bold red",
    "ARM": "bold yellow",
    "ARMED": "bold yellow",
    "DISARM": "bold yellow",
    NO_FRAME: "red",
}
"""What must not be overlooked; every other kind has the colour of its direction."""

UNITS = {"_um": "µm", "_mhz": "mHz", "_ms": "ms", "_ma": "mA", "_permille": "‰", "_ppm": "ppm"}
"""A unit is the end of a field's name; here it stands behind the number."""

UNTOLD: tuple[tuple[str, Value], ...] = (("lease", 0), ("tick", 0), ("refusal", "NONE"), ("key", 0), ("arguments", ""))
"""Fields that say nothing with this value. An empty list, an empty text and *not measured* say nothing either."""

HEX_BYTES = 24
"""Of a piece that is no frame, so many bytes are shown."""


def frame_line(one: Dissected) -> Text:
    """A frame: time in seconds, who sent it, what it is, its fields, and what is wrong with it."""
    speaker, colour = DIRECTIONS[one.direction]
    number = "    " if one.sequence is None else f"#{one.sequence:<3d}"
    line = Text.assemble(
        (f"{one.time_us // 1_000_000:6d}.{one.time_us % 1_000_000:06d}  ", "dim"),
        (f"{speaker} ", colour),
        (f"{one.kind:<8s} ", KIND_STYLES.get(one.kind, colour)),
        (f"{number} ", "dim"),
        "  ".join(_fields(one)),
    )
    for trouble in one.troubles:
        line.append(f"  ✗ {trouble}", "bold red")
    return line


def _fields(one: Dissected) -> Iterator[str]:
    if one.message is None:
        shown = one.wire[:HEX_BYTES].hex(" ")
        yield shown if len(one.wire) <= HEX_BYTES else f"{shown} … ({len(one.wire)} bytes)"
        return
    for name, value in one.fields.items():
        if value is None or value in ("", []) or (name, value) in UNTOLD:
            continue
        if name.endswith("_dc") and isinstance(value, int):
            yield f"{name.removesuffix('_dc')} {value / 10:.1f} °C"
            continue
        unit = next((unit for unit in UNITS if name.endswith(unit)), "")
        told = " ".join(value) if isinstance(value, list) else str(value)
        yield f"{name.removesuffix(unit)} {told}{f' {UNITS[unit]}' if unit else ''}"


class Tally:
    """What was seen of a recording, for the line at its end."""

    def __init__(self) -> None:
        self._kinds: dict[Direction, Counter[str]] = {direction: Counter() for direction in DIRECTIONS}
        self._troubled = 0
        self._last_us = 0

    def saw(self, one: Dissected) -> None:
        """Counts a frame."""
        self._kinds[one.direction][one.kind] += 1
        self._troubled += bool(one.troubles)
        self._last_us = max(self._last_us, one.time_us)

    def lines(self, shown: int) -> Iterator[Text]:
        """All that was in the recording, and how much of it was shown."""
        total = sum(sum(kinds.values()) for kinds in self._kinds.values())
        yield Text(f"{shown} of {total} frames shown; {self._last_us / 1_000_000:.1f} s recorded.", style="bold")
        for direction, kinds in self._kinds.items():
            speaker, colour = DIRECTIONS[direction]
            yield Text.assemble(
                (f"{speaker} ", colour),
                " · ".join(f"{kind} {count}" for kind, count in kinds.most_common()) or "nothing",
            )
        if self._troubled:
            yield Text(f"{self._troubled} with something wrong: show them alone with --faults.", style="bold red")
