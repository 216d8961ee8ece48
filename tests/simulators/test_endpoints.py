"""Endpoints in real time: the same pen over PTY, TCP and memory, two hosts at once, and hosts that come and go."""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import pytest

from firmware_bridge.errors import TransportLost
from firmware_bridge.transports.base import parse_url
from firmware_bridge.transports.memory import open_memory
from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Arm, Busy, Fault, Hello, Setpoint, Status, Stop, Welcome
from simulators.endpoints.live import CATCH_UP_MAX_MS, LivePen
from simulators.endpoints.memory import MemoryEndpoint
from simulators.endpoints.pty import HELD_PIECES, PtyEndpoint
from simulators.endpoints.tcp import TcpEndpoint
from simulators.errors import EndpointError
from simulators.pen import SimulatedPen

pytestmark = pytest.mark.system  # terminals and sockets in real time

PATIENCE_S = 5.0
DESCRIPTORS = Path("/proc/self/fd")


class Client:
    """The host's side of some medium: raw bytes and the codec, none of the product's link."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.write = write
        self.lost = asyncio.Event()
        self.lost_cause: object = None
        self._messages: asyncio.Queue = asyncio.Queue()
        self._deframer = Deframer()

    def data_received(self, data: bytes) -> None:
        for message in self._deframer.feed(data):
            self._messages.put_nowait(message)

    def transport_lost(self, cause: object) -> None:
        self.lost_cause = cause
        self.lost.set()

    def say(self, message) -> None:
        self.write(frame(message, 0))

    async def hear(self, kind: type):
        """The next message of this kind."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self._messages.get()
                if isinstance(message, kind):
                    return message

    async def arm(self, pen: SimulatedPen, nonce: int = 7):
        self.say(Hello(nonce, 1))
        await self.hear(Welcome)
        self.say(Arm(nonce, 1, 1000, 100_000, pen.cartridge.tag))
        status = await self.hear(Status)
        while not status.lease:
            status = await self.hear(Status)
        return status.lease


@asynccontextmanager
async def pty_client(path: str) -> AsyncIterator[Client]:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    loop = asyncio.get_running_loop()
    client = Client(lambda data: os.write(descriptor, data))

    def readable() -> None:
        try:
            data = os.read(descriptor, 4096)
        except OSError:
            data = b""
        if data:
            client.data_received(data)
        else:
            loop.remove_reader(descriptor)
            client.transport_lost("hang-up")

    loop.add_reader(descriptor, readable)
    try:
        yield client
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


