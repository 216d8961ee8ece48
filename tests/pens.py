"""Pens for tests: the simulator on four media, the second pen in C, and one named with ``--pen``; and a bad line.

A pytest plugin. `pen` is each of them in turn, `either_pen` each implementation once; `handled_pen` and
`either_handled_pen` are the same without the one named, for tests that press the button themselves.
A test that needs one certain pen asks for `c_pen`, `pty_pen`, `tcp_pen` or `memory_pen`.
"""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random

import pytest
from cobs.cobs import DecodeError
from cobs.cobs import decode as cobs_decode

from firmware_bridge.errors import TransportError
from firmware_bridge.transports import PenUrl, Receiver, Transport, open_transport, register
from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import ROW_OF_TYPE, Message
from firmware_bridge.wire.operations import CALIBRATION_READ, CALIBRATION_WRITE
from simulators.endpoints.live import LivePen
from simulators.endpoints.memory import MemoryEndpoint
from simulators.endpoints.pty import PtyEndpoint
from simulators.endpoints.tcp import TcpEndpoint
from simulators.endpoints.virtual_usb import VirtualUsbEndpoint
from simulators.pen import SimulatedPen
from simulators.personality import NW_1
from tests.hosts import connected
from tests.usb_bus import BUS, fresh_serial, url_of

ROOT = Path(__file__).resolve().parent.parent
C_PEN_READY_S = 5.0
_numbers = count(1)


def _impossible() -> None:
    raise NotImplementedError("no test can do this to a pen that is really there")


@dataclass
class BenchPen:
    """A pen on the bench: where it is, and what a hand can do to it.

    ``swap_cartridge`` takes the cartridge off, the next time it puts a new one on. ``unplug`` ends the medium.
    """

    kind: str
    url: str
    press_button: Callable[[], None] = _impossible
    press_pedal: Callable[[], None] = _impossible
    swap_cartridge: Callable[[], None] = _impossible
    reboot: Callable[[], None] = _impossible
    jam_motor: Callable[[], None] = _impossible
    unplug: Callable[[], None] = _impossible


# The simulator, inside this process ----------------------------------------------------------------------------------


MODEL = replace(NW_1, self_test_ms=200)
"""The usual model with a quicker self-test: nothing here is about how long that takes."""


@asynccontextmanager
async def simulator(serial: str = MODEL.serial) -> AsyncIterator[LivePen]:
    """A simulated pen living in the time of the event loop, on no medium yet."""
    loop = asyncio.get_running_loop()
    live = LivePen(
        SimulatedPen(replace(MODEL, serial=serial), rng=Random(next(_numbers)), today=datetime.now(UTC).date()),
        clock_ns=lambda: int(loop.time() * 1e9),
    )
    task = asyncio.create_task(live.run(), name="simulated pen")
    try:
        yield live
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def on_bench(kind: str, url: str, live: LivePen, unplug: Callable[[], None]) -> BenchPen:
    """A simulated pen served at ``url``."""
    pen = live.pen

    def swap_cartridge() -> None:
        if pen.cartridge is None:
            pen.insert_cartridge()
        else:
            pen.remove_cartridge()

    return BenchPen(
        kind=kind,
        url=url,
        press_button=pen.press_button,
        press_pedal=pen.press_pedal,
        swap_cartridge=swap_cartridge,
        reboot=pen.reboot,
        jam_motor=lambda: pen.faults.jam_motor(True),
        unplug=unplug,
    )


@asynccontextmanager
async def bench_memory() -> AsyncIterator[BenchPen]:
    """The simulator over ``memory://``."""
    async with simulator() as live:
        with MemoryEndpoint(live, f"bench-{next(_numbers)}") as endpoint:
            yield on_bench("memory", endpoint.url, live, endpoint.unplug)


@asynccontextmanager
async def bench_pty() -> AsyncIterator[BenchPen]:
    """The simulator behind a pseudo-terminal."""
    async with simulator() as live:
        with PtyEndpoint(live) as endpoint:
            yield on_bench("pty", endpoint.url, live, endpoint.unplug)


@asynccontextmanager
async def bench_tcp() -> AsyncIterator[BenchPen]:
    """The simulator behind a TCP socket."""
    async with simulator() as live, TcpEndpoint(live) as endpoint:
        yield on_bench("tcp", endpoint.url, live, endpoint.unplug)


@asynccontextmanager
async def bench_usb() -> AsyncIterator[BenchPen]:
    """The simulator's bulk endpoints, on a bus that is not there."""
    async with simulator(serial=fresh_serial()) as live:
        with VirtualUsbEndpoint(live, BUS) as endpoint:
            yield on_bench("usb", url_of(live.pen.model.serial), live, endpoint.unplug)


# The second pen ------------------------------------------------------------------------------------------------------


