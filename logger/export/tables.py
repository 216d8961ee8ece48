"""The record as tables: what their columns are, and their rows from a session's entries, one pass, row by row.

Four tables: sessions and zones are projections, telemetry is each status of the pen, events is every other entry as it
was journalled, those that this version cannot read among them. So nothing of a session is left out but the ticks of the
control loop and its inputs, which only a replay needs.

Patients are pseudonyms, operators are account ids: the record knows no names.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from pydantic import ValidationError

from controller.events import InputChunk, SessionOpened, ZoneChanged
from logger.journal.entry import Entry
from logger.record.models import SessionRecord
from logger.record.records import session_record
from logger.record.telemetry import Spread

Kind = Literal["text", "integer", "boolean", "time"]
Value = str | int | bool | datetime | None
Row = tuple[Value, ...]
TableName = Literal["sessions", "zones", "telemetry", "events"]
Take = Callable[[TableName, Row], None]
"""What rows are given to, as they come."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name with the unit in it, its kind, what it holds."""

    name: str
    kind: Kind
    holds: str


def _spread(name: str, unit: str, holds: str) -> tuple[Column, ...]:
    return tuple(
        Column(f"{name}_{part}_{unit}", "integer", f"{holds}: {word}")
        for part, word in (("min", "least"), ("mean", "mean"), ("p50", "median"), ("p95", "95 %"), ("max", "greatest"))
    )


_WHOSE = (
    Column("session", "text", "the session's id"),
    Column("station", "text", "the station that recorded it"),
    Column("patient", "text", "the patient's random pseudonym"),
)
_STATUS = (
    Column("pen_time_ms", "integer", "the pen's own clock; wraps at 2³²"),
    Column("boot_id", "integer", "the pen's start that its clock counts from"),
    Column("state", "integer", "the pen's state, as in docs/protocol.md; 2 is running"),
    Column("faults", "integer", "its faults, as bits"),
    Column("interlocks", "integer", "its interlocks, as bits"),
    Column("depth_set_um", "integer", "depth in force at the pen"),
    Column("depth_measured_um", "integer", "measured protrusion"),
    Column("rate_set_mhz", "integer", "rate in force at the pen, thousandths of a hertz"),
    Column("rate_measured_mhz", "integer", "measured rate, thousandths of a hertz"),
    Column("motor_current_ma", "integer", "motor current"),
    Column("battery_permille", "integer", "battery, thousandths of full"),
    Column("temperature_dc", "integer", "temperature, tenths of a degree Celsius"),
    Column("on_skin", "integer", "1 on skin, 0 off it"),
    Column("strokes", "integer", "strokes since the pen began to count"),
)
COLUMNS: Final[Mapping[TableName, tuple[Column, ...]]] = {
    "sessions": (
        *_WHOSE,
        Column("operator", "text", "the operator's account id"),
        Column("protocol", "text", "the protocol of the library"),
        Column("library", "text", "the library's name and version"),
        Column("library_signed_by", "text", "who signed the library; empty: nobody, a demonstration"),
        Column("pen", "text", "the pen's name at the station"),
        Column("pen_model", "text", "the pen's model, where the record has it"),
        Column("skin", "text", "thin or thick"),
        Column("demo", "boolean", "a demonstration: the library is not signed"),
        Column("opened_utc", "time", "when it was prepared"),
        Column("closed_utc", "time", "when it was closed; empty: it is open"),
        Column("outcome", "text", "completed, stopped, interrupted or open"),
        Column("resumes", "text", "the interrupted session whose dose counts on"),
        Column("treated_ms", "integer", "time with the motor on"),
        Column("strokes", "integer", "strokes made"),
        Column("zones", "integer", "zones treated"),
        Column("overrides", "integer", "soft limits gone beyond"),
        Column("refusals", "integer", "requests not followed"),
        Column("alarms", "integer", "alarms raised"),
        Column("cartridge", "text", "the last cartridge's name"),
        Column("cartridge_lot", "text", "its lot"),
        Column("cartridge_serial", "text", "its serial number; empty: it has none"),
        Column("cartridge_expiry", "text", "the day it expires"),
        Column("signatures", "integer", "signatures under the session"),
        Column("first_entry", "integer", "its first entry in the station's journal"),
        Column("last_entry", "integer", "its last entry"),
        Column("entries", "integer", "how many it has"),
        Column("unread_entries", "integer", "those of a newer version, in `events` as they came"),
        Column("amendments", "integer", "what was set right or added afterwards; its text is kept at the site"),
    ),
    "zones": (
        *_WHOSE,
        Column("zone", "text", "the declared zone"),
        Column("treated_ms", "integer", "time with the motor on"),
        Column("on_skin_ms", "integer", "of that on skin"),
        Column("passes", "integer", "stretches of at least a second on skin"),
        Column("strokes", "integer", "strokes made"),
        Column("punctures", "integer", "strokes on skin × needles; empty: not known"),
        Column("depth_commanded_max_um", "integer", "the greatest depth asked for while treating"),
        Column("rate_commanded_max_mhz", "integer", "the greatest rate asked for while treating"),
        *_spread("depth_set", "um", "depth in force at the pen"),
        *_spread("depth_measured", "um", "measured protrusion"),
        *_spread("rate_set", "mhz", "rate in force at the pen"),
        *_spread("rate_measured", "mhz", "measured rate"),
        Column("plan_soft_um", "integer", "the plan's soft limit of depth"),
        Column("plan_hard_um", "integer", "the plan's hard limit of depth"),
        Column("plan_rate_max_mhz", "integer", "the plan's limit of rate"),
        Column("plan_dwell_ms", "integer", "the plan's budget of time on skin"),
    ),
    "telemetry": (
        *_WHOSE[:2],
        Column("sequence", "integer", "the entry that holds it"),
        Column("at_utc", "time", "when the station had it"),
        Column("monotonic_ms", "integer", "the same on the station's clock that never jumps"),
        Column("zone", "text", "the zone declared then"),
        *_STATUS,
    ),
    "events": (
        Column("station", "text", "the station that recorded it"),
        Column("sequence", "integer", "its place in the station's journal"),
        Column("session", "text", "the session; empty: it belongs to none"),
        Column("at_utc", "time", "when it was journalled"),
        Column("monotonic_ms", "integer", "the same on the station's clock that never jumps"),
        Column("type", "text", "what happened, as in docs/bus.md"),
        Column("version", "integer", "the version of the event's schema"),
        Column("read", "boolean", "whether this version of Needlework can read it"),
        Column("body", "text", "the event's JSON, as it was journalled"),
        Column("hash", "text", "SHA-256 of the entry, by which `verify` knows it"),
    ),
}
"""The tables; the order of columns is part of the format."""


