"""Pens exported by USB/IP, to hosts that behave, that come second, that misbehave and that mean harm."""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date

import pytest

from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Hello, Message, Welcome
from simulators.endpoints.live import LivePen
from simulators.endpoints.usb import UsbEndpoint
from simulators.errors import EndpointError
from simulators.pen import SimulatedPen
from simulators.personality import NW_1
from simulators.serve import ReadyRecord, serve
from simulators.usb import ip_server
from simulators.usb.device import UsbWay
from simulators.usb.ip_protocol import TRANSFER_MAX_BYTES, Errno, Status
from simulators.usb.ip_server import CONNECTIONS_MAX, TOLD_MAX, UNSENT_MAX_BYTES, Sparing, UsbIpServer
from simulators.usb.transfers import WAITING_MAX
from tests.simulators.usbip_client import (
    GET_CONFIGURATION_DESCRIPTOR,
    GET_DEVICE_DESCRIPTOR,
    LIST,
    OPEN_LINE,
    UsbIpHost,
    import_of,
    submit,
)

CDC, BULK = 1, 2
TODAY = date(2026, 5, 4)


@dataclass
class Exported:
    """A server with two pens, and what it told."""

    server: UsbIpServer
    pens: list[UsbEndpoint]
    told: list[str]

    @property
    def port(self) -> int:
        return self.server.port


@asynccontextmanager
async def exported_pens() -> AsyncIterator[Exported]:
    told: list[str] = []
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        pens = []
        for seed in (1, 2):
            model = replace(NW_1, serial=f"NW1-{seed}")
            pen = SimulatedPen(model, rng=random.Random(seed), today=TODAY)
            live = LivePen(pen, clock_ns=lambda: int(loop.time() * 1e9))
            living = loop.create_task(live.run(), name=f"pen {seed}")
            stack.push_async_callback(asyncio.wait, [living])
            stack.callback(living.cancel)
            pens.append(UsbEndpoint(live, log=told.append))
        server = await stack.enter_async_context(UsbIpServer(pens, port=0, log=told.append))
        yield Exported(server, pens, told)


@pytest.fixture
async def exported() -> AsyncIterator[Exported]:
    async with exported_pens() as opened:
        yield opened


@pytest.fixture
async def host(exported: Exported) -> AsyncIterator[UsbIpHost]:
    """A host that has the first pen, and has chosen its configuration."""
    attached = await UsbIpHost.attached(exported.port)
    yield attached
    await attached.close()


async def hello(host: UsbIpHost, endpoint: int) -> Message:
    """What the pen answers to HELLO on that endpoint."""
    deframer = Deframer()
    wrote = host.put(endpoint, data=b"\0" + frame(Hello(77, 1), 0))
    read = host.put(endpoint, inward=True, length=512)
    while True:
        answer = await host.answer()
        assert answer.status == 0
        if answer.sequence == read:
            if messages := deframer.feed(answer.data):
                return messages[0]
            read = host.put(endpoint, inward=True, length=512)
        else:
            assert answer.sequence == wrote


async def detached(exported: Exported) -> None:
    """Until no host has a pen."""
    while exported.server.attached:
        await asyncio.sleep(0.001)


async def unharmed(host: UsbIpHost) -> bool:
    """A host that is attached still gets what it asks for."""
    answer = await host.control(GET_DEVICE_DESCRIPTOR)
    return answer.status == 0 and len(answer.data) == 18


# Hosts that behave ---------------------------------------------------------------------------------------------------


async def test_every_pen_is_listed_with_its_interfaces(exported: Exported) -> None:
    host = await UsbIpHost.to(exported.port)
    host.writer.write(LIST)
    listed = await host.reader.read()
    assert len(listed) == 12 + 2 * (312 + 3 * 4)
    version, code, status, count = struct.unpack(">HHII", listed[:12])
    assert (version, code, status, count) == (0x0111, 5, 0, 2)
    for index in range(2):
        record = listed[12 + index * 324 :][:324]
        assert record[256:288].rstrip(b"\0") == f"1-{index + 1}".encode()
        bus, device, speed, vendor, product = struct.unpack(">IIIHH", record[288:304])
        assert (bus, device, speed, vendor, product) == (1, 2 + index, 2, 0x1209, 0x0001)
        assert record[311] == 3
        assert record[312:] == bytes((2, 2, 1, 0, 10, 0, 0, 0, 255, 0, 0, 0))
    await host.close()


@pytest.mark.parametrize("endpoint", [CDC, BULK])
async def test_the_pen_answers_on_both_ways_in(host: UsbIpHost, endpoint: int) -> None:
    await host.control(OPEN_LINE)
    welcome = await hello(host, endpoint)
    assert isinstance(welcome, Welcome)
    assert welcome.serial.rstrip(b"\0") == b"NW1-1"


async def test_each_pen_has_a_host_of_its_own(exported: Exported, host: UsbIpHost) -> None:
    other = await UsbIpHost.to(exported.port)
    assert await other.attach("1-2") == 0
    assert exported.server.attached == ["1-1", "1-2"]
    await other.close()


