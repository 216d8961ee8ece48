"""Faults of a pen that is exported by USB/IP, injected by its control socket and met by the host that attached it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Hello, Welcome
from simulators.control_client import ControlClient
from simulators.errors import ControlRefused
from simulators.serve import ReadyRecord, serve
from simulators.usb.ip_protocol import Errno
from tests.simulators.usbip_client import GET_DEVICE_DESCRIPTOR, UsbIpHost

BULK = 2
HELLO = b"\0" + frame(Hello(77, 1), 0)


def clear_halt(endpoint: int) -> bytes:
    return bytes((0x02, 1, 0, 0, endpoint, 0, 0, 0))


class Exported:
    """A served pen, and hands on its bench."""

    def __init__(self, record: ReadyRecord) -> None:
        self.port = int(str(record["usbip"]).rpartition(":")[2])
        self._control = Path(str(record["control"]))

    async def ask(self, do: str, **fields: object) -> dict[str, Any]:
        def asked() -> dict[str, Any]:
            with ControlClient(self._control) as client:
                return client.ask(do, **fields)

        return await asyncio.to_thread(asked)

    async def inject(self, fault: str, **parameters: int) -> None:
        await self.ask("inject", fault=fault, parameters=parameters)


@pytest.fixture
async def exported(tmp_path: Path) -> AsyncIterator[Exported]:
    ready: asyncio.Future[ReadyRecord] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(ready.set_result, pty=False, usbip=":0", control=tmp_path / "control"))
    yield Exported(await asyncio.wait_for(ready, 5))
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


@pytest.fixture
async def host(exported: Exported) -> AsyncIterator[UsbIpHost]:
    attached = await UsbIpHost.attached(exported.port)
    yield attached
    await attached.close()


async def welcomed(host: UsbIpHost) -> bool:
    """Whether a pen says WELCOME on the bulk pair; its other words before it are read away."""
    wrote = host.put(BULK, data=HELLO)
    read, deframer = host.put(BULK, inward=True, length=512), Deframer()
    async with asyncio.timeout(5):
        while True:
            answer = await host.answer()
            assert answer.status == 0
            if answer.sequence != wrote:
                if any(isinstance(message, Welcome) for message in deframer.feed(answer.data)):
                    return True
                read = host.put(BULK, inward=True, length=512)
                assert read


async def silent(host: UsbIpHost) -> bool:
    try:
        async with asyncio.timeout(0.05):
            await host.reader.readexactly(1)
    except TimeoutError:
        return True
    return False


async def test_a_halt_towards_the_host_lasts_until_it_is_cleared(exported: Exported, host: UsbIpHost) -> None:
    await exported.inject("usb_stall_in")
    assert (await host.outcome(host.put(BULK, inward=True, length=512))).status == -Errno.PIPE
    assert (await host.control(clear_halt(0x80 | BULK))).status == 0
    assert await welcomed(host)


async def test_a_halt_towards_the_pen_lasts_until_it_is_cleared(exported: Exported, host: UsbIpHost) -> None:
    await exported.inject("usb_stall_out")
    assert (await host.outcome(host.put(BULK, data=HELLO))).status == -Errno.PIPE
    assert (await host.control(clear_halt(BULK))).status == 0
    assert await welcomed(host)


async def test_a_bus_that_sleeps_answers_when_it_wakes(exported: Exported, host: UsbIpHost) -> None:
    await exported.inject("usb_suspend")
    asked = host.put(0, inward=True, length=18, setup=GET_DEVICE_DESCRIPTOR)
    assert await silent(host)
    await exported.ask("clear", fault="usb_suspend")
    assert len((await host.outcome(asked)).data) == 18
    assert await welcomed(host)


async def test_a_slow_bus_is_slow_for_the_next_host_too(exported: Exported, host: UsbIpHost) -> None:
    await exported.inject("usb_slow", bytes_per_ms=0)
    host.put(BULK, data=HELLO)
    assert await silent(host)
    await exported.inject("usb_unplug")
    assert await host.gone()
    other = await UsbIpHost.attached(exported.port)
    wrote = other.put(BULK, data=HELLO)
    assert await silent(other)
    await exported.inject("usb_slow", bytes_per_ms=2)
    assert (await asyncio.wait_for(other.outcome(wrote), 5)).count == len(HELLO)
    await other.close()


@pytest.mark.parametrize("fault", ["usb_reset", "usb_re_enumerate"])
async def test_what_only_a_bus_can_do_is_refused_and_not_offered(exported: Exported, fault: str) -> None:
    with pytest.raises(ControlRefused, match="the USB bus, which is the computer's that has the pen") as refused:
        await exported.inject(fault)
    assert refused.value.because == "no_such_part"
    missing = {kind["name"]: kind["missing"] for kind in (await exported.ask("faults"))["faults"]}
    assert {name for name, why in missing.items() if name.startswith("usb_") and why} == {
        "usb_reset", "usb_re_enumerate",
    }  # fmt: skip