@asynccontextmanager
async def tcp_client(host: str, port: int) -> AsyncIterator[Client]:
    class Stream(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            client.data_received(data)

        def connection_lost(self, exc: Exception | None) -> None:
            client.transport_lost(exc)

    client = Client(lambda data: transport.write(data))  # noqa: PLW0108  # the transport comes later
    transport, _ = await asyncio.get_running_loop().create_connection(Stream, host, port)
    try:
        yield client
    finally:
        transport.close()
        await asyncio.wait_for(client.lost.wait(), PATIENCE_S)


@asynccontextmanager
async def memory_client(url: str) -> AsyncIterator[Client]:
    client = Client(lambda data: transport.write(data))  # noqa: PLW0108  # as above
    transport = await open_memory(parse_url(url), client)
    try:
        yield client
    finally:
        await transport.close()


@pytest.fixture
async def live() -> AsyncIterator[LivePen]:
    live = LivePen(SimulatedPen(rng=random.Random(3), today=date(2026, 5, 4)))
    task = asyncio.create_task(live.run(), name="simulated pen")
    yield live
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def served(live: LivePen, medium: str) -> AsyncIterator[tuple[object, Callable]]:
    """An endpoint of this kind, and how to become its client."""
    if medium == "pty":
        with PtyEndpoint(live) as endpoint:
            yield endpoint, lambda: pty_client(endpoint.path)
    elif medium == "tcp":
        async with TcpEndpoint(live) as endpoint:
            yield endpoint, lambda: tcp_client("127.0.0.1", endpoint.port)
    else:
        with MemoryEndpoint(live, "pen-under-test") as endpoint:
            yield endpoint, lambda: memory_client(endpoint.url)


MEDIA = ("pty", "tcp", "memory")


@pytest.mark.parametrize("medium", MEDIA)
async def test_hello_welcome_status(live, medium):
    async with served(live, medium) as (_, connect), connect() as client:
        client.write(b"\x00")
        client.say(Hello(1234, 1))
        welcome = await client.hear(Welcome)
        assert welcome.nonce == 1234
        first = await client.hear(Status)
        second = await client.hear(Status)
        assert second.pen_time_ms - first.pen_time_ms == welcome.status_period_ms
        assert first.boot_id == welcome.boot_id


@pytest.mark.parametrize("medium", MEDIA)
async def test_pen_time_is_real_time(live, medium):
    async with served(live, medium) as (_, connect), connect() as client:
        client.say(Hello(1, 1))
        first = await client.hear(Status)
        began_s = time.monotonic()
        newest = first
        while newest.pen_time_ms - first.pen_time_ms < 400:
            newest = await client.hear(Status)
        took_ms = (time.monotonic() - began_s) * 1000 + live.stalled_ms
        assert 350 < took_ms < 800


@pytest.mark.parametrize("medium", MEDIA)
async def test_a_treatment_and_a_stop(live, medium):
    async with served(live, medium) as (_, connect), connect() as client:
        lease = await client.arm(live.pen)
        for tick in range(1, 12):
            status = await client.hear(Status)
            client.say(Setpoint(lease, tick, 1, 500, 100_000, status.pen_time_ms))
        while not live.pen.truth.motor_driven:
            await client.hear(Status)
        client.say(Stop())
        while (await client.hear(Status)).lease:
            pass
        assert not live.pen.truth.motor_driven


@pytest.mark.parametrize("medium", MEDIA)
async def test_a_host_that_goes_stops_the_pen_by_its_silence_and_another_finds_it(live, medium):
    async with served(live, medium) as (_, connect):
        async with connect() as client:
            lease = await client.arm(live.pen)
            status = await client.hear(Status)
            client.say(Setpoint(lease, 1, 1, 500, 100_000, status.pen_time_ms))
            while not live.pen.truth.motor_driven:
                await client.hear(Status)
        async with connect() as client:
            client.write(b"\x00")
            async with asyncio.timeout(PATIENCE_S):
                while live.pen.truth.motor_driven:
                    await asyncio.sleep(0.01)
            client.say(Hello(99, 1))
            while (await client.hear(Welcome)).nonce != 99:
                pass
            assert (await client.hear(Status)).faults == Fault.DEAD_MAN


@pytest.mark.parametrize("medium", MEDIA)
async def test_unplugged_the_host_hears_of_it_and_the_pen_lives_on(live, medium):
    async with served(live, medium) as (endpoint, connect):
        async with connect() as client:
            client.say(Hello(1, 1))
            await client.hear(Welcome)
            endpoint.unplug()
            await asyncio.wait_for(client.lost.wait(), PATIENCE_S)
            if medium == "memory":
                assert isinstance(client.lost_cause, TransportLost)
        before = live.now_ms
        async with asyncio.timeout(PATIENCE_S):
            while live.now_ms == before:
                await asyncio.sleep(0.01)
        if medium == "pty":
            endpoint.plug()
        async with connect() as client:
            client.say(Hello(2, 1))
            assert (await client.hear(Welcome)).nonce == 2


@pytest.mark.parametrize("medium", MEDIA)
async def test_setpoints_held_up_on_the_line_move_nothing_when_they_come(live, medium):
    async with served(live, medium) as (endpoint, connect), connect() as client:
        lease = await client.arm(live.pen)
        line = endpoint.port.line if medium == "pty" else endpoint.ports[0].line
        line.to_pen.holding = True
        status = await client.hear(Status)
        for tick in range(1, 6):
            client.say(Setpoint(lease, tick, 1, 500, 100_000, status.pen_time_ms))
        while not status.faults:
            status = await client.hear(Status)
            assert not live.pen.truth.motor_driven
        line.to_pen.holding = False
        for _ in range(5):
            await client.hear(Status)
            assert not live.pen.truth.motor_driven


async def test_two_hosts_on_two_media_the_second_is_told_busy(live):
    with PtyEndpoint(live) as pty:
        async with (
            TcpEndpoint(live) as tcp,
            pty_client(pty.path) as first,
            tcp_client("127.0.0.1", tcp.port) as second,
        ):
            await first.arm(live.pen)
            second.say(Hello(55, 1))
            assert await second.hear(Busy) == Busy(55)


async def test_two_connections_of_one_tcp_endpoint_are_two_media(live):
    async with (
        TcpEndpoint(live) as tcp,
        tcp_client("127.0.0.1", tcp.port) as first,
        tcp_client("127.0.0.1", tcp.port) as second,
    ):
        await first.arm(live.pen)
        second.say(Hello(55, 1))
        assert await second.hear(Busy) == Busy(55)
        assert len(tcp.ports) == 2


async def test_pty_does_not_spin_when_its_host_has_closed(live):
    with PtyEndpoint(live) as endpoint:
        async with pty_client(endpoint.path) as client:
            client.say(Hello(1, 1))
            await client.hear(Welcome)
        cpu_s = time.process_time()
        await asyncio.sleep(0.4)
        assert time.process_time() - cpu_s < 0.2


async def test_pty_is_raw_in_both_directions(live, monkeypatch):
    came = bytearray()
    monkeypatch.setattr(live.pen, "receive", lambda _medium, data: came.extend(data))
    everything = bytes(range(256))
    with PtyEndpoint(live) as endpoint:
        descriptor = os.open(endpoint.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            os.write(descriptor, everything)
            async with asyncio.timeout(PATIENCE_S):
                while len(came) < 256:
                    await asyncio.sleep(0.005)
            assert bytes(came) == everything
            endpoint.port.send(everything)
            assert os.read(descriptor, 4096) == everything
        finally:
            os.close(descriptor)


async def test_pty_a_host_that_does_not_read_blocks_nothing_and_is_answered_when_it_does(live):
    with PtyEndpoint(live) as endpoint:
        for _ in range(400):
            endpoint.port.send(b"\x05" * 100 + b"\0")
        assert endpoint.dropped_bytes > 0
        assert len(endpoint._held) <= HELD_PIECES
        async with pty_client(endpoint.path) as client:
            client.say(Hello(77, 1))
            assert (await client.hear(Welcome)).nonce == 77


async def test_pty_link_is_one_path_over_many_pluggings(live, tmp_path):
    link = tmp_path / "pen"
    endpoint = PtyEndpoint(live, link=link)
    endpoint.plug()
    assert endpoint.path == str(link)
    assert endpoint.url == f"serial://{link}"
    assert str(link.readlink()) == endpoint.device
    with pytest.raises(EndpointError, match="already"):
        endpoint.plug()
    endpoint.unplug()
    assert not link.is_symlink()
    with pytest.raises(EndpointError, match="not plugged in"):
        _ = endpoint.port
    endpoint.unplug()
    with endpoint:
        async with pty_client(str(link)) as client:
            client.say(Hello(1, 1))
            await client.hear(Welcome)
    assert not link.is_symlink()


async def test_pty_a_stale_link_is_replaced_a_file_is_not(live, tmp_path):
    link = tmp_path / "pen"
    link.symlink_to("/dev/null/gone")
    with PtyEndpoint(live, link=link) as endpoint:
        assert str(link.readlink()) == endpoint.device
    link.write_text("somebody's notes")
    descriptors = len(list(DESCRIPTORS.iterdir()))
    with pytest.raises(EndpointError, match="does not overwrite"):
        PtyEndpoint(live, link=link).plug()
    assert len(list(DESCRIPTORS.iterdir())) == descriptors
    with pytest.raises(EndpointError, match="cannot be made"):
        PtyEndpoint(live, link=tmp_path / "absent" / "pen").plug()


async def test_pty_the_link_of_a_pen_that_lives_is_not_taken_and_that_of_a_dead_one_is(live, tmp_path):
    link = tmp_path / "pen"
    with PtyEndpoint(live, link=link) as first:
        second = PtyEndpoint(live, link=link)
        descriptors = len(list(DESCRIPTORS.iterdir()))
        with pytest.raises(EndpointError, match="link of another simulated pen"):
            second.plug()
        assert len(list(DESCRIPTORS.iterdir())) == descriptors
        async with pty_client(str(link)) as client:
            with pytest.raises(EndpointError, match="link of another simulated pen"):
                second.plug()
            client.say(Hello(77, 1))
            assert (await client.hear(Welcome)).nonce == 77
        assert str(link.readlink()) == first.device
    assert not link.is_symlink()
    somebodys, terminal = os.openpty()  # the number of a pen that was killed, given to a shell
    link.symlink_to(os.ttyname(terminal))
    with PtyEndpoint(live, link=link) as third:
        assert str(link.readlink()) == third.device
    os.close(somebodys)
    os.close(terminal)


async def test_pty_the_link_of_another_is_left_alone_at_unplugging(live, tmp_path):
    link = tmp_path / "pen"
    endpoint = PtyEndpoint(live, link=link)
    endpoint.plug()
    link.unlink()
    link.symlink_to("/dev/null")
    endpoint.unplug()
    assert str(link.readlink()) == "/dev/null"


async def test_tcp_an_address_that_is_taken_is_refused(live):
    async with TcpEndpoint(live) as taken:
        with pytest.raises(EndpointError, match="cannot be listened on"):
            await TcpEndpoint(live, "127.0.0.1", taken.port).open()


class Clock:
    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
async def clocked() -> AsyncIterator[tuple[LivePen, Clock, list[int]]]:
    """A live pen whose clock the test moves."""
    clock, stalls = Clock(), []
    pen = SimulatedPen(rng=random.Random(3), today=date(2026, 5, 4))
    live = LivePen(pen, on_stall=stalls.append, clock_ns=clock)
    task = asyncio.create_task(live.run(), name="simulated pen")
    await asyncio.sleep(0)
    yield live, clock, stalls
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_live_follows_its_clock_without_losing_fractions(clocked):
    live, clock, stalls = clocked
    for _ in range(100):
        clock.ns += 1_400_000
        live.catch_up()
    assert live.now_ms == live.pen.truth.pen_time_ms == 140
    assert stalls == []


async def test_live_makes_up_for_a_stall_only_so_far_and_says_so(clocked):
    live, clock, stalls = clocked
    clock.ns += 2_000_000_000
    live.catch_up()
    assert live.now_ms == live.pen.truth.pen_time_ms == CATCH_UP_MAX_MS
    assert stalls == [2000 - CATCH_UP_MAX_MS]
    assert live.stalled_ms == 2000 - CATCH_UP_MAX_MS
    clock.ns += 5_000_000
    live.catch_up()
    assert live.now_ms == CATCH_UP_MAX_MS + 5


async def test_live_bytes_delayed_on_the_line_arrive_in_their_millisecond(clocked):
    live, clock, _ = clocked
    heard = bytearray()
    port = live.attach(heard.extend)
    port.line.to_pen.delay_ms = 10
    port.line.to_host.delay_ms = 7
    port.received(frame(Hello(5, 1), 0))
    for ms in range(1, 18):
        assert heard == b"", ms
        clock.ns += 1_000_000
        live.catch_up()
    assert [type(message) for message in Deframer().feed(bytes(heard))] == [Welcome]


async def test_live_a_detached_port_is_silent(clocked):
    live, clock, _ = clocked
    heard = bytearray()
    port = live.attach(heard.extend)
    port.received(frame(Hello(5, 1), 0))
    count = len(heard)
    port.detach()
    port.detach()
    port.received(frame(Hello(6, 1), 0))
    clock.ns += 50_000_000
    live.catch_up()
    live.exchange()
    assert len(heard) == count
