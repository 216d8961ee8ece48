"""usb:// beside the contract: which pen is meant, who may have it, and what a cable, a hub and a halted endpoint do.

pyusb is real here, and so are the threads; libusb and what hangs behind it are not there.
"""

import asyncio
import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace

import libusb_package
import pytest

from firmware_bridge.errors import (
    PortAbsent,
    PortBusy,
    PortForbidden,
    PortUnusable,
    TransportError,
    TransportLost,
    UnknownUrl,
)
from firmware_bridge.transports import Transport, open_transport, parse_url, schemes
from firmware_bridge.transports.holders import PortHolder
from firmware_bridge.transports.libusb import UsbHost
from firmware_bridge.transports.usb import STALLS_MAX, UsbPort, usb_address, usb_opener
from firmware_bridge.usb_id import UsbId, usb_url
from simulators.usb.backend import VirtualBackend
from simulators.usb.bus import Place, VirtualBus
from simulators.usb.control import Setup
from simulators.usb.descriptors import BULK_IN, BULK_OUT, ENDPOINTS_OF_INTERFACE, PACKET_BYTES, UsbIdentity
from simulators.usb.device import HELD_BYTES, Handshake, UsbDevice, UsbWay
from tests.firmware_bridge.lines import Recorder
from tests.usb_bus import NoFacts

PEN = UsbId(0x1209, 0x0001)
DEADLINE_S = 5.0


class Pen(UsbDevice):
    """A device that keeps what it hears, transfer by transfer, and takes nothing while ``deaf``."""

    def __init__(self, serial: str) -> None:
        super().__init__(UsbIdentity("NW-1", serial), self._hear, log=lambda _sentence: None)
        self.heard = bytearray()
        self.transfers: list[int] = []
        self.deaf = False

    def _hear(self, way: UsbWay, data: bytes) -> int:
        if self.deaf:
            return 0
        assert way is UsbWay.BULK
        self.heard += data
        return len(data)

    def bulk_out(self, endpoint: int, data: bytes) -> int | Handshake:
        taken = super().bulk_out(endpoint, data)
        if isinstance(taken, int):
            self.transfers.append(taken)
        return taken


class Desk:
    """A computer with a USB bus of its own."""

    def __init__(self) -> None:
        self.bus = VirtualBus()
        self.facts = NoFacts()
        self.host = UsbHost(VirtualBackend(self.bus), self.facts)

    def plug(self, serial: str = "A", *, forbidden: bool = False, pen: Pen | None = None) -> Pen:
        made = Pen(serial) if pen is None else pen
        self.bus.plug(made, forbidden=forbidden)
        return made

    def place(self, pen: Pen) -> Place:
        return self.bus.place(pen)

    async def open(self, url: str, recorder: Recorder | None = None) -> Transport:
        return await usb_opener(self.host)(parse_url(url), recorder or Recorder())

    @contextlib.asynccontextmanager
    async def opened(self, serial: str | None = "A") -> AsyncIterator[tuple[Transport, Recorder]]:
        recorder = Recorder()
        transport = await self.open(usb_url(PEN, serial), recorder)
        try:
            yield transport, recorder
        finally:
            await transport.close(0)


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.001)


# Which pen ----------------------------------------------------------------------------------------------------------


def test_the_scheme_is_registered() -> None:
    assert "usb" in schemes()


@pytest.mark.parametrize("product", [0x0001, 0x00FE, 0xBEEF, 0xFFFF])
def test_an_address_and_its_url(product: int) -> None:
    usb_id = UsbId(0x1209, product)
    assert usb_address(parse_url(usb_url(usb_id, "NW 1/ü&=?"))) == (usb_id, "NW 1/ü&=?")
    assert usb_address(parse_url(usb_url(usb_id, None))) == (usb_id, None)


@pytest.mark.parametrize("url", ["usb://", "usb://1209", "usb://1209:1", "usb://1209:000g", "usb://1209:0001/x"])
async def test_a_malformed_address_is_told_with_what_one_looks_like(desk: Desk, url: str) -> None:
    with pytest.raises(UnknownUrl, match=r"usb://1209:0001\?serial="):
        await desk.open(url)


async def test_an_unknown_option_is_refused_with_the_nearest(desk: Desk) -> None:
    with pytest.raises(PortUnusable, match="Did you mean serial"):
        await desk.open("usb://1209:0001?seril=A")


async def test_pens_are_told_apart_by_their_serial_numbers(desk: Desk) -> None:
    first, second = desk.plug("A"), desk.plug("B")
    async with desk.opened("B") as (to_b, _), desk.opened("A") as (to_a, heard_from_a):
        to_a.write(b"for a")
        to_b.write(b"for b")
        with desk.bus.changed:
            first.say(UsbWay.BULK, b"from a")
        assert await heard_from_a.received(6) == b"from a"
        await until(lambda: bool(first.heard and second.heard))
    assert (first.heard, second.heard) == (b"for a", b"for b")


