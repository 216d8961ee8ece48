"""What is on the port is no pen of ours: a named error within 3 s, and nothing sent beyond the handshake."""

import asyncio
import os
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest

from firmware_bridge.errors import (
    NotAPen,
    PenBusy,
    PortAbsent,
    PortBusy,
    ProtocolVersionError,
    TransportLost,
    UnknownUrl,
    WireError,
)
from firmware_bridge.handshake import open_link
from firmware_bridge.wire.framing import DELIMITER, Deframer, frame
from firmware_bridge.wire.messages import PROTOCOL_VERSION, Busy, Hello, Message, Status, Welcome
from proving.conform.host import framed
from tests.hosts import Host, monotonic_ms
from tests.pens import BenchPen

VERDICT_S = 3.0
WELCOME = Welcome(
    0, PROTOCOL_VERSION, 1, b"M", b"S", b"F", 0x7F, 0, 2500, 50, 20_000, 150_000, 1000, 300, 250, 20,
)  # fmt: skip


class Stranger:
    """The far end of a pseudo-terminal. ``answers`` gets what was sent and says what comes back."""

    def __init__(self, master: int, url: str, answers: Callable[["Stranger", bytes], bytes]) -> None:
        self.master = master
        self.url = url
        self.heard = b""
        self.hellos = 0
        self._answers = answers
        self._deframer = Deframer()

    def readable(self) -> None:
        data = os.read(self.master, 4096)
        self.heard += data
        os.write(self.master, self._answers(self, data))

    def hello(self, data: bytes) -> Hello | None:
        """The newest HELLO in what came."""
        hellos = [message for message in self._deframer.feed(data) if isinstance(message, Hello)]
        self.hellos += len(hellos)
        return hellos[-1] if hellos else None

    def heard_only_the_handshake(self) -> bool:
        """Whether delimiters and the same HELLO are all that was sent."""
        messages = Deframer().feed(self.heard)
        return (
            1 <= len(messages) <= 4
            and all(isinstance(message, Hello) for message in messages)
            and len({message.nonce for message in messages if isinstance(message, Hello)}) == 1
            and self.heard
            == DELIMITER + b"".join(frame(message, sequence) for sequence, message in enumerate(messages))
        )


@contextmanager
def stranger(answers: Callable[[Stranger, bytes], bytes]) -> Iterator[Stranger]:
    """Something that is no pen of ours, on a port of its own."""
    master, slave = os.openpty()
    tty.setraw(slave)
    device = Stranger(master, f"serial://{os.ttyname(slave)}", answers)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, device.readable)
    try:
        yield device
    finally:
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)


async def verdict_on(url: str) -> tuple[WireError, float]:
    """The error with which connecting fails, and how long that took, in seconds."""
    began = time.monotonic()
    with pytest.raises(WireError) as raised:
        await open_link(url, Host(), monotonic_ms=monotonic_ms, random=Random())
    return raised.value, time.monotonic() - began


def silence(_device: Stranger, _data: bytes) -> bytes:
    return b""


def garbage(device: Stranger, _data: bytes) -> bytes:
    return Random(len(device.heard)).randbytes(700)


def echo(_device: Stranger, data: bytes) -> bytes:
    return data


def printer(_device: Stranger, _data: bytes) -> bytes:
    return b"start\r\necho:Unknown command\r\nok\r\n"


