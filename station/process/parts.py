"""The parts of a running station: tasks of which a failing one asks for an orderly end.

A TaskGroup cancels its other tasks the moment one fails. Among tasks that hold needles out of skin that is the wrong
order: pens are to be stopped first, by the very tasks a TaskGroup would cancel. So parts are kept here: what fails is
noted, ``ended`` is set, and whoever waits for it brings the pens home before the rest is cancelled.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Parts:
    """Named tasks that are meant to run as long as the station does."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._ended = asyncio.Event()
        self._closing = False

    def start(self, name: str, part: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Runs ``part`` under ``name``."""
        task = asyncio.create_task(part, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._done)
        return task

    @property
    def ended(self) -> asyncio.Event:
        """Set when a part ended that was not asked to."""
        return self._ended

    async def close(self, *chosen: asyncio.Task[Any]) -> None:
        """Cancels the parts given, or all, and waits for them."""
        self._closing = True
        tasks = chosen or tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def failures(self) -> dict[str, BaseException | None]:
        """The parts that ended unasked so far, by name, and what they ended by: None for one that simply returned."""
        return {task.get_name(): task.exception() for task in self._tasks if task.done() and not task.cancelled()}

    def _done(self, task: asyncio.Task[Any]) -> None:
        if not self._closing:
            self._ended.set()
