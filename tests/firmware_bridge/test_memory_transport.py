"""The line inside the process: what its listening side, a simulator, can rely on."""

import asyncio
from collections.abc import Iterator

import pytest

from firmware_bridge.errors import PortAbsent, PortBusy, PortUnusable
from firmware_bridge.transports import open_transport
from firmware_bridge.transports.memory import LINE_BYTES, MemoryListener, MemoryPeer, listen
from tests.firmware_bridge.lines import Recorder


@pytest.fixture
def peers() -> list[MemoryPeer]:
    return []


@pytest.fixture
def listener(peers: list[MemoryPeer]) -> Iterator[MemoryListener]:
    made = listen("pen-1", peers.append)
    yield made
    made.close()


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_nothing_arrives_within_the_call_that_sends_it(listener: MemoryListener, peers: list[MemoryPeer]) -> None:
    recorder, heard = Recorder(), bytearray()
    transport = await open_transport(listener.url, recorder)
    peers[0].on_data = heard.extend
    transport.write(b"down")
    assert peers[0].write(b"up") == 2
    assert (heard, recorder.data) == (b"", b"")
    await turns()
    assert (heard, recorder.data) == (b"down", b"up")
    await transport.close()


async def test_a_peer_that_does_not_read_fills_the_line_and_the_rest_waits(
    listener: MemoryListener, peers: list[MemoryPeer]
) -> None:
    transport = await open_transport(listener.url, Recorder())
    transport.write(bytes(3 * LINE_BYTES))
    await turns()
    assert transport.unsent_bytes == 3 * LINE_BYTES
    heard: list[bytes] = []
    peers[0].on_data = heard.append
    await turns(10)
    assert transport.unsent_bytes == 0
    assert sum(map(len, heard)) == 3 * LINE_BYTES
    assert max(map(len, heard)) <= LINE_BYTES
    await transport.close()


async def test_the_pens_direction_is_bounded_too(listener: MemoryListener, peers: list[MemoryPeer]) -> None:
    recorder = Recorder()
    transport = await open_transport(listener.url, recorder)
    assert peers[0].write(bytes(LINE_BYTES + 100)) == LINE_BYTES
    assert peers[0].write(b"more") == 0
    await turns()
    assert peers[0].write(b"more") == 4
    await turns()
    assert len(recorder.data) == LINE_BYTES + 4
    await transport.close()


async def test_the_peer_hears_of_a_close_once_after_the_last_byte(
    listener: MemoryListener, peers: list[MemoryPeer]
) -> None:
    heard: list[bytes | str] = []
    transport = await open_transport(listener.url, Recorder())
    peers[0].on_data = heard.append
    peers[0].on_lost = lambda: heard.append("lost")
    transport.write(b"STOP")
    await transport.close()
    await turns()
    assert heard == [b"STOP", "lost"]
    assert peers[0].closed
    assert peers[0].write(b"too late") == 0
    peers[0].close()
    assert heard == [b"STOP", "lost"]


async def test_a_peer_that_closes_is_not_told_of_it(listener: MemoryListener, peers: list[MemoryPeer]) -> None:
    heard: list[str] = []
    recorder = Recorder()
    transport = await open_transport(listener.url, recorder)
    peers[0].on_lost = lambda: heard.append("lost")
    peers[0].write(b"last words")
    peers[0].close()
    assert await recorder.lost() is not None
    assert recorder.data == b"last words"
    await transport.close()
    assert heard == []


async def test_two_hosts_are_two_lines(listener: MemoryListener, peers: list[MemoryPeer]) -> None:
    one, other = Recorder(), Recorder()
    lines = [await open_transport(listener.url, recorder) for recorder in (one, other)]
    peers[0].write(b"one")
    peers[1].write(b"other")
    await turns()
    assert (one.data, other.data) == (b"one", b"other")
    listener.close()
    assert await one.lost() is not None
    assert await other.lost() is not None
    for line in lines:
        await line.close()
    with pytest.raises(PortAbsent):
        await open_transport(listener.url, Recorder())


async def test_a_name_belongs_to_one(listener: MemoryListener) -> None:
    with pytest.raises(PortBusy, match="pen-1"):
        listen("pen-1", lambda _peer: None)
    listener.close()
    listen("pen-1", lambda _peer: None).close()
    listener.close()


@pytest.mark.parametrize("name", ["", "Pen", "a/b", "a b", "-a", "a:1", "ä"])
def test_a_name_that_a_url_would_change_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="memory://"):
        listen(name, lambda _peer: None)


async def test_it_has_no_options(listener: MemoryListener) -> None:
    with pytest.raises(PortUnusable, match="takes no options"):
        await open_transport(f"{listener.url}?baud=9600", Recorder())


@pytest.mark.looptime
async def test_it_keeps_a_virtual_clock(listener: MemoryListener, peers: list[MemoryPeer]) -> None:
    transport = await open_transport(listener.url, Recorder())
    transport.write(b"never read")
    before = asyncio.get_running_loop().time()
    await transport.close(drain_s=3600)
    assert asyncio.get_running_loop().time() - before == pytest.approx(3600, abs=1)
    assert peers[0].on_data is None
