"""What monitoring and log collectors get of a station and a recorder: figures and codes, and nobody's name."""

import asyncio
import json
import re
import socket
from pathlib import Path

import httpx
import pytest

from station.monitoring.probes import broker_of_running
from station.process.supervise import Supervisor
from station.settings import load_settings
from tests.fixtures_brokers import free_port
from tests.station.conftest import OPERATOR, House, simulated

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

PATIENT = "P-4711"


async def scraped(port: int) -> dict[str, float]:
    """Every value, by its name and labels."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    pairs = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


async def settled(port: int, name: str, value: float) -> dict[str, float]:
    async with asyncio.timeout(15):
        while (found := await scraped(port))[name] != value:
            await asyncio.sleep(0.1)
    return found


def two_ports() -> int:
    """A free port whose next one is free as well."""
    while True:
        port = free_port()
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
        return port


async def test_a_treatment_in_figures_and_lines_of_json(short_path: Path) -> None:
    port = two_ports()
    async with simulated() as (pen, endpoint):
        settings = load_settings(
            state_dir=short_path / "state", stop_port=0, pens=f"pen={endpoint.url}", metrics=str(port), log="json",
            seat_presence_s=10.0,
        )  # fmt: skip
        async with (
            Supervisor(settings, simulate=(), notice=print) as supervisor,
            supervisor.client() as client,
            client.seat(OPERATOR) as seat,
        ):
            house = House(supervisor.settings, pen, endpoint, None, client, {}, None)  # type: ignore[arg-type]
            await house.treat(seat)
            session = (await client.pen()).view.session
            assert (
                await broker_of_running(load_settings(state_dir=settings.state_dir)) == (await client.status()).bus.url
            )
            endpoint.unplug()
            await house.until(lambda status: bool(status.view.alarms), "an alarm")
            station = await settled(port, "needlework_journal_depth_entries", 0)
            recorder = await scraped(port + 1)
            await seat.close()
        shown = {**station, **recorder}
    assert station["needlework_bus_connected"] == 1
    assert station["needlework_bus_reconnects_total"] == 0
    assert station["needlework_journal_entries_total"] > 10
    assert station["needlework_batch_entries_sum"] >= station["needlework_batch_entries_count"] > 0
    assert station["needlework_receipt_lag_seconds_count"] > 0
    assert 0 < station["needlework_receipt_lag_seconds_sum"] / station["needlework_receipt_lag_seconds_count"] < 5
    assert sum(value for name, value in station.items() if name.startswith("needlework_alarms{")) > 0
    assert recorder["needlework_recorder_entries_total"] > 10
    assert recorder["needlework_recorder_ignored_total"] == 0
    labels = {label for name in shown for label in re.findall(r"(\w+)=", name)}
    assert labels == {"priority"}

    logs = [path.read_text() for path in (short_path / "state" / "logs").iterdir()]
    lines = [json.loads(line) for text in logs for line in text.splitlines()]
    events = {(line["part"], line["event"]) for line in lines}
    assert events >= {
        ("station", "started"), ("station", "bus_connected"), ("station", "alarm_raised"), ("station", "ended"),
        ("recorder", "started"), ("recorder", "subscribed"), ("recorder", "ended"),
    }  # fmt: skip
    assert session
    for name in (session, PATIENT, OPERATOR):
        assert name not in json.dumps(shown)
        assert not any(name in text for text in logs)


def test_without_the_setting_nothing_is_served_and_the_default_is_loopback() -> None:
    assert load_settings().metrics_address is None
    assert load_settings(metrics="9464").metrics_address == ("127.0.0.1", 9464)
    assert load_settings(metrics="0.0.0.0:9464").metrics_address == ("0.0.0.0", 9464)
    assert load_settings(metrics="[::1]:9464").of_recorder_beside().metrics_address == ("::1", 9465)
    assert load_settings(metrics="0").of_recorder_beside().metrics_address == ("127.0.0.1", 0)
