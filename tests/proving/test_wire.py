"""Tap and replay over real terminals and sockets: nothing lost on the way, and a host held against what it did."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from firmware_bridge.errors import CodecError, PortAbsent
from firmware_bridge.recording import TrafficRecorder
from firmware_bridge.wire.capture import CaptureReader
from firmware_bridge.wire.dissection import Dissected, dissect
from firmware_bridge.wire.messages import Arm, Hello, PenState, Setpoint, Welcome
from proving.wire.replay import Deviation, Played, examined, replay
from proving.wire.tap import tap
from simulators.endpoints.pty import PtyEndpoint
from simulators.endpoints.tcp import TcpEndpoint
from simulators.errors import EndpointError
from tests.hosts import Host, connected
from tests.pens import simulator

pytestmark = pytest.mark.system


@contextlib.asynccontextmanager
async def tapped(pen_url: str, into: Path, **places: object) -> AsyncIterator[tuple[str, list[str]]]:
    """A tap on a pen: where it is, and its news."""
    ready = asyncio.get_running_loop().create_future()
    news: list[str] = []
    recorders: list[TrafficRecorder] = []

    def recorder() -> TrafficRecorder:
        if not recorders:
            recorders.append(TrafficRecorder(into, pen_url=pen_url, ended=news.append))
        return recorders[0]

    task = asyncio.create_task(
        tap(pen_url, recorder, ready=ready.set_result, news=news.append, random=Random(1), **places), name="tap"
    )
    try:
        await asyncio.wait({task, ready}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield str(ready.result()["url"]), news
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for one in recorders:
            one.close()


def frames_in(path: Path) -> list[Dissected]:
    with path.open(encoding="utf-8") as file:
        return list(dissect(CaptureReader(file)))


async def treat(url: str, *, depth_um: int = 500, self_paced_s: float = 0.0) -> None:
    """A short treatment by a host on the product's link."""
    async with connected(url) as host:
        await host.arm()
        await asyncio.sleep(self_paced_s)
        async with host.driving(motor=True, depth_um=depth_um):
            await host.until(lambda seen: seen.state is PenState.RUNNING)
            await asyncio.sleep(0.4)
        await stop(host)


async def stop(host: Host) -> None:
    while host.latest.lease:
        host.link.stop()
        await host.next_status()


@pytest.mark.parametrize("places", [{}, {"pty": False, "tcp": ":0"}], ids=["pty", "tcp"])
async def test_a_tap_passes_on_and_records_all_of_both_sides(tmp_path: Path, places: dict[str, object]) -> None:
    path = tmp_path / "recording"
    async with simulator() as live:
        with PtyEndpoint(live) as endpoint:
            async with tapped(endpoint.url, path, **places) as (url, news), connected(url) as host:
                await host.arm()
                async with host.driving(motor=True):
                    await host.until(lambda seen: seen.state is PenState.RUNNING)
                await stop(host)
                damaged, lost = host.link.deframer.damaged, host.link.deframer.lost
                heard = host.link.deframer.frames
    frames = frames_in(path)
    assert news == []
    assert (damaged, lost) == (0, 0)
    assert [one for one in frames if one.troubles] == []
    assert {Hello, Welcome, Arm, Setpoint} <= {type(one.message) for one in frames}
    assert len([one for one in frames if one.direction.value == "pen → host"]) >= heard


async def test_a_pen_that_is_unplugged_is_unplugged_for_the_host_and_comes_back(tmp_path: Path) -> None:
    link, offered = tmp_path / "pen", tmp_path / "offered"
    async with simulator() as live:
        endpoint = PtyEndpoint(live, link=link)
        endpoint.plug()
        async with tapped(endpoint.url, tmp_path / "recording", link=offered) as (url, news):
            async with connected(url) as host:
                endpoint.unplug()
                await host.until_lost()
            endpoint.plug()
            async with asyncio.timeout(10):
                while len(news) < 2:
                    await asyncio.sleep(0.02)
            async with connected(url) as host:
                assert host.latest.state is PenState.IDLE
        endpoint.unplug()
    assert news[0].startswith("The pen went")
    assert "is back" in news[1]
    assert len([one for one in frames_in(tmp_path / "recording") if isinstance(one.message, Hello)]) >= 2


async def test_a_pen_that_is_not_there_and_a_place_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PortAbsent):
        async with tapped("serial:///dev/not-there", tmp_path / "a"):
            pass
    with pytest.raises(EndpointError, match="link names"):
        async with tapped("serial:///dev/not-there", tmp_path / "b", pty=False, tcp=":0", link=tmp_path / "c"):
            pass


async def recorded(path: Path) -> None:
    async with simulator() as live, TcpEndpoint(live) as endpoint, tapped(endpoint.url, path) as (url, _):
        await treat(url)


@contextlib.asynccontextmanager
async def played(
    path: Path, patience_s: float = 5.0
) -> AsyncIterator[tuple[str, list[Deviation], asyncio.Task[Played]]]:
    ready = asyncio.get_running_loop().create_future()
    told: list[Deviation] = []
    task = asyncio.create_task(
        replay(path, patience_s=patience_s, ready=ready.set_result, deviated=told.append), name="replay"
    )
    try:
        yield str((await asyncio.wait_for(ready, 5))["url"]), told, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_same_host_does_as_recorded_also_at_another_pace(tmp_path: Path) -> None:
    await recorded(tmp_path / "recording")
    async with played(tmp_path / "recording") as (url, told, task):
        await treat(url, self_paced_s=0.6)
        end = await asyncio.wait_for(task, 10)
    assert told == []
    assert end.as_recorded
    assert end.acts >= 6


async def test_another_depth_is_a_deviation(tmp_path: Path) -> None:
    await recorded(tmp_path / "recording")
    async with played(tmp_path / "recording", patience_s=1.0) as (url, told, task):
        with contextlib.suppress(AssertionError, TimeoutError):
            await treat(url, depth_um=700)
        end = await asyncio.wait_for(task, 10)
    assert not end.as_recorded
    assert any("700 µm" in one.sentence for one in told)


async def test_a_host_that_does_not_come_is_waited_for_so_long(tmp_path: Path) -> None:
    await recorded(tmp_path / "recording")
    async with played(tmp_path / "recording", patience_s=0.3) as (_, told, task):
        end = await asyncio.wait_for(task, 10)
    assert (told, end.waited_for, end.as_recorded) == ([], "HELLO of version 1", False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [lines[0]], "no host shakes hands"),
        (lambda lines: [*lines[:9], "nonsense\n", *lines[9:]], "line 10 of the capture is damaged"),
        (lambda lines: ["x" * (1 << 21), *lines], "longer than a million"),
        (lambda lines: ["{}\n"], "no wire capture"),
    ],
)
async def test_a_recording_that_cannot_be_played_is_refused_with_its_name(tmp_path: Path, change, said: str) -> None:
    path = tmp_path / "recording"
    await recorded(path)
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))
    with pytest.raises(CodecError, match=said) as caught:
        examined(path)
    assert str(path) in str(caught.value)
