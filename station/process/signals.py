"""The signals that ask a process to end, handled by us alone.

Servers and clients that install handlers of their own end the process before a pen's needles are out; none of theirs
are installed here, and ours only call back.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


def _ending_signals() -> list[signal.Signals]:
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    return [signal.Signals[name] for name in names if name in signal.Signals.__members__]


@contextmanager
def on_ending_signals(end: Callable[[str], None]) -> Iterator[None]:
    """While inside, a signal that asks the process to end calls ``end`` with its name, on the event loop's thread.

    To be entered on the main thread, inside the running loop.
    """
    loop = asyncio.get_running_loop()
    if sys.platform == "win32":

        def handle(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(end, signal.Signals(number).name)

        before = {number: signal.signal(number, handle) for number in _ending_signals()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return
    for number in _ending_signals():
        loop.add_signal_handler(number, end, number.name)
    try:
        yield
    finally:
        for number in _ending_signals():
            loop.remove_signal_handler(number)


def on_leash(descriptor: int, end: Callable[[str], None]) -> None:
    """Calls ``end`` on the event loop's thread when ``descriptor`` reaches its end: whoever holds the other end died.

    A daemon thread waits for it, because not every system lets an event loop watch an inherited pipe.
    """
    loop = asyncio.get_running_loop()

    def wait() -> None:
        while os.read(descriptor, 4096):
            pass
        if not loop.is_closed():
            loop.call_soon_threadsafe(end, "the supervisor is gone")

    threading.Thread(target=wait, name="leash", daemon=True).start()
