"""The doctor: what it says of facts, and that its probes see what is there."""

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firmware_bridge.discovery import FoundUsbPen
from firmware_bridge.usb_id import UsbId
from station.monitoring import doctor, probes
from station.monitoring.doctor import (
    BrokerFacts,
    DataFacts,
    DiskFacts,
    Facts,
    PriorityFacts,
    SoftwareFacts,
    StationFacts,
    check_data,
    examine,
)
from station.monitoring.doctor_clock import ClockFacts, check_clock
from station.monitoring.doctor_ports import PortFacts, check_ports
from station.monitoring.findings import Level, worst
from station.monitoring.probes import (
    holders_of,
    port_facts,
    port_holder,
    probe,
    probe_broker,
    probe_brokers,
    probe_disk,
    probe_usb_pens,
)
from station.settings import StationSettings, load_settings
from tests.fixtures_brokers import Embedded

GOOD = Facts(
    software=SoftwareFacts((3, 11, 2), {"pyserial": "3.5"}),
    ports=(PortFacts("/dev/ttyACM0", "pen"),),
    busybodies=(),
    brokers=(),
    disk=DiskFacts("/var/lib", writable=True, free_bytes=10**10, fsync_ms=1.0, fsync_worst_ms=2.0),
    clock=ClockFacts(datetime(2026, 1, 1, tzinfo=UTC), synchronised=True),
    priority=PriorityFacts(allowed=True),
    station=StationFacts(stop_port=7472),
    data=DataFacts(library="clinic v3", signed_by="dr-a"),
)
BAD = {
    "software": SoftwareFacts((3, 11, 2), {"pyserial": None}),
    "ports": (PortFacts("/dev/ttyACM0", "pen", allowed=False, group="dialout"),),
    "busybodies": ("ModemManager", "brltty"),
    "brokers": (
        BrokerFacts("mqtts://one:8883", connect_ms=3.0),
        BrokerFacts("mqtts://two:8883", error="Connection refused"),
    ),
    "disk": DiskFacts("/var/lib", writable=False),
    "clock": ClockFacts(datetime(1970, 1, 2, tzinfo=UTC)),
    "priority": PriorityFacts(allowed=False, error="Permission denied"),
    "station": StationFacts(stop_port=7472, stop_port_holder="nginx (7)"),
    "data": DataFacts(("clinic.yaml:3: not valid YAML",)),
}


def test_a_good_machine_has_nothing_to_complain_of() -> None:
    findings = examine(GOOD)
    assert worst(findings) is Level.FINE
    assert {finding.check for finding in findings} >= {"software", "ports", "broker", "disk", "clock", "priority"}


@pytest.mark.parametrize("part", sorted(BAD))
def test_each_trouble_is_found_alone_and_has_a_meaning_and_a_remedy(part: str) -> None:
    bad = [item for item in examine(replace(GOOD, **{part: BAD[part]})) if item.level > Level.NOTE]
    assert bad
    assert all(item.what and item.means and item.remedy for item in bad)
    assert [item for item in examine(GOOD) if item.level > Level.NOTE] == []


@pytest.mark.parametrize(
    ("port", "level", "said"),
    [
        (PortFacts("/dev/x", "", exists=False), Level.PROBLEM, "not there"),
        (PortFacts("/dev/x", "", allowed=False, group="dialout"), Level.PROBLEM, "usermod -aG dialout"),
        (PortFacts("/dev/x", "", holders=("screen (12)",)), Level.WARNING, "screen (12)"),
        (PortFacts("/dev/x", "", holders=None), Level.NOTE, "cannot be seen"),
    ],
)
def test_ports(port: PortFacts, level: Level, said: str) -> None:
    (finding,) = check_ports((port,))
    assert finding.level is level
    assert said in finding.what + finding.remedy


def test_a_pen_named_by_usb_is_looked_for_and_others_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [FoundUsbPen("usb://1209:0001?serial=A", UsbId(0x1209, 1), "A", 1, 7)]
    monkeypatch.setattr(probes, "usb_pens", lambda: found)
    for url, there in (
        ("usb://1209:0001?serial=A", True),
        ("usb://1209:0001", True),
        ("usb://1209:0001?serial=B", False),
        ("usb://1209:0002?serial=A", False),
        ("usb://1209:1", False),
    ):
        settings = StationSettings(state_dir=tmp_path, pens=f"pen={url}")
        (facts,) = probe_usb_pens(settings)
        assert facts == (port_facts("/dev/bus/usb/001/007", url) if there else PortFacts(url, "", exists=False))
    assert list(probe_usb_pens(StationSettings(state_dir=tmp_path, pens="pen=tcp://h:1"))) == []


