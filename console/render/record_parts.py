"""The part of a record about what a session was made with: people, library, checks, limits, cartridge. Pure."""

from collections import Counter
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.render.marks import OUTCOMES, facts
from console.render.record_events import HARD, moment
from console.words import count, duration, mm, spoken
from controller.events import CourseSnapshot
from logger.record.models import CartridgeRecord, SessionRecord


def at_a_glance(record: SessionRecord) -> RenderableType:
    """The few lines a person reads first."""
    grid = facts()
    zones = ", ".join(zone.zone for zone in record.zones) or "nothing"
    left = f"; planned and not treated: {', '.join(record.untreated)}" if record.untreated else ""
    grid.add_row("treated", f"{zones}: {duration(record.treated_ms)}, {count(record.strokes)} strokes{left}")
    grid.add_row("limits", _limits(record))
    priorities = Counter(alarm.priority for alarm in record.alarms)
    said = ", ".join(f"{number} {priority}" for priority, number in priorities.items())
    grid.add_row("alarms", Text(said, style="bold") if said else "none")
    signed = ", ".join(f"{item.meaning} by {item.by}" for item in record.signatures if item.standing)
    grid.add_row("signed", signed or Text("not yet" + (", as amended" if record.amendments else ""), style="yellow"))
    return grid


def _limits(record: SessionRecord) -> Text:
    hard = sum(item.because in HARD for item in record.refusals if item.near_miss)
    others = sum(item.near_miss for item in record.refusals) - hard
    pieces = [
        (len(record.overrides), "soft limit gone beyond", "soft limits gone beyond", "bold yellow"),
        (hard, "refused at a hard limit", "refused at a hard limit", "bold red"),
        (others, "refused at a soft limit or scope", "refused at a soft limit or scope", "bold"),
    ]
    said = Text()
    for number, one, several, style in pieces:
        if number:
            said.append(", " if said else "").append(f"{number} {one if number == 1 else several}", style)
    return said or Text("none was met")


def about(record: SessionRecord) -> RenderableType:
    """Who, when, with which library, and where it stands in its course."""
    grid = facts()
    lasted = record.closed_at - record.opened_at if record.closed_at else None
    begun = record.opened_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    took = duration(int(lasted / timedelta(milliseconds=1))) if lasted else ""
    grid.add_row("when", f"{begun}, {took}" if took else f"{begun}, not closed")
    grid.add_row("who", f"patient {record.patient or 'not known'}, treated by {record.operator or 'not known'}")
    if record.course is not None:
        grid.add_row("course", course_words(record.course))
    if record.interval_reason:
        grid.add_row("earlier", f"than the course has it, for the reason {record.interval_reason}")
    if record.resumes:
        grid.add_row("resumes", f"{record.resumes}, whose dose counts on")
    grid.add_row("pen", " ".join(part for part in (record.pen, record.pen_firmware) if part) or "not known")
    grid.add_row("protocol", f"{record.protocol or 'not known'}, {record.skin or 'not known'} skin")
    signed = Text(f"{record.library or 'not known'}, ")
    if record.library_signed_by:
        signed.append(f"signed by {record.library_signed_by}")
    else:
        signed.append("signed by nobody: demonstration only", "yellow")
    grid.add_row("library", signed)
    if record.library_digest:
        grid.add_row("SHA-256", record.library_digest)
    if record.planned_zones:
        grid.add_row("planned", ", ".join(record.planned_zones))
    if record.reason:
        grid.add_row("ended", f"{record.ended}: {record.reason}")
    confirmed = [spoken(item) for item, answer in record.checklist.items() if answer]
    grid.add_row("confirmed", ", ".join(confirmed) or "nothing")
    if record.screening is not None:
        grid.add_row("asked", _screening(record))
    grid.add_row(
        "entries", f"{count(record.entries)} of station {record.station}, {record.first_entry} to {record.last_entry}"
    )
    if record.unread:
        grid.add_row("unread", f"{record.unread} entries are of a later version; a newer Needlework reads them")
    return grid


def course_words(course: CourseSnapshot) -> str:
    """Where a session stands: "session 3 of 4; the one before on 2026-04-01"."""
    said = f"session {course.number}"
    if course.sessions is not None:
        said += (
            f" of {course.sessions}" if course.number <= course.sessions else f", beyond the {course.sessions} planned"
        )
    return f"{said}; the one before on {course.last_on}" if course.last_on else f"{said}; none before"


