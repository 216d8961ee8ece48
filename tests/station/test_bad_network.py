"""Broker and recorder behind a network that delays, loses and breaks: a treatment does not notice, the journal drains
afterwards, and nothing is there twice."""

import asyncio
from pathlib import Path

import pytest

from station.process.supervise import Supervisor
from tests.fixtures_brokers import STATION as STATION_NAME
from tests.fixtures_brokers import ClinicBroker
from tests.fixtures_network import BadLine
from tests.station.conftest import OPERATOR, House, simulated
from tests.station.test_broker_lost import connected, drained, goes_on, recorded_whole_and_once, watched
from tests.station.test_clinic_broker import recording, station_settings

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


async def receipted(house: House) -> int:
    return (await house.client.status()).record.acknowledged


async def test_delay_loss_and_partition_under_a_treatment(short_path: Path, tmp_path: Path, bad_line: BadLine) -> None:
    broker = ClinicBroker(tmp_path / "broker", [STATION_NAME], host=bad_line.there, run_by=bad_line.command)
    await broker.start()
    try:
        async with simulated() as (pen, endpoint):
            settings = station_settings(short_path, endpoint.url, broker)
            async with (
                recording(settings, broker, run_by=bad_line.command),
                Supervisor(settings, simulate=(), notice=print) as supervisor,
                supervisor.client() as client,
                client.seat(OPERATOR) as seat,
            ):
                house = House(supervisor.settings, pen, endpoint, None, client, {}, None)  # type: ignore[arg-type]
                await connected(house, True)
                await house.treat(seat)
                undisturbed = asyncio.create_task(watched(house), name="watching the pen")

                bad_line.delay_s, bad_line.loss = 0.1, 0.1
                before = await receipted(house)
                async with asyncio.timeout(40):
                    while await receipted(house) < before + 10:
                        await goes_on(house, 300)
                assert bad_line.lost > 0

                bad_line.cut = True
                await connected(house, False)
                cut_off = await receipted(house)
                await goes_on(house, 2000)
                status = await client.status()
                assert status.record.acknowledged == cut_off
                assert status.record.committed > cut_off, "what nobody receives is kept"

                bad_line.cut, bad_line.delay_s, bad_line.loss = False, 0.02, 0.02
                await connected(house, True)
                assert await drained(house) > cut_off
                await goes_on(house)
                assert not undisturbed.done(), undisturbed.result()
                undisturbed.cancel()
                bad_line.delay_s, bad_line.loss = 0.0, 0.0
                await seat.close()
                await drained(house)
        recorded_whole_and_once(settings)
    finally:
        await broker.stop()
