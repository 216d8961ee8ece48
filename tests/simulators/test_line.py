"""The bad line: what is dropped, delayed, held, doubled or lost by kind, and nothing else."""

from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import ROW_OF_TYPE, Disarm, Hello, Stop
from simulators.line import Lane, Line

STOP_KIND = ROW_OF_TYPE[Stop].kind


def test_a_good_lane_passes_everything_at_once():
    lane = Lane()
    lane.push(b"ab", 5)
    lane.push(b"c", 5)
    assert not lane.idle
    assert lane.pull(5) == b"abc"
    assert lane.pull(6) == b""
    assert lane.idle


def test_delay_keeps_order_and_size():
    lane = Lane()
    lane.delay_ms = 40
    lane.push(b"first", 0)
    lane.delay_ms = 0
    lane.push(b"second", 10)
    assert lane.pull(39) == b""
    assert lane.pull(40) == b"firstsecond"


def test_holding_piles_up_and_lets_go_at_once():
    lane = Lane()
    lane.holding = True
    for n in range(10):
        lane.push(bytes([n]), n)
    assert lane.pull(1000) == b""
    lane.holding = False
    assert lane.pull(1000) == bytes(range(10))


def test_dropping_loses_and_counts():
    lane = Lane()
    lane.dropping = True
    lane.push(b"gone", 0)
    lane.dropping = False
    lane.push(b"here", 0)
    assert lane.pull(0) == b"here"
    assert lane.lost_bytes == 4


def test_doubling_delivers_twice():
    lane = Lane()
    lane.doubling = True
    lane.push(b"ab", 0)
    assert lane.pull(0) == b"abab"


def test_lose_takes_whole_frames_of_one_kind_however_they_are_cut():
    stream = b"".join(frame(message, 1) for message in (Stop(), Hello(7, 1), Stop(), Disarm(3), Stop(), Stop()))
    for size in (1, 2, 3, 7, 100):
        lane, deframer, heard = Lane(), Deframer(), []
        lane.lose(STOP_KIND, 3)
        for start in range(0, len(stream), size):
            lane.push(stream[start : start + size], 0)
            heard += deframer.feed(lane.pull(0))
        assert heard == [Hello(7, 1), Disarm(3), Stop()]
        assert deframer.damaged == 0


def test_lose_holds_back_no_more_than_a_frame_of_garbage():
    lane = Lane()
    lane.lose(STOP_KIND, 1)
    out = b""
    for _ in range(100):
        lane.push(b"\x07" * 50, 0)
        out += lane.pull(0)
    lane.push(b"\0", 0)
    assert out + lane.pull(0) == b"\x07" * 5000 + b"\0"


def test_the_two_directions_are_apart():
    line = Line()
    line.to_pen.dropping = True
    line.to_host.push(b"x", 0)
    assert line.to_host.pull(0) == b"x"


def test_three_lost_stops_leave_the_fourth(bench):
    """What a host sees when STOP is lost: the motor runs on until one comes through."""
    bench.running()
    lane = Lane()
    lane.lose(STOP_KIND, 3)
    for attempt in range(4):
        lane.push(frame(Stop(), attempt), attempt)
        bench.pen.receive(1, lane.pull(attempt))
        assert bench.pen.truth.motor_driven == (attempt < 3)


def test_fate_decides_what_becomes_of_each_piece():
    lane = Lane()
    lane.fate = lambda data: () if data == b"lost" else ((3, data),) if data == b"late" else ((0, data), (5, data))
    for data in (b"lost", b"late", b"twice"):
        lane.push(data, 10)
    assert lane.due_ms == 10
    assert lane.pull(10) == b"twice"
    assert lane.due_ms == 13
    assert lane.pull(13) == b"late"
    assert not lane.idle
    assert lane.pull(15) == b"twice"
    assert lane.idle
    assert lane.due_ms is None


def test_nothing_is_due_while_a_lane_holds():
    lane = Lane()
    lane.push(b"x", 1)
    lane.holding = True
    assert lane.due_ms is None
    assert lane.pull(5) == b""


def test_a_lane_says_that_it_will_lose():
    lane = Lane()
    assert not lane.losing
    lane.lose(0x08, 1)
    assert lane.losing