def build_c_pen() -> Path:
    """Builds `tests/c/pen.c` into `build/c/pen` where that is out of date."""
    for tool, package in (("gcc", "gcc libc6-dev"), ("make", "make")):
        if shutil.which(tool) is None:
            pytest.fail(f"{tool} is missing, and the second pen is built with it: apt-get install {package}")
    made = subprocess.run(
        ["make", "-s", "-C", str(ROOT / "tests" / "c"), "pen"], capture_output=True, text=True, check=False, timeout=15
    )
    if made.returncode != 0:
        pytest.fail(f"the second pen does not build:\n{made.stdout}{made.stderr}", pytrace=False)
    return ROOT / "build" / "c" / "pen"


@asynccontextmanager
async def bench_c(program: Path) -> AsyncIterator[BenchPen]:
    """The pen in C, a process of its own behind a pseudo-terminal."""
    process = await asyncio.create_subprocess_exec(
        str(program), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    typing, saying = process.stdin, process.stdout
    assert typing is not None
    assert saying is not None
    try:
        async with asyncio.timeout(C_PEN_READY_S):
            ready = json.loads(await saying.readline())

        def key(character: bytes) -> Callable[[], None]:
            return lambda: typing.write(character)

        yield BenchPen(
            kind="c",
            url=ready["url"],
            press_button=key(b"b"),
            press_pedal=key(b"p"),
            swap_cartridge=key(b"c"),
            reboot=key(b"r"),
            jam_motor=key(b"s"),
            unplug=process.terminate,
        )
    finally:
        typing.close()
        async with asyncio.timeout(C_PEN_READY_S):
            await process.wait()


# A pen that is really there -------------------------------------------------------------------------------------------


@asynccontextmanager
async def bench_real(url: str) -> AsyncIterator[BenchPen]:
    """The pen named with ``--pen``: begins without a fault, and gets its calibration back afterwards."""
    async with connected(url) as host:
        await host.clear_faults()
        calibration = await host.link.request(CALIBRATION_READ)
    try:
        yield BenchPen("real", url)
    finally:
        async with connected(url) as host:
            await host.clear_faults()
            if await host.link.request(CALIBRATION_READ) != calibration:
                await host.link.request(CALIBRATION_WRITE, calibration)


# A line that can be made bad -----------------------------------------------------------------------------------------


class Lane:
    """One direction of a bad line. ``loses`` and ``holds`` are asked for every frame, by its kind.

    Held frames wait for :meth:`release`; those that come meanwhile and are not held go past them.
    """

    def __init__(self) -> None:
        self.loses: Callable[[int], bool] = lambda _kind: False
        self.holds: Callable[[int], bool] = lambda _kind: False
        self.deliver: Callable[[bytes], None] = lambda _data: None
        self.passed: list[int] = []
        self.lost: list[int] = []
        self._held: list[bytes] = []
        self._begun = b""

    @property
    def held(self) -> int:
        """Frames that wait."""
        return len(self._held)

    def push(self, data: bytes) -> None:
        """Bytes on their way."""
        *pieces, self._begun = (self._begun + data).split(b"\0")
        out = b"".join(self._judged(piece + b"\0") for piece in pieces)
        if out:
            self.deliver(out)

    def release(self) -> None:
        """Holds nothing any more; what waited goes on its way, in one go."""
        self.holds = lambda _kind: False
        held, self._held = b"".join(self._held), []
        if held:
            self.deliver(held)

    def inject(self, message: Message, sequence: int = 0) -> None:
        """Puts a message on the line that nobody sent."""
        self.deliver(frame(message, sequence))

    def _judged(self, piece: bytes) -> bytes:
        kind = kind_of(piece)
        if self.loses(kind):
            self.lost.append(kind)
            return b""
        if self.holds(kind):
            self._held.append(piece)
            return b""
        self.passed.append(kind)
        return piece


def kind_of(piece: bytes) -> int:
    """The kind of the frame in ``piece``, its delimiter included; -1 for what is none."""
    try:
        return (cobs_decode(piece[:-1]) or b"\0")[0] or -1
    except DecodeError:
        return -1


@dataclass
class BadLine:
    """A line in front of a pen, opened by its own ``url``. ``before`` is heard by the host ahead of the pen's bytes."""

    inner_url: str
    to_pen: Lane = field(default_factory=Lane)
    to_host: Lane = field(default_factory=Lane)
    before: bytes = b""
    url: str = field(default_factory=lambda: f"between://line-{next(_numbers)}")

    def __post_init__(self) -> None:
        _BAD_LINES[self.url] = self


_BAD_LINES: dict[str, BadLine] = {}


class _Between:
    """Transport for the host, receiver for the transport behind it."""

    def __init__(self, line: BadLine, receiver: Receiver) -> None:
        self._line = line
        self._receiver = receiver
        self._inner: Transport | None = None
        line.to_host.deliver = receiver.data_received

    @property
    def url(self) -> str:
        return self._line.url

    @property
    def unsent_bytes(self) -> int:
        return self._behind.unsent_bytes

    @property
    def _behind(self) -> Transport:
        assert self._inner is not None
        return self._inner

    async def open(self) -> "_Between":
        self._inner = inner = await open_transport(self._line.inner_url, self)
        self._line.to_pen.deliver = inner.write
        if self._line.before:
            asyncio.get_running_loop().call_soon(self._receiver.data_received, self._line.before)
        return self

    def write(self, data: bytes, *, urgent: bool = False) -> None:
        self._line.to_pen.push(data)

    async def close(self, drain_s: float = 0.2) -> None:
        await self._behind.close(drain_s)

    def abort(self) -> None:
        self._behind.abort()

    def data_received(self, data: bytes) -> None:
        self._line.to_host.push(data)

    def transport_lost(self, cause: TransportError | None) -> None:
        self._receiver.transport_lost(cause)


async def _open_between(url: PenUrl, receiver: Receiver) -> Transport:
    return await _Between(_BAD_LINES[url.text], receiver).open()


register("between", _open_between)

KIND = {row.type: row.kind for row in ROW_OF_TYPE.values()}
"""The number of each message's kind."""


# Fixtures ------------------------------------------------------------------------------------------------------------


SIMULATED: dict[str, Callable[[], AbstractAsyncContextManager[BenchPen]]] = {
    "memory": bench_memory,
    "pty": bench_pty,
    "tcp": bench_tcp,
    "usb": bench_usb,
}
VIRTUAL = pytest.param("memory", marks=pytest.mark.looptime(start=time.monotonic))
"""Nothing outside the process takes part, so time can be virtual: such a test waits for nothing. It goes on from the
time of the fixtures, where the pen began to live."""

PTY, TCP, USB, C = (pytest.param(kind, marks=pytest.mark.system) for kind in ("pty", "tcp", "usb", "c"))
"""In real time: over a terminal, over a socket, over USB that is not there but has threads, and the pen in C as a
process behind a terminal."""

HANDLED_KINDS = [VIRTUAL, PTY, TCP, USB, C]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives the fixtures of many pens their kinds; the one named with ``--pen`` joins where no hand is needed."""
    if "pen" in metafunc.fixturenames:
        metafunc.parametrize("pen", [*HANDLED_KINDS, *_named(metafunc)], indirect=True)
    if "either_pen" in metafunc.fixturenames:
        metafunc.parametrize("either_pen", [VIRTUAL, C, *_named(metafunc)], indirect=True)
    if "either_handled_pen" in metafunc.fixturenames:
        metafunc.parametrize("either_handled_pen", [VIRTUAL, C], indirect=True)
    if "handled_pen" in metafunc.fixturenames:
        metafunc.parametrize("handled_pen", HANDLED_KINDS, indirect=True)


def _named(metafunc: pytest.Metafunc) -> list[str]:
    return ["real"] if metafunc.config.getoption("--pen") else []


@pytest.fixture(scope="session")
def c_pen_program() -> Path:
    """The second pen, built."""
    return build_c_pen()


async def _pen_of_kind(request: pytest.FixtureRequest) -> AsyncIterator[BenchPen]:
    if request.param == "real":
        async with bench_real(request.config.getoption("--pen")) as pen:
            yield pen
    elif request.param == "c":
        async with bench_c(request.getfixturevalue("c_pen_program")) as pen:
            yield pen
    else:
        async with SIMULATED[request.param]() as pen:
            yield pen


pen = pytest.fixture(name="pen")(_pen_of_kind)
either_pen = pytest.fixture(name="either_pen")(_pen_of_kind)
either_handled_pen = pytest.fixture(name="either_handled_pen")(_pen_of_kind)
handled_pen = pytest.fixture(name="handled_pen")(_pen_of_kind)


@pytest.fixture
async def memory_pen() -> AsyncIterator[BenchPen]:
    """The simulator over ``memory://``."""
    async with bench_memory() as found:
        yield found


@pytest.fixture
async def pty_pen() -> AsyncIterator[BenchPen]:
    """The simulator behind a pseudo-terminal."""
    async with bench_pty() as found:
        yield found


@pytest.fixture
async def tcp_pen() -> AsyncIterator[BenchPen]:
    """The simulator behind a TCP socket."""
    async with bench_tcp() as found:
        yield found


@pytest.fixture
async def c_pen(c_pen_program: Path) -> AsyncIterator[BenchPen]:
    """The pen in C."""
    async with bench_c(c_pen_program) as found:
        yield found
