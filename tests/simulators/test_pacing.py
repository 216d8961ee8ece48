"""Pacing: nothing lost, nothing reordered, nothing earlier than a real line could have brought it."""

import asyncio
import contextlib
from datetime import date
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Hello, Setpoint, Status, Welcome
from simulators.endpoints.live import LivePen
from simulators.errors import EndpointError
from simulators.pacing import (
    BITS_A_BYTE,
    HELD_MAX_BYTES,
    USB_PACKET_BYTES,
    USB_PACKETS_A_FRAME,
    Uart,
    UsbFrames,
    at_baud,
    too_slow,
)
from simulators.pen import SimulatedPen

PUSHES = st.lists(st.tuples(st.integers(0, 30), st.binary(max_size=120)), max_size=12)
BAUDS = st.sampled_from([9600, 19_200, 115_200, 921_600])


def drained(line, from_ms: int) -> bytes:
    out, now_ms = b"", from_ms
    while line.due_ms is not None:
        now_ms = max(now_ms, line.due_ms)
        out += line.pull(now_ms)
    return out


@given(PUSHES, BAUDS, st.booleans())
def test_what_was_not_lost_whole_arrives_in_order(pushes, baud, usb):
    line = UsbFrames() if usb else Uart(baud)
    now_ms, sent, arrived = 0, b"", b""
    for later_ms, data in pushes:
        now_ms += later_ms
        before = line.lost_bytes
        line.push(data, now_ms)
        sent += data if line.lost_bytes == before else b""
        arrived += line.pull(now_ms)
    assert arrived + drained(line, now_ms) == sent


