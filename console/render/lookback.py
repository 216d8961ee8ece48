"""Who was treated with what, drawn for a terminal. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from logger.lookback import SessionUsed


def lookback_view(sessions: list[SessionUsed], people: Mapping[str, str | None], place: str) -> RenderableType:
    """The sessions, oldest first, with what was used; people where they are known, else pseudonyms alone."""
    if not sessions:
        return Text(f"No session fits, in {place}.")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("session", "opened (UTC)", "station", "patient", *(["person"] if people else []), "operator", "pen"):
        table.add_column(name, no_wrap=name in ("session", "opened (UTC)", "patient"))
    table.add_column("lot / serial")
    for session in sessions:
        used = dict.fromkeys(f"{use.lot or 'no lot'} / {use.serial or 'no serial'}" for use in session.uses)
        pens = dict.fromkeys(use.pen_serial for use in session.uses if use.pen_serial)
        table.add_row(
            session.session,
            datetime.fromtimestamp(session.opened_utc_us / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M"),
            session.station,
            session.patient,
            *([people.get(session.patient) or "not known here"] if people else []),
            session.operator,
            f"{session.pen} ({', '.join(pens)})" if pens else session.pen,
            "\n".join(used) or "nothing",
        )
    patients = len({session.patient for session in sessions})
    count = f"{len(sessions)} session{'s' * (len(sessions) != 1)} of {patients} patient{'s' * (patients != 1)}"
    return Group(Text(f"{count}, in {place}."), Text(), table)
