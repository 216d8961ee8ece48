"""A service lease over the link: granted, refused, or uncertain, and then the pen is told to STOP."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from random import Random

import pytest

from firmware_bridge.errors import CodecError, RequestRefused, RequestUncertain
from firmware_bridge.wire.messages import Refusal, Request, Response, Stop
from firmware_bridge.wire.service_operations import LIFETIME_READ, RAW_READ
from simulators.defects import Said
from simulators.endpoints.live import LivePen
from simulators.endpoints.memory import MemoryEndpoint
from simulators.pen import SimulatedPen
from simulators.personality import NW_2
from tests.hosts import Host, connected
from tests.pens import KIND, BadLine, kind_of

pytestmark = pytest.mark.looptime(start=time.monotonic)


@asynccontextmanager
async def at_the_bench() -> AsyncIterator[tuple[SimulatedPen, Host, BadLine]]:
    """An NW-2 off skin, a host connected to it, and the line between them."""
    loop = asyncio.get_running_loop()
    pen = SimulatedPen(NW_2, rng=Random(5), today=date(2026, 1, 1))
    pen.hold_on("air", touching=False)
    live = LivePen(pen, clock_ns=lambda: int(loop.time() * 1e9))
    task = asyncio.create_task(live.run(), name="simulated pen")
    try:
        with MemoryEndpoint(live, "service-lease") as endpoint:
            line = BadLine(endpoint.url)
            async with connected(line.url) as host:
                yield pen, host, line
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def service_arm(host: Host, lifetime_ms: int = 60_000) -> int:
    return await host.link.service_arm(depth_ceiling_um=2000, rate_ceiling_mhz=120_000, lifetime_ms=lifetime_ms)


async def test_it_drives_as_under_any_lease_and_reads_meanwhile() -> None:
    async with at_the_bench() as (pen, host, _):
        lease = await service_arm(host)
        assert lease == host.link.lease == pen.truth.lease
        async with host.driving(motor=True):
            await host.until(lambda seen: seen.depth_measured_um is not None and seen.depth_measured_um > 450)
            assert (await host.link.request(RAW_READ)).depth_raw_um == pytest.approx(490, abs=25)
            assert (await host.link.request(LIFETIME_READ)).starts == 1
        await host.stop()


async def test_it_is_refused_on_skin_and_while_a_lease_lives() -> None:
    async with at_the_bench() as (pen, host, line):
        pen.hold_on("cheek", touching=True)
        with pytest.raises(RequestRefused) as on_skin:
            await service_arm(host)
        assert on_skin.value.refusal == Refusal.NOT_READY
        pen.hold_on("cheek", touching=False)
        await service_arm(host)
        requests = line.to_pen.passed.count(KIND[Request])
        with pytest.raises(RequestRefused) as armed:
            await service_arm(host)
        assert armed.value.refusal == Refusal.ARMED
        assert line.to_pen.passed.count(KIND[Request]) == requests
        assert KIND[Stop] not in line.to_pen.passed


async def test_what_ends_it_in_the_pen_ends_it_here() -> None:
    async with at_the_bench() as (pen, host, _):
        await service_arm(host)
        async with host.driving(motor=True):
            await host.until(lambda seen: seen.lease != 0 and seen.tick > 2)
            pen.hold_on("cheek", touching=True)
            await host.until(lambda seen: not seen.lease)
        assert host.link.lease == 0
        assert not host.latest.faults


async def test_unanswered_it_is_followed_by_stop_and_so_is_a_late_answer() -> None:
    async with at_the_bench() as (pen, host, line):
        line.to_host.holds = lambda kind: kind == KIND[Response]
        line.to_pen.loses = lambda kind: kind == KIND[Stop] and not line.to_pen.lost
        with pytest.raises(RequestUncertain):
            await service_arm(host)
        assert line.to_pen.lost == [KIND[Stop]], "that STOP did not arrive"
        line.to_host.release()
        await host.until(lambda seen: not seen.lease)
        assert (host.link.lease, pen.truth.lease) == (0, 0)
        async with asyncio.timeout(1):
            while KIND[Stop] not in line.to_pen.passed:
                await host.next_status()
        await host.clear_faults()
        await service_arm(host)


async def test_cancelled_it_is_followed_by_stop() -> None:
    async with at_the_bench() as (pen, host, line):
        line.to_host.holds = lambda kind: kind == KIND[Response]
        task = asyncio.create_task(service_arm(host), name="service arm")
        await host.next_status(2)
        assert pen.truth.lease
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await host.until(lambda seen: not seen.lease)
        assert not host.latest.faults, "STOP ended it, not silence"


@pytest.mark.parametrize("times", [2, 3])
async def test_the_same_answer_more_than_once_is_one_lease_and_no_stop(times: int) -> None:
    async with at_the_bench() as (pen, host, line):
        deliver = line.to_host.deliver
        assert deliver is not None
        again: list[bytes] = []

        def repeating(data: bytes) -> None:
            answers = [piece + b"\0" for piece in data.split(b"\0") if kind_of(piece + b"\0") == KIND[Response]]
            again.extend(answers * (times - 1))
            deliver(data + b"".join(answers * (times - 1)))

        line.to_host.deliver = repeating
        await service_arm(host)
        line.to_host.deliver = deliver
        await host.next_status(3)
        assert len(again) == times - 1
        assert host.link.lease == pen.truth.lease != 0
        assert KIND[Stop] not in line.to_pen.passed


async def test_an_answer_that_makes_no_sense_is_followed_by_stop() -> None:
    async with at_the_bench() as (pen, host, _):

        def empty(said: object) -> Said:
            return said._replace(data=b"") if isinstance(said, Response) else said  # type: ignore[return-value]

        pen.defects.says["empty"] = empty
        with pytest.raises(CodecError):
            await service_arm(host)
        await host.until(lambda seen: not seen.lease)
        assert not host.latest.faults
