"""A network that behaves badly: a namespace of its own, reached by a line that delays, loses and breaks.

The line is two TUN devices, one here and one in the namespace, and a thread that carries each IP packet from one to the
other, late, or not at all: what `tc netem` does, on kernels that were built without it, too. Needs root.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_LONGEST = 65_536


class BadLine:
    """A line to a namespace. ``delay_s``, ``loss`` (0 to 1) and ``cut`` may be changed at any time, from any thread."""

    def __init__(self, undo: ExitStack) -> None:
        number = os.getpid() % 16_000
        self.namespace = f"needlework-{number}"
        self.here = f"10.231.{number // 64}.{number % 64 * 4 + 1}"
        self.there = f"10.231.{number // 64}.{number % 64 * 4 + 2}"
        self.delay_s, self.loss, self.cut = 0.0, 0.0, False
        self.carried, self.lost = 0, 0
        _ip("netns", "add", self.namespace)
        undo.callback(_ip, "netns", "del", self.namespace)
        names = (f"nwh{number}", f"nwt{number}")
        self._ends = tuple(_tun(name) for name in names)
        for end in self._ends:
            undo.callback(os.close, end)
        _ip("link", "set", names[1], "netns", self.namespace)
        for where, name, own, other in (
            ((), names[0], self.here, self.there),
            (("-n", self.namespace), names[1], self.there, self.here),
        ):
            _ip(*where, "addr", "add", own, "peer", other, "dev", name)
            _ip(*where, "link", "set", name, "up")
        _ip("-n", self.namespace, "link", "set", "lo", "up")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="bad line", daemon=True)
        self._thread.start()
        undo.callback(self._end)

    def command(self, *words: str) -> list[str]:
        """A command that runs in the namespace."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def _end(self) -> None:
        self._over.set()
        self._thread.join()

    def _carry(self) -> None:
        chance = random.Random(1)
        waiting: list[tuple[float, int, int, bytes]] = []
        while not self._over.is_set():
            until_s = max(0.0, min(0.05, waiting[0][0] - time.monotonic())) if waiting else 0.05
            for end in select.select(self._ends, (), (), until_s)[0]:
                packet = os.read(end, _LONGEST)
                if self.cut or chance.random() < self.loss:
                    self.lost += 1
                    continue
                self.carried += 1
                other = self._ends[1] if end == self._ends[0] else self._ends[0]
                due_s = time.monotonic() + self.delay_s * chance.uniform(0.8, 1.2)  # so that some overtake others
                heapq.heappush(waiting, (due_s, self.carried, other, packet))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, end, packet = heapq.heappop(waiting)
                with suppress(OSError):  # a device that is down takes nothing
                    os.write(end, packet)


def _tun(name: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(end)
        raise
    return end


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False, timeout=10)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


@pytest.fixture
def bad_line() -> Iterator[BadLine]:
    """A line that behaves until it is told otherwise; taken away whatever becomes of the test."""
    if os.geteuid() != 0:
        pytest.fail("a network namespace can be made by root alone: run this test as root", pytrace=False)
    with ExitStack() as undo:
        yield BadLine(undo)
