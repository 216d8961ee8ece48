"""The list of sessions, drawn for a terminal. Pure."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.render.marks import OUTCOME_STYLE, demo_of
from console.words import UNKNOWN, duration
from logger.record.models import NOT_TREATED, SessionRecord


@dataclass(frozen=True, slots=True)
class SessionLine:
    """What a list says of one session. None is not known: a session was never closed, or closed by a restart."""

    session: str
    opened_at: str
    outcome: str
    patient: str | None
    operator: str | None
    pen: str | None
    zones: tuple[str, ...]
    treated_ms: int | None
    strokes_on_skin: int | None
    demo: bool | None
    signed: tuple[str, ...]

    @classmethod
    def of(cls, record: SessionRecord) -> Self:
        """The line of a record, of which the first and the last entries are enough."""
        doses = record.doses
        known = bool(doses) or record.outcome == "completed"
        return cls(
            session=record.session,
            opened_at=record.opened_at.isoformat(timespec="seconds"),
            outcome=record.outcome,
            patient=record.patient,
            operator=record.operator,
            pen=record.pen,
            zones=tuple(dose.zone for dose in doses),
            treated_ms=sum(dose.treated_ms for dose in doses) if known else None,
            strokes_on_skin=sum(dose.strokes for dose in doses) if known else None,
            demo=record.demo,
            signed=tuple(item.meaning for item in record.signatures if item.standing),
        )

    @property
    def ended(self) -> str:
        """The outcome in a word for people. The doses of a session that resumes another begin with what that gave."""
        untreated = self.outcome == "completed" and not self.treated_ms and not self.strokes_on_skin
        return NOT_TREATED if untreated else self.outcome

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def sessions_view(lines: list[SessionLine], place: str) -> RenderableType:
    """All sessions, oldest first, and where they were read."""
    if not lines:
        return Text(f"No session yet in {place}.")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("session", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("patient", min_width=8)
    table.add_column("zones", min_width=12)
    table.add_column("treated", justify="right", no_wrap=True)
    table.add_column("signed", no_wrap=True)
    for line in lines:
        table.add_row(
            Text(line.session, style="bold"),
            Text(line.ended, style=OUTCOME_STYLE.get(line.ended, "")),
            line.patient or "",
            ", ".join(line.zones) or Text(UNKNOWN, style="dim"),
            UNKNOWN if line.treated_ms is None else duration(line.treated_ms),
            ", ".join(line.signed) or Text("no", style="dim"),
        )
    demos = sum(line.demo is True for line in lines)
    mark = [demo_of(demos, len(lines))] if demos else []
    return Group(
        table, *mark, Text(f"From {place}. `needlework sessions show ID` shows one; times are UTC.", style="dim")
    )
