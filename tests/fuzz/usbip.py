"""Target: the USB/IP server over loopback, by a client that speaks it well, badly, or not at all."""

import asyncio
import struct
from datetime import date
from random import Random

from simulators.endpoints.live import LivePen
from simulators.endpoints.usb import UsbEndpoint
from simulators.pen import SimulatedPen
from simulators.usb.ip_protocol import TRANSFER_MAX_BYTES, VERSION, MalformedRequest, RequestReader
from simulators.usb.ip_server import UsbIpServer
from tests.fuzz.reading import Script

KEPT_MAX_BYTES = TRANSFER_MAX_BYTES + 64
STEPS_MAX = 40
CLOSED_WITHIN_S = 4.0
DEVICE_ID = 1 << 16 | 2

_loop = asyncio.new_event_loop()
_broke: list[BaseException] = []
_loop.set_exception_handler(
    lambda _loop, context: _broke.append(context.get("exception") or RuntimeError(str(context)))
)


def fuzz(data: bytes) -> None:
    """One connection as the script has it. Raises when it is not closed, keeps much, or takes the server along."""
    sent = written(Script(data))
    reader = RequestReader()
    try:
        for start in range(0, len(sent), 100):
            reader.feed(sent[start : start + 100])
            assert reader.kept_bytes <= KEPT_MAX_BYTES
    except MalformedRequest:
        pass  # the reason is told; the server closes the connection over it
    _broke.clear()
    _loop.run_until_complete(_connection(sent))
    if _broke:
        raise _broke[0]


def written(script: Script) -> bytes:
    """What the client sends."""
    sent = b""
    for _ in range(STEPS_MAX):
        if not script.left:
            break
        match script.number(8):
            case 0:
                sent += script.piece(script.number(200))
            case 1:
                sent += struct.pack(">HHI", VERSION, 0x8005, 0)
            case 2 | 3:
                sent += struct.pack(">HHI32s", VERSION, 0x8003, 0, b"1-1" if script.number(8) else script.piece(32))
            case 4:
                sent += struct.pack(">IIIII24x", 2, script.number(256), DEVICE_ID, 0, 0) + script.piece(4).ljust(
                    4, b"\0"
                )
            case _:
                sent += _transfer(script)
    return sent


def _transfer(script: Script) -> bytes:
    inward, endpoint = script.number(2), script.number(16)
    data = b"" if inward else script.piece(script.number(200))
    length = script.number(65536) if inward else len(data)
    if script.number(16) == 0:
        length = int.from_bytes(script.piece(4), "big")
    head = struct.pack(">IIIII", 1, script.number(65536), DEVICE_ID, inward, endpoint)
    return head + struct.pack(">IIIII8s", 0, length, 0, 0, 0, script.piece(8)) + data


async def _connection(sent: bytes) -> None:
    live = LivePen(SimulatedPen(rng=Random(1), today=date(2026, 5, 4)))
    pen = UsbEndpoint(live, log=lambda _said: None)
    async with UsbIpServer([pen], port=0, log=lambda _said: None) as server:
        await _talk(server, sent)


async def _talk(server: UsbIpServer, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(CLOSED_WITHIN_S):
            while await reader.read(65536):
                pass
    except ConnectionError:
        pass  # what means harm is cut off
    finally:
        writer.close()
        async with asyncio.timeout(CLOSED_WITHIN_S):
            while server.attached or server._connections:
                await asyncio.sleep(0)


def seeds() -> list[bytes]:
    """The questions, and a few transfers of an imported device."""
    control = bytes((5, 1, 0, 18, 0, 1, 1, 0, 0x80, 6, 0, 1, 0, 0, 18, 0))
    out = bytes((5, 0, 2, 3)) + b"\x00\x01\x02" + bytes((1, 1, 0)) + bytes(8)
    return [
        bytes((1,)),
        bytes((2, 1)),
        bytes((2, 1)) + control * 3 + out * 3 + bytes((4, 1, 0, 0, 0, 1)),
        bytes(range(256)),
    ]
