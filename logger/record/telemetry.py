"""What a pen's telemetry says of a treatment, per zone: time, strokes, and how depth and rate were spread.

Read from the status columns of :class:`controller.events.InputChunk`, by the names of the snapshot's fields. Only what
the pen reported while its motor ran counts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from pydantic import BaseModel, ConfigDict

from controller.events import InputChunk

RUNNING = 2
"""The state column's value while a lease lives and the motor is on (the wire's PenState.RUNNING)."""

_PEN_CLOCK = 1 << 32  # pen time is u32 ms and wraps
# Beyond it two statuses are not neighbours: no pen runs that long unseen, its dead-man time is shorter.
_LONGEST_STEP_MS = 1000
_SPREAD = ("depth_set_um", "depth_measured_um", "rate_set_mhz", "rate_measured_mhz")
_COLUMNS = ("pen_time_ms", "boot_id", "state", "on_skin", "strokes", *_SPREAD)
"""What is counted; a chunk has three times as many columns, and an hour of them is read at once."""
PASS_MIN_MS = 1000
"""Time on skin that makes a stretch with the motor on a pass over the zone, and not a touch."""


class Spread(BaseModel):
    """How a measured or set value was spread over a treatment; each an integer in the value's own unit.

    Percentiles by nearest rank: a value that was really there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum: int
    mean: int
    maximum: int
    p50: int
    p95: int
    count: int

    @classmethod
    def of(cls, values: Sequence[int]) -> Self | None:
        """The spread of ``values``, None when there are none."""
        if not values:
            return None
        ordered = sorted(values)
        count = len(ordered)
        return cls(
            minimum=ordered[0],
            mean=round(sum(ordered) / count),
            maximum=ordered[-1],
            p50=ordered[(50 * count + 99) // 100 - 1],
            p95=ordered[(95 * count + 99) // 100 - 1],
            count=count,
        )


@dataclass(slots=True)
class ZoneTally:
    """What was counted in one zone: ms, strokes, and each reported value in µm or mHz.

    ``strokes_by`` holds the strokes on skin by cartridge: its place among those taken into use, -1 where none was.
    ``stretch_ms`` is the time on skin since the motor was last off; a ``pass`` is a stretch of at least a second.
    """

    treated_ms: int = 0
    on_skin_ms: int = 0
    stretch_ms: int = 0
    passes: int = 0
    strokes: int = 0
    strokes_by: dict[int, int] = field(default_factory=dict)
    depth_set_um: list[int] = field(default_factory=list)
    depth_measured_um: list[int] = field(default_factory=list)
    rate_set_mhz: list[int] = field(default_factory=list)
    rate_measured_mhz: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Before:
    """What the status before said."""

    boot_id: int | None
    pen_time_ms: int
    strokes: int
    running: bool
    on_skin: bool


class Telemetry:
    """Takes chunks in order; ``zones`` holds the tallies, in the order the zones were first treated."""

    def __init__(self) -> None:
        self.zones: dict[str, ZoneTally] = {}
        self._before: _Before | None = None

    def take(self, chunk: InputChunk, zone_at: Callable[[int], str], cartridge_at: Callable[[int], int]) -> None:
        """Counts one chunk. ``zone_at`` names the zone declared at a station time in ms, ``cartridge_at`` tells which
        cartridge was in use then: its place among those taken into use.

        A chunk whose columns are not of one length is read as far as all of them go.
        """
        times = [time for kind, time in zip(chunk.kinds, chunk.times_ms, strict=False) if kind == "S"]
        columns = {name: chunk.status[name] for name in _COLUMNS if name in chunk.status}
        for index, time_ms in enumerate(times):
            row = {name: column[index] for name, column in columns.items() if index < len(column)}
            if (pen_time := row.get("pen_time_ms")) is None:
                continue
            self._status(row, pen_time, zone_at(time_ms), cartridge_at(time_ms))

    def _status(self, row: dict[str, int | None], pen_time_ms: int, zone: str, cartridge: int) -> None:
        running = row.get("state") == RUNNING
        on_skin = row.get("on_skin") != 0  # a pen that does not sense contact treats whenever it runs
        strokes = row.get("strokes") or 0
        before = self._before
        self._before = _Before(row.get("boot_id"), pen_time_ms, strokes, running, on_skin)
        if before is not None and before.boot_id == row.get("boot_id") and (running or before.running):
            tally = self._tally(zone)
            # Strokes are counted also for the status after the motor stopped: they were made before it.
            made = strokes - before.strokes if strokes >= before.strokes else strokes  # a new cartridge counts from 0
            tally.strokes += made
            if made and (on_skin or before.on_skin):
                tally.strokes_by[cartridge] = tally.strokes_by.get(cartridge, 0) + made
            step_ms = (pen_time_ms - before.pen_time_ms) % _PEN_CLOCK
            if before.running and step_ms <= _LONGEST_STEP_MS:
                tally.treated_ms += step_ms
                if on_skin:
                    self._on_skin(tally, step_ms)
        if running:
            tally = self._tally(zone)
            for name in _SPREAD:
                if (value := row.get(name)) is not None:
                    getattr(tally, name).append(value)
        else:
            for tally in self.zones.values():
                tally.stretch_ms = 0

    def _on_skin(self, tally: ZoneTally, step_ms: int) -> None:
        tally.on_skin_ms += step_ms
        tally.passes += tally.stretch_ms < PASS_MIN_MS <= tally.stretch_ms + step_ms
        tally.stretch_ms += step_ms

    def _tally(self, zone: str) -> ZoneTally:
        return self.zones.setdefault(zone, ZoneTally())
