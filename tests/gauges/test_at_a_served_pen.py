"""Instruments at a pen that is served: they see what it truly does, and hands reach them out of band."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.discovery import found_ports
from firmware_bridge.gauges import GaugeLost, GaugeNotOpened, GaugeRefused, GaugeSilent, GaugeUnit, open_gauge
from firmware_bridge.gauges.discovery import GAUGE_USB_IDS, found_gauge_ports
from simulators.control_client import ControlClient
from simulators.errors import ControlRefused
from simulators.pen import SimulatedPen
from simulators.serve import ReadyRecord, serve
from simulators.untruth import parse_untruth
from tests.firmware_bridge.test_discovery import PEN, Record

TODAY = date(2026, 5, 4)
NEEDLEWORK = str(Path(sys.executable).with_name("needlework"))


@contextlib.asynccontextmanager
async def served(**options: Any) -> AsyncIterator[tuple[SimulatedPen, ReadyRecord]]:
    """A pen served as asked, and where everything is."""
    ready = asyncio.get_running_loop().create_future()
    pens: list[SimulatedPen] = []
    task = asyncio.create_task(serve(ready.set_result, today=TODAY, on_pen=pens.append, **options), name="serve")
    try:
        record = await asyncio.wait_for(ready, 5)
        yield pens[0], record
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_they_see_the_needles_and_the_motor_themselves(tmp_path: Path) -> None:
    async with (
        served(gauge=True, tachometer=True, link=tmp_path / "pen", seed=3) as (pen, record),
        await open_gauge(record["gauge_url"]) as gauge,
        await open_gauge(record["tachometer_url"]) as tachometer,
    ):
        assert record["gauge"] == str(tmp_path / "pen-gauge")
        assert record["tachometer"] == str(tmp_path / "pen-tachometer")
        assert abs((await gauge.read()).value) <= 3
        assert (await tachometer.read()).value == 0
        pen.plant.drive(1000.0, 100.0)
        await asyncio.sleep(0.6)
        assert pen.truth.protrusion_um > 900
        assert (await gauge.read()).value == pytest.approx(pen.truth.protrusion_um, abs=4)
        assert (await tachometer.read()).value == pytest.approx(pen.truth.rate_hz * 1000, rel=0.002)
    assert not (tmp_path / "pen-gauge").is_symlink()


async def test_an_untrue_pen_is_found_out_by_them_and_by_nothing_it_says() -> None:
    untruth = parse_untruth("gain=1.04,offset_mm=0.08,rate_gain=0.95")
    async with (
        served(model="NW-2", zone="air", untruth=untruth, gauge=True, tachometer=True, seed=3) as (pen, record),
        await open_gauge(record["gauge_url"]) as gauge,
        await open_gauge(record["tachometer_url"]) as tachometer,
    ):
        pen.plant.drive(1000.0, 100.0)
        await asyncio.sleep(0.6)
        assert pen.truth.scale_um == pytest.approx(1000, abs=30)
        assert (await gauge.read()).value == pytest.approx(1.04 * pen.truth.scale_um + 80, abs=5)
        assert (await tachometer.read()).value == pytest.approx(pen.truth.rate_hz * 1000, rel=0.002)


async def test_without_being_asked_for_there_are_none() -> None:
    async with served() as (_pen, record):
        assert {record[name] for name in ("gauge", "gauge_url", "tachometer", "tachometer_url")} == {None}


async def test_hands_reach_the_instruments_through_the_control_socket(tmp_path: Path) -> None:
    control = tmp_path / "c"

    async def hand(action: str) -> None:
        def ask() -> None:
            with ControlClient(control) as client:
                client.ask("hand", action=action)

        await asyncio.to_thread(ask)

    async with served(gauge=True, control=control, link=tmp_path / "pen") as (_pen, record):
        gauge = await open_gauge(record["gauge_url"])
        for action, error, undone in (
            ("gauge_inch", GaugeUnit, "gauge_mm"),
            ("gauge_no_data", GaugeRefused, "gauge_on"),
            ("gauge_over_range", GaugeRefused, "gauge_on"),
            ("gauge_busy", GaugeRefused, "gauge_on"),
        ):
            await hand(action)
            with pytest.raises(error):
                await gauge.read()
            await hand(undone)
            await gauge.read()
        await hand("gauge_out")
        await hand("gauge_out")
        with pytest.raises(GaugeLost):
            await gauge.read()
        await gauge.close()
        with pytest.raises(GaugeNotOpened):
            await open_gauge(record["gauge_url"])
        await hand("gauge_in")
        await hand("gauge_in")
        async with await open_gauge(record["gauge_url"]) as again:
            await again.read()
            await hand("gauge_off")
            with pytest.raises(GaugeSilent):
                await again.read()
        with pytest.raises(ControlRefused, match="No hand"):
            await hand("tachometer_out")  # none was asked for


def test_ports_that_may_be_a_gauge_are_those_that_are_no_pen() -> None:
    known = next(iter(GAUGE_USB_IDS))
    ports = found_ports(
        [
            Record("/dev/ttyUSB0", 0x0403, 0x6001),
            Record("/dev/ttyACM0", PEN.vendor, PEN.product),
            Record("/dev/ttyUSB1", known.vendor, known.product),
        ],
        {},
    )
    first, second = found_gauge_ports(ports)
    assert (first.port.device, first.kind) == ("/dev/ttyUSB1", "digimatic")
    assert first.address("digimatic") == "digimatic+serial:///dev/ttyUSB1"
    assert (second.port.device, second.kind) == ("/dev/ttyUSB0", None)


def done(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([NEEDLEWORK, *words], capture_output=True, text=True, check=False, timeout=15)


@pytest.mark.system
def test_the_commands_from_the_pen_to_the_reading(tmp_path: Path) -> None:
    simulating = subprocess.Popen(
        [NEEDLEWORK, "simulate", "--pty", "--gauge", "--tachometer", "--link", str(tmp_path / "pen")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        record = json.loads(simulating.stdout.readline())
        assert record["gauge"] == str(tmp_path / "pen-gauge")
        read = done("gauge", "read", record["gauge_url"], "--count", "2", "--json")
        assert read.returncode == 0, read.stderr
        first, second = (json.loads(line) for line in read.stdout.splitlines())
        assert abs(first["value_um"]) <= 3
        assert (first["rate_mhz"], second["unit"], second["raw"][:3]) == (None, "mm", "01A")
        read = done("gauge", "read", record["tachometer_url"])
        assert read.stdout == "0.0 Hz  (sent: 41270100000000, in rpm)\n"
        refused = done("gauge", "read", f"{record['gauge_url']}?unit=inch&resolution=0.00005")
        assert refused.returncode == 1
        assert "millimetres, not inches" in refused.stderr
    finally:
        simulating.terminate()
        simulating.wait(10)
        simulating.stdout.close()
    listed = done("gauge", "list", "--json")
    assert listed.returncode == 0
    assert isinstance(json.loads(listed.stdout), list)
    assert done("gauge", "list").stdout
    assert "read" in done("gauge").stdout