def test_disk_and_clock_in_between() -> None:
    slow = replace(GOOD.disk, fsync_ms=80.0)
    low = replace(GOOD.disk, free_bytes=doctor.DISK_LOW_BYTES - 1)
    full = replace(GOOD.disk, free_bytes=doctor.DISK_FULL_BYTES - 1)
    levels = [worst(doctor.check_disk(facts)) for facts in (slow, low, full)]
    assert levels == [Level.WARNING, Level.WARNING, Level.PROBLEM]
    assert worst(check_clock(replace(GOOD.clock, synchronised=False))) is Level.WARNING


def test_the_probes_see_this_machine(tmp_path: Path) -> None:
    findings = examine(probe(load_settings(state_dir=tmp_path, stop_port=0)))
    checks = {finding.check for finding in findings}
    assert {"software", "broker", "disk", "clock", "priority", "station"} <= checks
    software = next(finding for finding in findings if finding.check == "software")
    assert software.level is Level.FINE


def test_who_holds_a_port_is_seen_in_another_process() -> None:
    master, slave = os.openpty()
    name = os.ttyname(slave)
    holder = subprocess.Popen([sys.executable, "-c", "input()"], stdin=slave)
    try:
        os.close(slave)
        assert f"({holder.pid})" in " ".join(holders_of(Path(name)) or ())
        assert port_facts(name).exists
    finally:
        holder.kill()
        holder.wait()
        os.close(master)
    assert not port_facts(name).exists


async def test_a_broker_lets_us_in_or_says_why_not(embedded: Embedded) -> None:
    url = embedded.url("room-1")
    facts = await asyncio.to_thread(probe_broker, url)
    assert (facts.error, str(os.getpid()) in port_holder(url.port)) == ("", True)
    assert facts.connect_ms is not None
    refused = await asyncio.to_thread(probe_broker, replace(url, password="wrong"))
    assert "Check the user name, and the password or the file" in refused.error
    assert "wrong" not in refused.error
    await embedded.stop()
    assert "No broker answers" in (await asyncio.to_thread(probe_broker, url)).error
    assert port_holder(url.port) == ""


def test_what_is_said_of_settings_is_not_said_of_the_station_that_runs() -> None:
    (finding,) = doctor.check_brokers(())
    assert "These settings name no broker" in finding.what
    (port,) = check_ports(())
    assert "No serial port on USB" in port.what
    (station,) = doctor.check_station(StationFacts(7, 7472, broker="mqtts://broker.example:8883"))
    assert "with the broker mqtts://broker.example:8883" in station.what


def test_a_password_file_that_lacks_is_a_finding(tmp_path: Path) -> None:
    settings = load_settings(broker="mqtts://b", broker_user="me", broker_password_file=tmp_path / "absent")
    (facts,) = probe_brokers(settings)
    (finding,) = doctor.check_brokers((facts,))
    assert "cannot be read from" in finding.what
    assert finding.level is Level.WARNING


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert probe_disk(tmp_path).writable
    assert not probe_disk(file).writable


def test_a_library_no_station_starts_with_prevents_treating(tmp_path: Path) -> None:
    wrong = tmp_path / "clinic.yaml"
    wrong.write_text("zones: [\n")
    facts = probe(load_settings(state_dir=tmp_path, stop_port=0, library=wrong, operators=tmp_path / "nobody.yaml"))
    found = [finding for finding in examine(facts) if finding.check == "data files"]
    assert [finding.level for finding in found] == [Level.PROBLEM] * 2
    assert "clinic.yaml" in found[0].what
    assert "nobody.yaml" in found[1].what


def test_limits_signed_by_nobody_are_told(tmp_path: Path) -> None:
    (found,) = check_data(probe(load_settings(state_dir=tmp_path, stop_port=0)).data)
    assert (found.level, "signed by nobody" in found.what) == (Level.NOTE, True)
    (signed,) = check_data(GOOD.data)
    assert (signed.level, "signed by dr-a" in signed.what) == (Level.FINE, True)
