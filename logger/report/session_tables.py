"""The tables of a session's report, each a list of rows of text. Pure."""

from datetime import timedelta
from typing import Any

from controller.events import LimitSet
from logger.record.models import AlarmRecord, CartridgeRecord, LimitsInForce, SessionRecord, ZoneRecord
from logger.record.telemetry import Spread
from logger.report.dose import numbers
from logger.report.wording import (
    LAYERS,
    NOTHING,
    breakable,
    count,
    day,
    hz,
    mm,
    moment,
    quantity,
    several,
    span,
    spoken,
    time_of,
)

Rows = list[list[str]]


def zone_rows(record: SessionRecord) -> Rows:
    """A row for each treated zone, in the order of the columns of the template."""
    number = numbers(record)
    return [[str(number[zone.zone]), breakable(spoken(zone.zone)), *_zone(zone)] for zone in record.zones]


def _zone(zone: ZoneRecord) -> list[str]:
    planned = zone.plan
    return [
        several([mm(depth) for depth in zone.depth_commanded_um]),
        _p50(zone.depth_set_um, mm),
        _p50(zone.depth_measured_um, mm),
        _p95(zone.depth_measured_um, mm),
        several([hz(rate) for rate in zone.rate_commanded_mhz]),
        _p50(zone.rate_measured_mhz, hz),
        str(zone.passes) if planned is None or planned.passes is None else f"{zone.passes} of {planned.passes}",
        span(zone.on_skin_ms),
        count(zone.strokes),
        count(zone.punctures),
    ]


def _p50(spread: Spread | None, words: Any) -> str:
    return NOTHING if spread is None else str(words(spread.p50))


def _p95(spread: Spread | None, words: Any) -> str:
    return NOTHING if spread is None else str(words(spread.p95))


def limit_tables(record: SessionRecord) -> list[dict[str, Any]]:
    """The limits in force, depth and rate each as a table: a column for every layer, so that the least is seen to hold.

    The layer that decides is marked in each row; a limit that came back is said once.
    """
    return [
        table
        for title, unit, limits in (
            ("Depth", "mm", [(item, item.depth) for item in record.limits]),
            ("Rate", "Hz", [(item, item.rate) for item in record.limits]),
        )
        if (table := _limit_table(record, f"{title}, {unit}", limits))["rows"]
    ]


def _limit_table(record: SessionRecord, title: str, found: list[tuple[LimitsInForce, LimitSet]]) -> dict[str, Any]:
    layers = [name for name in LAYERS if any(layer.layer == name for _, limit in found for layer in limit.layers)]
    rows: list[dict[str, Any]] = []
    said: set[tuple[str, str]] = set()
    for limits, limit in found:
        if (limits.zone, limit.sentence) in said:
            continue
        said.add((limits.zone, limit.sentence))
        values = {layer.layer: layer for layer in limit.layers}
        rows.append(
            {
                "cells": [
                    time_of(limits.at, record.opened_at),
                    breakable(spoken(limits.zone)),
                    _bare(limit.quantity, limit.effective),
                    *(_bare(limit.quantity, values[name].value) if name in values else NOTHING for name in layers),
                ],
                "decides": 3 + layers.index(limit.limited_by) if limit.limited_by in layers else None,
                "source": breakable(values[limit.limited_by].source) if limit.limited_by in values else NOTHING,
            }
        )
    return {"title": title, "layers": [LAYERS[name] for name in layers], "rows": rows}


def _bare(quantity_name: str, value: int | None) -> str:
    if value is None:
        return "not known"
    return mm(value) if quantity_name == "depth_um" else hz(value)


def override_rows(record: SessionRecord) -> Rows:
    """Soft limits that were gone beyond, and the reason given from the library's list."""
    return [
        [
            time_of(item.at, record.opened_at),
            breakable(spoken(item.zone)),
            quantity(item.quantity, item.soft_limit),
            quantity(item.quantity, item.wanted),
            breakable(spoken(item.reason)),
        ]
        for item in record.overrides
    ]


def refusal_rows(record: SessionRecord, *, near_misses: bool) -> Rows:
    """What was asked for and refused: at a limit (a near miss), or for another reason."""
    return [
        [
            time_of(item.at, record.opened_at),
            breakable(spoken(item.zone)),
            breakable(item.asked),
            LAYERS.get(item.because, breakable(spoken(item.because))),
            item.sentence,
        ]
        for item in record.refusals
        if item.near_miss == near_misses
    ]


def approval_rows(record: SessionRecord) -> Rows:
    """A physician's approvals beyond the operator's scope, as far as they bear on this session."""
    rows: Rows = []
    for item in record.approvals:
        given = "ahead" if item.given_at is None else time_of(item.given_at, record.opened_at)
        used = "not used" if item.used_at is None else time_of(item.used_at, record.opened_at)
        deeper = "" if item.depth_commanded_um is None else f"{mm(item.depth_commanded_um)} mm in {item.used_zone}"
        scope = "" if item.scope_um is None else f"; scope {mm(item.scope_um)} mm"
        rows.append(
            [breakable(item.approval), breakable(item.by or NOTHING), given, used, f"{deeper}{scope}" or NOTHING]
        )
    return rows


def alarm_rows(record: SessionRecord) -> Rows:
    """Every alarm, in the order in which they were raised."""
    return [_alarm(alarm, record) for alarm in record.alarms]