async def test_the_only_pen_of_its_kind_needs_no_serial_number(desk: Desk) -> None:
    pen = desk.plug()
    async with desk.opened(None) as (transport, _):
        transport.write(b"hello")
        await until(lambda: pen.heard == b"hello")


async def test_one_of_several_has_to_be_named(desk: Desk) -> None:
    desk.plug("A")
    desk.plug("B")
    with pytest.raises(PortUnusable) as refusal:
        await desk.open("usb://1209:0001")
    assert "usb://1209:0001?serial=A or usb://1209:0001?serial=B" in str(refusal.value)


async def test_an_absent_pen_is_named_and_so_is_what_is_there_instead(desk: Desk) -> None:
    with pytest.raises(PortAbsent, match="no pen 1209:0001 with the serial number A is plugged in"):
        await desk.open("usb://1209:0001?serial=A")
    desk.plug("B")
    with pytest.raises(PortAbsent, match="Plugged in: B") as refusal:
        await desk.open("usb://1209:0001?serial=A")
    assert refusal.value.url == "usb://1209:0001?serial=A"
    with pytest.raises(PortAbsent, match="no pen 1209:0002 is"):
        await desk.open("usb://1209:0002")


# Who may have it ----------------------------------------------------------------------------------------------------


async def test_a_pen_that_may_not_be_opened_is_told_with_the_udev_rule(desk: Desk) -> None:
    place = desk.place(desk.plug("A", forbidden=True))
    for known in ({}, {place.address: "A"}):
        desk.facts.serials = known
        with pytest.raises(PortForbidden, match="udev rule from deploy/"):
            await desk.open("usb://1209:0001?serial=A")
    with pytest.raises(PortAbsent, match="Plugged in: A"):
        await desk.open("usb://1209:0001?serial=B")


async def test_a_pen_that_may_be_opened_is_found_beside_one_that_may_not(desk: Desk) -> None:
    desk.plug("A", forbidden=True)
    pen = desk.plug("B")
    async with desk.opened("B") as (transport, _):
        transport.write(b"x")
        await until(lambda: bool(pen.heard))


async def test_a_pen_has_one_host_and_the_second_is_told_who_has_it(desk: Desk) -> None:
    pen = desk.plug()
    async with desk.opened() as (transport, recorder):
        with pytest.raises(PortBusy, match="sudo fuser -v /dev/bus/usb/001/001"):
            await desk.open("usb://1209:0001?serial=A")
        desk.facts.users = [PortHolder(4711, "needlework run")]
        with pytest.raises(PortBusy, match=r"process 4711 \(needlework run\)"):
            await desk.open("usb://1209:0001?serial=A")
        transport.write(b"still mine")
        await until(lambda: pen.heard == b"still mine")
        assert recorder.losses == []
    async with desk.opened():
        pass


async def test_a_serial_line_that_somebody_uses_is_not_taken_away(desk: Desk) -> None:
    place = desk.place(desk.plug())
    desk.facts.lines = [PortHolder(4711, "needlework run")]
    with pytest.raises(PortBusy, match="process 4711"):
        await desk.open("usb://1209:0001?serial=A")
    assert place.driven == {0, 1}
    assert place.claims == {}


# Taking and giving back --------------------------------------------------------------------------------------------


async def test_all_interfaces_are_taken_and_the_driver_has_its_own_back_afterwards(desk: Desk) -> None:
    place = desk.place(desk.plug())
    for politely in (True, False):
        assert place.driven == {0, 1}
        recorder = Recorder()
        transport = await desk.open("usb://1209:0001", recorder)
        assert place.driven == set()
        assert place.claims.keys() == ENDPOINTS_OF_INTERFACE.keys()
        if politely:
            await transport.close()
        else:
            transport.abort()
        await recorder.lost()
        assert place.claims == {}
    assert place.driven == {0, 1}


async def test_what_was_taken_is_given_back_when_the_rest_is_refused(desk: Desk) -> None:
    place = desk.place(desk.plug())
    place.claims[2] = "another program's"
    with pytest.raises(PortBusy):
        await desk.open("usb://1209:0001")
    assert place.driven == {0, 1}
    assert place.claims == {2: "another program's"}


