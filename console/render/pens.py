"""What is on record of pens, drawn for a terminal. Pure."""

from collections.abc import Mapping, Sequence, Set
from typing import Protocol

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from controller.pen_kept import QUARANTINE_WORDS
from controller.service_events import (
    AdjustmentWritten,
    CalibrationWritten,
    CertificateIssued,
    FirmwareChanged,
    HealthRead,
    PartReplaced,
    PenQuarantined,
    PenReleased,
    PenRepaired,
    PenSelfTested,
)
from controller.units import format_mm
from logger.proof.findings import counted
from logger.record.exposure import SessionExposed, ZoneExposed
from logger.record.found_errors import FoundErrors
from logger.record.pens import Fitted, PenEvent, PenName, Told, moment
from station.site.reviewing import Review


class Read(Protocol):
    """Where it was read."""

    names: tuple[str, ...]
    missing: tuple[str, ...]


def history_view(
    pen: PenName, told: Sequence[Told], begun: Sequence[Told], parts: Sequence[Fitted], read: Read
) -> RenderableType:
    """A pen: whether it is in quarantine, its parts, and what was told of it, oldest first."""
    lines: list[RenderableType] = [Text(f"{pen}, in {' and '.join(read.names)}."), *_missing(read)]
    for one in begun:
        if isinstance(one.event, PenQuarantined):
            words = f"In quarantine since {one.at:%Y-%m-%d}, by {one.event.by} at {one.station}: "
            lines.append(Text(f"✗ {words}{QUARANTINE_WORDS[one.event.because]}.", "bold red"))
    if not begun:
        lines.append(Text("✓ In no quarantine.", "green"))
    inside = [one for one in parts if one.until is None]
    if inside:
        lines += [Text(), Text("Parts on record", "bold")]
        lines += [
            Text(f"  {one.part}: lot {one.lot or '-'}, serial {one.serial or '-'}, since {one.on}") for one in inside
        ]
    if told:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for one in told:
            if not isinstance(one.event, HealthRead):
                table.add_row(f"{one.at:%Y-%m-%d %H:%M}", f"{said(one.event)} ({one.station})")
        lines += [Text(), Text("On record (UTC)", "bold"), table]
    return Group(*lines)


def said(event: PenEvent) -> str:  # noqa: PLR0911 one line an event
    """An event about a pen in a sentence without its end."""
    match event:
        case PenQuarantined():
            return f"quarantined by {event.by}: {QUARANTINE_WORDS[event.because]}"
        case PenReleased():
            by = f", by certificate {event.certificate}" if event.certificate else ""
            looked = counted(event.sessions_reviewed, "session")
            return f"released by {event.by} ({event.role}){by}; {looked} looked through"
        case CertificateIssued():
            found = "in" if event.as_found_in_tolerance else "out of"
            left = "in" if event.as_left_in_tolerance else "out of"
            if event.kind == "accuracy_test":
                return f"accuracy report {event.number}: {found} tolerance"
            return f"certificate {event.number}: as found {found} tolerance, as left {left} tolerance"
        case CalibrationWritten():
            due = f"due {event.due_on}" if event.due_on else "no due date asked for"
            return f"calibration {event.certificate} written, {due}, ± {format_mm(event.depth_uncertainty_um)}"
        case AdjustmentWritten():
            return f"adjustment {event.number} written, confirmed by {event.confirmed_by}"
        case PartReplaced():
            new = f"lot {event.fitted_lot or '-'}, serial {event.fitted_serial or '-'}"
            return f"{event.part} replaced by {event.by}: {new}"
        case PenRepaired():
            ends = "; calibration ended" if event.ends_calibration else ""
            return f"{event.what} by {event.by}{ends}"
        case PenSelfTested():
            failed = [part.part for part in event.parts if part.outcome == "failed"]
            return f"self-test: {'failed ' + ', '.join(failed) if failed else 'nothing failed'}"
        case FirmwareChanged():
            return f"firmware {event.was} to {event.wanted}: {event.outcome.replace('_', ' ')}"
        case HealthRead():
            return "health read"