def old_pen(_device: Stranger, _data: bytes) -> bytes:
    """Another conversation's frames: good ones, and none of them the answer."""
    return frame(WELCOME._replace(nonce=5), 0) + frame(
        Status(1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1
    )


async def test_nothing_garbage_an_echo_a_printer_and_somebody_elses_frames_are_no_pen() -> None:
    with (
        stranger(silence) as silent, stranger(garbage) as noisy, stranger(echo) as echoing,
        stranger(printer) as printing, stranger(old_pen) as replaying,
    ):  # fmt: skip
        devices = [silent, noisy, echoing, printing, replaying]
        verdicts = await asyncio.gather(*(verdict_on(device.url) for device in devices))
    for device, (error, took_s) in zip(devices, verdicts, strict=True):
        assert isinstance(error, NotAPen)
        assert took_s < VERDICT_S
        assert device.heard_only_the_handshake()
        assert device.url in str(error)
        assert error.url == device.url
    assert "nothing answered" in str(verdicts[0][0])
    assert all("not as a pen" in str(error) for error, _ in verdicts[1:])


def answering(welcome_of: Callable[[Hello], Message]) -> Callable[[Stranger, bytes], bytes]:
    """A device that answers the first HELLO."""

    def answers(device: Stranger, data: bytes) -> bytes:
        hello = device.hello(data)
        return b"" if hello is None else frame(welcome_of(hello), 0)

    return answers


async def test_a_pen_of_another_version_is_named_and_left_alone() -> None:
    other = PROTOCOL_VERSION + 1
    with stranger(answering(lambda hello: WELCOME._replace(nonce=hello.nonce, version=other))) as device:
        error, took_s = await verdict_on(device.url)
    assert isinstance(error, ProtocolVersionError)
    assert error.pen_version == other
    assert took_s < 1
    assert device.heard_only_the_handshake()
    assert f"version {other}" in str(error)


async def test_a_pen_that_is_busy_is_named() -> None:
    with stranger(answering(lambda hello: Busy(hello.nonce))) as device:
        error, took_s = await verdict_on(device.url)
    assert isinstance(error, PenBusy)
    assert took_s < 1
    assert device.heard_only_the_handshake()


async def test_a_pen_that_introduces_itself_with_nonsense_is_not_used() -> None:
    def nonsense(device: Stranger, data: bytes) -> bytes:
        hello = device.hello(data)
        return b"" if hello is None else framed(WELCOME._replace(nonce=hello.nonce, dead_man_ms=900), 0)

    with stranger(nonsense) as device:
        error, _ = await verdict_on(device.url)
    assert isinstance(error, NotAPen)
    assert "dead_man_ms 900" in str(error)
    assert device.heard_only_the_handshake()


async def test_a_welcome_that_comes_late_is_taken() -> None:
    def slow(device: Stranger, data: bytes) -> bytes:
        hello = device.hello(data)
        return frame(WELCOME._replace(nonce=hello.nonce), 0) if hello and device.hellos == 2 else b""

    with stranger(slow) as device:
        link = await open_link(device.url, Host(), monotonic_ms=monotonic_ms, random=Random())
        await link.close()
    assert link.welcome.model.startswith(b"M")


async def test_a_port_that_goes_during_the_handshake_is_lost_at_once() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    url = f"serial://{os.ttyname(slave)}"
    connecting = asyncio.create_task(verdict_on(url), name="connecting")
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(master, heard.set)
    async with asyncio.timeout(2):
        await heard.wait()
    loop.remove_reader(master)
    os.close(master)
    os.close(slave)
    error, took_s = await connecting
    assert isinstance(error, TransportLost)
    assert took_s < 1


async def test_a_cancelled_handshake_leaves_the_port_free() -> None:
    with stranger(silence) as device:
        connecting = asyncio.create_task(verdict_on(device.url), name="connecting")
        async with asyncio.timeout(2):
            while not device.heard:
                await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        retried = asyncio.create_task(verdict_on(device.url), name="connecting again")
        device.heard = b""
        async with asyncio.timeout(2):
            while not device.heard:
                await asyncio.sleep(0)
        retried.cancel()
        with pytest.raises(asyncio.CancelledError):
            await retried


async def test_unknown_absent_and_held_ports_are_named_with_the_remedy(pty_pen: BenchPen) -> None:
    for url, error_type, remedy in (
        ("carrier-pigeon://loft", UnknownUrl, "serial://"),
        ("/dev/ttyACM0", UnknownUrl, "serial:///dev/ttyACM0"),
        ("serial:///dev/needlework-none", PortAbsent, "needlework pens"),
        ("memory://nobody", PortAbsent, "simulated pen"),
    ):
        error, took_s = await verdict_on(url)
        assert isinstance(error, error_type)
        assert remedy in str(error)
        assert took_s < 1
    link = await open_link(pty_pen.url, Host(), monotonic_ms=monotonic_ms, random=Random())
    try:
        error, _ = await verdict_on(pty_pen.url)
        assert isinstance(error, PortBusy)
    finally:
        await link.close()
