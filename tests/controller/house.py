"""A session driver with its supervisor, a simulated pen on a real pseudo-terminal, and a site in memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from random import Random

from controller.events import Event
from controller.inputs import SetDepth, SetRate, Start
from controller.library import load_library
from controller.plan import SessionPlan
from controller.ports import RecordUnavailable
from controller.session import SessionDriver
from controller.site import Site
from controller.view import PenView
from firmware_bridge.supervisor import Supervisor
from simulators.endpoints.live import LivePen
from simulators.endpoints.pty import PtyEndpoint
from simulators.pen import SimulatedPen
from tests.site import Ledger, Memory, Pens, clinic


class WallClock:
    """The real clocks; the time of day can be set."""

    set_by = timedelta(0)

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def utc(self) -> datetime:
        return datetime.now(UTC) + self.set_by


class MemorySink:
    """Keeps events in memory; its disk can be made to fail or to hang."""

    def __init__(self) -> None:
        self.kept: list[tuple[str | None, Event]] = []
        self.broken: str | None = None
        self.full = 0
        self.fails_to_flush = False
        self.flushes = 0
        self.on_flush: Callable[[int], Awaitable[None]] | None = None

    def emit(self, event: Event, *, session: str | None) -> None:
        self.kept.append((session, event))

    async def flush(self) -> None:
        self.flushes += 1
        if self.on_flush is not None:
            await self.on_flush(self.flushes)
        if self.fails_to_flush:
            raise RecordUnavailable("The disk is full.")

    def problem(self) -> str | None:
        return self.broken

    def fill_permille(self) -> int:
        return self.full

    def of(self, kind: type) -> list:  # type: ignore[type-arg]
        return [event for _, event in self.kept if isinstance(event, kind)]


class House:
    """A simulated pen on a PTY, a driver and its supervisor."""

    def __init__(self, pen: SimulatedPen, endpoint: PtyEndpoint, sink: MemorySink) -> None:
        self.pen, self.endpoint, self.sink = pen, endpoint, sink
        self.memory, self.ledger, self.pens, self.clock = Memory(), Ledger(), Pens(), WallClock()
        clock = self.clock
        self.driver = SessionDriver(
            endpoint.url,
            sink=sink,
            clock=clock,
            random=Random(2),
            site=Site(
                clinic(),
                memory=self.memory,
                ledger=self.ledger,
                pens=self.pens,
            ),
        )
        self.supervisor = Supervisor(endpoint.url, self.driver, monotonic_ms=clock.monotonic_ms, random=Random(3))

    async def until(self, holds, within_s: float = 3.0) -> None:  # type: ignore[no-untyped-def]
        async with asyncio.timeout(within_s):
            while not holds(self):
                await asyncio.sleep(0.005)

    async def treat(self) -> None:
        await self.prepare()
        await self.driver.arm("test")
        await self.driver.ask(SetDepth(depth_um=500))
        await self.driver.ask(SetRate(rate_mhz=100_000))
        await self.driver.ask(Start(source="test"))
        await self.until(lambda house: house.pen.truth.motor_driven)

    async def prepare(self, **changes: object) -> PenView:
        return await self.driver.prepare(
            SessionPlan(
                patient="p-0001",
                operator="demo-physician",
                protocol="facial-rejuvenation",
                skin="thick",
                zone="cheek",
                checklist=dict.fromkeys(load_library().checklist, True),
                answers=dict.fromkeys(load_library().questions, False),
                consent="form 1",
            ).model_copy(update=changes)
        )


@asynccontextmanager
async def open_house() -> AsyncIterator[House]:
    """A house with its pen connected."""
    pen = SimulatedPen(rng=Random(1), today=date.today())  # noqa: DTZ011 - the pen's own calendar
    live = LivePen(pen)
    with PtyEndpoint(live) as endpoint:
        made = House(pen, endpoint, MemorySink())
        tasks = [
            asyncio.create_task(run(), name=name)
            for name, run in (("pen", live.run), ("driver", made.driver.run), ("supervisor", made.supervisor.run))
        ]
        try:
            await made.until(lambda h: h.driver.state.seen is not None)
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
