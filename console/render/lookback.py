"""Who was treated with what, drawn for a terminal. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from logger.proof.findings import counted
from logger.record.lookback import SessionUsed

_LEAST = 14
_PERSON_MOST = 32
_SESSION_MOST = 26
"""Columns that a person and a session have, however narrow the screen, before what is said goes on in the next line."""


def lookback_view(sessions: list[SessionUsed], people: Mapping[str, str | None], place: str) -> RenderableType:
    """The sessions, oldest first, with what was used; people where they are known, else pseudonyms alone."""
    if not sessions:
        return Text(f"No session fits, in {place}.")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    # A width that is given is never made narrower: what is looked for here is whom to call.
    table.add_column("patient", width=_wide([text or "" for text in people.values()], _PERSON_MOST), overflow="fold")
    table.add_column("session (UTC)", width=_wide([one.session for one in sessions], _SESSION_MOST), overflow="fold")
    table.add_column("lot / serial", overflow="fold")
    for session in sessions:
        used = dict.fromkeys(f"{use.lot or 'no lot'} / {use.serial or 'no serial'}" for use in session.uses)
        pens = dict.fromkeys(use.pen_serial for use in session.uses if use.pen_serial)
        pen = f"{session.pen} ({', '.join(pens)})" if pens else session.pen
        opened = datetime.fromtimestamp(session.opened_utc_us / 1_000_000, UTC)
        table.add_row(
            Text("\n").join(_who(session, people)),
            Text(f"{session.session}\n{opened:%Y-%m-%d %H:%M}\n{session.station}, {pen}\n{session.operator}"),
            Text("\n".join(used) or "nothing"),
        )
    patients = len({session.patient for session in sessions})
    count = f"{counted(len(sessions), 'session')} of {counted(patients, 'patient')}"
    return Group(Text(f"{count}, in {place}."), Text(), table)


def _who(session: SessionUsed, people: Mapping[str, str | None]) -> list[Text]:
    """Who it was, where that is asked for, above the pseudonym."""
    if not people:
        return [Text(session.patient)]
    return [Text(people.get(session.patient) or "not known here", "bold"), Text(session.patient)]


def _wide(texts: list[str], most: int) -> int:
    return min(max(_LEAST, *(cell_len(text) for text in texts), 0), most)
