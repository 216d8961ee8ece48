"""What a site knows of a patient, drawn for a terminal, and what a person is asked about them. Pure."""

from collections.abc import Mapping
from datetime import date

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.render.marks import facts, heading
from console.words import UNKNOWN, duration, hz, mm
from controller.history import CourseState, VisitSummary, approval_sentence
from controller.library import Question
from controller.screening import asked as question_words
from controller.units import format_mm
from station.api.models import PatientTold

HEADINGS = {
    "hard": ("Contraindications: whoever has one of these is not treated", "bold red"),
    "ask-prescriber": ("For the physician to decide", "bold yellow"),
    "soft": ("Treated with a reason only", "bold"),
}


def questions_heading(severity: str) -> RenderableType:
    """The heading over questions of one severity, and what an answer is."""
    words, style = HEADINGS[severity]
    return Text.assemble("\n", (words, style), ("   y: it applies   n: it does not", "dim"))


def numbered(items: Mapping[str, str]) -> RenderableType:
    """A list to pick from, by number or name."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(justify="right", style="bold", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(style="dim")
    for number, (name, words) in enumerate(items.items(), 1):
        grid.add_row(str(number), name, words)
    return grid


def last_answers_view(last: Mapping[str, bool], questions: Mapping[str, Question], on: date | None) -> RenderableType:
    """The answers of the last visit: what applied, by its date, and how many did not."""
    when = f"on {on.isoformat()}" if on is not None else "at the last visit"
    applied = {name: question_words(questions[name]) for name, applies in last.items() if applies and name in questions}
    title = Text(f"\nContraindications, as answered {when}", style="bold")
    rest = Text(f"{len(last) - len(applied)} others were answered no.", style="dim")
    if not applied:
        return Group(title, Text(f"Nothing applied; all {len(last)} questions were answered no."))
    grid = facts()
    for name, words in applied.items():
        grid.add_row(Text("yes", style="bold yellow"), f"{name}: {words}")
    return Group(title, grid, rest)


def who_line(told: PatientTold) -> RenderableType:
    """Who is treated, and whether they were here before."""
    treated = [visit for visit in told.visits if visit.treated]
    times = "once" if len(treated) == 1 else f"{len(treated)} times"
    said = f", treated {times}, last on {treated[-1].on.isoformat()}" if treated else ", new here"
    return Text.assemble(("Patient ", "bold"), (told.patient, "bold"), said)


def course_line(course: CourseState, today: date) -> tuple[RenderableType, bool]:
    """Where today's session stands in its course, and whether it is earlier than the course has it."""
    said = f"This is {course.sentence}."
    if course.last_on is not None:
        said += f" The last was on {course.last_on.isoformat()}."
    early = course.earliest_next is not None and today < course.earliest_next
    return Text(said, style="yellow" if early else "dim"), early


def patient_view(told: PatientTold) -> RenderableType:
    """Course, visits and approvals of one patient."""
    parts: list[RenderableType] = [Text.assemble(("Patient ", "bold"), (told.patient, "bold")), Text("")]
    if not told.visits and not told.approvals:
        return Group(*parts[:1], Text("This site knows of no visit and no approval."))
    parts.append(heading("Course"))
    course = facts()
    begun = dict.fromkeys(visit.protocol for visit in told.visits if visit.treated)
    for protocol in (name for name in begun if name in told.course):
        course.add_row(protocol, f"next: {told.course[protocol].sentence}")
    parts += [course if begun else Text("No treatment yet.", style="dim")]
    if told.interrupted is not None:
        words = f"{told.interrupted.session} broke off; on its own day `needlework treat --resume last` takes it up."
        parts.append(Text(words, style="yellow"))
    parts += [Text(""), heading("Visits"), _visits(told.visits), Text(""), heading("Approvals")]
    if not told.approvals:
        return Group(*parts, Text("None.", style="dim"))
    approvals = facts()
    for approval in told.approvals:
        what = f"{format_mm(approval.depth_max_um)} in {', '.join(approval.zones)}"
        of = f", {approval.protocol} only" if approval.protocol else ""
        approvals.add_row(approval.id, f"{what}{of}: {approval_sentence(approval)}")
    return Group(*parts, approvals)


def _visits(visits: tuple[VisitSummary, ...]) -> RenderableType:
    if not visits:
        return Text("None.", style="dim")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("day", "session", "outcome", "protocol", "zone"):
        table.add_column(name, no_wrap=name in ("day", "session", "outcome"))
    for name in ("depth", "rate", "on skin"):
        table.add_column(name, justify="right", no_wrap=True)
    for visit in visits:
        head: tuple[str, ...] = (visit.on.isoformat(), visit.session, visit.outcome, f"{visit.protocol}, {visit.skin}")
        for zone in visit.zones:
            depth = mm(zone.depth_commanded_um) if zone.depth_commanded_um else UNKNOWN
            rate = hz(zone.rate_commanded_mhz) if zone.rate_commanded_mhz else UNKNOWN
            table.add_row(*head, zone.zone, depth, rate, duration(zone.treated_ms))
            head = ("", "", "", "")
        if not visit.zones:
            table.add_row(*head, Text("nothing was treated", style="dim"), "", "", "")
    return table
