"""pyserial's own URLs through the pump: each opens by its own name, and each one's peculiarities stay inside."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import serial
from serial import rfc2217

from firmware_bridge.errors import PortAbsent, PortBusy, PortUnusable, TransportLost
from firmware_bridge.transports import open_transport, schemes
from tests.conftest import open_descriptors
from tests.firmware_bridge.lines import PtyLine, Recorder, SocketLine, opened


class Rfc2217Server:
    """A serial server as pyserial's own `PortManager` makes one, in front of a loop: what is sent comes back."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self._server.getsockname()[1]}"
        self._end = threading.Event()
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, name="rfc2217 server")
        self._thread.start()

    def _serve(self) -> None:
        self._server.settimeout(8)
        with suppress(OSError):
            self._connection, _ = self._server.accept()
        if self._connection is None:
            return
        self._connection.settimeout(0.02)
        with serial.serial_for_url("loop://", timeout=0) as port:
            manager = rfc2217.PortManager(port, self)
            while not self._end.is_set():
                with suppress(TimeoutError):
                    data = self._connection.recv(1024)
                    if not data:
                        break
                    port.write(b"".join(manager.filter(data)))
                while port.in_waiting:
                    self.write(b"".join(manager.escape(port.read(port.in_waiting))))

    def write(self, data: bytes) -> None:
        assert self._connection is not None
        self._connection.sendall(data)

    def close(self) -> None:
        self._end.set()
        self._server.close()
        self._thread.join(10)
        if self._connection is not None:
            self._connection.close()


@pytest.fixture
def serial_server() -> Iterator[Rfc2217Server]:
    server = Rfc2217Server()
    yield server
    server.close()


@pytest.fixture
def line() -> Iterator[PtyLine]:
    made = PtyLine()
    yield made
    made.vanish()


def test_every_scheme_of_pyserial_opens_by_its_own_name() -> None:
    handlers = Path(serial.__file__).parent.joinpath("urlhandler").glob("protocol_*.py")
    names = {handler.stem.removeprefix("protocol_") for handler in handlers}
    assert names
    assert names <= set(schemes())


async def test_loop() -> None:
    recorder = Recorder()
    transport = await open_transport("loop://?baud=9600", recorder)
    transport.write(bytes(range(256)))
    assert await recorder.received(256) == bytes(range(256))
    await transport.close()
    assert recorder.losses == [None]


async def test_a_loop_with_much_on_it_closes() -> None:
    recorder = Recorder()
    transport = await open_transport("loop://", recorder)
    transport.write(bytes(200_000))  # fifty times what it holds
    await recorder.received(1)
    async with asyncio.timeout(5):
        await transport.close(0.05)
    assert recorder.losses == [None]


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
async def test_rfc2217(serial_server: Rfc2217Server) -> None:
    recorder = Recorder()
    transport = await open_transport(f"{serial_server.url}?ign_set_control=1&baud=57600", recorder)
    transport.write(bytes(range(256)))
    assert await recorder.received(256) == bytes(range(256))
    await transport.close()
    assert recorder.losses == [None]


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
async def test_rfc2217_server_that_dies(serial_server: Rfc2217Server) -> None:
    recorder = Recorder()
    transport = await open_transport(f"{serial_server.url}?ign_set_control=1", recorder)
    closing = threading.Thread(target=serial_server.close)
    closing.start()
    assert isinstance(await recorder.lost(), TransportLost)
    await transport.close()
    closing.join()
    assert len(recorder.losses) == 1


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # pyserial's: it never closes the file
async def test_spy_writes_what_passes_into_a_file(line: PtyLine, tmp_path: Path) -> None:
    line.url = f"spy://{line.device}?file={tmp_path / 'spied'}&baud=9600"
    async with opened(line) as (transport, recorder):
        transport.write(b"seen")
        assert await line.read_exactly(4) == b"seen"
        await line.send(b"heard")
        await recorder.received(5)
    del transport
    text = (tmp_path / "spied").read_text()
    assert "seen" in text
    assert "heard" in text


@pytest.mark.parametrize("name", ["Serial", "VTIMESerial", "PosixPollSerial"])
async def test_alternative_classes(line: PtyLine, name: str) -> None:
    line.url = f"alt://{line.device}?class={name}"
    async with opened(line) as (transport, recorder):
        transport.write(b"seen")
        assert await line.read_exactly(4) == b"seen"
        await line.send(b"heard")
        assert await recorder.received(5) == b"heard"
        assert recorder.losses == []


async def test_a_second_open_is_busy(line: PtyLine) -> None:
    line.url = f"alt://{line.device}?class=Serial"
    async with opened(line):
        with pytest.raises(PortBusy, match="in use by"):
            await open_transport(line.url, Recorder())


async def test_a_connection_the_other_side_reset_is_released() -> None:
    line = SocketLine("socket")
    before = open_descriptors().keys() - line.descriptors()
    recorder = Recorder()
    transport = await open_transport(line.url, recorder)
    await line.connected()
    line.reset()
    assert isinstance(await recorder.lost(), TransportLost)
    assert recorder.open_when_lost.keys() - line.descriptors() <= before
    line.vanish()
    await transport.close()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("alt:///dev/ttyAbsent0?class=Serial", PortAbsent),
        ("spy:///dev/ttyAbsent0", PortAbsent),
        ("alt:///dev/null?class=Serial", PortUnusable),
        ("alt:///dev/null?class=Nonsense", PortUnusable),
        ("hwgrep://no-such-hardware", PortUnusable),
        ("socket://127.0.0.1", PortUnusable),
        ("loop://?logging=loud", PortUnusable),
        ("rfc2217://127.0.0.1:1?tiemout=3", PortUnusable),
    ],
)
async def test_what_does_not_open_says_so_and_leaves_nothing(url: str, error: type[Exception]) -> None:
    before = open_descriptors()
    with pytest.raises(error) as raised:
        await open_transport(url, Recorder())
    assert url in str(raised.value)
    assert open_descriptors() == before
