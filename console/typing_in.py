"""Lines of standard input, and keys of a terminal as they are pressed."""

import asyncio
import os
import sys
import termios
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from console.keys import Key, typed
from console.watching import ScreenDisplay


async def lines() -> AsyncIterator[str]:
    """Lines of standard input. Read in a daemon thread: not every kind of input can be watched by an event loop."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        while True:
            line = sys.stdin.readline()
            if loop.is_closed():
                return
            loop.call_soon_threadsafe(queue.put_nowait, line)
            if not line:
                return

    threading.Thread(target=read, name="standard input", daemon=True).start()
    while line := await queue.get():
        yield line


@contextmanager
def keys(display: ScreenDisplay, act: Callable[[Key | str], None]) -> Iterator[None]:
    """While inside, keys come one by one and are not echoed; signals from the keyboard stay signals."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    line = ""

    def read() -> None:
        nonlocal line
        found = typed(line, os.read(descriptor, 256))
        line = found.line
        for key in found.acts:
            act(key)
        display.prompt(line)

    quiet = termios.tcgetattr(descriptor)
    quiet[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(descriptor, termios.TCSADRAIN, quiet)
    display.prompt(line)
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
