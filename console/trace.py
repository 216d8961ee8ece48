"""What the pen reported over a session, moment by moment, read back from its record for drawing."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from controller.events import InputChunk
from logger.journal.entry import Entry
from logger.record.telemetry import RUNNING


@dataclass(frozen=True, slots=True)
class Moment:
    """One status: ms since the session's first entry, and what the pen said; µm, mHz, None is not measured."""

    at_ms: int
    running: bool
    depth_set_um: int | None
    depth_measured_um: int | None
    rate_set_mhz: int | None
    rate_measured_mhz: int | None


def moments(entries: Iterable[Entry]) -> list[Moment]:
    """Every status of a session's entries, in order. Entries of a later version are left out."""
    found: list[Moment] = []
    begin_ms: int | None = None
    for entry in entries:
        begin_ms = entry.monotonic_ms if begin_ms is None else begin_ms
        if entry.type != "input_chunk":
            continue
        try:
            event = entry.event()
        except ValidationError:
            continue
        if isinstance(event, InputChunk):
            found.extend(_of_chunk(event, begin_ms))
    return found


def _of_chunk(chunk: InputChunk, begin_ms: int) -> Iterable[Moment]:
    times = [time for kind, time in zip(chunk.kinds, chunk.times_ms, strict=False) if kind == "S"]
    columns = chunk.status
    for index, time_ms in enumerate(times):
        row = {name: column[index] for name, column in columns.items() if index < len(column)}
        yield Moment(
            at_ms=time_ms - begin_ms,
            running=row.get("state") == RUNNING,
            depth_set_um=row.get("depth_set_um"),
            depth_measured_um=row.get("depth_measured_um"),
            rate_set_mhz=row.get("rate_set_mhz"),
            rate_measured_mhz=row.get("rate_measured_mhz"),
        )


@dataclass(frozen=True, slots=True)
class Bucket:
    """The greatest of what was set and measured in a stretch of time while the motor ran; None where it rested."""

    depth_set_um: int | None
    depth_measured_um: int | None
    rate_set_mhz: int | None
    rate_measured_mhz: int | None


def buckets(found: list[Moment], count: int) -> tuple[list[Bucket], int, int]:
    """The time in which the motor ran, first to last, in ``count`` stretches; also its first and last ms."""
    running = [moment for moment in found if moment.running]
    if not running:
        return [], 0, 0
    first_ms, last_ms = running[0].at_ms, running[-1].at_ms
    span_ms = max(1, last_ms - first_ms + 1)
    slots: list[list[Moment]] = [[] for _ in range(count)]
    for moment in running:
        slots[(moment.at_ms - first_ms) * count // span_ms].append(moment)
    return [_bucket(slot) for slot in slots], first_ms, last_ms


def _bucket(slot: list[Moment]) -> Bucket:
    return Bucket(
        depth_set_um=_greatest(moment.depth_set_um for moment in slot),
        depth_measured_um=_greatest(moment.depth_measured_um for moment in slot),
        rate_set_mhz=_greatest(moment.rate_set_mhz for moment in slot),
        rate_measured_mhz=_greatest(moment.rate_measured_mhz for moment in slot),
    )


def _greatest(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)
