"""What several drawings share: marks, headings, two columns of facts. Pure."""

from rich.table import Table
from rich.text import Text

from logger.record.models import NOT_TREATED

DEMO_RECORD = "Limits signed by nobody: demonstration only. Not for use on people."
"""On every record, list and screen of a treatment whose library no physician signed."""
DEMO_SCREEN = " DEMO · limits signed by nobody "

OUTCOMES = {"passes": ("✓", "green"), "note": ("!", "cyan"), "open": ("…", "yellow"), "fails": ("✗", "bold red")}
"""Marks of checks before arming, with their styles."""

OUTCOME_STYLE = {
    "completed": "bold green",
    NOT_TREATED: "bold",
    "stopped": "bold yellow",
    "interrupted": "bold red",
    "open": "bold cyan",
}
"""How a session ended, as every list and record colours it."""

BAR_COLUMNS = 10


def demo_of(demos: int, sessions: int) -> Text:
    """How many of a list's sessions are a demonstration's."""
    which = "all" if demos == sessions else f"{demos} of"
    of = "this session" if sessions == 1 else f"{which} {sessions} sessions"
    return Text(f"Of {of}: {DEMO_RECORD}", style="yellow")


def heading(words: str) -> Text:
    """A section's heading."""
    return Text(words, style="bold underline")


def facts() -> Table:
    """A grid of names and what is to say of them."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    return grid


def budget_bar(used_ms: int, budget_ms: int, hard_ms: int | None, columns: int = BAR_COLUMNS) -> Text:
    """How much of a zone's time is used: full is the budget; beyond it yellow, beyond the hard one red."""
    style = "green"
    if hard_ms is not None and used_ms >= hard_ms:
        style = "bold red"
    elif used_ms > budget_ms:
        style = "bold yellow"
    filled = min(columns, -(-used_ms * columns // budget_ms)) if budget_ms > 0 else columns
    return Text.assemble(("━" * filled, style), ("╌" * (columns - filled), "dim"))
