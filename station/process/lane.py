"""A thread for what may hang: a disk, a database. The thread may wait for it; whoever asks waits a limited time."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar

_T = TypeVar("_T")


class Lane:
    """One thread that does one thing after the other, from its first use until :meth:`close`.

    A daemon, because an executor's thread that hangs would keep the process from ending.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._late = False

    def close(self) -> None:
        """No more work; the thread ends once it is done with what it does. Safe to call twice."""
        self._waiting.put(None)

    async def do(self, work: Callable[[], _T], deadline_s: float) -> _T:
        """What ``work`` returns or raises, from the thread. Raises TimeoutError at the deadline, and at once while what
        ran into an earlier deadline is not done yet."""
        if self._late:
            raise TimeoutError
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        result: asyncio.Future[_T] = loop.create_future()

        def tell(value: _T | None, error: BaseException | None) -> None:
            self._late = False
            if result.done():
                return  # nobody waits any more
            if error is not None:
                result.set_exception(error)
            else:
                result.set_result(value)  # type: ignore[arg-type] # None only where _T has it

        def run() -> None:
            value, error = None, None
            try:
                value = work()
            except Exception as raised:  # noqa: BLE001 - it is raised again where the result is awaited
                error = raised
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(tell, value, error)

        self._waiting.put(run)
        try:
            async with asyncio.timeout(deadline_s):
                return await result
        except TimeoutError:
            self._late = True
            raise

    def _run(self) -> None:
        while (job := self._waiting.get()) is not None:
            job()