def _alarm(alarm: AlarmRecord, record: SessionRecord) -> list[str]:
    taken = NOTHING
    if alarm.acknowledged_at is not None:
        taken = f"{time_of(alarm.acknowledged_at, record.opened_at)} by {breakable(alarm.acknowledged_by or 'nobody')}"
    return [
        time_of(alarm.raised_at, record.opened_at),
        alarm.priority,
        breakable(spoken(alarm.alarm)),
        alarm.sentence,
        taken,
        NOTHING if alarm.cleared_at is None else time_of(alarm.cleared_at, record.opened_at),
    ]


def quiet_rows(record: SessionRecord) -> Rows:
    """When alarms were kept quiet, and when the computer's clock was set."""
    rows = [
        [
            time_of(pause.at, record.opened_at),
            "alarms kept quiet",
            f"for {span(pause.for_ms)} by {breakable(pause.by)}"
            + (f"; ended early by {spoken(pause.ended_by)}" if pause.ended_by else ""),
        ]
        for pause in record.audio_pauses
    ]
    rows += [
        [time_of(step.at, record.opened_at), "clock set", f"by {step.by_ms / 1000:+.1f} s while the session was open"]
        for step in record.clock_steps
    ]
    return rows


def cartridge_rows(record: SessionRecord) -> Rows:
    """The cartridges taken into use."""
    return [_cartridge(item, record) for item in record.cartridges]


def _cartridge(item: CartridgeRecord, record: SessionRecord) -> list[str]:
    used = item.cartridge
    known = {
        "verified": "verified unused",
        "attested": f"attested as new by {breakable(item.attested_by or 'the operator')}",
        "continued": "continued from the resumed session",
    }[used.unused]
    until = "" if item.exchanged_at is None else f" to {time_of(item.exchanged_at, record.opened_at)}"
    return [
        breakable(used.lot) or NOTHING,
        breakable(used.serial) or NOTHING,
        breakable(used.gtin) or NOTHING,
        used.expiry or "not known",
        f"{used.needle_count} × {mm(used.needle_length_um)} mm",
        known,
        f"{time_of(item.armed_at, record.opened_at)}{until}",
        count(item.strokes),
    ]


def calibration_rows(record: SessionRecord) -> Rows:
    """The calibrations in force."""
    return [
        [
            breakable(item.certificate),
            item.calibrated_on,
            item.due_on or "none set",
            f"± {mm(item.depth_uncertainty_um)} mm",
            f"gain {item.depth_gain_ppm / 1e6:.4f}, offset {item.depth_offset_um:+d} µm",
            f"gain {item.rate_gain_ppm / 1e6:.4f}",
        ]
        for item in record.calibrations
    ]


def check_rows(record: SessionRecord) -> Rows:
    """The last look at the pen before it was armed."""
    if not record.examinations:
        return []
    return [[row.check, row.outcome, row.sentence] for row in record.examinations[-1].rows]


def timeline_rows(record: SessionRecord) -> Rows:
    """All that happened, in order."""
    return [
        [time_of(item.at, record.opened_at), breakable(item.what), breakable(item.detail)] for item in record.timeline
    ]


def amendment_rows(record: SessionRecord) -> Rows:
    """What was set right, or added, after the session; the words are kept at the site under the digest given."""
    return [
        [
            time_of(item.at, record.opened_at),
            breakable(f"{item.by}, {item.role}"),
            spoken(item.aspect),
            spoken(item.reason),
            f"entry {count(item.amends_sequence)}" + ("" if item.amends_found else ", which is not so in this record"),
            breakable(item.text_sha256[:16]) + " …",
        ]
        for item in record.amendments
    ]


_COVERS = {
    "amended": "The record was amended after it.",
    "other": "It names an entry that is another one here.",
}


def signature_rows(record: SessionRecord) -> list[dict[str, str]]:
    """A line for each meaning a signature can have: who signed, and an empty one to sign by hand where nobody signed
    the record as it stands."""
    meanings = {
        "performed": "Performed, by whoever treated",
        "reviewed": "Reviewed, by a physician who did not treat",
        "approved": "Approved, by a physician who did not treat",
    }
    rows: list[dict[str, str]] = []
    for meaning, words in meanings.items():
        signed = [item for item in record.signatures if item.meaning == meaning]
        rows += [
            {
                "meaning": " ".join(part for part in (f"{words}.", _COVERS.get(item.covers, "")) if part),
                "by": f"{breakable(item.by)}, {item.role}",
                "at": f"{moment(item.at)} UTC",
            }
            for item in signed
        ]
        if not any(item.standing for item in signed):
            rows.append({"meaning": f"{words}.", "by": "", "at": ""})
    return rows


def next_visit(record: SessionRecord) -> str:
    """When the course has its next session, from what the record says of this one."""
    course = record.course
    if not record.treated:
        return "Nothing was treated in this session: it sets no day for a next one."
    if course is None:
        return "The record says nothing of a course."
    if course.sessions is not None and course.number >= course.sessions:
        return f"This was session {course.number} of {course.sessions}: the course has no further one."
    if course.interval_days is None:
        return "The record does not say when the course has its next session."
    earliest = day(record.opened_at.date() + timedelta(days=course.interval_days))
    of = "" if course.sessions is None else f", session {course.number + 1} of {course.sessions}"
    return f"Not before {earliest} ({course.interval_days} days after the treatment on {day(record.opened_at)}{of})."


def aftercare(record: SessionRecord) -> list[str]:
    """What the library tells patients after this protocol; nothing where nothing was treated."""
    return list(record.aftercare) if record.treated else []
