"""Opening in a thread: what arrives when nobody waits any more is discarded, never lost."""

import asyncio
import threading

import pytest

from firmware_bridge.transports.opening import open_in_thread


class SlowPort:
    """Something that opens when it is told to."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.discarded = threading.Event()

    def open(self) -> "SlowPort":
        self.begun.set()
        assert self.go_on.wait(5)
        return self

    def discard(self, port: "SlowPort") -> None:
        assert port is self
        assert not self.discarded.is_set()
        self.discarded.set()


async def begun(port: SlowPort) -> None:
    async with asyncio.timeout(5):
        while not port.begun.is_set():
            await asyncio.sleep(0.001)


async def test_what_was_opened_is_returned() -> None:
    port = SlowPort()
    port.go_on.set()
    assert await open_in_thread("port", port.open, port.discard, 5) is port
    assert not port.discarded.is_set()


async def test_an_error_is_the_callers() -> None:
    port = SlowPort()

    def refuse() -> SlowPort:
        raise PermissionError(13, "no")

    with pytest.raises(PermissionError):
        await open_in_thread("port", refuse, port.discard, 5)
    assert not port.discarded.is_set()


async def test_cancelled_before_it_opened() -> None:
    port = SlowPort()
    opening = asyncio.create_task(open_in_thread("port", port.open, port.discard, 5))
    await begun(port)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not port.discarded.is_set()
    port.go_on.set()
    assert port.discarded.wait(5)


async def test_cancelled_after_it_opened_and_before_it_was_taken() -> None:
    port = SlowPort()
    port.go_on.set()
    opening = asyncio.create_task(open_in_thread("port", port.open, port.discard, 5))
    await asyncio.sleep(0)
    before = set(threading.enumerate())
    for thread in before - {threading.current_thread()}:
        if thread.name == "open port":
            thread.join(5)  # the loop does not turn meanwhile: the handle is there, and nobody has it
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert port.discarded.is_set()


async def test_a_driver_that_does_not_answer_ends_in_time() -> None:
    port = SlowPort()
    with pytest.raises(TimeoutError):
        await open_in_thread("port", port.open, port.discard, 0.05)
    port.go_on.set()
    assert port.discarded.wait(5)


def test_a_loop_that_closed_meanwhile() -> None:
    port = SlowPort()

    async def give_up() -> None:
        opening = asyncio.create_task(open_in_thread("port", port.open, port.discard, 5))
        await begun(port)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    asyncio.run(give_up())
    port.go_on.set()
    assert port.discarded.wait(5)
