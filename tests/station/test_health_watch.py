"""Health read by the station itself, from a simulated pen that counts, in virtual time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from console.actions.health import Record
from controller.events import Event
from controller.health.reading import Work, load_name, read_health
from controller.service_events import HealthRead
from firmware_bridge.link import Link
from logger.journal.reader import JournalReader
from simulators.endpoints.live import LivePen
from simulators.endpoints.memory import MemoryEndpoint
from simulators.endpoints.pty import PtyEndpoint
from simulators.pen import SimulatedPen
from simulators.personality import NW_1, NW_2, PenModel
from station.monitoring.health_watch import watch_health
from tests.hosts import Host, connected
from tests.station.conftest import OpenHouse

VIRTUAL = pytest.mark.looptime(start=time.monotonic)


class Watched:
    """A pen of the station as far as it is watched: a real connection, and whether a session is open."""

    def __init__(self) -> None:
        self.link: Link | None = None
        self.session_open = False
        self.told: list[Event] = []

    @property
    def read(self) -> list[HealthRead]:
        return [one for one in self.told if isinstance(one, HealthRead)]


@asynccontextmanager
async def watched(model: PenModel = NW_2, again_s: float = 3600.0) -> AsyncIterator[tuple[Watched, SimulatedPen, Host]]:
    """A pen that is watched, and a host that drives it over the same connection."""
    loop = asyncio.get_running_loop()
    pen = SimulatedPen(model, rng=Random(1), today=datetime.now(UTC).date())
    live = LivePen(pen, clock_ns=lambda: int(loop.time() * 1e9))
    tasks = [asyncio.create_task(live.run(), name="simulated pen")]
    seen = Watched()
    try:
        with MemoryEndpoint(live, f"watched-{model.name.lower()}") as endpoint:
            async with connected(endpoint.url) as host:
                seen.link = host.link
                tasks.append(asyncio.create_task(watch_health(seen, seen.told.append, again_s=again_s), name="watch"))
                yield seen, pen, host
                tasks[1].cancel()
                await asyncio.wait({tasks[1]})
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@VIRTUAL
async def test_it_is_read_when_it_is_plugged_in_and_after_a_session_and_never_in_one() -> None:
    async with watched() as (seen, pen, host):
        await asyncio.sleep(2)
        (first,) = seen.read
        assert (first.pen, first.load, first.motor_current_ma) == ("NW-2/NW2-000001", "", None)
        assert first.battery_capacity_permille == 1000
        assert first.frames > 0
        seen.session_open = True
        pen.hold_on("cheek", touching=True)
        await host.arm()
        async with host.driving(motor=True):
            await asyncio.sleep(24)
        assert len(seen.read) == 1
        await host.stop()
        seen.session_open = False
        await asyncio.sleep(2)
        after = seen.read[1]
        assert after.load == "skin 100 Hz 0.50 mm"
        assert after.motor_current_ma is not None
        assert 50 < after.motor_current_ma < 2000
        assert after.run_s is not None
        assert 22 <= after.run_s <= 26
        assert after.strokes == pytest.approx(2400, rel=0.1)
        assert after.frames == pytest.approx(28 * 50, rel=0.15), "since the reading before"
        assert after.temperature_dc is not None
        assert first.temperature_dc is not None
        assert after.temperature_dc >= first.temperature_dc


@VIRTUAL
async def test_a_pen_that_stands_there_is_read_again_and_one_that_comes_back_too() -> None:
    async with watched(again_s=4.0) as (seen, _, host):
        await asyncio.sleep(10)
        assert len(seen.read) == 3
        seen.link = None
        await asyncio.sleep(5)
        seen.link = host.link
        await asyncio.sleep(5)
        assert len(seen.read) == 4


@VIRTUAL
async def test_a_pen_that_does_not_count_is_left_alone_and_told_by_its_status_where_asked() -> None:
    async with watched(NW_1) as (seen, _, host):
        await asyncio.sleep(5)
        assert seen.told == []
        told = await read_health(host.link)
        assert (told.run_s, told.battery_resistance_mohm, told.load) == (None, None, "")
        assert told.battery_permille is not None


@VIRTUAL
async def test_a_connection_that_goes_in_the_middle_leaves_the_watch_alive() -> None:
    async with watched() as (seen, _, host):
        await asyncio.sleep(2)
        await host.link.close()
        seen.session_open = True
        await asyncio.sleep(2)
        seen.session_open = False
        await asyncio.sleep(2)
        assert len(seen.read) == 1


def test_loads_have_names_that_equal_loads_share() -> None:
    assert load_name(on_skin=True, rate_mhz=96_400, depth_um=560) == "skin 100 Hz 0.50 mm"
    assert load_name(on_skin=True, rate_mhz=103_900, depth_um=450) == "skin 100 Hz 0.50 mm"
    assert load_name(on_skin=False, rate_mhz=61_000, depth_um=1990) == "air 60 Hz 2.00 mm"
    assert load_name(on_skin=None, rate_mhz=120_000, depth_um=1000) == "unsensed 120 Hz 1.00 mm"
    assert Work().longest() is None


@pytest.mark.system
async def test_a_station_reads_the_pen_that_is_plugged_in_and_the_page_knows_what_it_does_now(
    open_house: OpenHouse, short_path: Path
) -> None:
    pen = SimulatedPen(NW_2, rng=Random(1), today=datetime.now(UTC).date())
    live = LivePen(pen)
    with PtyEndpoint(live, link=short_path / "counting") as endpoint:
        living = asyncio.create_task(live.run(), name="simulated pen")
        async with open_house(pens=f"pen={endpoint.url}") as house:
            reader = JournalReader(house.settings.journal_path)
            async with asyncio.timeout(8):
                while not reader.type_counts().get("health_read"):
                    await asyncio.sleep(0.1)
            reader.close()
            found = await asyncio.to_thread(Record(house.settings, None, None).look)
            assert [(one.pen, one.counted_by, one.level) for one in found] == [("NW-2/NW2-000001", "pen", "unknown")]
            assert found[0].charge_permille == 1000
        living.cancel()
        await asyncio.wait({living})