async def test_a_read_waits_until_the_pen_has_something_to_say(exported: Exported, host: UsbIpHost) -> None:
    read = host.put(BULK, inward=True, length=512)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await host.reader.read(1)
    assert exported.pens[0].device.say(UsbWay.BULK, b"a word") == 6
    assert (await host.outcome(read)).data == b"a word"


async def test_what_the_device_does_not_know_is_stalled_and_told_and_the_host_goes_on(
    exported: Exported, host: UsbIpHost
) -> None:
    answer = await host.control(bytes((0xC0, 99, 0, 0, 0, 0, 8, 0)))
    assert (answer.status, answer.data) == (-Errno.PIPE, b"")
    assert (await host.outcome(host.put(7, data=b"x"))).status == -Errno.PIPE
    assert any("request 0x63" in sentence for sentence in exported.told)
    assert await unharmed(host)


async def test_a_waiting_transfer_that_is_taken_back_has_no_other_answer(exported: Exported, host: UsbIpHost) -> None:
    read = host.put(BULK, inward=True, length=512)
    taken_back = await host.outcome(host.take_back(read))
    assert (taken_back.kind, taken_back.status) == (4, -Errno.CONNECTION_RESET)
    exported.pens[0].device.say(UsbWay.BULK, b"for the next")
    assert (await host.outcome(host.put(BULK, inward=True, length=512))).data == b"for the next"


async def test_a_transfer_that_was_answered_cannot_be_taken_back_and_the_host_is_told(host: UsbIpHost) -> None:
    sequence = host.put(0, inward=True, length=18, setup=GET_DEVICE_DESCRIPTOR)
    assert (await host.outcome(sequence)).status == 0
    answer = await host.outcome(host.take_back(sequence))
    assert (answer.kind, answer.status) == (4, 0)


async def test_pulled_out_the_host_loses_the_pen_and_may_have_it_again(exported: Exported, host: UsbIpHost) -> None:
    exported.server.pull("1-1")
    assert await host.gone()
    await detached(exported)
    again = await UsbIpHost.attached(exported.port)
    assert isinstance(await hello(again, BULK), Welcome)
    await again.close()


async def test_a_device_that_is_unplugged_by_a_fault_is_lost_to_its_host(exported: Exported, host: UsbIpHost) -> None:
    exported.pens[0].unplug()
    assert await host.gone()
    await detached(exported)


async def test_a_host_that_hangs_up_frees_the_pen(exported: Exported, host: UsbIpHost) -> None:
    assert exported.server.attached == ["1-1"]
    await host.close()
    await detached(exported)
    assert not exported.pens[0].plugged


async def test_hosts_that_come_and_go_leave_nothing_behind(exported: Exported) -> None:
    live = exported.pens[0]._live
    for _ in range(50):
        host = await UsbIpHost.attached(exported.port)
        assert isinstance(await hello(host, BULK), Welcome)
        host.put(BULK, inward=True, length=64)
        await host.close()
        await detached(exported)
    assert not exported.server._connections
    assert not live._ports
    assert not live.pen._sent


# Hosts that come second ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bus_id", "status", "said"), [("1-1", Status.BUSY, "another host has it"), ("9-9", Status.NO_DEVICE, "1-1, 1-2")]
)
async def test_a_device_that_is_taken_or_unknown_is_refused_without_harm(
    exported: Exported, host: UsbIpHost, bus_id: str, status: Status, said: str
) -> None:
    second = await UsbIpHost.to(exported.port)
    assert await second.attach(bus_id) == status
    assert await second.gone()
    assert any(said in sentence for sentence in exported.told)
    assert await unharmed(host)
    await second.close()


# Hosts that misbehave ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inward", [True, False])
async def test_a_transfer_too_long_is_refused_and_the_host_goes_on(
    exported: Exported, host: UsbIpHost, inward: bool
) -> None:
    length = TRANSFER_MAX_BYTES + 1
    data = b"" if inward else bytes(length)
    answer = await host.outcome(host.put(BULK, inward=inward, length=length, data=data))
    assert answer.status == -Errno.MESSAGE_SIZE
    assert await unharmed(host)
    assert any("too long" in sentence for sentence in exported.told)


async def test_more_reads_than_can_wait_are_refused_one_by_one(host: UsbIpHost) -> None:
    waiting = [host.put(BULK, inward=True, length=64) for _ in range(WAITING_MAX)]
    answer = await host.outcome(host.put(BULK, inward=True, length=64))
    assert answer.status == -Errno.NO_MEMORY
    await host.outcome(host.take_back(waiting[0]))
    assert await unharmed(host)


async def test_a_transfer_for_a_device_that_was_not_imported_ends_the_connection(
    exported: Exported, host: UsbIpHost
) -> None:
    host.writer.write(submit(50, 0, inward=True, length=18, setup=GET_DEVICE_DESCRIPTOR, device_id=0x10003))
    assert await host.gone()
    await detached(exported)
    assert any("did not import" in sentence for sentence in exported.told)


