"""Request–answer on one descriptor in one process, by turns: a bare blocking loop, a bare exchange on the event loop,
and the full stack. Arguments: event loop (asyncio or uvloop), operation, blocks. Prints one JSON line.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
import tty
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from benchmarks.measuring import built, processors_apart
from firmware_bridge.errors import WireError
from firmware_bridge.handshake import open_link
from firmware_bridge.link import Link
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.transports.base import READ_BYTES
from firmware_bridge.transports.descriptor import DescriptorTransport
from firmware_bridge.wire.codec import pack
from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import Request
from firmware_bridge.wire.operations import CALIBRATION_READ, OUTCOME, Operation, OutcomeKey

EXCHANGES = 100
"""In a block: long enough for the clock, short enough that the machine is the same for the block beside it."""

ASKED: dict[str, tuple[Operation, Any]] = {
    "OUTCOME": (OUTCOME, OutcomeKey(77)),
    "CALIBRATION_READ": (CALIBRATION_READ, None),
}


class Deaf:
    """A link's listener that wants to hear nothing: the responder says nothing unasked."""

    def status_seen(self, seen: PenSnapshot, sent_at_ms: int) -> None:
        """Not sent."""

    def line_advisory(self, sentence: str) -> None:
        """Of no interest."""

    def link_lost(self, cause: WireError | None) -> None:
        """Would show as requests that fail."""


async def connect() -> tuple[Link, subprocess.Popen[bytes], list[int]]:
    """A link to a responder on a processor of its own, this process on another; the descriptors to close at the end."""
    master, slave = os.openpty()
    tty.setraw(slave)
    responder = subprocess.Popen([built("responder"), str(master)], pass_fds=[master])
    apart = processors_apart()
    if apart is not None:
        os.sched_setaffinity(0, {apart[0]})
        os.sched_setaffinity(responder.pid, {apart[1]})
    link = await open_link(
        f"serial://{os.ttyname(slave)}",
        Deaf(),
        monotonic_ms=lambda: time.monotonic_ns() // 1_000_000,
        random=random.Random(1),
    )
    return link, responder, [master, slave]


def blocking(fd: int, wire: bytes) -> None:
    """One exchange of a bare loop: write, read until a whole frame is there."""
    os.write(fd, wire)
    data = os.read(fd, READ_BYTES)
    while data[-1]:
        data = os.read(fd, READ_BYTES)


class Bare:
    """The least an exchange on the event loop can be: write, a future, a reader that fills it. No frames, no limit."""

    def __init__(self, fd: int, wire: bytes) -> None:
        self._fd, self._wire = fd, wire
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[bytes] = self._loop.create_future()

    def readable(self) -> None:
        """The reader's callback."""
        data = os.read(self._fd, READ_BYTES)
        if not data[-1]:
            self._waiter.set_result(data)

    async def exchange(self) -> None:
        """One exchange."""
        self._waiter = self._loop.create_future()
        os.write(self._fd, self._wire)
        await self._waiter


async def _timed(exchange: Callable[[], Awaitable[object]]) -> float:
    await exchange()  # the first after a change of hands is another's cold start
    began = time.perf_counter()
    for _ in range(EXCHANGES):
        await exchange()
    return time.perf_counter() - began


async def blocks(operation: str, count: int) -> dict[str, list[float]]:
    """Seconds of each block: ``raw``, ``bare`` and ``stack``, one of each per round."""
    link, responder, descriptors = await connect()
    asked, arguments = ASKED[operation]
    transport = link._transport
    if not isinstance(transport, DescriptorTransport):
        raise TypeError("a pseudo-terminal has a descriptor")
    loop, fd = asyncio.get_running_loop(), transport._fd
    wire = frame(Request(1, link._nonce, asked.number, 0, pack(arguments) if arguments else b""), 0)
    bare = Bare(fd, wire)
    taken: dict[str, list[float]] = {"raw": [], "bare": [], "stack": []}

    async def one_block(side: str) -> None:
        loop.remove_reader(fd)
        if side == "raw":
            os.set_blocking(fd, True)
            blocking(fd, wire)
            began = time.perf_counter()
            for _ in range(EXCHANGES):
                blocking(fd, wire)
            taken[side].append(time.perf_counter() - began)
            os.set_blocking(fd, False)
        elif side == "bare":
            loop.add_reader(fd, bare.readable)
            taken[side].append(await _timed(bare.exchange))
            loop.remove_reader(fd)
        else:
            loop.add_reader(fd, transport._readable)
            taken[side].append(await _timed(partial(link.request, asked, arguments)))
            loop.remove_reader(fd)

    for number in range(count):
        for side in list(taken) if number % 2 else reversed(list(taken)):
            await one_block(side)
    loop.add_reader(fd, transport._readable)
    await link.close()
    for descriptor in descriptors:
        os.close(descriptor)
    responder.kill()
    responder.wait()
    return taken


def main() -> None:
    """Runs it on the loop asked for."""
    which, operation, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if which == "uvloop":
        import uvloop  # noqa: PLC0415  only where it is measured

        taken = uvloop.run(blocks(operation, count))
    else:
        taken = asyncio.run(blocks(operation, count))
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
