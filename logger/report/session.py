"""The report of one session, from its entries alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final

from pydantic import ValidationError

from controller.events import Event, JournalCheckpoint, StationStarted
from logger.journal.entry import Entry
from logger.proof.checkpoints import CHECKPOINT_ENTRIES
from logger.proof.soundness import check_entry
from logger.proof.verification_code import VerificationCode
from logger.record.models import NOT_TREATED, SessionRecord
from logger.record.records import session_record
from logger.report import session_tables as tables
from logger.report.charts import charts
from logger.report.curves import Curves
from logger.report.dose import face_part, numbers
from logger.report.typeset import Paper, typeset
from logger.report.wording import NOTHING, breakable, count, grouped, moment, several, span, spoken

DEMO: Final = "Demonstration: nobody signed the limits of this session. Not for treating anybody."
LOOK_AHEAD_ENTRIES: Final = 3 * CHECKPOINT_ENTRIES
OUTCOMES: Final = {
    "completed": "Completed",
    NOT_TREATED: "Closed, nothing treated",
    "stopped": "Stopped before its end",
    "interrupted": "Interrupted",
    "open": "Still open: more may follow in the record",
}


@dataclass(frozen=True, slots=True)
class Heading:
    """What the record does not hold and the site adds: who the patient is, and the site's name for older records.

    ``site`` is printed only where the record names none, and as not from the record. ``patient_label`` is a name, and
    is given at the site alone; without it the pseudonym stands by itself.
    """

    site: str = ""
    patient_label: str = ""
    paper: Paper = "a4"


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """A station's signature under its journal: the entry that holds it, up to where it signs, and by which key."""

    entry: int
    upto: int
    key_id: str
    signature: str


@dataclass(slots=True)
class SessionRead:
    """A session's entries, read once: its record, its curves, the last entry's sequence and hash.

    ``checkpoint`` is one that covers the last entry, None where none was looked for or made yet. ``site`` is the one
    the station said it is of when it started; empty where it was not looked for or not said.
    """

    record: SessionRecord
    curves: Curves
    head_sequence: int
    head_hash: bytes
    checkpoint: Checkpointed | None = None
    site: str = ""

    @property
    def written_at(self) -> datetime:
        """When the last thing happened that is in the record: when a report of it says that it was made."""
        record = self.record
        told = [*(item.at for item in record.timeline), *(item.at for item in record.signatures)]
        return max([record.opened_at, *told])


@dataclass(slots=True)
class _Reader:
    curves: Curves = field(default_factory=Curves)
    head: Entry | None = None

    def take(self, entry: Entry, event: Event) -> None:
        self.curves.take(event, entry.monotonic_ms)


def read_session(entries: Iterable[Entry]) -> SessionRead:
    """Reads the entries of a session. Raises RecordNotFound when there are none of one."""
    reader = _Reader()

    def passing() -> Iterable[Entry]:
        for entry in entries:
            if entry.session is not None:
                reader.head = entry
            yield entry

    record = session_record(passing(), also=reader.take)
    head = reader.head
    return SessionRead(record, reader.curves, head.sequence if head else 0, head.hash if head else b"")


def site_said(started: Entry | None) -> str:
    """The site in the entry with which a station started; empty where it names none. Raises RecordDamaged."""
    if started is None:
        return ""
    check_entry(started)
    try:
        event = started.event()
    except ValidationError:
        return ""  # of a later version
    return event.site if isinstance(event, StationStarted) else ""


def place_words(reads: Sequence[SessionRead], heading: Heading) -> str:
    """Sites and stations as they are printed: sites from the record; where it names none, as it is set where the report
    is made, and said to be so."""
    stations = several(sorted({read.record.station for read in reads}))
    sites = list(dict.fromkeys(breakable(read.site or heading.site) for read in reads if read.site or heading.site))
    note = " (site as set here, not in the record)" if heading.site and not all(read.site for read in reads) else ""
    return " · ".join([*sites, stations]) + note


def checkpoint_over(read: SessionRead, later: Iterable[Entry]) -> Checkpointed | None:
    """The first checkpoint among the ``later`` entries of the station that covers the session's last one; None when
    there is none within a few times as many entries as come between two."""
    for entry in islice(later, LOOK_AHEAD_ENTRIES):
        if entry.type != "journal_checkpoint":
            continue
        try:
            event = entry.event()
        except ValidationError:
            continue  # of a later version
        if isinstance(event, JournalCheckpoint) and event.sequence >= read.head_sequence:
            return Checkpointed(entry.sequence, event.sequence, event.key_id, event.signature)
    return None


def session_report(read: SessionRead, heading: Heading) -> bytes:
    """The PDF of a session: the same bytes whenever the same is asked of the same record.

    Raises ReportExtraMissing, ReportError.
    """
    return typeset("session", session_data(read, heading), at=read.written_at, paper=heading.paper)


