"""A Mosquitto that is restarted, with what it remembered and without: the record does not depend on its memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from logger.bus.messages import AlarmsMessage
from tests.fixtures_brokers import Mosquitto, accounts
from tests.logger.conftest import HouseAt
from tests.logger.house import ALARM, client, hear, until

pytestmark = pytest.mark.system


@pytest.fixture(params=[True, False], ids=["remembers", "forgets"])
async def restarting(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """A Mosquitto with a memory on the disk, or without one."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = Mosquitto(folder, accounts(), remembers=request.param)
    await broker.start()
    yield broker
    await broker.stop()


@pytest.mark.parametrize("killed", [False, True], ids=["ended", "killed"])
async def test_a_restarted_broker_loses_and_doubles_nothing(
    restarting: Mosquitto, killed: bool, house_at: HouseAt
) -> None:
    house = house_at(restarting)
    async with house.recording() as recorder, house.publishing(batch_entries=3) as publisher:
        for _restart in range(3):
            stored = recorder.counts.entries
            await house.emit(150)
            await until(lambda stored=stored: recorder.counts.entries > stored)  # type: ignore[misc]
            await (restarting.kill() if killed else restarting.stop())
            await house.emit(30)
            await until(lambda: not publisher.state().connected)
            await restarting.start()
            await until(lambda: publisher.state().connected)
        await house.drained()
        assert (recorder.counts.entries, recorder.counts.conflicts, recorder.counts.ignored) == (540, 0, 0)
        assert publisher.suspicions() == {}
        assert publisher.counts.connections == 4


async def test_alarms_are_told_again_by_the_station_itself(restarting: Mosquitto, house_at: HouseAt) -> None:
    """What the broker forgets, the station says again when it is back."""
    house = house_at(restarting)
    house.alarms = (ALARM,)
    async with house.publishing() as publisher:
        await until(lambda: publisher.state().connected)
        await restarting.kill()
        await restarting.start()
        async with client(restarting, "watcher", "needlework/v1/clinic/+/alarms") as (_bus, heard):
            found = await hear(heard, lambda _message: True)
            assert AlarmsMessage.parse(found.payload).alarms == (ALARM,)
