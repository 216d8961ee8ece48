"""The part of the transports' contract that a real pen can be asked for, with no far end in our hands.

It runs over a pseudo-terminal, and over the pen named with ``--pen``: nothing here sends a byte to it.
"""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from firmware_bridge.errors import PortBusy
from firmware_bridge.transports import open_transport
from tests.conftest import open_descriptors
from tests.firmware_bridge.lines import PtyLine, Recorder


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", ["pty", *(["pen"] if metafunc.config.getoption("--pen") else [])])


@pytest.fixture
def url(place: str, pen_url: str | None) -> Iterator[str]:
    if place == "pen":
        assert pen_url is not None
        yield pen_url
        return
    line = PtyLine()
    yield line.url
    line.vanish()


async def test_opened_and_closed_again_and_again(url: str) -> None:
    before = open_descriptors()
    for _ in range(3):
        recorder = Recorder()
        transport = await open_transport(url, recorder)
        assert transport.url == url
        assert transport.unsent_bytes == 0
        await transport.close()
        assert recorder.losses == [None]
        assert open_descriptors() == before


async def test_aborted(url: str) -> None:
    before = open_descriptors()
    recorder = Recorder()
    transport = await open_transport(url, recorder)
    transport.abort()
    assert await recorder.lost() is None
    assert open_descriptors() == before
    transport.write(b"never sent", urgent=True)
    assert transport.unsent_bytes == 0
    await transport.close()
    assert recorder.losses == [None]


async def test_a_second_host_is_told_that_it_is_busy(url: str) -> None:
    if url.startswith(("tcp:", "memory:")):
        return  # a network pen answers a second host itself, in the protocol
    transport = await open_transport(url, Recorder())
    with pytest.raises(PortBusy):
        await open_transport(url, Recorder())
    await transport.close()


async def test_cancelled_while_opening(url: str) -> None:
    before = open_descriptors()
    threads = set(threading.enumerate())
    for turns in range(6):
        opening = asyncio.create_task(open_transport(url, Recorder()))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        try:
            transport = await opening
        except asyncio.CancelledError:
            async with asyncio.timeout(5):
                while set(threading.enumerate()) - threads:
                    await asyncio.sleep(0.001)
        else:
            await transport.close()
        assert open_descriptors() == before
