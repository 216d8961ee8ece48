"""What only a network line has: names, several addresses, a peer that does not answer, a peer that crashes."""

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from firmware_bridge.errors import PortAbsent, TransportLost, UnknownUrl
from firmware_bridge.transports import open_transport, tcp
from tests.conftest import open_descriptors
from tests.firmware_bridge.lines import Recorder, SocketLine, opened


@pytest.fixture
def line() -> Iterator[SocketLine]:
    made = SocketLine("tcp")
    yield made
    made.vanish()


@pytest.fixture
def silent_url() -> Iterator[str]:
    """An address whose system takes no more connections and says nothing about it."""
    server = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = []
    for _ in range(3):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(server.getsockname())
        waiting.append(client)
    yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
    for client in waiting:
        client.close()
    server.close()


async def test_a_name_with_several_addresses_finds_the_one_that_answers(line: SocketLine) -> None:
    line.url = line.url.replace("127.0.0.1", "localhost")
    async with opened(line) as (transport, _):
        transport.write(b"here")
        assert await line.read_exactly(4) == b"here"


async def test_small_frames_do_not_wait_for_each_other(line: SocketLine) -> None:
    async with opened(line) as (transport, recorder):
        began = time.monotonic()
        for number in range(20):
            transport.write(b"ask")
            transport.write(b"more")
            await line.read_exactly(7)
            await line.send(b"answer")
            await recorder.received(6 * (number + 1))
        assert time.monotonic() - began < 0.4, "20 round trips of 40 ms each: Nagle's delay"


async def test_what_the_system_holds_back_counts_as_unsent(line: SocketLine) -> None:
    async with opened(line) as (transport, _):
        for _ in range(100):
            transport.write(bytes(1000))
        assert transport.unsent_bytes > 0
        assert transport.unsent_bytes > 100_000 - 70_000, "the system took more than a small buffer's worth"


async def test_an_address_that_does_not_answer_is_absent_in_time(
    silent_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tcp.CONNECT_DEADLINE_S < 3, "a wrong address is told within three seconds"
    monkeypatch.setattr(tcp, "CONNECT_DEADLINE_S", 0.2)
    before = open_descriptors()
    with pytest.raises(PortAbsent, match=r"no answer within 0\.2 s"):
        await open_transport(silent_url, Recorder())
    assert open_descriptors() == before


async def test_cancelled_while_connecting(silent_url: str) -> None:
    before = open_descriptors()
    opening = asyncio.create_task(open_transport(silent_url, Recorder()))
    async with asyncio.timeout(5):
        while open_descriptors() == before:
            await asyncio.sleep(0.001)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert open_descriptors() == before


async def test_a_name_nobody_has(line: SocketLine) -> None:
    with pytest.raises(PortAbsent, match=r"no host is called pen\.invalid"):
        await open_transport("tcp://pen.invalid:7070", Recorder())


@pytest.mark.parametrize("url", ["tcp://192.0.2.7", "tcp://:7070", "tcp://"])
async def test_half_an_address_is_told(url: str) -> None:
    with pytest.raises(UnknownUrl, match="a host and a port"):
        await open_transport(url, Recorder())


async def test_a_peer_that_crashes_is_lost_with_the_systems_word_for_it(line: SocketLine) -> None:
    async with opened(line) as (_, recorder):
        line.reset()
        cause = await recorder.lost()
        assert isinstance(cause, TransportLost)
        assert isinstance(cause.__cause__, ConnectionResetError)
        assert "reset" in str(cause)


async def test_an_aborted_line_sends_nothing_old_later(line: SocketLine) -> None:
    async with opened(line) as (transport, _):
        for number in range(60):
            transport.write(bytes([number]) * 8192)
        assert transport.unsent_bytes > 0
        transport.abort()
        with pytest.raises(ConnectionResetError):
            await line.read_exactly(60 * 8192)
