"""No broker, a broker that dies, one that comes back: a treatment does not notice, and the record misses nothing."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from firmware_bridge.wire.messages import PenState
from logger.journal.reader import JournalReader
from logger.proof.verify import verify_journal
from logger.store.store import Store
from station.api.client import SeatClient
from station.process.supervise import RECORDER, STATION, Supervisor
from station.settings import StationSettings
from tests.fixtures_brokers import SITE, Mosquitto
from tests.fixtures_brokers import STATION as STATION_USER
from tests.station.conftest import OPERATOR, House, simulated

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

DEAD_MAN_MS = 300
Switch = Callable[[], Awaitable[None]]


def settings_for(path: Path, url: str, **changes: object) -> StationSettings:
    given = {"state_dir": path / "state", "stop_port": 0, "pens": f"pen={url}", "seat_presence_s": 10.0, **changes}
    return StationSettings.model_validate(given)


async def connected(house: House, wanted: bool) -> None:
    async with asyncio.timeout(20):
        while (await house.client.status()).bus.connected is not wanted:
            await asyncio.sleep(0.05)


async def drained(house: House) -> int:
    """Waits until the store has everything that was committed when asked; how much that is."""
    committed = (await house.client.status()).record.committed
    async with asyncio.timeout(30):
        while (await house.client.status()).record.acknowledged < committed:
            await asyncio.sleep(0.05)
    return committed


async def goes_on(house: House, for_ms: int = 500) -> None:
    """The treatment runs, and goes on running."""
    treated_ms = (await house.client.pen()).view.treated_ms
    status = await house.until(lambda status: status.view.treated_ms > treated_ms + for_ms, "the treatment goes on")
    assert status.view.phase == "treating"
    assert status.view.alarms == ()
    assert status.view.journal_problem == ""


async def through_two_losses(house: House, seat: SeatClient, lose: Switch, bring_back: Switch) -> None:
    """A treatment during which the bus goes twice."""
    undisturbed = asyncio.create_task(watched(house), name="watching the pen")
    try:
        before = 0
        for _ in range(2):
            await lose()
            await connected(house, False)
            await goes_on(house, 1500)
            station = await house.client.status()
            if not station.bus.connected:  # the embedded one is back by itself before long
                assert station.record.committed > station.record.acknowledged, "what nobody receives is kept"
            await bring_back()
            await connected(house, True)
            assert await drained(house) > before
            before = station.record.committed
            await goes_on(house)
        assert (await house.client.pen()).view.longest_gap_ms < DEAD_MAN_MS
        assert not undisturbed.done(), undisturbed.result()
    finally:
        undisturbed.cancel()
        await asyncio.wait({undisturbed})
    await seat.close()
    await drained(house)


async def watched(house: House) -> str:
    """Returns when the pen stands still."""
    while house.pen.truth.state is PenState.RUNNING and not house.pen.truth.faults:
        await asyncio.sleep(0.005)
    return str(house.pen.truth)


def recorded_whole_and_once(settings: StationSettings) -> None:
    reader = JournalReader(settings.journal_path)
    journalled = list(reader.entries())
    reader.close()
    store = Store.open(settings.store_place)
    try:
        stored = list(store.entries(settings.station))
        assert stored == journalled
        assert [entry.sequence for entry in stored] == list(range(1, len(stored) + 1))
        assert [entry.type for entry in stored].count("session_closed") == 1
        assert verify_journal(settings.journal_path, store=store).verdict == "intact"
    finally:
        store.close()


async def test_mosquitto_absent_then_dying_twice_under_a_treatment(short_path: Path, mosquitto: Mosquitto) -> None:
    await mosquitto.stop()
    async with simulated() as (pen, endpoint):
        settings = settings_for(
            short_path, endpoint.url, broker=mosquitto.url("mallory").secret_text(), site=SITE, station=STATION_USER
        )
        async with (
            Supervisor(settings, simulate=(), notice=print) as supervisor,
            supervisor.client() as client,
            client.seat(OPERATOR) as seat,
        ):
            house = House(supervisor.settings, pen, endpoint, None, client, {}, None)  # type: ignore[arg-type]
            assert not (await client.status()).bus.connected
            await house.treat(seat)
            await goes_on(house)
            await mosquitto.start()
            await connected(house, True)
            await drained(house)
            await through_two_losses(house, seat, mosquitto.stop, mosquitto.start)
        recorded_whole_and_once(supervisor.settings)


async def test_the_embedded_broker_killed_twice_under_a_treatment(short_path: Path) -> None:
    async with simulated() as (pen, endpoint):
        async with (
            Supervisor(settings_for(short_path, endpoint.url), simulate=(), notice=print) as supervisor,
            supervisor.client() as client,
            client.seat(OPERATOR) as seat,
        ):
            house = House(supervisor.settings, pen, endpoint, None, client, {}, None)  # type: ignore[arg-type]
            station = supervisor.pid(STATION)
            await house.treat(seat)

            async def lose() -> None:
                pid = supervisor.pid(RECORDER) or 0
                os.kill(pid, signal.SIGSTOP)  # dead to the world first, so that its loss is there to be seen
                await asyncio.sleep(0)
                os.kill(pid, signal.SIGKILL)

            async def bring_back() -> None:
                """Its keeper does."""

            await through_two_losses(house, seat, lose, bring_back)
            assert supervisor.pid(STATION) == station
        recorded_whole_and_once(supervisor.settings)
