"""A host for tests that uses the product's link. One that sends bare messages is `proving.conform.host`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import TypeVar

from firmware_bridge.errors import WireError
from firmware_bridge.handshake import open_link
from firmware_bridge.link import Link
from firmware_bridge.port import Tap
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import (
    Message,
    PenState,
)
from firmware_bridge.wire.operations import CARTRIDGE_READ, CLEAR_FAULT, FaultMask

SETPOINT_EVERY_S = 0.05
WITHIN_S = 2.0
"""For what a pen does within a fraction of it: long, so that a loaded machine does not fail a test."""

DEPTH_UM = 500
RATE_MHZ = 100_000
DEPTH_CEILING_UM = 1000
RATE_CEILING_MHZ = 120_000

M = TypeVar("M", bound=Message)


def monotonic_ms() -> int:
    """The clock of hosts: the event loop's, which is virtual in some tests."""
    return int(asyncio.get_running_loop().time() * 1000)


class Host:
    """A host on the product's link: keeps every STATUS it saw, waits for one, drives."""

    def __init__(self) -> None:
        self.seen: list[PenSnapshot] = []
        self.seen_at_ms: list[int] = []
        self.sent_at_ms: list[int] = []
        self.advisories: list[str] = []
        self.lost: list[WireError | None] = []
        self.wish: tuple[bool, int, int] | None = None
        self._link: Link | None = None
        self._news = asyncio.Event()

    @property
    def link(self) -> Link:
        """The connection."""
        assert self._link is not None
        return self._link

    @link.setter
    def link(self, link: Link) -> None:
        self._link = link

    @property
    def latest(self) -> PenSnapshot:
        """The newest STATUS."""
        return self.seen[-1]

    # LinkListener

    def status_seen(self, seen: PenSnapshot, sent_at_ms: int) -> None:
        self.seen.append(seen)
        self.seen_at_ms.append(monotonic_ms())
        self.sent_at_ms.append(sent_at_ms)
        self._news.set()

    def line_advisory(self, sentence: str) -> None:
        self.advisories.append(sentence)

    def link_lost(self, cause: WireError | None) -> None:
        self.lost.append(cause)
        self._news.set()

    # What a test does

    async def until(self, fits: Callable[[PenSnapshot], bool], within_s: float = WITHIN_S) -> PenSnapshot:
        """The first STATUS from now on (the latest counts) that fits."""
        first = max(0, len(self.seen) - 1)
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for snapshot in self.seen[first:]:
                        if fits(snapshot):
                            return snapshot
                    first = len(self.seen)
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(
                f"no STATUS fitted within {within_s} s; the last of {len(self.seen)}: {self.seen[-1:]}"
            ) from None

    async def next_status(self, count: int = 1) -> PenSnapshot:
        """The STATUS that comes ``count`` after the latest."""
        wanted = len(self.seen) + count
        return await self.until(lambda _snapshot: len(self.seen) >= wanted)

    async def until_lost(self, within_s: float = WITHIN_S) -> WireError | None:
        """The cause with which the link was lost."""
        async with asyncio.timeout(within_s):
            while not self.lost:
                self._news.clear()
                await self._news.wait()
        return self.lost[0]

    async def cartridge_tag(self) -> int:
        """The tag of the cartridge inserted."""
        tag: int = (await self.link.request(CARTRIDGE_READ)).tag
        return tag

    async def arm(self, depth_ceiling_um: int = DEPTH_CEILING_UM, rate_ceiling_mhz: int = RATE_CEILING_MHZ) -> int:
        """Arms with the cartridge inserted and returns the lease."""
        return await self.link.arm(
            depth_ceiling_um=depth_ceiling_um,
            rate_ceiling_mhz=rate_ceiling_mhz,
            cartridge_tag=await self.cartridge_tag(),
        )

    def set(self, *, motor: bool, depth_um: int | None = None, rate_mhz: int = RATE_MHZ) -> bool:
        """One setpoint, decided on the newest STATUS; with the motor off, depth 0 unless told."""
        if depth_um is None:
            depth_um = DEPTH_UM if motor else 0
        return self.link.send_setpoint(
            motor=motor, depth_um=depth_um, rate_mhz=rate_mhz, seen_pen_time_ms=self.latest.pen_time_ms
        )

    @asynccontextmanager
    async def driving(self, *, motor: bool, depth_um: int | None = None) -> AsyncIterator[None]:
        """Sends a setpoint every 50 ms; what it says can be changed through ``wish``."""
        self.wish = (motor, DEPTH_UM if depth_um is None else depth_um, RATE_MHZ)
        task = asyncio.create_task(self._drive(), name="driving host")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _drive(self) -> None:
        while True:
            assert self.wish is not None
            motor, depth_um, rate_mhz = self.wish
            self.set(motor=motor, depth_um=depth_um, rate_mhz=rate_mhz)
            await asyncio.sleep(SETPOINT_EVERY_S)

    async def stop(self) -> PenSnapshot:
        """STOP, as a treatment does it: repeated until confirmed."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                self.link.stop()
                seen = await self.next_status(2)
                if not seen.lease:
                    return seen

    async def clear_faults(self) -> None:
        """Clears whatever is latched, once the needles are out."""
        await self.next_status()
        faults = (await self.until(lambda seen: seen.state in {PenState.IDLE, PenState.FAULT})).faults
        if not faults:
            return
        await self.link.request(CLEAR_FAULT, FaultMask(int(faults)))
        await self.until(lambda seen: not seen.faults)


@asynccontextmanager
async def connected(url: str, *, tap: Tap | None = None, seed: int | None = None) -> AsyncIterator[Host]:
    """A host with an open link and its first STATUS. Ends a lease and leaves no fault of its own behind."""
    host = Host()
    host.link = await open_link(url, host, monotonic_ms=monotonic_ms, random=Random(seed), tap=tap)
    try:
        await host.next_status()
        yield host
    finally:
        host.link.stop()
        await host.link.close()