def exposed_view(
    pen: PenName, sessions: Sequence[SessionExposed], begun: Sequence[Review], read: Read
) -> RenderableType:
    """The sessions with their depth errors, worst first, by pseudonym."""
    if not begun:
        return Group(Text(f"{pen} is in no quarantine, in {' and '.join(read.names)}."), *_missing(read))
    lines: list[RenderableType] = [*_missing(read)]
    for one in begun:
        event = one.event
        why = QUARANTINE_WORDS[event.because]
        if not one.asks:
            lines.append(Text(f"{pen}: {why}; that alone puts no session in question."))
            continue
        since = f"certificate {event.last_in_tolerance} of {event.since}" if event.since else "the first session"
        lines.append(Text(f"{pen}: {why}; from {since} to {one.told.at:%Y-%m-%d %H:%M} UTC; {_known(one.found)}."))
    if not sessions:
        return Group(*lines, Text("There is no session to look at."), *_letting_back(pen, 0))
    over = sum(session.over_limit for session in sessions)
    patients = len({session.patient for session in sessions})
    words = f"{counted(len(sessions), 'session')} of {counted(patients, 'patient')}; {over} beyond a zone's limit."
    unknown = sum(session.worst_um is None for session in sessions)
    if unknown:
        words += f" Of {unknown} nobody knows how deep the needles truly were."
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("patient", "session (UTC)"):
        table.add_column(name, overflow="fold")
    table.add_column("zone: shown, error, true", overflow="fold")
    for session in sessions:
        where = f"{session.session}\n{moment(session.utc_us):%Y-%m-%d %H:%M}, {session.station}\n{session.operator}"
        zones = Text("\n").join([_zone(zone) for zone in session.zones]) if session.zones else Text("not readable here")
        table.add_row(Text(session.patient), Text(where), zones)
    return Group(*lines, Text(words, "bold"), Text(), table, *_letting_back(pen, len(sessions)))


def _letting_back(pen: PenName, reviewed: int) -> tuple[Text, Text]:
    return (
        Text("Once it is right, a manager or a physician who looked through them lets it back:"),
        Text(f"  needlework pen release {pen} --reviewed {reviewed} --as ID"),
    )


def recall_view(
    found: Sequence[Fitted], waiting: Set[PenName], used: Mapping[PenName, int], read: Read
) -> RenderableType:
    """The pens that a part is or was in, those it is still in first."""
    where = f"in {' and '.join(read.names)}."
    if not found:
        return Group(Text(f"No pen has or had it, {where}"), *_missing(read))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("pen", "part", "numbers", "fitted", "sessions", ""):
        table.add_column(name, overflow="fold")
    for one in found:
        time = f"since {one.on}" if one.until is None else f"{one.on or '?'} to {one.until}"
        state = (
            Text("in quarantine", "bold red") if one.pen in waiting else Text("" if one.until else "in use", "yellow")
        )
        numbers = f"{one.lot or '-'} / {one.serial or '-'}"
        table.add_row(str(one.pen), one.part, numbers, time, str(used[one.pen]), state)
    inside = sum(one.until is None for one in found)
    words = f"{counted(len({one.pen for one in found}), 'pen')}; still in {inside}, {where}"
    return Group(Text(words), *_missing(read), Text(), table)


def _numbers(one: Fitted) -> str:
    return f"lot {one.lot or '-'}, serial {one.serial or '-'}"


def _zone(zone: ZoneExposed) -> Text:
    more = "" if zone.sensed else " (as commanded)"
    more += " (beyond what was measured)" if zone.beyond else ""
    if zone.error_um is None or zone.true_um is None:
        limit = "" if zone.hard_um is None else f", limit {format_mm(zone.hard_um)}"
        return Text(f"{zone.zone}: {format_mm(zone.shown_um)}{more}, depth error not known{limit}", "yellow")
    words = f"{zone.zone}: {format_mm(zone.shown_um)}{more}, {zone.error_um / 1000:+.3f} mm, {format_mm(zone.true_um)}"
    if not zone.over_limit:
        return Text(words)
    return Text(f"{words}, limit {format_mm(zone.hard_um or 0)}", "bold red")


def _known(found: FoundErrors) -> str:
    if not found.errors:
        return "the depth error is not known"
    by = f" as certificate {found.certificate} found it" if found.certificate else ""
    return f"errors at {counted(len(found.errors), 'depth')}{by}"


def _missing(read: Read) -> list[RenderableType]:
    return [Text(f"Not read: {one} More may be known.", "yellow") for one in read.missing]
