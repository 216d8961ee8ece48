"""The list of sessions, drawn for a terminal. Pure."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Self

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.render.record import OUTCOME_STYLE
from console.words import count, duration
from logger.records import SessionRecord


@dataclass(frozen=True, slots=True)
class SessionLine:
    """What a list says of one session. ``lasted_ms`` is None while it is open."""

    session: str
    opened_at: str
    lasted_ms: int | None
    outcome: str
    patient: str | None
    operator: str | None
    pen: str | None
    zones: tuple[str, ...]
    treated_ms: int
    strokes: int
    refusals: int
    alarms: int
    demo: bool | None

    @classmethod
    def of(cls, record: SessionRecord) -> Self:
        """The line of a record."""
        lasted = record.closed_at - record.opened_at if record.closed_at else None
        return cls(
            session=record.session,
            opened_at=record.opened_at.isoformat(timespec="seconds"),
            lasted_ms=int(lasted / timedelta(milliseconds=1)) if lasted is not None else None,
            outcome=record.outcome,
            patient=record.patient,
            operator=record.operator,
            pen=record.pen,
            zones=tuple(zone.zone for zone in record.zones),
            treated_ms=record.treated_ms,
            strokes=record.strokes,
            refusals=len(record.refusals),
            alarms=len(record.alarms),
            demo=record.demo,
        )

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def sessions_view(lines: list[SessionLine], place: str) -> RenderableType:
    """All sessions, oldest first, and where they were read."""
    if not lines:
        return Text(f"No session yet in {place}.")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    table.add_column("session", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("patient", no_wrap=True)
    table.add_column("zones")
    table.add_column("treated", justify="right", no_wrap=True)
    table.add_column("strokes", justify="right", no_wrap=True)
    table.add_column("alarms", justify="right", no_wrap=True)
    for line in lines:
        table.add_row(
            Text(line.session, style="bold"),
            Text(line.outcome, style=OUTCOME_STYLE.get(line.outcome, "")),
            line.patient or "",
            ", ".join(line.zones) or Text("never started", style="dim"),
            duration(line.treated_ms),
            count(line.strokes),
            Text(str(line.alarms), style="bold red" if line.alarms else ""),
        )
    return Group(table, Text(f"From {place}. `needlework sessions show ID` shows one; times are UTC.", style="dim"))
