"""What is said when a session was closed: what each zone got, what the patient is told, and what comes next. Pure."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from console.render.marks import DEMO_RECORD
from console.render.readiness import doses_view
from controller.view import PenView


def closing_view(view: PenView, aftercare: Sequence[str]) -> RenderableType:
    """``view`` is the pen as it was last seen with the session open."""
    parts: list[RenderableType] = [Text(f"The session {view.session} is closed.", style="bold")]
    if view.demo:
        parts.append(Text(DEMO_RECORD, style="yellow"))
    parts.append(doses_view(view))
    if view.doses:
        parts += [Text("For the patient:", style="bold"), *(Text(f"· {line}") for line in aftercare)]
    sign = f"`needlework sessions sign {view.session} --as performed --by {view.operator}` signs it"
    parts.append(Text(f"{sign}; `needlework sessions show {view.session}` shows the record.", style="dim"))
    return Group(*parts)
