"""The virtual libusb: pyusb's own code finds, claims and talks to simulated pens, and meets libusb's own errors."""

import errno
import random
import threading
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
import usb.core
import usb.util
from usb.backend import libusb1

from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import PROTOCOL_VERSION, Arm, Armed, Busy, Hello, Message, Setpoint, Status, Welcome
from simulators.pen import SimulatedPen
from simulators.usb.backend import VirtualBackend
from simulators.usb.bus import LAST_ADDRESS, VirtualBus
from simulators.usb.descriptors import BULK_IN, BULK_OUT, CDC_IN, CDC_OUT, UsbIdentity
from simulators.usb.device import UsbDevice, UsbWay
from simulators.usb.stepped import SteppedUsbPen

TODAY = date(2026, 1, 1)


def a_device(serial: str = "A") -> UsbDevice:
    return UsbDevice(UsbIdentity("NW-1", serial), lambda _way, data: len(data), log=lambda _sentence: None)


def found(bus: VirtualBus, **which: Any) -> Any:
    return usb.core.find(idVendor=0x1209, backend=VirtualBackend(bus), **which)


def refused(action: Callable[[], object]) -> usb.core.USBError:
    with pytest.raises(usb.core.USBError) as caught:
        action()
    error = caught.value
    # What pyusb would have said with libusb behind it: the same number, errno and words.
    assert libusb1._libusb_errno[error.backend_error_code] == error.errno
    assert libusb1._str_error_map[error.backend_error_code] == error.strerror
    return error


@pytest.fixture
def bus() -> VirtualBus:
    return VirtualBus()


def test_pyusb_finds_and_describes_what_is_plugged_in(bus: VirtualBus) -> None:
    for serial in ("A", "B"):
        bus.plug(a_device(serial))
    pens = list(found(bus, find_all=True))
    assert [pen.serial_number for pen in pens] == ["A", "B"]
    assert [(pen.bus, pen.address) for pen in pens] == [(1, 1), (1, 2)]
    configuration = pens[0].get_active_configuration()
    assert [interface.bInterfaceClass for interface in configuration] == [0x02, 0x0A, 0xFF]
    assert usb.util.find_descriptor(configuration[(2, 0)], bEndpointAddress=BULK_IN).wMaxPacketSize == 64
    assert "Pen, bulk" in str(pens[0])
    bus.unplug(bus.places[0].device)
    assert found(bus).serial_number == "B"


def test_claims_are_exclusive_and_the_kernels_driver_is_in_the_way(bus: VirtualBus) -> None:
    bus.plug(a_device())
    mine, theirs = found(bus), found(bus)
    assert mine.is_kernel_driver_active(0)
    assert refused(lambda: usb.util.claim_interface(mine, 0)).errno == errno.EBUSY
    mine.detach_kernel_driver(0)
    assert not mine.is_kernel_driver_active(1), "the driver lets go of both interfaces"
    assert refused(lambda: mine.detach_kernel_driver(1)).errno == errno.ENOENT
    usb.util.claim_interface(mine, 1)
    assert refused(lambda: usb.util.claim_interface(theirs, 1)).errno == errno.EBUSY
    assert refused(lambda: mine.set_configuration(1)).errno == errno.EBUSY
    assert refused(lambda: mine.attach_kernel_driver(0)).errno == errno.EBUSY
    usb.util.dispose_resources(mine)
    usb.util.claim_interface(theirs, 1)
    usb.util.release_interface(theirs, 1)
    theirs.attach_kernel_driver(0)
    assert theirs.is_kernel_driver_active(1)


def test_errors_are_libusbs_own(bus: VirtualBus) -> None:
    device = a_device()
    bus.plug(device)
    pen = found(bus)
    began = time.monotonic()
    assert refused(lambda: pen.read(BULK_IN, 64, 30)).errno == errno.ETIMEDOUT
    assert 0.02 < time.monotonic() - began < 2
    assert refused(lambda: pen.ctrl_transfer(0xC0, 0xEE, 0, 4, 16)).errno == errno.EPIPE
    device.halt(BULK_OUT)
    assert refused(lambda: pen.write(BULK_OUT, b"x", 30)).errno == errno.EPIPE
    pen.clear_halt(BULK_OUT)
    assert pen.write(BULK_OUT, b"x", 30) == 1
    device.say(UsbWay.BULK, bytes(20))
    assert refused(lambda: pen.read(BULK_IN, 10, 30)).errno == errno.EOVERFLOW
    bus.unplug(device)
    assert refused(lambda: pen.write(BULK_OUT, b"x", 30)).errno == errno.ENODEV
    assert refused(lambda: pen.read(BULK_IN, 64, 30)).errno == errno.ENODEV
    usb.util.dispose_resources(pen)
    bus.plug(device, forbidden=True)
    assert refused(found(bus).get_active_configuration).errno == errno.EACCES


def test_a_transfer_that_waits_ends_when_the_cable_is_pulled(bus: VirtualBus) -> None:
    device = a_device()
    bus.plug(device)
    pen = found(bus)
    pulled = threading.Timer(0.03, lambda: bus.unplug(device))
    pulled.start()
    began = time.monotonic()
    assert refused(lambda: pen.read(BULK_IN, 64, 0)).errno == errno.ENODEV
    assert time.monotonic() - began < 2
    pulled.join()


