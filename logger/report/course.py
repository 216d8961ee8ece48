"""The summary over a patient's sessions: what was done when, and how each zone came along."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from controller.units import UM_PER_MM
from logger.errors import RecordNotFound
from logger.proof.findings import counted
from logger.record.models import SessionRecord, ZoneRecord
from logger.report import session_tables as tables
from logger.report.axes import value_ticks
from logger.report.session import DEMO, Heading, SessionRead, place_words
from logger.report.typeset import typeset
from logger.report.wording import NOTHING, breakable, count, day, mm, several, span, spoken

_SESSIONS_ACROSS: Final = 6
"""As many sessions as stand side by side in a table; more go into the next one."""
_DIGITS: Final = 5


def course_report(reads: Sequence[SessionRead], heading: Heading) -> bytes:
    """The PDF over the sessions of one patient: the same bytes whenever the same is asked of the same record.

    Raises RecordNotFound when there are none, ReportExtraMissing, ReportError.
    """
    data = course_data(reads, heading)
    return typeset("course", data, at=max(read.written_at for read in reads), paper=heading.paper)


def course_data(reads: Sequence[SessionRead], heading: Heading) -> dict[str, Any]:
    """What the template prints. Raises RecordNotFound when there are no sessions."""
    reads = sorted(reads, key=lambda read: (read.record.opened_at, read.record.session))
    records = [read.record for read in reads]
    if not records:
        raise RecordNotFound(
            "There is no session of this patient in this record. `needlework sessions list` names those there are."
        )
    patient = records[0].patient or "not known"
    treated = next((record for record in reversed(records) if record.treated), None)
    return {
        "title": f"Course of {patient}",
        "heading": "Course record",
        "of": patient,
        "demo": DEMO if any(record.demo for record in records) else "",
        "warnings": _warnings(records),
        "facts": _facts(reads, heading, patient),
        "figures": _figures(records),
        "dates": _dates(records),
        "sessions": [_session(number, record) for number, record in enumerate(records, 1)],
        "zones": _zones(records),
        "developments": _developments(records),
        "alarms": _of_each(records, tables.alarm_rows),
        "overrides": _of_each(records, tables.override_rows),
        "near_misses": _of_each(records, lambda record: tables.refusal_rows(record, near_misses=True)),
        "cartridges": _of_each(records, tables.cartridge_rows),
        "next_visit": tables.next_visit(treated) if treated else "No treatment yet: there is no day for a next one.",
        "aftercare": tables.aftercare(treated) if treated else [],
        "proof": [
            [str(number), read.record.station, count(read.head_sequence), read.head_hash.hex()]
            for number, read in enumerate(reads, 1)
        ],
    }


def _facts(reads: Sequence[SessionRead], heading: Heading, patient: str) -> list[list[str]]:
    records = [read.record for read in reads]
    protocols = several([spoken(name) for name in dict.fromkeys(record.protocol or "not known" for record in records)])
    libraries = several(
        [breakable(name) for name in dict.fromkeys(record.library or "not known" for record in records)]
    )
    planned = records[-1].course.sessions if records[-1].course else None
    return [
        ["Patient", f"{heading.patient_label} ({patient})" if heading.patient_label else patient],
        ["Site, stations", place_words(reads, heading)],
        ["First session", day(records[0].opened_at)],
        ["Latest session", day(records[-1].opened_at)],
        ["Protocols", protocols],
        ["Sessions a course has", "not known" if planned is None else str(planned)],
        [
            "Operators",
            several([breakable(name) for name in dict.fromkeys(record.operator or NOTHING for record in records)]),
        ],
        ["Protocol libraries", libraries],
    ]


def _figures(records: list[SessionRecord]) -> list[dict[str, Any]]:
    treated = sum(record.treated for record in records)
    high = sum(alarm.priority == "HIGH" for record in records for alarm in record.alarms)
    alarms = sum(len(record.alarms) for record in records)
    overrides = sum(len(record.overrides) for record in records)
    near = sum(item.near_miss for record in records for item in record.refusals)
    return [
        {"value": str(treated), "words": f"sessions treated, of {len(records)} opened", "warn": False},
        {"value": span(sum(record.treated_ms for record in records)), "words": "motor on, in all", "warn": False},
        {"value": count(sum(record.strokes for record in records)), "words": "strokes", "warn": False},
        {"value": str(alarms), "words": f"alarms, {high} of them HIGH", "warn": high > 0},
        {"value": str(overrides), "words": "overrides", "warn": overrides > 0},
        {"value": str(near), "words": "near misses", "warn": near > 0},
    ]


def _dates(records: list[SessionRecord]) -> dict[str, Any]:
    """The sessions on a line of days, with the days between them."""
    first, last = records[0].opened_at, records[-1].opened_at
    length = max((last - first) / timedelta(days=1), 1.0)
    return {
        "alt": f"{counted(len(records), 'session')} from {day(first)} to {day(last)}, each at its day.",
        "marks": [
            {
                "x": round((record.opened_at - first) / timedelta(days=1) / length, _DIGITS),
                "number": number,
                "day": day(record.opened_at),
                "whole": record.ended == "completed",
                "after": "" if number == 1 else _days_between(records[number - 2].opened_at, record.opened_at),
            }
            for number, record in enumerate(records, 1)
        ],
    }


def _days_between(before: datetime, after: datetime) -> str:
    days = (after.date() - before.date()).days
    return "same day" if days == 0 else "1 day" if days == 1 else f"{days} days"


def _session(number: int, record: SessionRecord) -> list[str]:
    high = sum(alarm.priority == "HIGH" for alarm in record.alarms)
    return [
        str(number),
        day(record.opened_at),
        breakable(record.session),
        breakable(spoken(record.protocol or NOTHING)),
        breakable(record.operator or NOTHING),
        record.ended,
        span(record.treated_ms),
        count(record.strokes),
        f"{len(record.alarms)} ({high})",
        str(len(record.overrides)),
        _signed(record),
    ]


def _signed(record: SessionRecord) -> str:
    """What the session is signed as; a signature that is not for the record as it stands is told as one."""
    if not record.signatures:
        return "not signed"
    standing = {item.meaning for item in record.signatures if item.standing}
    return several(
        list(
            dict.fromkeys(
                item.meaning if item.meaning in standing else f"{item.meaning}: no longer stands"
                for item in record.signatures
            )
        )
    )


def _warnings(records: list[SessionRecord]) -> list[str]:
    """What has to be seen before anything else: records that were amended, and signatures that go with it."""
    found = []
    for number, record in enumerate(records, 1):
        if record.amendments:
            times = "once" if len(record.amendments) == 1 else f"{len(record.amendments)} times"
            found.append(
                f"The record of session {number} was amended {times} after it: its own report says what about. What is "
                "printed here is what was written at first. A signature from before an amendment no longer stands."
            )
        if any(item.covers == "other" for item in record.signatures):
            found.append(f"A signature under session {number} names an entry that is another one here.")
    return found


def _zones(records: list[SessionRecord]) -> list[dict[str, Any]]:
    """Zones against sessions: what each zone got in each of them."""
    names = _zone_names(records)
    parts = []
    for start in range(0, len(records), _SESSIONS_ACROSS):
        shown = records[start : start + _SESSIONS_ACROSS]
        parts.append(
            {
                "heads": [f"{start + place}: {day(record.opened_at)}" for place, record in enumerate(shown, 1)],
                "rows": [[breakable(spoken(name)), *(_cell(record, name) for record in shown)] for name in names],
            }
        )
    return parts if names else []


def _zone_names(records: list[SessionRecord]) -> list[str]:
    return list(dict.fromkeys(zone.zone for record in records for zone in record.zones))


def _cell(record: SessionRecord, name: str) -> str:
    zone = next((zone for zone in record.zones if zone.zone == name), None)
    if zone is None:
        return "planned, not treated" if name in record.untreated else NOTHING
    depth = "not measured" if zone.depth_measured_um is None else f"{mm(zone.depth_measured_um.p50)} mm"
    return f"{depth} · {zone.passes} × · {span(zone.on_skin_ms)}"


def _developments(records: list[SessionRecord]) -> list[dict[str, Any]]:
    """For each zone a small chart: measured depth, half and nineteen of twenty, and what was asked, by session."""
    found = []
    for name in _zone_names(records):
        zones = [
            (number, zone)
            for number, record in enumerate(records, 1)
            for zone in record.zones
            if zone.zone == name and zone.depth_measured_um is not None
        ]
        if zones:
            found.append(_development(name, zones, len(records)))
    return found


def _development(name: str, zones: list[tuple[int, ZoneRecord]], sessions: int) -> dict[str, Any]:
    spreads = [(number, zone, zone.depth_measured_um) for number, zone in zones]
    asked = [max(zone.depth_commanded_um, default=0) for _, zone in zones]
    most = max([*asked, *(spread.p95 for _, _, spread in spreads if spread)])
    ticks = value_ticks(most, about=3)
    points = [
        {
            "x": round((number - 0.5) / sessions, _DIGITS),
            "number": number,
            "p50": round(spread.p50 / ticks[-1], _DIGITS),
            "p95": round(spread.p95 / ticks[-1], _DIGITS),
            "asked": round(max(zone.depth_commanded_um, default=0) / ticks[-1], _DIGITS),
        }
        for number, zone, spread in spreads
        if spread is not None
    ]
    told = "; ".join(f"session {number} {mm(spread.p50)} mm" for number, _, spread in spreads if spread)
    return {
        "zone": spoken(name),
        "alt": f"Measured protrusion in the zone {spoken(name)}, p50 by session: {told}.",
        "values": [{"y": round(tick / ticks[-1], _DIGITS), "words": f"{tick / UM_PER_MM:.2f}"} for tick in ticks],
        "sessions": [
            {"x": round((number - 0.5) / sessions, _DIGITS), "number": number} for number in range(1, sessions + 1)
        ],
        "points": points,
    }


def _of_each(records: list[SessionRecord], rows: Any) -> list[list[str]]:
    """The rows of every session, each with the session's number before it."""
    return [[str(number), *row] for number, record in enumerate(records, 1) for row in rows(record)]
