"""Depth and rate over a session, small enough to draw: the least and greatest of each stretch of time. Pure.

A session of an hour has 180 000 statuses. They are put into stretches as they are read; when there are too many
stretches, two neighbours become one. A peak is never lost by it, for a stretch keeps its extremes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from controller.events import Event, InputChunk, LimitsChanged, SessionOpened, ZoneChanged
from logger.record.telemetry import RUNNING

STRETCHES_MOST: Final = 1200
"""Twice as many as an A4 page has points across: more would only be drawn on top of each other."""
FIRST_WIDTH_MS: Final = 100
GAP_MS: Final = 1000
"""A pen reports twenty times a second and more; a second without is a hole in what is known, and drawn as one."""
SERIES: Final = ("depth_set_um", "depth_measured_um", "rate_set_mhz", "rate_measured_mhz")


@dataclass(slots=True)
class Extent:
    """The values of one column within a stretch of time, in the column's unit."""

    least: int
    greatest: int
    total: int
    count: int
    last: int

    @property
    def mean(self) -> int:
        """Their mean, rounded."""
        return round(self.total / self.count)

    def add(self, value: int) -> None:
        """One more value, later than the others."""
        self.least, self.greatest = min(self.least, value), max(self.greatest, value)
        self.total, self.count, self.last = self.total + value, self.count + 1, value

    def followed_by(self, later: "Extent") -> "Extent":
        """Both stretches as one."""
        return Extent(
            min(self.least, later.least),
            max(self.greatest, later.greatest),
            self.total + later.total,
            self.count + later.count,
            later.last,
        )


Stretch = dict[str, Extent]


@dataclass(frozen=True, slots=True)
class Span:
    """From one time to another, ms since the session was opened; ``name`` is the zone where it is one of a zone."""

    from_ms: int
    to_ms: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class LimitStep:
    """The effective limits from ``at_ms`` on, µm and mHz."""

    at_ms: int
    depth_um: int
    rate_mhz: int


