"""What a client of the control socket says, line by line: none is kept that is too long, and none is read by halves."""

import asyncio
import json
from typing import Any

LINE_MAX_BYTES = 16_384
"""Longer than any request, without its line end; what is longer is no request, and is not kept."""

SKIPPED_MAX_BYTES = 1_048_576
"""A line whose end has not come by then is something else than lines."""

HALF_LINE_S = 10.0
"""A line that was begun is finished within this, or the client is let go."""


class Lines:
    """The lines that come from ``reader``."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._held = b""
        self._skipped = 0

    async def next(self) -> bytes | None:
        """The next line without its end; None for one that is too long, as soon as that is known: its rest is skipped.

        Raises EOFError when no more comes, TimeoutError when a line is not finished, ConnectionError when one never is.
        """
        while True:
            line, end, rest = self._held.partition(b"\n")
            if end:
                self._held = rest
                if not self._skipped:
                    return line if len(line) <= LINE_MAX_BYTES else None
                self._skipped = 0
                continue
            if self._skipped or len(line) > LINE_MAX_BYTES:
                is_new = not self._skipped
                self._skipped += len(line)
                self._held = b""
                if is_new:
                    return None
                if self._skipped > SKIPPED_MAX_BYTES:
                    raise ConnectionError(f"{self._skipped} bytes came without a line end")
            async with asyncio.timeout(HALF_LINE_S if self._held or self._skipped else None):
                chunk = await self._reader.read(4096)
            if not chunk:
                raise EOFError
            self._held += chunk


def request_of(line: bytes) -> tuple[dict[str, Any], str]:
    """The object of a line, and a key that stands twice in it or in what is in it, "" where none does.

    Raises ValueError or RecursionError when it is no JSON object.
    """
    twice: list[str] = []

    def with_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                twice.append(key)
            found[key] = value
        return found

    asked = json.loads(line, object_pairs_hook=with_unique_keys)
    if not isinstance(asked, dict):
        raise ValueError("a JSON object is needed")  # noqa: TRY004 - one kind of line that is none
    return asked, twice[0] if twice else ""
