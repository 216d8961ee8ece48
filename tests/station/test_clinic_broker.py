"""A treatment through a clinic's brokers, by TLS, with an account for each: station and recorder as processes of their
own, and a second broker that takes over when the first one dies."""

import asyncio
import os
import sys
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from station.process.supervise import STATION, Supervisor
from station.settings import StationSettings
from tests.fixtures_brokers import SITE, ClinicBroker
from tests.fixtures_brokers import STATION as STATION_NAME
from tests.station.conftest import OPERATOR, House, simulated
from tests.station.test_broker_lost import connected, drained, goes_on, recorded_whole_and_once

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

USER = f"station-{STATION_NAME}"


def broker_urls(*brokers: ClinicBroker) -> list[str]:
    return [f"mqtts://{broker.url(USER).host}:{broker.url(USER).port}" for broker in brokers]


def station_settings(path: Path, pen: str, *brokers: ClinicBroker) -> StationSettings:
    handed = brokers[0].handed(USER)
    return StationSettings.model_validate(
        {
            "state_dir": path / "state", "stop_port": 0, "pens": f"pen={pen}", "seat_presence_s": 10.0,
            "site": SITE, "station": STATION_NAME, "broker": broker_urls(*brokers), "broker_user": USER,
            "broker_password_file": handed / "broker-password", "broker_ca_file": handed / "ca.crt", "record": False,
        }
    )  # fmt: skip


@asynccontextmanager
async def recording(
    settings: StationSettings, *brokers: ClinicBroker, run_by: Callable[..., list[str]] = lambda *words: [*words]
) -> AsyncIterator[psutil.Process]:
    """`needlework record`, with the settings file that `needlework broker config` wrote."""
    handed = brokers[0].handed("recorder")
    file = handed / "recorder.toml"
    settings.state_dir.mkdir(exist_ok=True)
    given = tomllib.loads((handed / "settings.toml").read_text())
    given |= {"recorder_password_file": str(handed / "recorder-password"), "broker_ca_file": str(handed / "ca.crt")}
    given["broker"] = broker_urls(*brokers)
    file.write_text("".join(f"{name} = {value!r}\n" for name, value in given.items()))
    process = await asyncio.create_subprocess_exec(
        *run_by(sys.executable, "-m", "console.cli", "record", "--json", "--store", settings.store_place),
        env={**os.environ, "NEEDLEWORK_CONFIG": str(file)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert b'"ready": "recorder"' in await process.stdout.readline()
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        async with asyncio.timeout(20):
            assert await process.wait() == 0


async def test_a_treatment_through_tls_is_recorded_and_no_password_is_to_be_seen(
    short_path: Path, clinic_broker: ClinicBroker
) -> None:
    async with simulated() as (pen, endpoint):
        settings = station_settings(short_path, endpoint.url, clinic_broker)
        async with (
            recording(settings, clinic_broker) as recorder,
            Supervisor(settings, simulate=(), notice=print) as supervisor,
            supervisor.client() as client,
            client.seat(OPERATOR) as seat,
        ):
            house = House(supervisor.settings, pen, endpoint, None, client, {}, None)  # type: ignore[arg-type]
            await house.treat(seat)
            await connected(house, True)
            await goes_on(house)
            secrets = [clinic_broker.url(user).password or "" for user in (USER, "recorder")]
            status = await client.status()
            shown = [status.model_dump_json()]
            for process in (recorder, psutil.Process(supervisor.pid(STATION))):
                shown += [*process.cmdline(), *process.environ().values()]
            await seat.close()
            await drained(house)
        recorded_whole_and_once(settings)
        shown += [path.read_text(errors="replace") for path in (short_path / "state").rglob("*") if path.is_file()]
        assert all(secret and secret not in text for secret in secrets for text in shown)
        assert status.bus.url == f"mqtts://{USER}@127.0.0.1:{clinic_broker.url(USER).port}"


async def test_a_broker_that_dies_is_left_for_the_next_one(
    short_path: Path, clinic_broker: ClinicBroker, tmp_path: Path
) -> None:
    second = clinic_broker.twin(tmp_path / "second")
    await second.start()
    try:
        async with simulated() as (pen, endpoint):
            settings = station_settings(short_path, endpoint.url, clinic_broker, second)
            async with (
                recording(settings, clinic_broker, second),
                Supervisor(settings, simulate=(), notice=print) as supervisor,
                supervisor.client() as client,
                client.seat(OPERATOR) as seat,
            ):
                house = House(supervisor.settings, pen, endpoint, None, client, {}, None)  # type: ignore[arg-type]
                await house.treat(seat)
                await connected(house, True)
                for dies, takes_over in ((clinic_broker, second), (second, clinic_broker)):
                    await dies.stop()
                    await over(house, takes_over)
                    await drained(house)
                    await goes_on(house)
                    await dies.start()
                await seat.close()
                await drained(house)
            recorded_whole_and_once(settings)
    finally:
        await second.stop()


async def over(house: House, broker: ClinicBroker) -> None:
    """Waits until the station is at this broker."""
    wanted = f":{broker.url(USER).port}"
    async with asyncio.timeout(20):
        while not ((bus := (await house.client.status()).bus).connected and bus.url.endswith(wanted)):
            await asyncio.sleep(0.05)