@dataclass(slots=True)
class Curves:
    """Takes a session's events in order with :meth:`take`; times are the station's until they are asked for.

    Only statuses with the motor on are put into stretches: a pause is a gap in the line, and a span of its own.
    """

    _opened_ms: int | None = None
    _origin_ms: int | None = None
    _width_ms: int = FIRST_WIDTH_MS
    _stretches: dict[int, Stretch] = field(default_factory=dict)
    _runs: list[Span] = field(default_factory=list)
    _gaps: list[Span] = field(default_factory=list)
    _zones: list[tuple[int, str]] = field(default_factory=list)
    _limits: list[LimitStep] = field(default_factory=list)
    _running_since_ms: int | None = None
    _seen_ms: int | None = None

    def take(self, event: Event, monotonic_ms: int) -> None:
        """One event."""
        match event:
            case InputChunk():
                self._chunk(event)
            case SessionOpened():
                self._opened_ms = monotonic_ms
                self._zones.append((monotonic_ms, event.zone))
            case ZoneChanged():
                self._zones.append((monotonic_ms, event.zone))
            case LimitsChanged():
                self._limits.append(LimitStep(monotonic_ms, event.depth.effective, event.rate.effective))
            case _:
                return

    def _chunk(self, chunk: InputChunk) -> None:
        times = [time for kind, time in zip(chunk.kinds, chunk.times_ms, strict=False) if kind == "S"]
        states = chunk.status.get("state", ())
        columns = [(name, chunk.status[name]) for name in SERIES if name in chunk.status]
        for index, (at_ms, state) in enumerate(zip(times, states, strict=False)):
            self._status(at_ms, running=state == RUNNING)
            if state == RUNNING:
                stretch = self._stretch(at_ms)
                for name, column in columns:
                    value = column[index] if index < len(column) else None
                    if value is None:
                        continue
                    if (extent := stretch.get(name)) is None:
                        stretch[name] = Extent(value, value, value, 1, value)
                    else:
                        extent.add(value)

    def _status(self, at_ms: int, *, running: bool) -> None:
        """Where the motor ran, and where nothing is known."""
        seen_ms = self._seen_ms
        gap = seen_ms is not None and at_ms - seen_ms > GAP_MS
        if gap and seen_ms is not None:
            self._gaps.append(Span(seen_ms, at_ms))
        if self._running_since_ms is not None and (gap or not running):
            self._runs.append(Span(self._running_since_ms, seen_ms if gap and seen_ms is not None else at_ms))
            self._running_since_ms = None
        if running and self._running_since_ms is None:
            self._running_since_ms = at_ms
        self._seen_ms = at_ms

    def _stretch(self, at_ms: int) -> Stretch:
        if self._origin_ms is None:
            self._origin_ms = at_ms
        place = (at_ms - self._origin_ms) // self._width_ms
        while place >= STRETCHES_MOST:
            self._halve()
            place = (at_ms - self._origin_ms) // self._width_ms
        return self._stretches.setdefault(place, {})

    def _halve(self) -> None:
        wider: dict[int, Stretch] = {}
        for place, stretch in self._stretches.items():
            known = wider.setdefault(place // 2, {})
            for name, extent in stretch.items():
                known[name] = known[name].followed_by(extent) if name in known else extent
        self._stretches, self._width_ms = wider, 2 * self._width_ms

    # What is drawn ----------------------------------------------------------------------------------------------------

    @property
    def width_ms(self) -> int:
        """How long a stretch is."""
        return self._width_ms

    @property
    def extent(self) -> Span | None:
        """From the first to the last status with the motor on; None when it never ran."""
        runs = self.runs
        return Span(runs[0].from_ms, runs[-1].to_ms) if runs else None

    @property
    def runs(self) -> list[Span]:
        """When the motor was on."""
        return [self._since_opened(run) for run in self._all_runs()]

    @property
    def gaps(self) -> list[Span]:
        """When nothing was heard of the pen for more than ``GAP_MS``."""
        return [self._since_opened(gap) for gap in self._gaps]

    @property
    def zones(self) -> list[Span]:
        """Which zone was declared when, as far as anything is known of the pen."""
        last_ms = self._seen_ms if self._seen_ms is not None else 0
        ends = [*(at_ms for at_ms, _ in self._zones), last_ms][1:]
        found = [Span(at_ms, max(at_ms, end), name) for (at_ms, name), end in zip(self._zones, ends, strict=True)]
        return [self._since_opened(span) for span in found]

    @property
    def limits(self) -> list[LimitStep]:
        """The effective limits over time."""
        return [LimitStep(step.at_ms - self._begin_ms, step.depth_um, step.rate_mhz) for step in self._limits]

    def lines(self, name: str, value: Callable[[Extent], tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
        """A column as unbroken lines of (ms since opening, *values of a stretch).

        A pause, a gap, and a stretch in which the pen did not measure it break them. One with the motor on in which no
        report fell does not: nothing is hatched there and nothing paused, so nothing may be missing either.
        """
        lines: list[list[tuple[int, ...]]] = []
        before: int | None = None
        for place in sorted(place for place, stretch in self._stretches.items() if name in stretch):
            if before is None or (place != before + 1 and not self._ran_through(before, place)):
                lines.append([])
            at_ms = (self._origin_ms or 0) + place * self._width_ms + self._width_ms // 2 - self._begin_ms
            lines[-1].append((at_ms, *value(self._stretches[place][name])))
            before = place
        return lines

    def _ran_through(self, before: int, place: int) -> bool:
        """Whether the motor was on from the end of one stretch to the beginning of another, with no report between."""
        if any(between in self._stretches for between in range(before + 1, place)):
            return False
        begin_ms = self._origin_ms or 0
        left_ms, right_ms = begin_ms + (before + 1) * self._width_ms, begin_ms + place * self._width_ms
        return any(run.from_ms <= left_ms and right_ms <= run.to_ms for run in self._all_runs())

    def _all_runs(self) -> list[Span]:
        """When the motor was on, at the station's times."""
        if self._running_since_ms is None or self._seen_ms is None:
            return self._runs
        return [*self._runs, Span(self._running_since_ms, self._seen_ms)]

    @property
    def _begin_ms(self) -> int:
        return self._opened_ms if self._opened_ms is not None else self._origin_ms or 0

    def _since_opened(self, span: Span) -> Span:
        return Span(span.from_ms - self._begin_ms, span.to_ms - self._begin_ms, span.name)
