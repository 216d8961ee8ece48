"""What the story says and asks: how each step went, to the host; what is really so of a pen, to the pens' process."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

TO_HOST = Path("/dev/ttyS1")
"""The machine's second serial port; the first is the kernel's console."""


class Failed(Exception):
    """A step did not go as it should; the message says how it went."""


def tell_host(**said: Any) -> None:
    """One JSON object, as a line."""
    with TO_HOST.open("w") as line:
        line.write(json.dumps(said) + "\n")


@asynccontextmanager
async def step(name: str) -> AsyncIterator[list[str]]:
    """A step: what is appended is told beside its name. Whatever goes wrong within fails it, and ends the story."""
    seen: list[str] = []
    try:
        yield seen
    except Exception as error:
        tell_host(step=name, ok=False, seen=f"{type(error).__name__}: {error}")
        raise
    tell_host(step=name, ok=True, seen=", ".join(seen))


class PenLine:
    """The line to the pens' process. One question at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, what: str, pen: str) -> dict[str, Any]:
        """The answer."""
        self._writer.write(json.dumps({"ask": what, "pen": pen}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self._reader.readline())
        return answer

    def close(self) -> None:
        """Hangs up."""
        self._writer.close()