def take_session(entries: Iterable[Entry], take: Take) -> SessionRecord:
    """Gives ``take`` the rows of one session's entries, in order as they are read. Raises RecordNotFound."""
    record = session_record(_passing(entries, take))
    take("sessions", _session_row(record))
    whose = (record.session, record.station, record.patient)
    for zone in record.zones:
        plan = zone.plan
        take(
            "zones",
            (
                *whose,
                zone.zone,
                zone.treated_ms,
                zone.on_skin_ms,
                zone.passes,
                zone.strokes,
                zone.punctures,
                max(zone.depth_commanded_um, default=None),
                max(zone.rate_commanded_mhz, default=None),
                *_spread_of(zone.depth_set_um),
                *_spread_of(zone.depth_measured_um),
                *_spread_of(zone.rate_set_mhz),
                *_spread_of(zone.rate_measured_mhz),
                plan.soft_um if plan else None,
                plan.hard_um if plan else None,
                plan.rate_max_mhz if plan else None,
                plan.dwell_ms if plan else None,
            ),
        )
    return record


def event_row(entry: Entry, *, read: bool) -> Row:
    """The row of one entry in `events`; what is no text in a damaged body is shown as such."""
    return (
        entry.station,
        entry.sequence,
        entry.session,
        _at(entry.utc_us),
        entry.monotonic_ms,
        entry.type,
        entry.version,
        read,
        entry.body.decode(errors="backslashreplace"),
        entry.hash.hex(),
    )


def is_read(entry: Entry) -> bool:
    """Whether this version of the product can read the event in it."""
    try:
        entry.event()
    except ValidationError:
        return False
    return True


def _passing(entries: Iterable[Entry], take: Take) -> Iterator[Entry]:
    """The entries, on their way to the projection; their rows are given away as they pass."""
    times: list[int] = []
    zones: list[str] = []
    for entry in entries:
        try:
            event = entry.event()
        except ValidationError:
            take("events", event_row(entry, read=False))
            yield entry
            continue
        if isinstance(event, SessionOpened | ZoneChanged):
            times.append(entry.monotonic_ms)
            zones.append(event.zone)
        if isinstance(event, InputChunk):
            for row in _telemetry(entry, event, lambda at_ms: bisect_right(times, at_ms), zones):
                take("telemetry", row)
        else:
            take("events", event_row(entry, read=True))
        yield entry


def _telemetry(entry: Entry, chunk: InputChunk, place: Callable[[int], int], zones: list[str]) -> Iterator[Row]:
    """A row for each status. A chunk whose columns are not of one length is read as far as all of them go."""
    times = [time for kind, time in zip(chunk.kinds, chunk.times_ms, strict=False) if kind == "S"]
    columns = [chunk.status.get(column.name) or (None,) * len(times) for column in _STATUS]
    for time_ms, *values in zip(times, *columns, strict=False):
        zone = zones[max(place(time_ms) - 1, 0)] if zones else None
        at = _at(entry.utc_us - (entry.monotonic_ms - time_ms) * 1000)
        yield (entry.session, entry.station, entry.sequence, at, time_ms, zone, *values)


def _session_row(record: SessionRecord) -> Row:
    cartridge = record.cartridges[-1].cartridge if record.cartridges else None
    return (
        record.session,
        record.station,
        record.patient,
        record.operator,
        record.protocol,
        record.library,
        record.library_signed_by,
        record.pen,
        record.pen_model,
        record.skin,
        record.demo,
        record.opened_at,
        record.closed_at,
        record.outcome,
        record.resumes,
        record.treated_ms,
        record.strokes,
        len(record.zones),
        len(record.overrides),
        len(record.refusals),
        len(record.alarms),
        cartridge.name if cartridge else None,
        cartridge.lot if cartridge else None,
        cartridge.serial if cartridge else None,
        cartridge.expiry if cartridge else None,
        len(record.signatures),
        record.first_entry,
        record.last_entry,
        record.entries,
        record.unread,
        len(record.amendments),
    )


def _spread_of(spread: Spread | None) -> tuple[int | None, ...]:
    if spread is None:
        return (None,) * 5
    return spread.minimum, spread.mean, spread.p50, spread.p95, spread.maximum


def _at(utc_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=utc_us)
