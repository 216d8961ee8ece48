"""Questions of a command that is followed step by step: in words at a terminal, as a line of JSON for a program.

Either answers with a line on standard input. What a person only has to say yes to, ``--yes`` says for them.
"""

import json
import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from console.exits import Code
from console.screen import out
from console.trouble import ConsoleError, Told
from console.typing_in import lines

YES = frozenset({"y", "yes"})
NO = frozenset({"n", "no", "q", "quit"})


class Questions:
    """Asks, and tells what goes on."""

    def __init__(self, *, as_json: bool, yes: bool) -> None:
        self.as_json = as_json
        self._yes = yes
        self._lines = lines()
        self.console: Console = out()
        self.begun = False
        """Whether there is work that an interruption leaves to be gone on with."""

    def say(self, *parts: RenderableType) -> None:
        """Shows something to a person; a program gets :meth:`tell` instead."""
        if not self.as_json:
            for part in parts:
                self.console.print(part)

    def tell(self, kind: str, **data: Any) -> None:
        """One line of JSON for a program; a person gets :meth:`say` instead."""
        if self.as_json:
            sys.stdout.write(json.dumps({"type": kind, **data}, ensure_ascii=False) + "\n")
            sys.stdout.flush()

    async def ask(self, name: str, words: str, *, default: str | None = None) -> str:
        """One line. ``default`` is what an empty one means, and what is taken with ``--yes``.

        Raises ConsoleError when nobody answers.
        """
        if self._yes and default is not None:
            return default
        hint = f" [{default}]" if default else ""
        self.tell("question", name=name, words=words, default=default)
        if not self.as_json:
            self.console.print(Text.assemble(("→ ", "bold cyan"), (f"{words}{hint} ", "bold")), end="")
        async for line in self._lines:
            return line.strip() or (default or "")
        raise ConsoleError(
            Told(
                "no_answer",
                "Nobody answers: standard input has ended.",
                "What was read and written so far is kept; the pen rests.",
                "Give the same command again: it goes on from here.",
            ),
            Code.INTERRUPTED,
        )

    async def confirm(self, name: str, words: str, *, default: str | None = None) -> bool:
        """Yes or no; ``default`` is what an empty line means."""
        while True:
            said = "yes" if self._yes else (await self.ask(name, f"{words} (yes/no)", default=default)).lower()
            if said in YES | NO:
                return said in YES
            self.say(Text("Type yes or no.", "yellow"))

    async def ready(self, name: str, words: str) -> None:
        """Waits for Enter."""
        if not self._yes:
            await self.ask(name, f"{words} Then press Enter.")

    async def choose(self, name: str, words: str, known: dict[str, str], named: str | None) -> str:
        """One of several: the one that was named, the only one there is, or what somebody types, its number or id."""
        if named is not None or len(known) == 1:
            return named if named is not None else next(iter(known))
        ids = list(known)
        self.tell("choices", name=name, choices=known)
        self.say(*(Text(f"  {place}  {each}: {known[each]}") for place, each in enumerate(ids, 1)))
        while True:
            said = await self.ask(name, words)
            if said in known:
                return said
            if said.isdigit() and 0 < int(said) <= len(ids):
                return ids[int(said) - 1]
            self.say(Text(f"Type a number from 1 to {len(ids)}.", "yellow"))
