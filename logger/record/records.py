"""Projections: what the entries of one session amount to, for people and reports."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from controller.events import Event
from logger.errors import RecordNotFound
from logger.journal.entry import Entry
from logger.record.draft import Draft
from logger.record.models import AlarmRecord, CartridgeRecord, SessionRecord, ZoneRecord
from logger.record.telemetry import Spread, ZoneTally

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

__all__ = ["AlarmRecord", "SessionRecord", "ZoneRecord", "session_record"]


Reading = Callable[[Entry, Event], None]


def session_record(entries: Iterable[Entry], *, also: Reading | None = None) -> SessionRecord:
    """The record of the session whose entries these are, in order, from a journal or a store.

    Entries of no session that are among them (a pen that connected) are used where they help. ``also`` gets each entry
    with its event as it is read, so that an hour of telemetry is read once, whatever else is made from it. Raises
    RecordNotFound when no entry belongs to a session.
    """
    draft = Draft()
    own: list[tuple[int, int]] = []
    session = station = ""
    count = 0
    for entry in entries:
        at = _EPOCH + timedelta(microseconds=entry.utc_us)
        if entry.session is not None:
            session, station = session or entry.session, entry.station
            own = [own[0] if own else (entry.sequence, entry.utc_us), (entry.sequence, entry.utc_us)]
            count += 1
        try:
            event = entry.event()
        except ValidationError:
            draft.take_unread(entry.type, entry.version, at)
            continue
        draft.endorsements.take(event, entry, at)
        draft.take(event, at, entry.monotonic_ms)
        if also is not None:
            also(entry, event)
    if not own:
        raise RecordNotFound(
            "There is no such session in this record. `needlework sessions list` names those there are."
        )
    opened, closed = draft.opened, draft.closed
    zones = _zones(draft)
    treated = {zone.zone for zone in zones}
    return SessionRecord(
        session=session,
        station=station,
        pen=opened.pen if opened else None,
        pen_model=draft.connected.model if draft.connected else None,
        pen_firmware=draft.connected.firmware if draft.connected else None,
        patient=opened.patient if opened else None,
        operator=opened.operator if opened else None,
        protocol=opened.protocol if opened else None,
        library=opened.library if opened else None,
        library_digest=opened.library_digest if opened else "",
        library_signed_by=opened.library_signed_by if opened else None,
        skin=opened.skin if opened else None,
        demo=opened.demo if opened else None,
        checklist=draft.checklist,
        screening=opened.screening if opened else None,
        course=opened.course if opened else None,
        interval_reason=opened.interval_reason if opened else "",
        resumes=opened.resumes if opened else None,
        planned_zones=opened.planned_zones if opened else (),
        opened_at=_EPOCH + timedelta(microseconds=own[0][1]),
        closed_at=draft.closed_at,
        outcome=closed.outcome if closed else "open",
        reason=closed.reason if closed else None,
        first_entry=own[0][0],
        last_entry=own[-1][0],
        entries=count,
        unread=draft.unread,
        zones=zones,
        untreated=tuple(zone for zone in (opened.planned_zones if opened else ()) if zone not in treated),
        strokes=sum(zone.strokes for zone in zones),
        treated_ms=sum(zone.treated_ms for zone in zones),
        examinations=tuple(draft.examinations),
        cartridges=_cartridges(draft),
        calibrations=tuple(draft.calibrations),
        limits=tuple(draft.limits),
        overrides=tuple(draft.overrides),
        refusals=tuple(draft.refusals),
        approvals=tuple(draft.approvals.values()),
        alarms=tuple(draft.alarms),
        audio_pauses=tuple(draft.audio_pauses),
        clock_steps=tuple(draft.clock_steps),
        signatures=draft.endorsements.signatures(),
        amendments=tuple(draft.endorsements.amendments),
        timeline=tuple(draft.timeline),
        doses=closed.doses if closed else (),
        aftercare=opened.aftercare if opened else (),
    )


def _zones(draft: Draft) -> tuple[ZoneRecord, ...]:
    """The zones that were treated, in the order they were first declared."""
    order = list(dict.fromkeys(draft.zones.names))
    order += [zone for zone in draft.telemetry.zones if zone not in order]
    plans = {plan.zone: plan for plan in (draft.opened.zone_plans if draft.opened else ())}
    # The sums of a session that resumes another begin with what that one gave.
    resumed = {dose.zone: dose.treated_ms for dose in (draft.closed.doses if draft.closed else ())}
    if draft.opened is None or draft.opened.resumes is None:
        resumed = {}
    records = []
    for zone in order:
        tally = draft.telemetry.zones.get(zone)
        if tally is None or not (tally.treated_ms or tally.strokes or tally.depth_set_um or tally.rate_set_mhz):
            continue
        records.append(
            ZoneRecord(
                zone=zone,
                treated_ms=tally.treated_ms,
                on_skin_ms=tally.on_skin_ms,
                counted_ms=max(tally.on_skin_ms, resumed.get(zone, 0)),
                passes=tally.passes,
                strokes=tally.strokes,
                punctures=_punctures(tally, draft.cartridges),
                depth_commanded_um=tuple(sorted({depth for depth, _ in draft.commanded.get(zone, ())})),
                rate_commanded_mhz=tuple(sorted({rate for _, rate in draft.commanded.get(zone, ())})),
                depth_set_um=Spread.of(tally.depth_set_um),
                depth_measured_um=Spread.of(tally.depth_measured_um),
                rate_set_mhz=Spread.of(tally.rate_set_mhz),
                rate_measured_mhz=Spread.of(tally.rate_measured_mhz),
                plan=plans.get(zone),
            )
        )
    return tuple(records)


def _punctures(tally: ZoneTally, cartridges: list[CartridgeRecord]) -> int | None:
    """Strokes on skin × needles of the cartridge they were made with; None when that is not known of some of them."""
    if any(place < 0 for place in tally.strokes_by):
        return None
    return sum(strokes * cartridges[place].cartridge.needle_count for place, strokes in tally.strokes_by.items())


def _cartridges(draft: Draft) -> tuple[CartridgeRecord, ...]:
    """The cartridges taken into use, each with the strokes made with it."""
    strokes = [
        sum(tally.strokes_by.get(place, 0) for tally in draft.telemetry.zones.values())
        for place in range(len(draft.cartridges))
    ]
    return tuple(
        record.model_copy(update={"strokes": made}) for record, made in zip(draft.cartridges, strokes, strict=True)
    )
