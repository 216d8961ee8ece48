"""Many pens from one process: each a pen of its own, all named at once, nothing left behind."""

import asyncio
import contextlib
from datetime import date
from pathlib import Path

import pytest

from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Hello, Welcome
from simulators.errors import EndpointError
from simulators.fleet import FLEET_MAX, addressed, numbered, serve_fleet
from simulators.pacing import at_baud
from simulators.personality import NW_1, replace

TODAY = date(2026, 5, 4)
DESCRIPTORS = Path("/proc/self/fd")


@contextlib.asynccontextmanager
async def serving(**options):
    ready = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve_fleet(ready.set_result, today=TODAY, **options), name="fleet")
    try:
        async with asyncio.timeout(5):
            yield await ready
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def introduced(address: str) -> Welcome:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(frame(Hello(9, 1), 0))
        deframer, heard = Deframer(), []
        async with asyncio.timeout(5):
            while not heard:
                heard += deframer.feed(await reader.read(4096))
        return heard[0]
    finally:
        writer.close()
        await writer.wait_closed()


async def test_each_pen_is_one_of_its_own_and_answers_where_the_record_says():
    async with serving(pens=5, pty=False, tcp=":0", seed=40, pace=at_baud(115_200)) as records:
        assert [record["seed"] for record in records] == [40, 41, 42, 43, 44]
        assert len({record["tcp"] for record in records}) == 5
        welcomes = await asyncio.gather(*(introduced(record["tcp"]) for record in records))
    assert [welcome.serial.rstrip(b"\0").decode() for welcome in welcomes] == [record["serial"] for record in records]
    assert [record["serial"] for record in records] == [f"NW1-00000{number}" for number in range(1, 6)]
    assert len({welcome.boot_id for welcome in welcomes}) == 5


async def test_links_are_numbered_and_nothing_is_left_behind(tmp_path):
    descriptors = len(list(DESCRIPTORS.iterdir()))
    async with serving(pens=3, link=tmp_path / "pen") as records:
        assert [record["pty"] for record in records] == [str(tmp_path / f"pen-{number}") for number in (1, 2, 3)]
        assert len({str(Path(record["pty"]).readlink()) for record in records}) == 3
    assert list(tmp_path.iterdir()) == []
    assert len(list(DESCRIPTORS.iterdir())) == descriptors


async def test_one_that_cannot_be_served_ends_all(tmp_path):
    (tmp_path / "pen-2").write_text("somebody's notes")
    descriptors = len(list(DESCRIPTORS.iterdir()))
    with pytest.raises(EndpointError, match="does not overwrite"):
        await serve_fleet(lambda _records: None, pens=3, link=tmp_path / "pen", today=TODAY)
    assert [place.name for place in tmp_path.iterdir()] == ["pen-2"]
    assert len(list(DESCRIPTORS.iterdir())) == descriptors


@pytest.mark.parametrize("pens", [0, -1, FLEET_MAX + 1])
async def test_how_many_is_bounded(pens):
    with pytest.raises(EndpointError, match="1 to 1000"):
        await serve_fleet(lambda _records: None, pens=pens, today=TODAY)


def test_numbers_go_on_from_the_serial_number_and_keep_its_width():
    assert numbered(replace(NW_1, serial="A-0099"), 2).serial == "A-0100"
    assert numbered(replace(NW_1, serial="A"), 2).serial == "A-2"


def test_ports_in_a_row():
    assert [addressed("127.0.0.1:7070", number) for number in (1, 2)] == ["127.0.0.1:7070", "127.0.0.1:7071"]
    assert addressed(":0", 3) == "127.0.0.1:0"
    assert addressed(None, 3) is None
    with pytest.raises(EndpointError, match="no port 65536"):
        addressed(":65535", 2)
