"""What every transport keeps, over every medium: the same test bodies over a pseudo-terminal, TCP, memory and the pump.

Each runs on asyncio's event loop and on uvloop.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from serial.urlhandler import protocol_socket

from firmware_bridge.errors import PortAbsent, PortUnusable, TransportLost
from firmware_bridge.transports import Transport, open_transport
from firmware_bridge.transports.base import READ_BYTES
from tests.conftest import open_descriptors
from tests.firmware_bridge.lines import DEADLINE_S, MEDIA, Line, Recorder, opened

pytestmark = pytest.mark.every_loop

EVERY_BYTE = bytes(range(256))
PIECE_BYTES = 8192
PIECES = 60
"""Together half a megabyte: more than any medium here holds, less than what makes a transport give up."""

UNDELIVERED_BYTES_PER_TURN = 20 * READ_BYTES
"""What may come in between two turns of the event loop: the pump's allowance and a bit."""


@pytest.fixture(params=list(MEDIA))
def line(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    if request.param == "pump-socket":
        # pyserial ends every close with a pause of 0.3 s for servers of its own kind; thirty of them prove nothing.
        monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda _s: None))
    made: Line = MEDIA[request.param]()
    yield made
    made.vanish()


async def until(condition: Callable[[], bool]) -> None:
    """Turns the loop until the condition holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.001)


async def stalled(line: Line, transport: Transport) -> None:
    """Writes numbered pieces until some of them stay: the peer does not read."""
    for number in range(PIECES):
        transport.write(bytes([number]) * PIECE_BYTES)
    most = PIECES * PIECE_BYTES - (not line.counts_what_is_under_way)
    await until(lambda: 0 < transport.unsent_bytes <= most)


async def test_bytes_go_both_ways_unchanged(line: Line) -> None:
    async with opened(line) as (transport, recorder):
        assert transport.url == line.url
        transport.write(EVERY_BYTE)
        assert await line.read_exactly(256) == EVERY_BYTE
        await line.send(EVERY_BYTE)
        assert await recorder.received(256) == EVERY_BYTE
        await until(lambda: transport.unsent_bytes == 0)


async def test_many_bytes_arrive_in_order(line: Line) -> None:
    sent = b"".join(number.to_bytes(4, "big") for number in range(16_384))
    async with opened(line) as (transport, recorder):
        transport.write(sent)
        assert await line.read_exactly(len(sent)) == sent
        await line.send(sent)
        assert await recorder.received(len(sent)) == sent
        assert max(recorder.pieces) <= READ_BYTES


async def test_a_peer_of_single_bytes(line: Line) -> None:
    async with opened(line) as (transport, recorder):
        for value in EVERY_BYTE:
            await line.send(bytes([value]))
            transport.write(bytes([value]))
        assert await recorder.received(256) == EVERY_BYTE
        assert await line.read_exactly(256) == EVERY_BYTE


async def test_urgent_bytes_pass_what_has_not_begun_to_leave(line: Line) -> None:
    async with opened(line) as (transport, _):
        await stalled(line, transport)
        transport.write(b"later")
        transport.write(b"STOP", urgent=True)
        transport.write(b"STOP AGAIN", urgent=True)
        stream = await line.read_exactly(PIECES * PIECE_BYTES + 5 + 4 + 10)
    before, _, after = stream.partition(b"STOPSTOP AGAIN")
    assert len(before) % PIECE_BYTES == 0, "a piece that had begun was torn"
    assert len(before) < PIECES * PIECE_BYTES, "the urgent bytes waited for the rest"
    assert before + after == b"".join(bytes([number]) * PIECE_BYTES for number in range(PIECES)) + b"later"


async def test_close_lets_unsent_bytes_leave(line: Line) -> None:
    sent = PIECES * PIECE_BYTES
    async with opened(line) as (transport, recorder):
        await stalled(line, transport)
        closing = asyncio.create_task(transport.close(drain_s=DEADLINE_S))
        stream = await line.read_exactly(sent)
        async with asyncio.timeout(DEADLINE_S):
            await closing
        assert stream[-1] == PIECES - 1
        assert recorder.losses == [None]


async def test_close_ends_when_the_peer_does_not_read(line: Line) -> None:
    async with opened(line) as (transport, recorder):
        await stalled(line, transport)
        began = time.monotonic()
        await transport.close(drain_s=0.1)
        # The allowance is pyserial's: its network ports sleep 0.3 s over a close.
        assert time.monotonic() - began < 1.5
        assert recorder.losses == [None]
        assert transport.unsent_bytes == 0


async def test_abort_tells_once_without_a_cause_and_delivers_nothing_more(line: Line) -> None:
    before = open_descriptors().keys()
    async with opened(line) as (transport, recorder):
        transport.abort()
        transport.abort()
        assert recorder.losses == [], "told from inside its own call"
        assert await recorder.lost() is None
        assert recorder.open_when_lost.keys() - before <= line.descriptors()
        transport.write(b"into the void", urgent=True)
        await transport.close()
        await transport.close()
        assert recorder.losses == [None]


async def test_a_loss_is_told_once_with_its_cause_after_the_release(line: Line) -> None:
    before = open_descriptors().keys() - line.descriptors()
    async with opened(line) as (transport, recorder):
        line.vanish()
        cause = await recorder.lost()
        assert isinstance(cause, TransportLost)
        assert cause.url == line.url
        assert "dead-man" in str(cause)
        assert recorder.open_when_lost.keys() <= before, "told before the handle was released"
        transport.write(b"anybody there?")
        transport.write(b"STOP", urgent=True)
        assert transport.unsent_bytes == 0
        transport.abort()
        await transport.close()
        assert recorder.losses == [cause]


async def test_a_loss_with_bytes_waiting_both_ways(line: Line) -> None:
    async with opened(line) as (transport, recorder):
        await stalled(line, transport)
        await line.send(b"last words")
        if line.delivers_before_hang_up:
            assert await recorder.received(10) == b"last words"
        line.vanish()
        assert isinstance(await recorder.lost(), TransportLost)
        assert len(recorder.losses) == 1


async def test_what_was_sent_before_the_hang_up_still_arrives(line: Line) -> None:
    if not line.delivers_before_hang_up:
        return
    async with opened(line) as (_, recorder):
        await line.send(b"last words")
        line.vanish()
        assert isinstance(await recorder.lost(), TransportLost)
        assert recorder.data == b"last words"


async def test_a_line_that_hung_up_costs_nothing(line: Line) -> None:
    async with opened(line) as (transport, recorder):
        await stalled(line, transport)
        line.vanish()
        await recorder.lost()
        spent = time.process_time()
        await asyncio.sleep(0.2)
        assert time.process_time() - spent < 0.1, "something spins"


async def test_a_peer_that_does_not_read_costs_nothing(line: Line) -> None:
    async with opened(line) as (transport, _):
        await stalled(line, transport)
        await asyncio.sleep(0.05)
        spent = time.process_time()
        await asyncio.sleep(0.2)
        assert time.process_time() - spent < 0.1, "something spins"


async def test_an_idle_line_costs_nothing(line: Line) -> None:
    async with opened(line):
        spent = time.process_time()
        await asyncio.sleep(0.2)
        assert time.process_time() - spent < 0.1, "something spins"


async def test_a_peer_that_floods_leaves_the_loop_its_turns(line: Line) -> None:
    largest = turns = 0
    async with opened(line) as (_, recorder):
        flood = asyncio.create_task(line.send(bytes(512 * 1024)))
        loop = asyncio.get_running_loop()

        def turn(seen: int) -> None:
            nonlocal largest, turns
            largest = max(largest, len(recorder.data) - seen)
            turns += 1
            if len(recorder.data) < 512 * 1024:
                loop.call_soon(turn, len(recorder.data))

        turn(0)
        await recorder.received(512 * 1024)
        await flood
    assert turns > 20
    assert largest <= UNDELIVERED_BYTES_PER_TURN


async def test_bytes_without_end_that_nobody_takes_are_a_loss_not_a_leak(line: Line) -> None:
    async with opened(line) as (transport, recorder):
        for _ in range(600):  # five megabytes, beyond what any system's buffers take
            transport.write(bytes(PIECE_BYTES))
        cause = await recorder.lost()
        assert isinstance(cause, TransportLost)
        assert "takes none" in str(cause)


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 20])
async def test_a_cancelled_open_leaves_nothing_open(line: Line, turns: int) -> None:
    before = open_descriptors()
    threads = set(threading.enumerate())
    recorder = Recorder()
    opening = asyncio.create_task(open_transport(line.url, recorder))
    for _ in range(turns):
        await asyncio.sleep(0)
    opening.cancel()
    try:
        transport = await opening
    except asyncio.CancelledError:
        await until(lambda: set(threading.enumerate()) <= threads)
        assert open_descriptors() == before
        assert recorder.losses == []
    else:  # it was open already
        await transport.close()


async def test_opened_again_after_a_close(line: Line) -> None:
    for _ in range(3):
        async with opened(line) as (transport, _recorder):
            transport.write(b"again")
            assert await line.read_exactly(5) == b"again"


async def test_what_is_not_there_is_absent(line: Line) -> None:
    before = open_descriptors()
    with pytest.raises(PortAbsent) as raised:
        await open_transport(line.absent_url, Recorder())
    assert raised.value.url == line.absent_url
    assert open_descriptors() == before


async def test_a_misspelt_option_is_refused(line: Line) -> None:
    before = open_descriptors()
    separator = "&" if "?" in line.url else "?"
    with pytest.raises(PortUnusable, match="there is no option 'buad'"):
        await open_transport(f"{line.url}{separator}buad=9600", Recorder())
    assert open_descriptors() == before
