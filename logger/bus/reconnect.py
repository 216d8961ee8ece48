"""Staying connected to a broker that comes and goes: back-off with jitter, and the loop around one connection after
another.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from logger.errors import BusError, RecordError

Place = TypeVar("Place")


@dataclass(frozen=True, slots=True)
class BackoffSettings:
    """``first_s`` doubles to ``max_s``; each wait is drawn between half and whole of that."""

    first_s: float = 0.25  # a broker that restarts is back within a second
    max_s: float = 30.0  # a broker that is down for the night costs two attempts a minute


class Backoff:
    """How long to wait before the next attempt. Jitter keeps a clinic's stations from knocking all at once."""

    def __init__(self, settings: BackoffSettings, source: random.Random) -> None:
        self._settings = settings
        self._source = source
        self._next_s = settings.first_s

    def next_s(self) -> float:
        """The wait before the next attempt, in seconds; longer each time until :meth:`reset`."""
        wait_s = self._next_s * self._source.uniform(0.5, 1.0)
        self._next_s = min(2 * self._next_s, self._settings.max_s)
        return wait_s

    def reset(self) -> None:
        """The other side has shown that it works."""
        self._next_s = self._settings.first_s


async def keep_connected(
    serve: Callable[[Place], Awaitable[None]],
    places: Sequence[Place],
    *,
    backoff: Backoff,
    report: Callable[[str], None],
) -> None:
    """Runs ``serve`` with one place after another, in turns, for ever, until cancelled.

    ``serve`` is one connection from its beginning to its end, which is a RecordError, alone or in a group. Each is told
    to ``report`` in a sentence; anything else is a mistake in the program and passes. The next place is tried at once;
    after the last of them comes the back-off.
    """
    while True:
        for place in places:
            try:
                await serve(place)
            except* RecordError as errors:
                report(str(_first(errors)))
        await asyncio.sleep(backoff.next_s())


def told_once(report: Callable[[str], None], connections: Callable[[], int]) -> Callable[[str], None]:
    """``report``, but not again for what it was told since the last connection: a broker that is away for a night would
    fill a log with one sentence.
    """
    last: tuple[str, int] | None = None

    def tell(sentence: str) -> None:
        nonlocal last
        now = sentence, connections()
        if now != last:
            last = now
            report(sentence)

    return tell


def _first(errors: BaseExceptionGroup[RecordError]) -> BaseException:
    """The error that tells most: the broker's where there is one, else whichever came first."""
    leaves: list[BaseException] = []
    pending: list[BaseException] = list(errors.exceptions)
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)
        else:
            leaves.append(error)
    return next((error for error in leaves if isinstance(error, BusError)), leaves[0])
