"""The USB device a host sees: descriptors that agree with each other, requests answered or stalled, endpoints that
halt, wait and end their transfers, and two media of one pen."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.discovery import PEN_USB_IDS, UsbId
from simulators.usb.control import Setup
from simulators.usb.descriptors import (
    BULK_IN,
    BULK_OUT,
    CDC_IN,
    CDC_NOTIFY,
    CDC_OUT,
    ENDPOINTS_OF_INTERFACE,
    PACKET_BYTES,
    PRODUCT_ID,
    VENDOR_ID,
    UsbIdentity,
    configuration_descriptor,
)
from simulators.usb.device import HELD_BYTES, Handshake, UsbDevice, UsbState, UsbWay

SERIAL = "NW1-000042"


class Bench:
    """A device with a pen that keeps what it hears, and takes no more than ``room``."""

    def __init__(self) -> None:
        self.heard: list[tuple[UsbWay, bytes]] = []
        self.log: list[str] = []
        self.news = 0
        self.room = 1 << 20
        self.device = UsbDevice(UsbIdentity("NW-1", SERIAL), self._hear, log=self.log.append)
        self.device.on_news = self._count

    def _hear(self, way: UsbWay, data: bytes) -> int:
        taken = data[: self.room]
        self.room -= len(taken)
        if taken:
            self.heard.append((way, taken))
        return len(taken)

    def _count(self) -> None:
        self.news += 1

    def ask(self, kind: int, request: int, value: int = 0, index: int = 0, data: bytes | int = 0) -> bytes | Handshake:
        length = data if isinstance(data, int) else len(data)
        return self.device.control(
            Setup(kind, request, value, index, length).packed(), data if isinstance(data, bytes) else b""
        )


@pytest.fixture
def bench() -> Bench:
    """A device that is plugged in and configured."""
    made = Bench()
    made.device.plug()
    assert made.ask(0x00, 5, 9) == b""
    assert made.ask(0x00, 9, 1) == b""
    return made


def parts(descriptor: bytes) -> list[bytes]:
    """A configuration, cut where its lengths say."""
    found = []
    while descriptor:
        found.append(descriptor[: descriptor[0]])
        descriptor = descriptor[descriptor[0] :]
    return found


def test_the_pen_calls_itself_what_discovery_looks_for() -> None:
    assert UsbId(VENDOR_ID, PRODUCT_ID) in PEN_USB_IDS


def test_the_descriptors_agree_with_each_other(bench: Bench) -> None:
    whole = bench.ask(0x80, 6, 0x0200, data=0xFFFF)
    assert whole == configuration_descriptor()
    assert isinstance(whole, bytes)
    assert struct.unpack_from("<H", whole, 2)[0] == len(whole)
    pieces = parts(whole)
    assert b"".join(pieces) == whole
    interfaces = [piece for piece in pieces if piece[1] == 4]
    assert [piece[2] for piece in interfaces] == list(ENDPOINTS_OF_INTERFACE) == list(range(whole[4]))
    starts = [pieces.index(piece) for piece in interfaces] + [len(pieces)]
    for (first, end), interface in zip(pairwise(starts), interfaces, strict=True):
        endpoints = tuple(piece[2] for piece in pieces[first:end] if piece[1] == 5)
        assert endpoints == ENDPOINTS_OF_INTERFACE[interface[2]]
        assert len(endpoints) == interface[4]
    assert [piece[5] for piece in interfaces] == [0x02, 0x0A, 0xFF]
    device = bench.ask(0x80, 6, 0x0100, data=18)
    assert isinstance(device, bytes)
    assert len(device) == device[0] == 18
    texts = {}
    for index in {*device[14:17], *(piece[8] for piece in interfaces)} - {0}:
        text = bench.ask(0x80, 6, 0x0300 + index, 0x0409, data=255)
        assert isinstance(text, bytes)
        assert text[0] == len(text)
        texts[index] = text[2:].decode("utf-16-le")
    assert texts[device[16]] == SERIAL
    assert bench.ask(0x80, 6, 0x0300, data=255) == b"\x04\x03\x09\x04"


def test_a_descriptor_is_cut_to_what_was_asked_for(bench: Bench) -> None:
    assert bench.ask(0x80, 6, 0x0200, data=9) == configuration_descriptor()[:9]
    assert bench.ask(0x80, 6, 0x0100, data=8) == bytes.fromhex("12010002ef020140")


def test_states_from_plugging_to_unplugging() -> None:
    bench = Bench()
    device = bench.device
    assert device.state is UsbState.DETACHED
    assert bench.ask(0x80, 0, data=2) is Handshake.GONE
    device.plug()
    assert device.state is UsbState.DEFAULT
    bench.ask(0x00, 5, 9)
    assert (device.state, device.address) == (UsbState.ADDRESSED, 9)
    assert device.bulk_in(BULK_IN, 64) is Handshake.STALL, "no endpoints before a configuration"
    bench.ask(0x00, 9, 1)
    assert device.state is UsbState.CONFIGURED
    assert bench.ask(0x80, 8, data=1) == b"\x01"
    device.reset()
    assert (device.state, device.address) == (UsbState.DEFAULT, 0)
    device.unplug()
    assert device.state is UsbState.DETACHED
    assert device.bulk_out(BULK_OUT, b"x") is Handshake.GONE
    assert device.bulk_in(CDC_IN, 64) is Handshake.GONE


def test_the_serial_line_keeps_its_settings_and_says_that_it_hears(bench: Bench) -> None:
    coding = struct.pack("<IBBB", 9600, 2, 1, 7)
    assert bench.ask(0x21, 0x20, data=coding) == b""
    assert bench.ask(0xA1, 0x21, data=7) == coding == bench.device.line_coding
    assert bench.device.bulk_in(CDC_NOTIFY, 16) is Handshake.NAK
    assert bench.ask(0x21, 0x22, 3) == b""
    assert bench.device.control_lines == 3
    assert bench.device.bulk_in(CDC_NOTIFY, 16) == bytes.fromhex("a120000000000200 0300".replace(" ", ""))
    bench.ask(0x21, 0x22, 3)
    assert bench.device.bulk_in(CDC_NOTIFY, 16) is Handshake.NAK, "told again of what has not changed"


def test_what_one_host_did_not_fetch_is_not_the_next_ones(bench: Bench) -> None:
    bench.ask(0x21, 0x22, 1)
    bench.device.say(UsbWay.CDC, b"old")
    bench.device.say(UsbWay.BULK, b"other way")
    bench.ask(0x21, 0x22, 0)
    bench.ask(0x21, 0x22, 1)
    assert bench.device.bulk_in(CDC_IN, 64) is Handshake.NAK
    assert bench.device.bulk_in(BULK_IN, 64) == b"other way"


@pytest.mark.parametrize(
    ("kind", "asked", "value", "index", "data"),
    [
        (0x80, 6, 0x0600, 0, 10),  # device qualifier: full speed only
        (0x80, 6, 0x0F00, 0, 5),  # BOS
        (0x80, 6, 0x0201, 0, 9),  # a second configuration
        (0x80, 6, 0x0309, 0x0409, 255),  # a string there is not
        (0x00, 7, 0x0100, 0, b"x"),  # SET_DESCRIPTOR
        (0x00, 9, 2, 0, 0),  # a second configuration
        (0x00, 5, 128, 0, 0),
        (0x00, 3, 1, 0, 0),  # remote wake-up
        (0x01, 11, 1, 2, 0),  # an alternate setting
        (0x01, 11, 0, 3, 0),  # a fourth interface
        (0x02, 1, 0, 0x84, 0),  # an endpoint there is not
        (0x02, 1, 7, 0x82, 0),  # a feature there is not
        (0x21, 0x20, 0, 2, bytes(7)),  # a line coding for the bulk interface
        (0x21, 0x20, 0, 0, bytes(6)),
        (0x21, 0x23, 500, 0, 0),  # SEND_BREAK
        (0x40, 1, 2, 3, 0),  # somebody's own
        (0xC0, 0xEE, 0, 4, 16),
    ],
)
def test_what_it_does_not_know_it_stalls_and_logs(
    bench: Bench, kind: int, asked: int, value: int, index: int, data: bytes | int
) -> None:
    before = bench.device.configuration, bench.device.line_coding
    assert bench.ask(kind, asked, value, index, data) is Handshake.STALL
    assert bench.device.stalled_requests == 1
    (sentence,) = bench.log
    assert f"{kind:#04x}" in sentence
    assert (bench.device.configuration, bench.device.line_coding) == before
    assert bench.ask(0x80, 0, data=2) == b"\x01\x00", "a stall of the control pipe ends with the next setup packet"


def test_a_data_stage_that_is_not_as_long_as_announced_is_stalled(bench: Bench) -> None:
    assert bench.device.control(Setup(0x21, 0x20, 0, 0, 7).packed(), b"abc") is Handshake.STALL


@pytest.mark.parametrize("endpoint", [BULK_OUT, BULK_IN, CDC_OUT, CDC_IN, CDC_NOTIFY])
def test_a_halted_endpoint_stalls_until_it_is_cleared_and_keeps_its_bytes(bench: Bench, endpoint: int) -> None:
    device = bench.device
    device.say(UsbWay.BULK, b"kept")
    assert bench.ask(0x82, 0, 0, endpoint, 2) == b"\x00\x00"
    device.halt(endpoint)
    assert bench.ask(0x82, 0, 0, endpoint, 2) == b"\x01\x00"
    refused = device.bulk_in(endpoint, 64) if endpoint & 0x80 else device.bulk_out(endpoint, b"x")
    assert refused is Handshake.STALL
    assert bench.heard == []
    assert bench.ask(0x02, 1, 0, endpoint) == b""
    assert device.bulk_in(BULK_IN, 64) == b"kept"
    assert device.bulk_out(BULK_OUT, b"x") == 1
    with pytest.raises(ValueError, match="0x0f"):
        device.halt(0x0F)


def test_a_host_may_halt_an_endpoint_and_a_new_configuration_clears_it(bench: Bench) -> None:
    bench.ask(0x02, 3, 0, BULK_IN)
    assert bench.device.halted == {BULK_IN}
    bench.device.halt(CDC_OUT)
    bench.ask(0x01, 11, 0, 2)
    assert bench.device.halted == {CDC_OUT}, "SET_INTERFACE clears its own interface's"
    bench.ask(0x00, 9, 1)
    assert bench.device.halted == frozenset()


def test_the_two_ways_in_are_apart(bench: Bench) -> None:
    assert bench.device.bulk_out(CDC_OUT, b"line") == 4
    assert bench.device.bulk_out(BULK_OUT, b"bulk") == 4
    assert bench.heard == [(UsbWay.CDC, b"line"), (UsbWay.BULK, b"bulk")]
    bench.device.say(UsbWay.CDC, b"to the line")
    bench.device.say(UsbWay.BULK, b"to the bulk")
    assert bench.device.bulk_in(BULK_IN, 512) == b"to the bulk"
    assert bench.device.bulk_in(CDC_IN, 512) == b"to the line"
    assert bench.device.bulk_out(BULK_IN, b"x") is Handshake.STALL
    assert bench.device.bulk_in(BULK_OUT, 64) is Handshake.STALL


def test_a_transfer_that_fills_whole_packets_is_ended_by_one_of_nothing(bench: Bench) -> None:
    device = bench.device
    device.say(UsbWay.BULK, bytes(2 * PACKET_BYTES))
    assert device.bulk_in(BULK_IN, 2 * PACKET_BYTES) == bytes(2 * PACKET_BYTES)
    assert device.bulk_in(BULK_IN, 64) == b""
    assert device.bulk_in(BULK_IN, 64) is Handshake.NAK
    device.say(UsbWay.BULK, bytes(2 * PACKET_BYTES))
    assert device.bulk_in(BULK_IN, 512) == bytes(2 * PACKET_BYTES), "ended within the transfer"
    assert device.bulk_in(BULK_IN, 64) is Handshake.NAK
    device.say(UsbWay.BULK, bytes(PACKET_BYTES))
    assert device.bulk_in(BULK_IN, PACKET_BYTES) == bytes(PACKET_BYTES)
    device.say(UsbWay.BULK, b"more")
    assert device.bulk_in(BULK_IN, 64) == b"more"
    assert device.bulk_out(BULK_OUT, b"") == 0
    assert bench.heard == []


@given(said=st.lists(st.binary(max_size=300), max_size=12), asked=st.lists(st.integers(1, 400), min_size=1, max_size=8))
def test_bytes_come_out_in_order_whatever_the_transfers(said: list[bytes], asked: list[int]) -> None:
    bench = Bench()
    bench.device.plug()
    bench.ask(0x00, 9, 1)
    out = b""
    taken = b""
    for turn, data in enumerate(said):
        taken += data[: bench.device.say(UsbWay.CDC, data)]
        most = asked[turn % len(asked)]
        got = bench.device.bulk_in(CDC_IN, most)
        if isinstance(got, bytes):
            assert len(got) <= most
            out += got
    while isinstance(got := bench.device.bulk_in(CDC_IN, 4096), bytes):
        out += got
    assert out == taken == b"".join(said)


def test_a_pen_whose_host_fetches_nothing_holds_a_bounded_amount(bench: Bench) -> None:
    assert bench.device.say(UsbWay.BULK, bytes(HELD_BYTES + 100)) == HELD_BYTES
    assert bench.device.say(UsbWay.BULK, b"x") == 0
    assert len(bench.device.bulk_in(BULK_IN, 64)) == 64  # type: ignore[arg-type]
    assert bench.device.say(UsbWay.BULK, b"x") == 1


def test_a_pen_without_room_makes_the_host_wait(bench: Bench) -> None:
    bench.room = 3
    assert bench.device.bulk_out(BULK_OUT, b"abcdef") == 3
    assert bench.device.bulk_out(BULK_OUT, b"def") is Handshake.NAK
    bench.room = 9
    assert bench.device.bulk_out(BULK_OUT, b"def") == 3


def test_a_slow_device_moves_so_many_bytes_a_millisecond(bench: Bench) -> None:
    device = bench.device
    device.say(UsbWay.BULK, bytes(100))
    device.slow_to(10)
    assert device.bulk_in(BULK_IN, 64) is Handshake.NAK
    device.frames()
    assert device.bulk_out(BULK_OUT, bytes(4)) == 4
    assert device.bulk_in(BULK_IN, 64) == bytes(6)
    assert device.bulk_in(BULK_IN, 64) is Handshake.NAK
    device.frames(3)
    assert device.bulk_in(BULK_IN, 64) == bytes(30)
    device.slow_to(None)
    assert device.bulk_in(BULK_IN, 64) == bytes(64)


def test_nothing_moves_on_a_sleeping_bus(bench: Bench) -> None:
    device = bench.device
    device.suspend()
    device.say(UsbWay.BULK, b"waits")
    assert device.bulk_in(BULK_IN, 64) is Handshake.NAK
    assert device.bulk_out(BULK_OUT, b"x") is Handshake.NAK
    assert bench.ask(0x80, 0, data=2) is Handshake.NAK
    device.resume()
    assert device.bulk_in(BULK_IN, 64) == b"waits"
    device.suspend()
    device.reset()
    assert bench.ask(0x80, 0, data=2) == b"\x01\x00", "a reset wakes it"


def test_waiting_hosts_are_told_of_what_may_let_them_go_on(bench: Bench) -> None:
    device = bench.device
    for happening in (
        lambda: device.say(UsbWay.BULK, b"x"),
        lambda: device.halt(BULK_IN),
        device.resume,
        device.reset,
        device.unplug,
    ):
        before = bench.news
        happening()
        assert bench.news > before


@given(packet=st.binary(min_size=8, max_size=8), data=st.binary(max_size=64))
def test_no_setup_packet_breaks_it(packet: bytes, data: bytes) -> None:
    bench = Bench()
    bench.device.plug()
    bench.ask(0x00, 9, 1)
    answer = bench.device.control(packet, data)
    assert answer is Handshake.STALL or (isinstance(answer, bytes) and len(answer) <= Setup.parse(packet).length)
    bench.device.reset()
    assert bench.ask(0x00, 9, 1) == b""