def _screening(record: SessionRecord) -> str:
    screening = record.screening
    if screening is None:
        return ""
    said = f"{screening.answered} of {screening.asked} questions about contraindications answered"
    if screening.accepted_soft:
        said += f"; {screening.accepted_soft} treated all the same, with a reason"
    if screening.prescribed:
        said += f"; {screening.prescribed} by a physician's approval"
    return f"{said}; the answers stay at the site"


def limits_in_force(record: SessionRecord) -> RenderableType:
    """Every limit that held, in order, with the layer that decided."""
    if not record.limits:
        return Text("The pen was not armed, so no limits were in force.", style="dim")
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column()
    shown: set[tuple[str, str]] = set()
    for limits in record.limits:
        when, zone = moment(record, limits.at), limits.zone
        for quantity, limit in (("depth", limits.depth), ("rate", limits.rate)):
            if (limits.zone, limit.sentence) not in shown:  # a limit is made anew with every change of the other
                shown.add((limits.zone, limit.sentence))
                grid.add_row(when, zone, quantity, limit.sentence)
                when = zone = ""
    return grid


def before_arming(record: SessionRecord) -> RenderableType:
    """The last table of checks whole, and what stood in the way in those before it."""
    if not record.examinations:
        return Text("The pen was not read.", style="dim")
    parts: list[RenderableType] = []
    *earlier, last = record.examinations
    grid = Table.grid(padding=(0, 2, 0, 0))
    for style in ("", "dim", ""):
        grid.add_column(style=style, no_wrap=style == "dim" or not grid.columns)
    for row in last.rows:
        mark, style = OUTCOMES[row.outcome]
        grid.add_row(Text(mark, style=style), row.check, row.sentence)
    parts += [Text(f"{moment(record, last.at)}, as the pen was read last", style="dim"), grid]
    failed = [(item.at, row) for item in earlier for row in item.rows if row.outcome == "fails"]
    if failed:
        parts.append(Text("Before that these stood in the way:", style="dim"))
        stood = facts()
        shown: set[tuple[str, str]] = set()
        for at, row in failed:
            if (row.check, row.sentence) not in shown:
                shown.add((row.check, row.sentence))
                stood.add_row(moment(record, at), Text.assemble((f"{row.check}: ", "bold"), row.sentence))
        parts.append(stood)
    return Group(*parts)


def parts_used(record: SessionRecord) -> RenderableType:
    """Cartridges with how their being new is known, and calibrations."""
    grid = facts()
    for place, used in enumerate(record.cartridges, 1):
        grid.add_row("cartridge" if len(record.cartridges) == 1 else f"cartridge {place}", _cartridge(record, used))
    for calibration in record.calibrations:
        grid.add_row(
            "calibration",
            f"certificate {calibration.certificate} of {calibration.calibrated_on}, "
            f"due {calibration.due_on or 'never'}, depth ±{mm(calibration.depth_uncertainty_um)} (k = 2)",
        )
    if not record.cartridges:
        grid.add_row("cartridge", "none was taken into use")
    return grid


def _cartridge(record: SessionRecord, used: CartridgeRecord) -> str:
    cartridge = used.cartridge
    named = (
        f"lot {cartridge.lot}" if cartridge.lot else "",
        f"serial {cartridge.serial}" if cartridge.serial else "",
        f"usable until {cartridge.expiry}" if cartridge.expiry else "",
        "scanned" if cartridge.scanned else "",
    )
    identity = "".join(f", {part}" for part in named if part)
    new = {
        "verified": "verified unused",
        "attested": "attested as new and opened now, not verified",
        "continued": "in use from the session that was resumed",
    }[cartridge.unused]
    by = f" (by {used.attested_by})" if used.attested_by else ""
    ended = f"; exchanged {moment(record, used.exchanged_at)}" if used.exchanged_at is not None else ""
    return (
        f"{cartridge.name}: {cartridge.needle_count} needles of {mm(cartridge.needle_length_um)}{identity}; "
        f"{new}{by}; {count(used.strokes)} strokes on skin{ended}"
    )
