"""Where a command writes: people's text through rich, data as JSON, both to the right stream.

What goes into a pipe has no colour, no boxes that need a width, and one line for each fact.
"""

import json
import os
import sys
from typing import Any

from rich.console import Console, RenderableType

PIPE_COLUMNS = 120
"""The width of text that goes into a pipe or a file, where nobody says one."""


class _Screen(Console):
    """A console that tells its caller when the reader of a pipe has left, instead of ending the process from inside."""

    def on_broken_pipe(self) -> None:
        """Called while a BrokenPipeError is being handled."""
        raise BrokenPipeError


def out() -> Console:
    """Standard output. Numbers are not coloured by guess: colour means something here."""
    console = _Screen(highlight=False, soft_wrap=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_COLUMNS
    return console


def say(console: Console, renderable: RenderableType) -> None:
    """Prints; into a pipe without the blanks that fill lines up on a screen."""
    if console.is_terminal:
        console.print(renderable)
        return
    with console.capture() as capture:
        console.print(renderable)
    sys.stdout.write("\n".join(line.rstrip() for line in capture.get().split("\n")))
    sys.stdout.flush()


def err() -> Console:
    """Standard error: troubles, and what a command says while it works."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(data: Any) -> None:
    """Data for programs: one JSON document on standard output. ``data`` is what pydantic's mode "json" gives."""
    json.dump(data, sys.stdout, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None)
    sys.stdout.write("\n")
    sys.stdout.flush()