def session_data(read: SessionRead, heading: Heading) -> dict[str, Any]:
    """What the template prints: text and coordinates, nothing to be computed there."""
    record = read.record
    return {
        "title": f"Session record {record.session}",
        "heading": "Session record",
        "of": record.session,
        "demo": DEMO if record.demo else "",
        "warnings": _warnings(record),
        "outcome": OUTCOMES.get(record.ended, record.ended),
        "whole": record.ended == "completed",
        "facts": _facts(read, heading),
        "figures": _figures(record),
        "face": face_part(record),
        "zones": tables.zone_rows(record),
        "charts": charts(read.curves, numbers(record)),
        "stretch": span(read.curves.width_ms),
        "limits": tables.limit_tables(record),
        "overrides": tables.override_rows(record),
        "near_misses": tables.refusal_rows(record, near_misses=True),
        "refusals": tables.refusal_rows(record, near_misses=False),
        "approvals": tables.approval_rows(record),
        "alarms": tables.alarm_rows(record),
        "quiet": tables.quiet_rows(record),
        "cartridges": tables.cartridge_rows(record),
        "calibrations": tables.calibration_rows(record),
        "checks": tables.check_rows(record),
        "asked": _asked(record),
        "timeline": tables.timeline_rows(record),
        "amendments": tables.amendment_rows(record),
        "signatures": tables.signature_rows(record),
        "aftercare": tables.aftercare(record),
        "no_aftercare": "The record holds no aftercare for this protocol." if record.treated else "None: no treatment.",
        "next_visit": tables.next_visit(record),
        "proof": _proof(read),
    }


def _warnings(record: SessionRecord) -> list[str]:
    """What has to be seen before anything else."""
    found = []
    if record.outcome == "interrupted":
        found.append(f"This session was interrupted ({record.reason}). What it gave may be less than was planned.")
    if record.outcome == "open":
        found.append("The record of this session has no end yet. A report made later may say more.")
    if record.amendments:
        times = "once" if len(record.amendments) == 1 else f"{len(record.amendments)} times"
        found.append(
            f"This record was amended {times} after the session: see Amendments. What was written stands as it was."
        )
    if record.unread:
        found.append(
            f"{count(record.unread)} entries of this session are of a later version of the product and are not shown "
            "here. A newer version reads them."
        )
    if not record.treated:
        found.append("Nothing was treated in this session: the motor was never on.")
    return found


def _facts(read: SessionRead, heading: Heading) -> list[list[str]]:
    """Who, what, when, with what: pairs of a name and a value."""
    record = read.record
    course = record.course
    patient = record.patient or "not known"
    of = "" if course is None or course.sessions is None else f" of {course.sessions}"
    return [
        ["Site, station", place_words([read], heading)],
        ["Patient", f"{heading.patient_label} ({patient})" if heading.patient_label else patient],
        ["Operator", breakable(record.operator or "not known")],
        ["Session in the course", "not known" if course is None else f"{course.number}{of}"],
        ["Opened", f"{moment(record.opened_at)} UTC"],
        ["Closed", f"{moment(record.closed_at)} UTC" if record.closed_at else "not closed"],
        ["Outcome", f"{spoken(record.ended)}: {record.reason}" if record.reason else spoken(record.ended)],
        ["Duration", span(_length_ms(record)) if record.closed_at else "not closed"],
        ["Protocol, skin", f"{spoken(record.protocol or 'not known')}, {record.skin or 'not known'}"],
        ["Protocol library", breakable(record.library or "not known")],
        ["Library signed by", breakable(record.library_signed_by or "nobody: a demonstration")],
        ["Library's digest", grouped(record.library_digest[:32]) + " …" if record.library_digest else "not known"],
        ["Pen", breakable(record.pen or "not known")],
        ["Continues", record.resumes or "no other session"],
        ["Planned zones", several([spoken(zone) for zone in record.planned_zones])],
        ["Earlier than the course has it", spoken(record.interval_reason) if record.interval_reason else "no"],
    ]


def _length_ms(record: SessionRecord) -> int:
    """From opening to closing, by the clock on the wall."""
    return 0 if record.closed_at is None else round((record.closed_at - record.opened_at).total_seconds() * 1000)


def _figures(record: SessionRecord) -> list[dict[str, Any]]:
    """The few numbers that are looked for first."""
    high = sum(alarm.priority == "HIGH" for alarm in record.alarms)
    near = sum(item.near_miss for item in record.refusals)
    planned = len(set(record.planned_zones) | {zone.zone for zone in record.zones})
    return [
        {"value": span(record.treated_ms), "words": "motor on", "warn": False},
        {"value": f"{len(record.zones)} of {planned}", "words": "zones treated", "warn": bool(record.untreated)},
        {"value": count(record.strokes), "words": "strokes", "warn": False},
        {"value": str(len(record.alarms)), "words": f"alarms, {high} of them HIGH", "warn": high > 0},
        {"value": str(len(record.overrides)), "words": "overrides", "warn": bool(record.overrides)},
        {"value": str(near), "words": "near misses", "warn": near > 0},
    ]


def _asked(record: SessionRecord) -> list[str]:
    """The checklist and the questions, in numbers: which answers were given stays at the site."""
    confirmed = sum(record.checklist.values())
    lines = [
        f"Checklist: {confirmed} of {len(record.checklist)} points confirmed."
        if record.checklist
        else "No checklist is in this record."
    ]
    screening = record.screening
    if screening is not None:
        lines.append(
            f"Contraindications: {screening.answered} of {screening.asked} questions answered; "
            f"{screening.accepted_soft} accepted with a reason, {screening.prescribed} by a physician's approval. "
            "The answers stay at the site."
        )
    return lines


def _proof(read: SessionRead) -> dict[str, str]:
    record, signed = read.record, read.checkpoint
    return {
        "station": record.station or NOTHING,
        "entries": f"{count(record.entries)}, numbers {count(record.first_entry)} to {count(record.last_entry)}",
        "sequence": count(read.head_sequence),
        "hash": grouped(read.head_hash.hex()),
        "code": str(VerificationCode.of(read.head_sequence, read.head_hash)) if read.head_hash else NOTHING,
        "checkpoint": ""
        if signed is None
        else f"entry {count(signed.entry)} signs up to {count(signed.upto)}, by the key {grouped(signed.key_id)}",
        "signature": "" if signed is None else grouped(signed.signature),
    }
