"""Opening a port without holding up the event loop, and without losing a handle when nobody waits for it any more."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

H = TypeVar("H")


class _Hatch(Generic[H]):
    """Where the thread leaves the handle. Either the opener takes it, or, when it has left, the thread discards it."""

    def __init__(self, discard: Callable[[H], None]) -> None:
        self._lock = threading.Lock()
        self._discard = discard
        self._abandoned = False
        self._handles: list[H] = []
        self.error: BaseException | None = None

    def leave(self, handle: H) -> None:
        with self._lock:
            if not self._abandoned:
                self._handles.append(handle)
                return
        self._discard(handle)

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
        while self._handles:
            self._discard(self._handles.pop())

    def take(self) -> H:
        if self.error is not None:
            raise self.error
        return self._handles.pop()


async def open_in_thread(name: str, opening: Callable[[], H], discard: Callable[[H], None], deadline_s: float) -> H:
    """Runs the blocking ``opening`` in a thread of its own and returns what it opened.

    When the caller is cancelled or ``deadline_s`` passes (TimeoutError), a handle that arrives late is given to
    ``discard`` in that thread: nothing stays open. The thread is a daemon: a driver that never returns from ``open``
    does not keep the program from ending. Raises what ``opening`` raises.
    """
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    hatch = _Hatch(discard)

    def run() -> None:
        try:
            hatch.leave(opening())
        except BaseException as error:  # noqa: BLE001 - handed on to the caller whole, whatever it is
            hatch.error = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits, and the hatch was abandoned before that
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name=f"open {name}", daemon=True).start()
    try:
        async with asyncio.timeout(deadline_s):
            await done.wait()
        return hatch.take()
    finally:
        hatch.abandon()
