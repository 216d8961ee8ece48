"""A service driver with its supervisor and a simulated NW-2 on the memory transport, in the time of the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from controller.calibration.policy import ServiceLimits, load_policy
from controller.service.driver import ServiceDriver
from firmware_bridge.supervisor import Supervisor
from simulators.endpoints.live import LivePen
from simulators.endpoints.memory import MemoryEndpoint
from simulators.pen import SimulatedPen
from simulators.personality import PenModel, model_named
from tests.controller.house import MemorySink

_numbers = count(1)
QUICK = load_policy().service.model_copy(
    update={"idle_time_out_ms": 6_000, "lease_ms": 8_000, "off_skin_ms": 300, "settle_ms": 400}
)
"""The limits shipped with shorter times: nothing here is about how long they are."""
NW_2 = replace(model_named("NW-2"), self_test_ms=200)


class LoopClock:
    """The event loop's time, which a test can run as fast as it likes."""

    def monotonic_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def utc(self) -> datetime:
        return datetime(2026, 11, 26, tzinfo=UTC) + timedelta(milliseconds=self.monotonic_ms())


@dataclass
class Bench:
    """What a test has in hand."""

    pen: SimulatedPen
    endpoint: MemoryEndpoint
    driver: ServiceDriver
    sink: MemorySink

    async def until(self, holds: Callable[[], bool], within_s: float = 3.0) -> None:
        async with asyncio.timeout(within_s):
            while not holds():
                await asyncio.sleep(0.002)

    def of(self, kind: type) -> list[Any]:
        return self.sink.of(kind)


@asynccontextmanager
async def simulated_bench(
    model: PenModel = NW_2, limits: ServiceLimits | None = None, **changes: Any
) -> AsyncIterator[Bench]:
    """A driver with its pen connected."""
    loop = asyncio.get_running_loop()
    pen = SimulatedPen(model, rng=Random(1), today=date(2026, 11, 26), **changes)
    pen.hold_on("air", touching=False)
    live = LivePen(pen, clock_ns=lambda: int(loop.time() * 1e9))
    clock = LoopClock()
    with MemoryEndpoint(live, f"service-{next(_numbers)}") as endpoint:
        sink = MemorySink()
        driver = ServiceDriver(endpoint.url, sink=sink, clock=clock, random=Random(2), limits=limits or QUICK)
        supervisor = Supervisor(endpoint.url, driver, monotonic_ms=clock.monotonic_ms, random=Random(3))
        tasks = [
            asyncio.create_task(run(), name=name)
            for name, run in (("pen", live.run), ("driver", driver.run), ("supervisor", supervisor.run))
        ]
        try:
            await driver.connected(5.0)
            yield Bench(pen, endpoint, driver, sink)
        finally:
            await driver.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
