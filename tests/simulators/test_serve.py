"""Serving a pen to other processes: the readiness record, what is refused, and that nothing is left behind."""

import asyncio
import contextlib
import os
from datetime import date

import pytest

from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Hello, Status, Welcome
from simulators.errors import EndpointError, UnknownModel, UnknownZone
from simulators.serve import parse_address, serve

TODAY = date(2026, 5, 4)


@contextlib.asynccontextmanager
async def serving(**options):
    ready = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(ready.set_result, today=TODAY, **options), name="serve")
    try:
        async with asyncio.timeout(5):
            yield await ready
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_pen_on_a_terminal_and_on_tcp_says_where_it_is(tmp_path):
    link = tmp_path / "pen"
    async with serving(link=link, tcp="127.0.0.1:0", serial="NW1-0042", seed=5) as record:
        assert record["pty"] == str(link)
        assert record["device"] == str(link.readlink())
        assert record["url"] == f"serial://{link}"
        assert (record["model"], record["serial"], record["pid"], record["seed"]) == (
            "NW-1",
            "NW1-0042",
            os.getpid(),
            5,
        )
        host, port = record["tcp"].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(frame(Hello(9, 1), 0))
        deframer, heard = Deframer(), []
        while len(heard) < 3:
            heard += deframer.feed(await reader.read(4096))
        assert isinstance(heard[0], Welcome)
        assert heard[0].serial.rstrip(b"\0") == b"NW1-0042"
        assert isinstance(heard[1], Status)
        writer.close()
        await writer.wait_closed()
    assert not link.is_symlink()


async def test_tcp_alone_has_no_terminal():
    async with serving(pty=False, tcp=":0", model="NW-DIAL") as record:
        assert record["pty"] is None
        assert record["url"] == f"tcp://{record['tcp']}"
        assert record["model"] == "NW-DIAL"


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"pty": False}, EndpointError, "pseudo-terminal or an address"),
        ({"pty": False, "tcp": ":0", "link": "x"}, EndpointError, "link names a pseudo-terminal"),
        ({"tcp": "nowhere"}, EndpointError, "no address"),
        ({"tcp": "127.0.0.1:70000"}, EndpointError, "no address"),
        ({"tcp": "192.0.2.1:0"}, EndpointError, "cannot be listened on"),
        ({"model": "NW-9"}, UnknownModel, "NW-1"),
        ({"zone": "nasal"}, UnknownZone, "Nearest"),
    ],
)
async def test_what_cannot_be_served_is_refused_in_words(options, error, sentence):
    with pytest.raises(error, match=sentence):
        await serve(lambda _record: None, today=TODAY, **options)


async def test_without_a_date_the_pen_is_made_for_today():
    ready = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(ready.set_result), name="serve")
    async with asyncio.timeout(5):
        record = await ready
    assert str(record["pty"]).startswith("/dev/")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:7070", ("127.0.0.1", 7070)), (":0", ("127.0.0.1", 0)), ("[::1]:80", ("::1", 80))],
)
def test_addresses(text, address):
    assert parse_address(text) == address
