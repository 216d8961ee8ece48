"""`needlework simulate --model list`: which simulated pens there are."""

from collections.abc import Iterable

from rich.table import Table

from console.exits import Code
from console.screen import out, say


def list_models(models: Iterable[tuple[str, str, str]]) -> int:
    """Prints each pen's name, what it is and what it is like."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("what it is")
    table.add_column("from where", style="dim")
    for row in models:
        table.add_row(*row)
    say(out(), table)
    return Code.DONE