@given(st.integers(0, 1000), st.binary(min_size=1, max_size=300), BAUDS)
def test_a_uart_brings_each_byte_in_the_millisecond_of_its_last_bit(pushed_ms, data, baud):
    line = Uart(baud)
    line.push(data, pushed_ms)
    arrived = 0
    for now_ms in range(pushed_ms, pushed_ms + 1 + -(-len(data) * BITS_A_BYTE * 1000 // baud)):
        arrived += len(line.pull(now_ms))
        whole_bytes = min(len(data), (now_ms - pushed_ms) * baud // (BITS_A_BYTE * 1000))
        assert whole_bytes - 1 <= arrived <= whole_bytes, "a byte's time is rounded up to whole ns"
    assert line.pull(now_ms + 1) == data[arrived:]
    assert line.due_ms is None


def test_a_line_that_was_idle_begins_with_the_byte_and_one_that_was_busy_goes_on():
    line = Uart(10_000)  # a byte a millisecond
    line.push(b"ab", 5)
    assert (line.due_ms, line.pull(5), line.pull(6)) == (6, b"", b"a")
    line.push(b"c", 6)
    assert (line.pull(7), line.pull(8), line.due_ms) == (b"b", b"c", None)
    line.push(b"d", 100)
    assert (line.due_ms, line.pull(100), line.pull(101)) == (101, b"", b"d")


@pytest.mark.parametrize("line", [Uart(9600), UsbFrames()], ids=["uart", "usb"])
def test_what_finds_no_room_is_lost_whole_and_counted(line):
    line.push(b"a" * (HELD_MAX_BYTES - 1), 0)
    line.push(b"bb", 0)
    line.push(b"c", 0)
    assert line.lost_bytes == 2
    assert drained(line, 0) == b"a" * (HELD_MAX_BYTES - 1) + b"c"


def test_usb_packets_wait_for_the_next_frame_and_keep_apart():
    pipe = UsbFrames()
    pipe.push(b"a" * 100, 3)
    pipe.push(b"b", 3)
    assert (pipe.due_ms, pipe.packets(3)) == (4, [])
    assert pipe.packets(4) == [b"a" * USB_PACKET_BYTES, b"a" * 36, b"b"]


def test_a_usb_frame_holds_only_so_many_packets():
    pipe = UsbFrames()
    for _ in range(USB_PACKETS_A_FRAME + 1):
        pipe.push(b"x", 0)
    assert len(pipe.packets(1)) == USB_PACKETS_A_FRAME
    assert pipe.due_ms == 2
    assert len(pipe.packets(5)) == 1


@pytest.mark.parametrize("baud", [0, -9600, 299, 4_000_001])
def test_a_rate_that_no_line_has_is_refused(baud):
    with pytest.raises(EndpointError, match="115200"):
        at_baud(baud)


class Clock:
    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


@contextlib.asynccontextmanager
async def paced(pace):
    clock = Clock()
    live = LivePen(SimulatedPen(rng=Random(3), today=date(2026, 5, 4)), pace=pace, clock_ns=clock)
    task = asyncio.create_task(live.run(), name="paced pen")
    await asyncio.sleep(0)
    try:
        yield live, clock
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


HELLO_BYTES, WELCOME_BYTES = 13, 109


@pytest.mark.parametrize(
    ("pace", "heard_ms", "answered_ms"),
    [
        (at_baud(9600), *(-(-size * BITS_A_BYTE * 1000 // 9600) for size in (HELLO_BYTES, WELCOME_BYTES))),
        (at_baud(115_200), *(-(-size * BITS_A_BYTE * 1000 // 115_200) for size in (HELLO_BYTES, WELCOME_BYTES))),
        (UsbFrames, 1, 1),
    ],
)
async def test_a_paced_pen_hears_and_answers_as_late_as_the_line_makes_it(pace, heard_ms, answered_ms):
    async with paced(pace) as (live, clock):
        heard = bytearray()
        port = live.attach(heard.extend)
        hello = frame(Hello(5, 1), 0)
        port.received(hello)
        while live.pen.firmware.nonce != 5:
            assert live.now_ms < 100
            clock.ns += 1_000_000
            live.catch_up()
        assert live.now_ms == heard_ms
        assert not heard, "an answer takes its time too"
        while not (messages := Deframer().feed(bytes(heard))):
            assert live.now_ms < 400
            clock.ns += 1_000_000
            live.catch_up()
        assert isinstance(messages[0], Welcome)
        assert heard_ms + answered_ms <= live.now_ms <= heard_ms + answered_ms + 1


async def test_at_115200_every_status_of_a_treatment_comes_and_each_on_time():
    async with paced(at_baud(115_200)) as (live, clock):
        deframer, status = Deframer(), []
        port = live.attach(lambda data: status.extend(one for one in deframer.feed(data) if isinstance(one, Status)))
        port.received(frame(Hello(5, 1), 0))
        for beat in range(1, 41):
            clock.ns += 50_000_000
            live.catch_up()
            port.received(frame(Setpoint(1, beat, 1, 500, 100_000, live.pen.firmware.pen_time_ms), beat))
        assert deframer.damaged == deframer.lost == 0
        gaps = {later.pen_time_ms - earlier.pen_time_ms for earlier, later in pairwise(status)}
        assert gaps == {20}


async def test_a_line_too_slow_for_the_pen_loses_whole_frames_and_breaks_none():
    async with paced(at_baud(9600)) as (live, clock):
        deframer = Deframer()
        port = live.attach(deframer.feed)
        port.received(frame(Hello(5, 1), 0))
        for _ in range(100):
            clock.ns += 50_000_000
            live.catch_up()
        assert deframer.damaged == 0
        assert deframer.lost > 0


@given(st.integers(300, 200_000), st.integers(5, 200))
def test_a_line_that_carries_too_little_is_said_with_the_least_that_would(baud, status_period_ms):
    told = too_slow(baud, status_period_ms)
    if not told:
        assert not too_slow(baud + BITS_A_BYTE, status_period_ms)
        return
    least = int(told.split("it takes ")[1].split()[0])
    assert baud < least
    assert not too_slow(least, status_period_ms)
    assert too_slow(least - 1, status_period_ms)


def test_the_arithmetic_of_a_slow_line_is_told():
    told = too_slow(9600, 20)
    for words in ("9600 baud carry 960 bytes", "54 bytes every 20 ms, which is 2700", "27000 baud at least"):
        assert words in told
    assert not too_slow(115_200, 20)