async def test_a_device_without_a_pens_endpoints_is_refused_and_left_as_it_was(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = desk.place(desk.plug())
    told = VirtualBackend.get_interface_descriptor

    def other(self: VirtualBackend, *which: int) -> SimpleNamespace:
        found: SimpleNamespace = told(self, *which)  # type: ignore[arg-type]
        found.bInterfaceClass = 0x03
        return found

    monkeypatch.setattr(VirtualBackend, "get_interface_descriptor", other)
    with pytest.raises(PortUnusable, match="no bulk endpoints"):
        await desk.open("usb://1209:0001")
    assert place.driven == {0, 1}
    assert place.claims == {}


async def test_a_system_without_kernel_drivers_opens_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object) -> bool:
        raise NotImplementedError

    for name in ("is_kernel_driver_active", "detach_kernel_driver", "attach_kernel_driver"):
        monkeypatch.setattr(VirtualBackend, name, unknown)
    pen = desk.plug()
    desk.place(pen).driven.clear()
    async with desk.opened() as (transport, _):
        transport.write(b"x")
        await until(lambda: bool(pen.heard))


async def test_a_cancelled_open_leaves_nothing_taken(desk: Desk) -> None:
    pen = desk.plug()
    place = desk.place(pen)
    pen.suspend()
    opening = asyncio.create_task(desk.open("usb://1209:0001?serial=A"))
    await asyncio.sleep(0.02)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    with desk.bus.changed:
        pen.resume()
    await until(lambda: not any(thread.name.startswith("open usb") for thread in threading.enumerate()))
    assert place.claims == {}
    assert place.driven == {0, 1}


async def test_a_pen_that_does_not_answer_is_not_called_absent(desk: Desk) -> None:
    pen = desk.plug()
    pen.suspend()
    with pytest.raises(PortUnusable, match=r"bus 001 device 001 cannot be used over USB: .*timed out"):
        await desk.open("usb://1209:0001?serial=A")


# Stalls -------------------------------------------------------------------------------------------------------------


async def test_stalls_are_cleared_and_no_byte_is_lost_or_doubled(desk: Desk) -> None:
    pen = desk.plug()
    sent = bytes(range(256)) * 4
    async with desk.opened() as (transport, recorder):
        for begin in range(0, len(sent), 128):
            with desk.bus.changed:
                pen.halt(BULK_OUT)
                pen.halt(BULK_IN)
                pen.say(UsbWay.BULK, sent[begin : begin + 128])
            transport.write(sent[begin : begin + 128])
            await until(lambda begin=begin: len(pen.heard) == begin + 128)
        assert await recorder.received(len(sent)) == sent
        assert pen.heard == sent
        assert recorder.losses == []
        assert pen.halted == frozenset()


@pytest.mark.parametrize("endpoint", [BULK_IN, BULK_OUT])
async def test_an_endpoint_that_stalls_again_and_again_is_a_loss(desk: Desk, endpoint: int) -> None:
    class Stubborn(Pen):
        clears = 0

        def control(self, setup: bytes, data: bytes = b"") -> bytes | Handshake:
            answer = super().control(setup, data)
            if Setup.parse(setup).request_type == 0x02:
                self.clears += 1
                self.halt(endpoint)
            return answer

    pen = Stubborn("A")
    desk.plug(pen=pen)
    async with desk.opened() as (transport, recorder):
        with desk.bus.changed:
            pen.halt(endpoint)
        transport.write(b"anything")
        cause = await recorder.lost()
        assert isinstance(cause, TransportLost)
        assert f"{endpoint:#04x} stalls again" in str(cause)
        assert "dead-man" in str(cause)
        assert pen.clears == STALLS_MAX


# Cables and hubs ---------------------------------------------------------------------------------------------------


async def test_unplugged_in_mid_transfer_is_a_loss_at_once_and_both_threads_end(desk: Desk) -> None:
    pen = desk.plug()
    pen.deaf = True
    async with desk.opened() as (transport, recorder):
        transport.write(bytes(HELD_BYTES))
        await asyncio.sleep(0.01)
        began = time.monotonic()
        desk.bus.unplug(pen)
        cause = await recorder.lost()
        assert time.monotonic() - began < 0.4
        assert isinstance(cause, TransportLost)
        assert "usb://1209:0001?serial=A" in str(cause)
        assert transport.unsent_bytes == 0
        await until(lambda: threads_of("usb://") == [])


async def test_a_pen_that_comes_back_elsewhere_is_lost_and_opens_again_by_the_same_url(desk: Desk) -> None:
    pen = desk.plug()
    address = desk.place(pen).address
    async with desk.opened() as (_, recorder):
        desk.bus.re_enumerate(pen)
        assert isinstance(await recorder.lost(), TransportLost)
    assert desk.place(pen).address != address
    async with desk.opened() as (transport, _):
        transport.write(b"again")
        await until(lambda: pen.heard == b"again")


async def test_bytes_wait_while_the_bus_sleeps(desk: Desk) -> None:
    pen = desk.plug()
    async with desk.opened() as (transport, recorder):
        with desk.bus.changed:
            pen.suspend()
            pen.say(UsbWay.BULK, b"early")
        transport.write(b"later")
        await asyncio.sleep(0.12)
        assert (bytes(pen.heard), bytes(recorder.data)) == (b"", b"")
        with desk.bus.changed:
            pen.resume()
        assert await recorder.received(5) == b"early"
        await until(lambda: pen.heard == b"later")


