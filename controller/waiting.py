"""What whoever hosts a machine waits for: that its record is on the disk, and that its state comes to be so."""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from controller.ports import EventSink, RecordUnavailable

FLUSH_S: Final = 2.0
"""A disk that takes longer to commit a few rows is no disk to treat on."""

State = TypeVar("State")


class Waiting(Generic[State]):
    """The part of a host that waits. Whoever steps the machine sets ``_stepped`` whenever something came in."""

    def __init__(self, state: State, sink: EventSink) -> None:
        self.state = state
        self._sink = sink
        self._stepped = asyncio.Event()

    async def _flush(self) -> None:
        """Returns when what was journalled is on the disk. Raises RecordUnavailable."""
        try:
            async with asyncio.timeout(FLUSH_S):
                await self._sink.flush()
        except TimeoutError as error:
            raise RecordUnavailable(
                f"The disk did not take the record within {FLUSH_S:.0f} s; nothing starts or moves without a record."
            ) from error

    async def _until(self, holds: Callable[[State], bool], deadline_s: float) -> bool:
        """Whether the state came to be so within the time."""
        try:
            async with asyncio.timeout(deadline_s):
                while not holds(self.state):
                    self._stepped.clear()
                    await self._stepped.wait()
        except TimeoutError:
            return False
        return True
