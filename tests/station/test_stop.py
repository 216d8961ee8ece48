"""The STOP listener on a real loopback socket, with real clients that behave and some that do not."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station import stop as stop_module
from station.errors import StationTaken
from station.stop import CONNECTIONS_MAX, REQUEST_MAX_BYTES, StopAddress, StopListener, stop_pens


class Pen:
    """What STOP sees of a pen: it keeps who stopped it."""

    def __init__(self, name: str, fails: bool = False) -> None:
        self.name = name
        self.fails = fails
        self.stopped_by: list[str] = []

    def stop(self, source: str) -> None:
        self.stopped_by.append(source)
        if self.fails:
            raise ConnectionError(self.name)


class Bench:
    """Two pens behind a listener."""

    def __init__(self) -> None:
        self.pens = [Pen("left"), Pen("right")]
        self.address = StopAddress("", 0)

    @property
    def stopped(self) -> list[str]:
        return [pen.name for pen in self.pens if pen.stopped_by]

    @property
    def url(self) -> str:
        return f"http://{self.address.host}:{self.address.port}"

    async def say(self, sent: bytes, *, end: bool = True) -> bytes:
        reader, writer = await asyncio.open_connection(self.address.host, self.address.port)
        writer.write(sent)
        if end:
            writer.write_eof()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


@asynccontextmanager
async def listening() -> AsyncIterator[Bench]:
    bench = Bench()
    listener = StopListener(
        lambda pen, source: stop_pens(bench.pens, pen, source), lambda: tuple(pen.name for pen in bench.pens)
    )
    bench.address = await listener.listen(0)
    try:
        yield bench
    finally:
        await listener.close()


async def test_post_stops_every_pen_and_says_so() -> None:
    async with listening() as bench, httpx.AsyncClient() as client:
        answer = await client.post(f"{bench.url}/stop", content=b"ignored", headers={"Origin": "http://127.0.0.1:9"})
    assert answer.status_code == 200
    assert answer.json() == {"stopped": ["left", "right"], "what": "STOP was sent to left, right."}
    assert answer.headers["access-control-allow-origin"] == "*"
    assert bench.stopped == ["left", "right"]


async def test_one_pen_is_stopped_by_name_and_an_unknown_name_stops_all() -> None:
    async with listening() as bench, httpx.AsyncClient() as client:
        await client.post(f"{bench.url}/stop/right")
        assert bench.stopped == ["right"]
        answer = await client.post(f"{bench.url}/stop/rihgt")
    assert bench.stopped == ["left", "right"]
    assert "No pen here is called 'rihgt', so every pen was stopped." in answer.json()["what"]


async def test_ping_tells_the_pens_and_stops_nothing() -> None:
    async with listening() as bench, httpx.AsyncClient() as client:
        answer = await client.get(f"{bench.url}/ping")
    assert answer.json() == {"listening": True, "pens": ["left", "right"]}
    assert bench.stopped == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_reading_the_address_of_stop_stops_nothing(method: str) -> None:
    async with listening() as bench, httpx.AsyncClient() as client:
        answer = await client.request(method, f"{bench.url}/stop")
    assert answer.status_code == (204 if method == "OPTIONS" else 405)
    assert bench.stopped == []


@pytest.mark.parametrize(
    "sent",
    [
        b"STOP\n",
        b"STOP",
        b"stop\r\n",
        b"POST /stop HTTP/1.1\r\n",
        b"POST /stop",
        b"POST /stop HTTP/1.1\r\nContent-Length: 9999999999999999999999\r\n\r\n",
        b"POST /stop HTTP/1.1\r\nContent-Length: -4\r\n\r\n",
        b"POST /stop?a=1 HTTP/9.9\n\n",
        b"POST /stop HTTP/1.1\r\n" + b"X: " + b"y" * (3 * REQUEST_MAX_BYTES),
        b"POST /stop HTTP/1.1\r\nbroken header\r\n\x00\xff\r\n\r\n",
    ],
)
async def test_a_request_that_is_broken_behind_its_stop_stops_all_the_same(sent: bytes) -> None:
    async with listening() as bench:
        answer = await bench.say(sent)
    assert bench.stopped == ["left", "right"]
    assert b'"stopped": ["left", "right"]' in answer


async def test_stop_acts_when_the_first_line_is_in_and_does_not_wait_for_the_rest() -> None:
    async with listening() as bench:
        _reader, writer = await asyncio.open_connection(bench.address.host, bench.address.port)
        for byte in b"POST /stop HTTP/1.1\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
        async with asyncio.timeout(1):
            while not bench.stopped:
                await asyncio.sleep(0)
        writer.close()
        await writer.wait_closed()


async def test_a_silent_connection_is_answered_and_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_module, "REQUEST_DEADLINE_S", 0.05)
    async with listening() as bench:
        assert b"STOP was sent" in await bench.say(b"POST /stop HTTP/1.1\r\nHost: x\r\n", end=False)
        assert await bench.say(b"", end=False) == b""
        assert bench.pens[0].stopped_by == ["stop:127.0.0.1"]


async def test_garbage_is_answered_and_stops_nothing() -> None:
    async with listening() as bench:
        assert (await bench.say(b"\x16\x03\x01\x02\x00\x01\r\n")).startswith(b"HTTP/1.1 404")
        assert (await bench.say(b"x" * (2 * REQUEST_MAX_BYTES))).startswith(b"HTTP/1.1 400")
        assert await bench.say(b"") == b""
    assert bench.stopped == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.binary(max_size=200), max_size=6))
async def test_any_bytes_leave_the_listener_able_to_stop(pieces: list[bytes]) -> None:
    async with listening() as bench:
        reader, writer = await asyncio.open_connection(bench.address.host, bench.address.port)
        for piece in pieces:
            writer.write(piece)
        writer.write_eof()
        await reader.read()
        writer.close()
        for pen in bench.pens:
            pen.stopped_by.clear()
        await bench.say(b"POST /stop HTTP/1.1\r\n\r\n")
        assert bench.stopped == ["left", "right"]


async def test_idle_connections_never_keep_a_stop_out() -> None:
    async with listening() as bench:
        idle = [socket.create_connection((bench.address.host, bench.address.port)) for _ in range(CONNECTIONS_MAX + 20)]
        try:
            async with asyncio.timeout(2):
                assert b"STOP was sent" in await bench.say(b"STOP\n")
        finally:
            for connection in idle:
                connection.close()
    assert bench.stopped == ["left", "right"]


async def test_a_pen_that_fails_keeps_no_other_from_being_stopped() -> None:
    pens = [Pen("left", fails=True), Pen("middle"), Pen("right", fails=True)]
    with pytest.raises(ConnectionError):
        stop_pens(pens, "", "test")
    assert all(pen.stopped_by == ["test"] for pen in pens)


async def test_a_port_that_is_held_is_said_with_the_remedy() -> None:
    async with listening() as bench:
        listener = StopListener(lambda pen, source: (), tuple)
        with pytest.raises(StationTaken) as caught:
            await listener.listen(bench.address.port)
    assert str(bench.address.port) in caught.value.trouble.what
    assert "--stop-port" in caught.value.trouble.do


async def test_an_answer_is_json_with_its_length() -> None:
    async with listening() as bench:
        answer = await bench.say(b"POST /stop HTTP/1.1\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["stopped"] == ["left", "right"]
