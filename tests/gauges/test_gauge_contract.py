"""What every gauge keeps, whatever line it is on: a reading is one that was asked for, or there is none and it is said
why. The same bodies over memory in virtual time and over a real pseudo-terminal."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from firmware_bridge.errors import PortAbsent, TransportLost
from firmware_bridge.gauges import (
    Gauge,
    GaugeAddress,
    GaugeError,
    GaugeLost,
    GaugeNotOpened,
    GaugeRefused,
    GaugeSilent,
    GaugeUnit,
    GaugeUnreadable,
    open_gauge,
)
from firmware_bridge.gauges.digimatic import ANSWER_S, LATE_S
from firmware_bridge.gauges.opening import parse_gauge_url
from firmware_bridge.transports.memory import MemoryPeer, listen
from simulators.endpoints.memory import MemoryEndpoint
from simulators.endpoints.pty import PtyEndpoint
from simulators.gauges.digimatic import BUSY, NO_DATA, NO_NUMBER, SimulatedDigimatic
from simulators.gauges.served import DigimaticServed, TachometerServed
from simulators.gauges.tachometer import SimulatedTachometer

VIRTUAL = pytest.mark.looptime(start=time.monotonic)
_numbers = count(1)


@dataclass
class Stand:
    """Both instruments on one kind of line, and what they see."""

    depth_um: float = 1234.4
    rate_hz: float = 100.0
    digimatic: SimulatedDigimatic = None
    tachometer: SimulatedTachometer = None
    urls: tuple[str, str] = ("", "")
    unplug: Callable[[], None] = None
    plug: Callable[[], None] = None

    def __post_init__(self) -> None:
        self.digimatic = SimulatedDigimatic(lambda: self.depth_um, rng=random.Random(1))
        self.tachometer = SimulatedTachometer(lambda: self.rate_hz, rng=random.Random(2))


@pytest.fixture(params=[pytest.param("memory", marks=VIRTUAL), "pty"])
async def stand(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stand]:
    made = Stand()
    served = DigimaticServed(made.digimatic), TachometerServed(made.tachometer)
    if request.param == "memory":
        ends = tuple(MemoryEndpoint(one, f"gauge-{next(_numbers)}") for one in served)
        made.unplug, made.plug = ends[0].unplug, lambda: None
    else:
        ends = tuple(PtyEndpoint(one, link=tmp_path / f"gauge-{number}") for number, one in enumerate(served))
        made.unplug, made.plug = ends[0].unplug, ends[0].plug
        ends[0].plug()
        ends[1].plug()
    made.urls = f"digimatic+{ends[0].url}", f"lutron+{ends[1].url}"
    yield made
    for end in ends:
        end.unplug() if request.param == "pty" else end.close()


async def test_an_indicator_is_read_as_often_as_one_likes(stand: Stand) -> None:
    async with await open_gauge(stand.urls[0]) as gauge:
        assert (gauge.kind, gauge.quantity, gauge.url) == ("digimatic", "depth_um", stand.urls[0])
        for depth_um in (0.0, 250.0, 1500.0, -30.0):
            stand.depth_um = depth_um
            reading = await gauge.read()
            assert reading.value == reading.value_um == max(depth_um, 0.0)
            assert (reading.unit, reading.raw[:4]) == ("mm", "01A+")


async def test_a_tachometer_is_heard_after_the_rate_has_changed(stand: Stand) -> None:
    async with await open_gauge(stand.urls[1]) as gauge:
        assert (gauge.kind, gauge.quantity) == ("lutron", "rate_mhz")
        for rate_hz in (0.0, 100.0, 12.5):
            stand.rate_hz = rate_hz
            reading = await gauge.read()
            assert reading.value == reading.rate_mhz == rate_hz * 1000


async def test_a_gauge_unplugged_in_mid_series_is_opened_anew_and_the_series_goes_on(stand: Stand) -> None:
    gauge = await open_gauge(stand.urls[0])
    assert (await gauge.read()).value == 1234
    reading = asyncio.create_task(gauge.read())
    await asyncio.sleep(0)
    stand.unplug()
    with pytest.raises(GaugeLost, match="those before it stay") as caught:
        await reading
    assert isinstance(caught.value.__cause__, TransportLost)
    with pytest.raises(GaugeLost):
        await gauge.read()
    await gauge.close()
    await gauge.close()
    stand.plug()
    async with await open_gauge(stand.urls[0]) as again:
        assert (await again.read()).value == 1234


async def test_the_unit_key_and_the_line_speed_are_noticed(stand: Stand) -> None:
    async with await open_gauge(stand.urls[0]) as gauge, await open_gauge(stand.urls[1]) as rate:
        stand.digimatic.unit, stand.tachometer.metres = "inch", True
        with pytest.raises(GaugeUnit, match="inches"):
            await gauge.read()
        with pytest.raises(GaugeUnit, match="metres"):
            await rate.read()
        stand.digimatic.unit, stand.tachometer.metres = "mm", False
        assert (await gauge.read()).value == 1234
        assert (await rate.read()).value == 100_000


@pytest.mark.parametrize(("code", "sentence"), [(NO_DATA, "Switch it on"), (NO_NUMBER, "beyond its range")])
async def test_the_box_says_why_there_is_no_reading(stand: Stand, code: int, sentence: str) -> None:
    async with await open_gauge(stand.urls[0]) as gauge:
        stand.digimatic.refuses = code
        with pytest.raises(GaugeRefused, match=sentence):
            await gauge.read()
        stand.digimatic.refuses = 0
        assert (await gauge.read()).value == 1234


async def test_a_reading_that_is_cancelled_leaves_the_next_one_alone(stand: Stand) -> None:
    async with await open_gauge(stand.urls[1]) as gauge:
        first = asyncio.create_task(gauge.read())
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        stand.rate_hz = 50.0
        assert (await gauge.read()).value == 50_000


@pytest.mark.looptime
class TestInVirtualTime:
    """What takes long, or is said by a box that is not quite one."""

    async def opened(self, said: Callable[[MemoryPeer, bytes], None], options: str = "") -> tuple[Gauge, Callable]:
        def accept(peer: MemoryPeer) -> None:
            peer.on_data = lambda data: said(peer, data)

        listener = listen(f"box-{next(_numbers)}", accept)
        return await open_gauge(f"digimatic+{listener.url}{options}"), listener.close

    async def test_silence_has_an_end_and_a_remedy(self) -> None:
        gauge, close = await self.opened(lambda _peer, _data: None)
        began = asyncio.get_running_loop().time()
        with pytest.raises(GaugeSilent, match=r"did not answer within 2 s.*baud="):
            await gauge.read()
        assert asyncio.get_running_loop().time() - began == pytest.approx(ANSWER_S)
        await gauge.close()
        close()

    @pytest.mark.parametrize("given_up", ["silence", "cancelled"])
    async def test_a_late_answer_is_not_taken_for_the_answer_to_the_next_request(self, given_up: str) -> None:
        loop = asyncio.get_running_loop()
        asked: list[float] = []

        def say(peer: MemoryPeer, _data: bytes) -> None:
            asked.append(loop.time())
            late_s, line = ((LATE_S - 0.5, b"01A+0000.111\r"), (0.1, b"01A+0000.222\r"))[len(asked) - 1]
            loop.call_later(late_s, peer.write, line)

        gauge, close = await self.opened(say)
        first = asyncio.create_task(gauge.read())
        await asyncio.sleep(0.5)
        if given_up == "cancelled":
            first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert (await gauge.read()).value == 222
        assert asked[1] - asked[0] >= LATE_S
        await gauge.close()
        close()

    async def test_what_was_sent_by_a_key_before_is_thrown_away(self) -> None:
        peers: list[MemoryPeer] = []

        def say(peer: MemoryPeer, _data: bytes) -> None:
            peers.append(peer)
            peer.write(b"01A+0000.500\r")

        gauge, close = await self.opened(say)
        assert (await gauge.read()).value == 500
        for _ in range(100):
            peers[0].write(b"01A+0009.999\r")
        peers[0].write(b"01A+00")
        await asyncio.sleep(1)
        assert (await gauge.read()).value == 500
        await gauge.close()
        close()

    async def test_a_busy_box_is_asked_again_and_not_for_ever(self) -> None:
        answers = [b"918\r", b"918\r", b"01A+0000.010\r"] + [b"918\r"] * 20
        gauge, close = await self.opened(lambda peer, _data: peer.write(answers.pop(0)))
        assert (await gauge.read()).value == 10
        with pytest.raises(GaugeRefused) as caught:
            await gauge.read()
        assert caught.value.code == str(BUSY)
        assert len(answers) > 10
        await gauge.close()
        close()

    async def test_other_channels_of_the_box_are_let_pass(self) -> None:
        asked: list[bytes] = []

        def say(peer: MemoryPeer, data: bytes) -> None:
            asked.append(data)
            peer.write(b"01A+0000.111\r921\r03A+0000.333\r" if len(asked) == 1 else b"01A+0000.111\r")

        gauge, close = await self.opened(say, "?channel=3")
        assert (await gauge.read()).value == 333
        with pytest.raises(GaugeSilent):
            await gauge.read()
        assert asked[0] == b"3\r"
        await gauge.close()
        close()

    async def test_two_who_read_at_once_get_a_reading_each(self) -> None:
        numbers = count(1)
        gauge, close = await self.opened(lambda peer, _data: peer.write(b"01A+0000.%03d\r" % next(numbers)))
        assert [one.value for one in await asyncio.gather(*(gauge.read() for _ in range(3)))] == [1, 2, 3]
        await gauge.close()
        close()

    async def test_another_instrument_on_the_port_is_named_as_what_it_is(self) -> None:
        def accept(peer: MemoryPeer) -> None:
            peer.on_data = lambda _data: None
            asyncio.get_running_loop().call_later(1.0, peer.write, b"HELLO\r")

        listener = listen("other", accept)
        async with await open_gauge(f"lutron+{listener.url}") as gauge:
            with pytest.raises(GaugeUnreadable, match="HELLO"):
                await gauge.read()
            with pytest.raises(GaugeSilent):
                await gauge.read()
        listener.close()

    async def test_a_lower_row_alone_is_no_reading_and_no_stranger(self) -> None:
        def accept(peer: MemoryPeer) -> None:
            peer.on_data = lambda _data: None
            asyncio.get_running_loop().call_later(1.0, peer.write, b"\x0242270100001234\r")

        listener = listen("lower", accept)
        async with await open_gauge(f"lutron+{listener.url}") as gauge:
            with pytest.raises(GaugeSilent, match="lower row"):
                await gauge.read()
        listener.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("serial:///dev/ttyUSB0", "Examples: digimatic"),
        ("digimatic+", "Examples: digimatic"),
        ("digimatic+memory://x?channel=0012", "no input"),
        ("digimatic", "Examples"),
        ("caliper+serial:///dev/ttyUSB0", "Examples"),
        ("digimatic+memory://x?unit", "Examples"),
        ("digimatic+memory://x?unit=inches&resolution=0.001", "did you mean inch"),
        ("digimatic+memory://x?unit=inch", "needs its resolution"),
        ("digimatic+memory://x?resolution=fine", "no step"),
        ("digimatic+memory://x?resolution=NaN", "no step"),
        ("digimatic+memory://x?resolution=5", "no step"),
        ("digimatic+memory://x?channel=0", "no input"),
        ("digimatic+memory://x?channel=x", "no input"),
    ],
)
async def test_what_is_no_address_is_refused_with_one_that_is(url: str, sentence: str) -> None:
    with pytest.raises(GaugeAddress, match=sentence):
        await open_gauge(url)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("digimatic+memory://nobody", "Plug in the gauge's interface cable"),
        ("lutron+serial:///dev/there-is-none", "needlework gauge list"),
        ("digimatic+memory://nobody?units=mm", "no option 'units'"),
        ("digimatic+serial:///dev/null?baud=2400", "does not open"),
        ("digimatic+carrier-pigeon://x", "no transport"),
    ],
)
async def test_a_line_that_does_not_open_says_why(url: str, sentence: str) -> None:
    with pytest.raises(GaugeNotOpened, match=sentence) as caught:
        await open_gauge(url)
    assert isinstance(caught.value, GaugeError)
    assert caught.value.__cause__ is not None


async def test_absence_keeps_its_cause() -> None:
    with pytest.raises(GaugeNotOpened) as caught:
        await open_gauge("digimatic+memory://nobody")
    assert isinstance(caught.value.__cause__, PortAbsent)


@pytest.mark.parametrize(
    ("url", "line_url", "options"),
    [
        ("digimatic+serial:///dev/ttyUSB0?unit=mm", "serial:///dev/ttyUSB0?baud=9600", {"unit": "mm"}),
        ("digimatic+serial:///dev/ttyUSB0?baud=2400&channel=2", "serial:///dev/ttyUSB0?baud=2400", {"channel": "2"}),
        ("lutron+tcp://192.0.2.7:4001", "tcp://192.0.2.7:4001", {}),
    ],
)
def test_serial_lines_run_at_what_the_manuals_say_unless_told(url: str, line_url: str, options: dict) -> None:
    parsed = parse_gauge_url(url)
    assert (parsed.line_url, parsed.options) == (line_url, options)