async def test_a_host_that_reads_no_answers_is_read_no_further_until_it_does(
    exported: Exported, host: UsbIpHost
) -> None:
    [connection] = exported.server._connections
    transport = connection._transport
    assert transport is not None
    host.writer.transport.pause_reading()  # type: ignore[attr-defined]
    asked = 0
    while transport.is_reading():  # what the system takes in between is its own affair, and megabytes
        for _ in range(200):
            host.put(0, inward=True, length=255, setup=GET_CONFIGURATION_DESCRIPTOR)
        asked += 200
        await asyncio.sleep(0)
    waiting = transport.get_write_buffer_size()
    assert UNSENT_MAX_BYTES < waiting < 4 * UNSENT_MAX_BYTES
    await asyncio.sleep(0.05)
    assert transport.get_write_buffer_size() == waiting, "nothing more is read of it, so nothing more is answered"
    host.writer.transport.resume_reading()  # type: ignore[attr-defined]
    answers = [await host.answer() for _ in range(asked)]
    assert {answer.status for answer in answers} <= {0, -Errno.NO_MEMORY}  # what was read already had to wait somewhere
    assert len({answer.sequence for answer in answers}) == asked
    assert transport.is_reading()
    assert await unharmed(host)


async def test_a_silent_connection_is_closed(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ip_server, "QUESTION_S", 0.02)
    silent = await UsbIpHost.to(exported.port)
    assert await silent.gone()
    await silent.close()


async def test_connections_are_bounded_and_the_attached_host_is_not_harmed(exported: Exported, host: UsbIpHost) -> None:
    crowd = [await UsbIpHost.to(exported.port) for _ in range(CONNECTIONS_MAX)]
    assert await crowd[-1].gone()
    assert len(exported.server._connections) == CONNECTIONS_MAX
    assert await unharmed(host)
    for one in crowd:
        await one.close()


async def test_connections_whose_client_has_gone_take_no_place(exported: Exported) -> None:
    for _ in range(CONNECTIONS_MAX):  # all of them, and the host, before the server has heard of the first
        socket.create_connection(("127.0.0.1", exported.port)).close()
    genuine = socket.create_connection(("127.0.0.1", exported.port))
    genuine.sendall(import_of("1-1"))
    genuine.setblocking(False)
    attached = UsbIpHost(*await asyncio.open_connection(sock=genuine))
    assert int.from_bytes((await attached.reader.readexactly(8))[4:]) == 0
    assert exported.server.attached == ["1-1"]
    assert exported.told == []
    await attached.close()


# Hosts that mean harm ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("begins", [b"", import_of("1-2")])
async def test_arbitrary_bytes_end_their_own_connection_at_most(
    exported: Exported, host: UsbIpHost, seed: int, begins: bytes
) -> None:
    chance = random.Random(seed)
    foreign = await UsbIpHost.to(exported.port)
    foreign.writer.write(begins)
    for _ in range(30):
        good = submit(chance.getrandbits(32), chance.randrange(4), inward=chance.random() < 0.5, length=0,
                      setup=chance.randbytes(8), device_id=0x10003)  # fmt: skip
        foreign.writer.write(good)
    noise = bytearray(chance.randbytes(chance.randrange(1, 4000)))
    if chance.random() < 0.5:
        noise[:4] = (1).to_bytes(4)  # looks like a transfer at first
    foreign.writer.write(bytes(noise))
    foreign.writer.write_eof()
    assert await foreign.gone()
    assert await unharmed(host)
    await foreign.close()
    while len(exported.server._connections) > 1:
        await asyncio.sleep(0.001)
    assert exported.server.attached == ["1-1"]


def test_what_is_told_is_told_once_and_not_without_end() -> None:
    told: list[str] = []
    tell = Sparing(told.append)
    for number in range(10 * TOLD_MAX):
        tell(f"refused {number}")
        tell(f"refused {number}")
    assert len(told) == TOLD_MAX + 1
    assert "further" in told[-1]


# Serving -------------------------------------------------------------------------------------------------------------


async def test_an_address_that_is_taken_is_told(exported: Exported) -> None:
    with pytest.raises(EndpointError, match="USB/IP"):
        await UsbIpServer(exported.pens, port=exported.port, log=exported.told.append).open()


async def test_a_served_pen_says_where_it_is_exported_and_by_which_bus_id() -> None:
    ready: asyncio.Future[ReadyRecord] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(ready.set_result, pty=False, usbip=":0", serial="A-1"))
    record = await ready
    assert record["bus_id"] == "1-1"
    assert record["url"] is None
    host, _, port = str(record["usbip"]).rpartition(":")
    assert host == "127.0.0.1"
    attached = await UsbIpHost.attached(int(port))
    welcome = await hello(attached, BULK)
    assert isinstance(welcome, Welcome)
    assert welcome.serial.rstrip(b"\0") == b"A-1"
    serving.cancel()
    await asyncio.wait({serving})
    assert await attached.gone()
    await attached.close()
