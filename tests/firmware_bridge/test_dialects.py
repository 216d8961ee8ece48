"""The adapter for the ASCII pen: what it can keep, what it says it cannot, and that such a pen is shown and stopped."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.dialects.ascii import CANNOT, OF_THE_ADAPTER, AsciiDialect
from firmware_bridge.dialects.names import dialect_of
from firmware_bridge.errors import PortAbsent, RequestRefused
from firmware_bridge.wire.codec import range_problem
from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import PROTOCOL_VERSION, Arm, Armed, Capability, Hello, PenState, Refusal, Stop
from proving.conform.clauses import CLAUSES
from proving.conform.running import conform
from proving.conform.verdicts import Verdict
from simulators.dialects.ascii import MODEL, AsciiFirmware
from simulators.dialects.base import DialectPen
from simulators.endpoints.live import LivePen
from simulators.endpoints.memory import MemoryEndpoint
from tests.hosts import connected

VIRTUAL = pytest.mark.looptime(start=time.monotonic)
STATE = b"S RUN D 1.00 0.98 R 120 119.1 B 87 P 2 F 0\n"


@asynccontextmanager
async def ascii_pen() -> AsyncIterator[tuple[DialectPen, str]]:
    """The ASCII pen over a memory line, and the URL that puts the adapter in front of it."""
    loop = asyncio.get_running_loop()
    pen = DialectPen(AsciiFirmware, MODEL, rng=Random(1), today=date(2026, 1, 1))
    live = LivePen(pen, clock_ns=lambda: int(loop.time() * 1e9))
    task = asyncio.create_task(live.run(), name="simulated pen")
    try:
        with MemoryEndpoint(live, "ascii") as endpoint:
            yield pen, f"ascii+{endpoint.url}"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def greeted() -> AsciiDialect:
    dialect = AsciiDialect(boot_id=7)
    assert dialect.host_said(Hello(5, PROTOCOL_VERSION), 0).to_pen == b"I?\n"
    (welcome,) = dialect.pen_said(b"I NW-ASCII NWA-1 1.0\n", 10).to_host
    assert range_problem(welcome) is None
    return dialect


def test_what_it_says_it_cannot_and_what_it_does_itself_are_clauses_and_not_the_same() -> None:
    assert set(CANNOT) | OF_THE_ADAPTER <= set(CLAUSES)
    assert not set(CANNOT) & OF_THE_ADAPTER


def test_stop_goes_out_whatever_was_said_before() -> None:
    assert AsciiDialect(boot_id=7).host_said(Stop(), 0).to_pen == b"X\n"
    assert greeted().host_said(Stop(), 0).to_pen == b"X\n"


def test_a_running_motor_is_told_with_what_is_set_and_measured() -> None:
    (status,) = greeted().pen_said(STATE, 60).to_host
    assert (status.state, status.lease, status.pen_time_ms) == (PenState.RUNNING, 0, 50)
    assert (status.depth_set_um, status.depth_measured_um) == (1000, 980)
    assert (status.rate_set_mhz, status.rate_measured_mhz) == (120_000, 119_100)
    assert status.strokes == 0
    assert status.temperature_dc == -0x8000


def test_a_pen_that_says_nothing_is_not_reported() -> None:
    dialect = greeted()
    for now_ms in range(0, 1000, 50):
        assert dialect.tick(now_ms).to_host == ()


def test_it_arms_nothing() -> None:
    dialect = greeted()
    assert dialect.host_said(Arm(5, 9, 500, 100_000, 0), 0).to_host == (Armed(9, Refusal.UNSUPPORTED, 0),)
    assert dialect.host_said(Arm(6, 9, 500, 100_000, 0), 0).to_host == (Armed(9, Refusal.NONCE, 0),)


@given(st.lists(st.one_of(st.binary(max_size=60), st.just(STATE), st.text(max_size=40).map(str.encode)), max_size=20))
def test_whatever_the_pen_says_the_host_gets_messages_in_range(pieces: list[bytes]) -> None:
    dialect = greeted()
    for number, piece in enumerate(pieces):
        for message in dialect.pen_said(piece, number * 10).to_host:
            assert range_problem(message) is None
            assert frame(message, 0)
    dialect.pen_said(b"\n", 0)
    assert len(dialect.pen_said(STATE, 99).to_host) == 1


@given(
    st.sampled_from(["S RUN D {} 0.98 R 120 119.1 B 87 P 2 F 0\n", "S IDLE D 1 {} R 1 {} B {} P {} F {}\n"]), st.text()
)
def test_no_value_of_a_state_breaks_it(line: str, value: str) -> None:
    text = line.replace("{}", value.replace(" ", "") or "1").encode("utf-8", "replace")
    for message in greeted().pen_said(text, 60).to_host:
        assert range_problem(message) is None
        assert frame(message, 0)


@VIRTUAL
async def test_the_products_link_shows_it_stops_it_and_cannot_arm_it() -> None:
    async with ascii_pen() as (pen, url), connected(url) as host:
        assert not host.link.welcome.capabilities & Capability.DEAD_MAN
        pen.receive(99, b"D 1.00\nG\n")  # somebody else on the line
        await host.until(lambda seen: seen.state is PenState.RUNNING)
        with pytest.raises(RequestRefused) as refused:
            await host.link.arm(depth_ceiling_um=500, rate_ceiling_mhz=100_000, cartridge_tag=0)
        assert refused.value.refusal == Refusal.UNSUPPORTED
        await host.stop()
        await host.until(lambda seen: seen.state is PenState.IDLE)
        assert not pen.plant.driven


@VIRTUAL
async def test_conform_tells_what_such_a_protocol_cannot_do() -> None:
    async with ascii_pen() as (pen, url):
        report = await conform(url, random=Random(1))
        assert pen.driven_at_ms == -1
    assert report.stopped
    assert not report.conforms
    verdicts = {one.clause: one.verdict for one in report.clauses}
    assert {clause for clause, verdict in verdicts.items() if verdict is Verdict.FAIL} == set(CANNOT)
    assert {clause for clause, verdict in verdicts.items() if verdict is Verdict.PASS} == {"V3"}
    assert report.in_part == ("V1",)


async def test_a_line_that_cannot_be_opened_is_refused_as_any() -> None:
    with pytest.raises(PortAbsent):
        await conform("ascii+memory://nobody", random=Random(1))


def test_only_known_prefixes_are_dialects() -> None:
    assert dialect_of("ascii+serial:///dev/ttyACM0") is not None
    assert dialect_of("serial:///dev/ttyACM0") is None
    assert dialect_of("morse+serial:///dev/ttyACM0") is None
