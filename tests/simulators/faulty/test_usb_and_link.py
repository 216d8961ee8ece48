"""Faults that only a link or a USB device shows: the product's transport, handshake and session driver against them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest

from controller.errors import ControlRefused
from firmware_bridge.errors import WireError
from firmware_bridge.wire.messages import Fault, PenState
from simulators.endpoints.live import LivePen
from simulators.endpoints.memory import MemoryEndpoint
from simulators.endpoints.virtual_usb import VirtualUsbEndpoint
from simulators.faults.catalogue import CATALOGUE
from simulators.faults.injector import Injector
from simulators.faults.parts import Parts
from simulators.pen import SimulatedPen
from simulators.personality import NW_1
from simulators.usb.descriptors import BULK_IN, BULK_OUT
from tests.controller.house import House, open_house
from tests.hosts import Host, connected
from tests.pens import simulator
from tests.usb_bus import BUS, fresh_serial, url_of

pytestmark = pytest.mark.system

USB_FAULTS = [name for name, kind in CATALOGUE.items() if kind.layer == "usb"]


class UsbPen:
    """A pen on the tests' bus, and what breaks it."""

    def __init__(self, live: LivePen, endpoint: VirtualUsbEndpoint, url: str) -> None:
        self.pen, self.endpoint, self.url = live.pen, endpoint, url
        self.injector = Injector(Parts(live.pen, lines=live.lines, usb=endpoint, bus=endpoint))

    @property
    def address(self) -> int:
        return BUS.place(self.endpoint.device).address


@pytest.fixture
async def plugged() -> AsyncIterator[UsbPen]:
    serial = fresh_serial()
    live = LivePen(SimulatedPen(replace(NW_1, serial=serial), rng=Random(1), today=datetime.now(UTC).date()))
    running = asyncio.create_task(live.run(), name="simulated pen")
    try:
        with VirtualUsbEndpoint(live, BUS) as endpoint:
            yield UsbPen(live, endpoint, url_of(serial))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def begin(host: Host) -> None:
    await host.until(lambda seen: seen.state is PenState.RUNNING)


@pytest.mark.parametrize("name", USB_FAULTS)
async def test_a_fault_of_usb_meets_a_treatment(plugged: UsbPen, name: str) -> None:
    """Over real pyusb code: what becomes of a running motor is what the catalogue says, and it can begin anew."""
    kind, address = CATALOGUE[name], plugged.address
    async with connected(plugged.url) as host:
        await host.arm()
        async with host.driving(motor=True):
            await begin(host)
            fault = plugged.injector.inject(name)
            if kind.reaction == "goes on":
                await host.next_status(20)
                assert host.latest.state is PenState.RUNNING
                assert not host.lost
            else:
                async with asyncio.timeout(3):
                    while plugged.pen.truth.motor_driven:
                        await asyncio.sleep(0.01)
                assert plugged.pen.truth.faults == Fault.DEAD_MAN
    if name in {"usb_unplug", "usb_re_enumerate"}:
        assert host.lost
    fault.clear()
    assert plugged.injector.active == ()
    assert (plugged.address != address) is (name in {"usb_unplug", "usb_re_enumerate"})
    async with connected(plugged.url) as host:
        await host.clear_faults()
        await host.arm()
        async with host.driving(motor=True):
            await begin(host)


async def test_what_each_does_to_the_device(plugged: UsbPen) -> None:
    device, injector = plugged.endpoint.device, plugged.injector
    for name, endpoint in (("usb_stall_in", BULK_IN), ("usb_stall_out", BULK_OUT)):
        injector.inject(name)
        assert endpoint in device.halted
    injector.inject("usb_reset")
    assert device.halted == frozenset()
    injector.inject("usb_suspend")
    assert device.suspended
    injector.clear("usb_suspend")
    assert not device.suspended
    injector.inject("usb_unplug")
    assert not plugged.endpoint.plugged
    injector.clear("usb_unplug")
    assert plugged.endpoint.plugged


# The handshake and the session driver


@pytest.mark.parametrize("name", ["firmware_old_version", "firmware_wrong_nonce"])
async def test_a_welcome_that_is_none_is_no_connection(name: str) -> None:
    async with simulator() as live:
        injector = Injector(live.pen)
        with MemoryEndpoint(live, "welcome") as endpoint:
            injector.inject(name)
            with pytest.raises(WireError):
                async with connected(endpoint.url):
                    pass
            injector.clear_all()
            async with connected(endpoint.url) as host:
                await host.arm()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house() as house:
        yield house


async def test_a_cartridge_that_cannot_be_marked_is_not_armed_with(house: House) -> None:
    injector = Injector(house.pen)
    injector.inject("firmware_consume_fails")
    with pytest.raises((ControlRefused, WireError)):
        await house.treat()
    assert not house.pen.truth.motor_driven
    assert not house.pen.truth.lease
    injector.clear_all()
    await house.driver.arm("test")
    assert house.driver.view().phase == "paused"
