"""A living pen as a USB device on the event loop: cables, two media, and the same hand on every bus."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import date

import pytest

from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import PROTOCOL_VERSION, Hello, Status, Welcome
from simulators.endpoints.live import LivePen
from simulators.endpoints.usb import UsbEndpoint
from simulators.endpoints.virtual_usb import VirtualUsbEndpoint
from simulators.pen import SimulatedPen
from simulators.usb.bus import VirtualBus
from simulators.usb.control import Setup
from simulators.usb.descriptors import BULK_IN, BULK_OUT
from simulators.usb.device import HELD_BYTES, Handshake, UsbState, UsbWay

DEADLINE_S = 5.0


@pytest.fixture
async def live() -> AsyncIterator[LivePen]:
    made = LivePen(SimulatedPen(rng=random.Random(1), today=date(2026, 1, 1)))
    task = asyncio.create_task(made.run(), name="simulated pen")
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(params=["on the loop", "on a bus"])
async def endpoint(request: pytest.FixtureRequest, live: LivePen) -> UsbEndpoint:
    if request.param == "on a bus":
        return VirtualUsbEndpoint(live, VirtualBus())
    return UsbEndpoint(live, log=lambda _sentence: None)


def configure(endpoint: UsbEndpoint) -> None:
    """What a kernel does; on a bus it has been done."""
    endpoint.device.control(Setup(0x00, 9, 1, 0, 0).packed())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.001)


async def heard(endpoint: UsbEndpoint, kind: type) -> None:
    deframer = Deframer()

    def came() -> bool:
        data = endpoint.device.bulk_in(BULK_IN, 512)
        return isinstance(data, bytes) and any(isinstance(message, kind) for message in deframer.feed(data))

    await until(came)


async def test_a_living_pen_answers_over_its_endpoints(endpoint: UsbEndpoint) -> None:
    with endpoint:
        configure(endpoint)
        hello = frame(Hello(7, PROTOCOL_VERSION), 0)
        assert endpoint.device.bulk_out(BULK_OUT, hello) == len(hello)
        await heard(endpoint, Welcome)
        await heard(endpoint, Status)


async def test_plugging_makes_two_media_and_unplugging_ends_them(endpoint: UsbEndpoint) -> None:
    for _ in range(2):
        assert not endpoint.plugged
        endpoint.plug()
        endpoint.plug()
        assert endpoint.plugged
        assert endpoint.port(UsbWay.CDC).medium != endpoint.port(UsbWay.BULK).medium
        configure(endpoint)
        endpoint.unplug()
        endpoint.unplug()
        assert endpoint.device.state is UsbState.DETACHED
        with pytest.raises(KeyError):
            endpoint.port(UsbWay.CDC)


async def test_what_nobody_fetches_is_lost_and_counted(endpoint: UsbEndpoint) -> None:
    with endpoint:
        configure(endpoint)
        endpoint.port(UsbWay.BULK).send(bytes(HELD_BYTES + 5))
        assert endpoint.dropped_bytes == 5


async def test_hands_on_the_cable(endpoint: UsbEndpoint) -> None:
    with endpoint:
        configure(endpoint)
        endpoint.halt(BULK_OUT)
        assert endpoint.device.bulk_out(BULK_OUT, b"x") is Handshake.STALL
        endpoint.device.control(Setup(0x02, 1, 0, BULK_OUT, 0).packed())
        endpoint.suspend()
        assert endpoint.device.bulk_out(BULK_OUT, b"x") is Handshake.NAK
        endpoint.resume()
        endpoint.slow_to(0)
        await asyncio.sleep(0.01)
        assert endpoint.device.bulk_out(BULK_OUT, b"x") is Handshake.NAK
        endpoint.slow_to(1)
        moved = 0

        def moves() -> bool:
            nonlocal moved
            taken = endpoint.device.bulk_out(BULK_OUT, bytes(64))
            assert taken is Handshake.NAK or (isinstance(taken, int) and taken <= 4)
            moved += taken if isinstance(taken, int) else 0
            return moved > 8

        await until(moves)
        endpoint.slow_to(None)
        assert endpoint.device.bulk_out(BULK_OUT, bytes(64)) == 64


async def test_a_device_that_comes_back_elsewhere_is_another_medium(live: LivePen) -> None:
    endpoint = VirtualUsbEndpoint(live, VirtualBus())
    with endpoint:
        before = endpoint.port(UsbWay.BULK).medium, endpoint.bus.place(endpoint.device).address
        endpoint.re_enumerate()
        after = endpoint.port(UsbWay.BULK).medium, endpoint.bus.place(endpoint.device).address
        assert before[0] != after[0]
        assert before[1] != after[1]
        endpoint.reset()
        assert endpoint.device.state is UsbState.CONFIGURED
        assert endpoint.bus.place(endpoint.device).address == after[1]


async def test_what_is_on_its_way_to_an_unplugged_pen_reaches_nobody_and_frees_its_room(live: LivePen) -> None:
    endpoint = VirtualUsbEndpoint(live, VirtualBus())
    with endpoint:
        assert endpoint.device.bulk_out(BULK_OUT, bytes(HELD_BYTES + 100)) == HELD_BYTES
        assert endpoint.device.bulk_out(BULK_OUT, b"x") is Handshake.NAK
        endpoint.re_enumerate()
        await asyncio.sleep(0)
        assert live.pen.firmware.media.damaged_frames == 0
        assert endpoint.device.bulk_out(BULK_OUT, bytes(HELD_BYTES)) == HELD_BYTES