def test_a_write_that_runs_out_of_time_says_what_had_left(bus: VirtualBus) -> None:
    device = a_device()
    bus.plug(device)
    device.slow_to(10)
    device.frames(1)
    pen = found(bus)
    assert pen.write(BULK_OUT, bytes(64), 20) == 10
    assert refused(lambda: pen.write(BULK_OUT, bytes(64), 20)).errno == errno.ETIMEDOUT


def test_a_reset_keeps_the_handle_and_another_address_does_not(bus: VirtualBus) -> None:
    device = a_device()
    bus.plug(device)
    pen = found(bus)
    usb.util.claim_interface(pen, 2)
    device.say(UsbWay.BULK, b"old")
    pen.reset()
    assert device.configuration == 1
    assert refused(lambda: pen.read(BULK_IN, 64, 10)).errno == errno.ETIMEDOUT, "a reset empties the endpoints"
    pen.set_interface_altsetting(2, 0)
    assert pen.write(BULK_OUT, b"x") == 1
    bus.re_enumerate(device)
    assert refused(lambda: pen.write(BULK_OUT, b"x")).errno == errno.ENODEV
    assert found(bus).address == 2


def test_addresses_go_round_and_are_never_given_twice_at_a_time(bus: VirtualBus) -> None:
    stays, comes_and_goes = a_device("A"), a_device("B")
    bus.plug(stays)
    bus.plug(comes_and_goes)
    seen = {bus.re_enumerate(comes_and_goes).address for _ in range(LAST_ADDRESS)}
    assert seen == set(range(2, LAST_ADDRESS + 1))
    with pytest.raises(LookupError):
        bus.unplug(a_device())


# A whole pen, in time that passes only where the host waits -----------------------------------------------------------


def arm_for(pen: SimulatedPen) -> Arm:
    assert pen.cartridge is not None
    return Arm(pen.firmware.nonce, 1, 500, 100_000, pen.cartridge.tag)


class Host:
    """A few lines of pyusb, on one way into the pen."""

    def __init__(self, device: Any, out_endpoint: int, in_endpoint: int) -> None:
        self.device = device
        self.out_endpoint = out_endpoint
        self.in_endpoint = in_endpoint
        self.deframer = Deframer()

    def send(self, message: Message) -> None:
        self.device.write(self.out_endpoint, frame(message, 0), 100)

    def until(self, kind: type[Message], patience_ms: int = 500) -> Message:
        for _ in range(200):
            for message in self.deframer.feed(bytes(self.device.read(self.in_endpoint, 512, patience_ms))):
                if isinstance(message, kind):
                    return message
        raise AssertionError(f"no {kind.__name__} came")


def test_the_second_way_into_one_pen_is_answered_busy_while_the_first_holds_a_lease() -> None:
    plugged = SteppedUsbPen(SimulatedPen(rng=random.Random(1), today=TODAY))
    device = usb.core.find(idVendor=0x1209, backend=plugged.backend)
    device.detach_kernel_driver(0)
    bulk, line = Host(device, BULK_OUT, BULK_IN), Host(device, CDC_OUT, CDC_IN)
    bulk.send(Hello(7, PROTOCOL_VERSION))
    assert bulk.until(Welcome).nonce == 7  # type: ignore[attr-defined]
    bulk.send(arm_for(plugged.pen))
    armed = bulk.until(Armed)
    assert isinstance(armed, Armed)
    assert armed.lease
    line.send(Hello(8, PROTOCOL_VERSION))
    assert line.until(Busy).nonce == 8  # type: ignore[attr-defined]
    assert plugged.pen.truth.lease == armed.lease
    plugged.pen.advance(plugged.pen.model.dead_man_ms + 50)
    line.send(Hello(9, PROTOCOL_VERSION))
    assert line.until(Welcome).nonce == 9  # type: ignore[attr-defined]


def test_a_minute_of_treatment_takes_no_minute_and_an_unplugged_cable_stops_the_motor() -> None:
    plugged = SteppedUsbPen(SimulatedPen(rng=random.Random(2), today=TODAY))
    device = usb.core.find(idVendor=0x1209, backend=plugged.backend)
    host = Host(device, BULK_OUT, BULK_IN)
    host.send(Hello(7, PROTOCOL_VERSION))
    host.until(Welcome)
    host.send(arm_for(plugged.pen))
    armed = host.until(Armed)
    assert isinstance(armed, Armed)
    began = time.monotonic()
    for tick in range(1, 60 * 20):
        seen = host.until(Status)
        assert isinstance(seen, Status)
        host.send(Setpoint(armed.lease, tick, 1, 500, 100_000, seen.pen_time_ms))
    assert plugged.pen.truth.motor_driven
    assert plugged.pen.lived_ms > 20_000
    assert time.monotonic() - began < 15
    plugged.bus.unplug(plugged.device)
    plugged.pen.advance(plugged.pen.model.dead_man_ms + plugged.pen.model.retract_ms)
    assert not plugged.pen.truth.motor_driven
    assert plugged.pen.truth.needles_out
