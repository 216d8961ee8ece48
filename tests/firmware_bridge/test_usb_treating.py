"""Treating over usb://: what happens to cable, bus and endpoints while the motor runs, and what a second way in meets.

The product's link, pyusb and two threads against a living simulated pen, in real time.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from statistics import median

import pytest

from firmware_bridge.errors import PenBusy, PortAbsent, PortBusy, TransportLost
from firmware_bridge.handshake import open_link
from firmware_bridge.transports import open_transport
from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import PROTOCOL_VERSION, Busy, Fault, Hello, PenState
from firmware_bridge.wire.operations import CARTRIDGE_READ
from simulators.endpoints.live import LivePen
from simulators.endpoints.virtual_usb import VirtualUsbEndpoint
from simulators.pen import SimulatedPen
from simulators.personality import NW_1
from simulators.usb.descriptors import BULK_IN, BULK_OUT, CDC_IN, CDC_OUT
from simulators.usb.device import UsbWay
from tests.firmware_bridge.lines import Recorder
from tests.hosts import Host, connected, monotonic_ms
from tests.usb_bus import BUS, fresh_serial, url_of

pytestmark = pytest.mark.system

SECOND_MS = 1000


@dataclass
class Bench:
    """A pen on the tests' bus, and its address there."""

    pen: SimulatedPen
    endpoint: VirtualUsbEndpoint
    url: str


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    serial = fresh_serial()
    live = LivePen(SimulatedPen(replace(NW_1, serial=serial), rng=Random(1), today=datetime.now(UTC).date()))
    running = asyncio.create_task(live.run(), name="simulated pen")
    try:
        with VirtualUsbEndpoint(live, BUS) as endpoint:
            yield Bench(live.pen, endpoint, url_of(serial))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def treating(bench: Bench) -> AsyncIterator[Host]:
    """A host under whose lease the motor runs."""
    async with connected(bench.url) as host:
        await host.arm()
        async with host.driving(motor=True):
            await host.until(lambda seen: seen.state is PenState.RUNNING)
            yield host


async def test_unplugged_in_mid_treatment_the_pen_stops_and_comes_back_elsewhere_with_its_fault(bench: Bench) -> None:
    address = BUS.place(bench.endpoint.device).address
    async with treating(bench) as host:
        bench.endpoint.unplug()
        assert isinstance(await host.until_lost(), TransportLost)
        with pytest.raises(PortAbsent):
            await open_transport(bench.url, Recorder())
    model = bench.pen.model
    await asyncio.sleep((model.dead_man_ms + model.retract_ms + 100) / SECOND_MS)
    assert not bench.pen.truth.motor_driven
    assert bench.pen.truth.needles_out
    bench.endpoint.plug()
    assert BUS.place(bench.endpoint.device).address != address
    async with connected(bench.url) as host:
        assert host.latest.faults & Fault.DEAD_MAN
        await host.clear_faults()
        await host.arm()


@pytest.mark.parametrize("trouble", ["stalls", "reset"])
async def test_what_passes_by_itself_does_not_stop_a_treatment(bench: Bench, trouble: str) -> None:
    async with treating(bench) as host:
        lease = host.latest.lease
        for _ in range(5):
            if trouble == "stalls":
                bench.endpoint.halt(BULK_OUT)
                bench.endpoint.halt(BULK_IN)
            else:
                bench.endpoint.reset()
            seen = await host.next_status(4)
        assert (seen.state, seen.lease) == (PenState.RUNNING, lease)
        assert host.lost == []


async def test_a_bus_that_sleeps_stops_the_motor_within_the_dead_man_time(bench: Bench) -> None:
    async with treating(bench) as host:
        bench.endpoint.suspend()
        await asyncio.sleep((bench.pen.model.dead_man_ms + 50) / SECOND_MS)
        assert not bench.pen.truth.motor_driven
        assert bench.pen.truth.faults & Fault.DEAD_MAN
        bench.endpoint.resume()
        assert (await host.until(lambda seen: not seen.lease)).faults & Fault.DEAD_MAN


async def test_the_serial_line_of_a_pen_that_treats_over_bulk_is_answered_busy(bench: Bench) -> None:
    """Past our own transport, which takes the whole pen: any other program's few lines on the serial line."""
    async with treating(bench) as host:
        lease = host.latest.lease
        device = bench.endpoint.device
        with BUS.changed:
            device.bulk_out(CDC_OUT, frame(Hello(7, PROTOCOL_VERSION), 0))
        deframer = Deframer()
        answers: list[object] = []
        async with asyncio.timeout(5):
            while not answers:
                with BUS.changed:
                    data = device.bulk_in(CDC_IN, 512)
                answers += deframer.feed(data) if isinstance(data, bytes) else []
                await asyncio.sleep(0.002)
        assert answers == [Busy(7)]
        assert (await host.next_status(2)).lease == lease
        assert bench.pen.truth.motor_driven


async def test_our_own_transport_lets_nobody_else_have_a_way_into_the_pen(bench: Bench) -> None:
    async with treating(bench) as host:
        with pytest.raises((PortBusy, PenBusy)):
            await open_link(bench.url, Host(), monotonic_ms=monotonic_ms, random=Random(2))
        assert BUS.place(bench.endpoint.device).driven == set()
        assert (await host.next_status(2)).state is PenState.RUNNING


async def test_a_slow_cable_is_a_slow_pen_and_no_wrong_one(bench: Bench) -> None:
    async with connected(bench.url) as host:
        bench.endpoint.slow_to(16)
        for _ in range(5):
            await host.link.request(CARTRIDGE_READ)
        assert host.link.deframer.damaged == 0
        assert host.lost == []


async def test_two_threads_add_little_to_a_requests_way(bench: Bench) -> None:
    async with connected(bench.url) as host:
        took_s = []
        for _ in range(100):
            began = time.perf_counter()
            await host.link.request(CARTRIDGE_READ)
            took_s.append(time.perf_counter() - began)
    assert median(took_s) < 0.02
    assert bench.endpoint.dropped_bytes == 0
    assert bench.endpoint.port(UsbWay.BULK).line.to_pen.lost_bytes == 0
