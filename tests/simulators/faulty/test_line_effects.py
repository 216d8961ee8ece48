"""What each fault of the line does to bytes, and that the line is good again once it is cleared."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest

from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Setpoint, Stop
from proving.plans import TODAY
from simulators.faults.catalogue import CATALOGUE
from simulators.faults.injector import Injector
from simulators.faults.parts import LinePart, Parts
from simulators.line import Lane, Line
from simulators.pen import SimulatedPen

PERIOD_MS = 20
LINE_FAULTS = [name for name, kind in CATALOGUE.items() if kind.layer == "line"]


def piece(number: int) -> bytes:
    """A frame of its own number, its bytes of all kinds."""
    return frame(Setpoint(0x11_0A_0D_13, number + 1, 1, 1500, 123_456, 0xA5_13_11_00 + number * 20), number & 0xFF)


@dataclass
class Carried:
    """What came of pieces that were sent: (time, bytes) of each arrival."""

    sent: list[tuple[int, bytes]] = field(default_factory=list)
    arrived: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def data(self) -> bytes:
        return b"".join(data for _, data in self.arrived)

    @property
    def whole(self) -> bytes:
        return b"".join(data for _, data in self.sent)

    @property
    def numbers(self) -> list[int]:
        """The numbers of the good frames that arrived, in order."""
        return [message.tick - 1 for message in Deframer().feed(self.data) if isinstance(message, Setpoint)]

    @property
    def delays(self) -> set[int]:
        """How late the arrivals were, where each is one whole piece."""
        times = {data: at for at, data in self.sent}
        return {at - times[data] for at, data in self.arrived}


class Wire:
    """A line with an injector, stepped in ms."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.line = Line()
        self.lines = LinePart(lambda: self.now_ms)
        self.lines.join(self.line)
        pen = SimulatedPen(rng=Random(1), today=TODAY)
        self.injector = Injector(Parts(pen, lines=self.lines), seed=5)

    def carry(self, count: int, first: int = 0) -> dict[str, Carried]:
        """Sends so many pieces both ways, and waits for 3 s."""
        carried = {"to_pen": Carried(), "to_host": Carried()}
        lanes: dict[str, Lane] = {"to_pen": self.line.to_pen, "to_host": self.line.to_host}
        for step in range(count * PERIOD_MS + 3000):
            for way, lane in lanes.items():
                if step % PERIOD_MS == 0 and step < count * PERIOD_MS:
                    data = piece(first + step // PERIOD_MS)
                    lane.push(data, self.now_ms)
                    carried[way].sent.append((self.now_ms, data))
                data = lane.pull(self.now_ms)
                if data:
                    carried[way].arrived.append((self.now_ms, data))
            self.now_ms += 1
        return carried


def one_bit(first: bytes, second: bytes) -> bool:
    return sum((a ^ b).bit_count() for a, b in zip(first, second, strict=True)) == 1


def lost_some(one: Carried) -> None:
    assert 0 < len(one.arrived) < len(one.sent)
    assert one.numbers == sorted(one.numbers)
    assert not Counter(one.arrived) - Counter(one.sent)


def flipped(one: Carried) -> None:
    changed = [(data, got) for (_, data), (_, got) in zip(one.sent, one.arrived, strict=True) if data != got]
    assert 0 < len(changed) < len(one.sent)
    assert all(one_bit(data, got) for data, got in changed)


def repeated(one: Carried, least_later: int) -> None:
    numbers = one.numbers
    again = [place for place, number in enumerate(numbers) if number in numbers[:place]]
    assert again
    assert all(max(numbers[:place]) - numbers[place] >= least_later for place in again)
    assert set(numbers) == set(range(len(one.sent)))


def late_by(one: Carried, ms: int) -> None:
    assert one.delays == {ms}


def shuffled(one: Carried) -> None:
    assert one.numbers != sorted(one.numbers)
    assert sorted(one.numbers) == list(range(len(one.sent)))


def nothing(one: Carried) -> None:
    assert one.data == b""


def noisy(one: Carried) -> None:
    assert len(one.data) > len(one.whole)
    assert len(one.sent) * 0.7 < len(one.numbers) < len(one.sent)


def cut_short(one: Carried) -> None:
    assert len(one.data) < len(one.whole)
    assert len(one.sent) * 0.7 < len(one.numbers) < len(one.sent)


def in_bits(one: Carried) -> None:
    assert one.data == one.whole
    assert all(len(data) <= 4 for _, data in one.arrived)


def throttled(one: Carried) -> None:
    seconds = (one.arrived[-1][0] - one.sent[0][0]) / 1000
    assert len(one.data) / seconds == pytest.approx(1000, rel=0.05)
    assert len(one.numbers) < len(one.sent)  # the buffer overflowed, and the rest is late
    assert one.numbers == sorted(one.numbers)


def no_frame(one: Carried) -> None:
    assert one.data
    assert one.numbers == []


def seven(one: Carried) -> None:
    no_frame(one)
    assert max(one.data) < 0x80


def without(*swallowed: int):
    def check(one: Carried) -> None:
        assert one.data == bytes(byte for byte in one.whole if byte not in swallowed)
        assert one.data != one.whole

    return check


def cooked(one: Carried) -> None:
    assert one.data.count(b"\r\n") == one.data.count(b"\n") == one.data.count(b"\r") > 0


CHECKS = {
    "line_loss": lost_some,
    "line_bit_error": flipped,
    "line_duplicate": lambda one: repeated(one, 1),
    "line_replay": lambda one: repeated(one, 29),
    "line_delay": lambda one: late_by(one, 80),
    "line_late": lambda one: late_by(one, 900),
    "line_jitter": shuffled,
    "line_hold": nothing,
    "line_garbage": noisy,
    "line_half_frame": cut_short,
    "line_split": in_bits,
    "line_slow": throttled,
    "line_baud_mismatch": no_frame,
    "line_seven_bits": seven,
    "line_xon_xoff": without(0x11, 0x13),
    "line_cooked": cooked,
    "line_silence": nothing,
    "line_deaf_pen": nothing,
    "line_babble": no_frame,
}


@pytest.mark.parametrize("name", [name for name in LINE_FAULTS if name in CHECKS])
@pytest.mark.parametrize("way", ["to_pen", "to_host"])
def test_a_fault_of_the_line_does_what_it_says_and_ends(name: str, way: str) -> None:
    wire = Wire()
    fault = wire.injector.inject(name, direction=way)
    carried = wire.carry(600 if name == "line_slow" else 150)
    CHECKS[name](carried[way])
    other = carried["to_host" if way == "to_pen" else "to_pen"]
    assert other.arrived == other.sent
    fault.clear()
    wire.carry(1)
    after = wire.carry(20, first=1000)
    assert after[way].arrived == after[way].sent


def test_what_was_held_comes_out_at_once() -> None:
    wire = Wire()
    wire.injector.inject("line_hold")
    held = wire.carry(10)["to_pen"]
    wire.injector.clear("line_hold")
    assert wire.line.to_pen.pull(wire.now_ms) == held.whole


def test_an_echo_comes_back_to_the_host_and_the_pen_hears_all() -> None:
    wire = Wire()
    wire.injector.inject("line_echo")
    carried = wire.carry(20)
    assert carried["to_pen"].arrived == carried["to_pen"].sent
    assert sorted(carried["to_host"].numbers) == sorted([*range(20), *range(20)])
    wire.injector.clear("line_echo")
    assert wire.carry(20)["to_host"].numbers == [*range(20)]


def test_so_many_stops_are_lost_and_no_more() -> None:
    wire = Wire()
    stop = frame(Stop(), 0)
    wire.injector.inject("line_stop_lost", times=3)
    for _ in range(5):
        wire.line.to_pen.push(stop, 0)
    assert wire.line.to_pen.pull(0) == 2 * stop
    wire.injector.inject("line_stop_lost", times=1000)
    wire.line.to_pen.push(piece(1) + stop, 0)
    assert wire.line.to_pen.pull(0) == piece(1)
    wire.injector.clear("line_stop_lost")
    wire.line.to_pen.push(stop, 0)
    assert wire.line.to_pen.pull(0) == stop


def test_every_fault_of_the_line_is_looked_at() -> None:
    assert set(LINE_FAULTS) == set(CHECKS) | {"line_echo", "line_stop_lost"}


def test_a_bad_line_is_bad_after_a_reconnect_and_keeps_the_delay_it_had() -> None:
    lines, line = LinePart(lambda: 0), Line()
    line.to_host.delay_ms = 30
    injector = Injector(Parts(SimulatedPen(rng=Random(1), today=TODAY), lines=lines))
    injector.inject("line_delay", delay_ms=5)
    injector.inject("line_silence", direction="to_pen")
    lines.join(line)
    assert (line.to_host.delay_ms, line.to_pen.delay_ms, line.to_pen.dropping) == (35, 5, True)
    injector.clear_all()
    assert (line.to_host.delay_ms, line.to_pen.delay_ms, line.to_pen.dropping) == (30, 0, False)
    lines.leave(line)
    injector.inject("line_silence")
    assert not line.to_pen.dropping


def test_what_a_line_holds_back_is_bounded() -> None:
    """However long it lasts."""
    for name, parameters in (("line_slow", {"bytes_per_s": 50}), ("line_split", {"bytes": 1})):
        wire = Wire()
        wire.injector.inject(name, direction="both", **parameters)
        for number in range(5000):
            wire.line.to_pen.push(piece(number), wire.now_ms)
        assert len(wire.line.to_pen._late) < 4200