async def test_a_reset_of_the_bus_by_another_program_is_survived(desk: Desk) -> None:
    pen = desk.plug()
    async with desk.opened() as (transport, recorder):
        desk.bus.reset(desk.place(pen))
        transport.write(b"after")
        with desk.bus.changed:
            pen.say(UsbWay.BULK, b"too")
        await until(lambda: pen.heard == b"after")
        assert await recorder.received(3) == b"too"
        assert recorder.losses == []


@pytest.mark.parametrize("state", ["idle", "deaf", "asleep", "slow", "talking"])
async def test_both_threads_end_whatever_the_pen_does(desk: Desk, state: str) -> None:
    pen = desk.plug()
    transport = await desk.open("usb://1209:0001")
    with desk.bus.changed:
        pen.deaf = state == "deaf"
        if state == "asleep":
            pen.suspend()
        elif state == "slow":
            pen.slow_to(0)
        elif state == "talking":
            pen.say(UsbWay.BULK, bytes(HELD_BYTES))
    transport.write(bytes(1000))
    await asyncio.sleep(0.01)
    assert len(threads_of("usb://")) == 2
    began = time.monotonic()
    await transport.close(drain_s=0.01)
    assert time.monotonic() - began < 0.6
    await until(lambda: threads_of("usb://") == [])


def threads_of(url: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if url in thread.name]


# Packets -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, PACKET_BYTES - 1, PACKET_BYTES, PACKET_BYTES + 1, 4 * PACKET_BYTES, 300])
async def test_each_write_ends_with_a_short_packet(desk: Desk, count: int) -> None:
    pen = desk.plug()
    async with desk.opened() as (transport, _):
        transport.write(b"x" * count)
        await until(lambda: len(pen.heard) == count and pen.transfers[-1] < PACKET_BYTES)
    assert max(pen.transfers) <= PACKET_BYTES
    assert sum(pen.transfers) == count


async def test_what_a_time_out_cut_short_is_finished_and_not_begun_again(desk: Desk) -> None:
    pen = desk.plug()
    sent = bytes(range(60))
    async with desk.opened() as (transport, _):
        for _turn in range(3):
            with desk.bus.changed:
                pen.slow_to(7)
                pen.frames(1)
            transport.write(sent)
            await asyncio.sleep(0.07)
            with desk.bus.changed:
                pen.slow_to(None)
        await until(lambda: len(pen.heard) >= 180)
    assert pen.heard == sent * 3


@pytest.mark.parametrize("count", [1, PACKET_BYTES - 1, PACKET_BYTES, 2 * PACKET_BYTES, HELD_BYTES])
async def test_what_comes_in_whole_packets_comes_whole(desk: Desk, count: int) -> None:
    pen = desk.plug()
    async with desk.opened() as (_, recorder):
        for turn in range(1, 4):
            with desk.bus.changed:
                assert pen.say(UsbWay.BULK, b"y" * count) == count
            await recorder.received(turn * count)
        assert recorder.data == b"y" * (3 * count)
        assert recorder.losses == []


def test_a_port_has_no_descriptor_and_closes_twice(desk: Desk) -> None:
    pair = SimpleNamespace(bEndpointAddress=BULK_IN), SimpleNamespace(bEndpointAddress=BULK_OUT, wMaxPacketSize=64)
    desk.plug()
    (device,) = desk.host.devices([PEN])
    port = UsbPort(device.handle, (), pair)
    with pytest.raises(OSError, match="fileno"):
        port.fileno()
    port.close()
    port.close()
    with pytest.raises(OSError, match="closed while"):
        port.write(b"x")


# libusb --------------------------------------------------------------------------------------------------------------


async def test_a_system_without_libusb_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libusb_package, "get_libusb1_backend", lambda: None)
    with pytest.raises(PortUnusable, match="serial://") as refusal:
        await open_transport("usb://1209:0001", Recorder())
    assert isinstance(refusal.value, TransportError)


def test_the_real_libusb_is_loaded_beside_the_loop_and_says_that_a_pen_is_absent() -> None:
    """In a process of its own: libusb, once loaded, keeps its descriptors."""
    program = """
import asyncio, sys
from firmware_bridge.transports import open_transport
assert "usb" not in sys.modules, "pyusb is for whoever has a USB pen"
asyncio.run(open_transport("usb://1209:fffe?serial=nobody", None))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=15)
    assert "PortAbsent: usb://1209:fffe?serial=nobody: no pen 1209:fffe with the serial number nobody" in done.stderr
