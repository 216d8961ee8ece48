"""One thread for calls that may take long, so that the event loop, and with it the pens' ticks, never wait for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class WorkerBusy(Exception):
    """Too many calls wait already, or one took longer than its deadline."""


class Worker:
    """Calls one after the other in a thread of their own.

    A call that misses its deadline goes on to its end in the thread: it has to be one that may be made again.
    """

    def __init__(self, name: str, *, deadline_s: float, waiting_max: int) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._deadline_s = deadline_s
        self._waiting_max = waiting_max
        self._waiting = 0

    async def do(self, call: Callable[[], Result]) -> Result:
        """What ``call`` returns or raises. Raises WorkerBusy when it has to wait for too many, or too long."""
        if self._waiting >= self._waiting_max:
            raise WorkerBusy(f"{self._waiting} calls wait already")
        future = self._executor.submit(call)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._deadline_s):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise WorkerBusy(f"no answer within {self._deadline_s:g} s") from error
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Lets the call under way end, drops those that wait, and ends the thread."""
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)
