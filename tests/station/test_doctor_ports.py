"""What the doctor says of ports and clocks, and that it sees what a system tells of them, here of made-up ones."""

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.events import ClockStepped
from logger.journal.journal import Journal
from station.monitoring.doctor_clock import ClockFacts, check_clock
from station.monitoring.doctor_ports import PortFacts, UsbFacts, check_busybodies, check_ports
from station.monitoring.findings import Level
from station.monitoring.probe_clock import probe_clock
from station.monitoring.probe_usb import usb_facts

USB = UsbFacts(
    "1209:0001", "/sys/bus/usb/devices/1-1", is_pen=True, may_sleep=False, modem_ignored=True, ruled=True
)  # fmt: skip
PORT = PortFacts("/dev/ttyACM0", "pen", usb=USB)
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def test_a_port_that_everything_was_done_for_has_nothing_to_complain_of() -> None:
    assert [one.level for one in check_ports((PORT,))] == [Level.FINE]
    (told,) = check_busybodies(("ModemManager",), (PORT,))
    assert told.level is Level.FINE


@pytest.mark.parametrize(
    ("usb", "check", "said"),
    [
        (replace(USB, may_sleep=True), "power saving", "echo on | sudo tee /sys/bus/usb/devices/1-1/power/control"),
        (replace(USB, latency_timer_ms=16), "adapter", "/sys/class/tty/ttyACM0/device/latency_timer"),
        (replace(USB, braille_rule="85-brltty.rules"), "brltty", "apt remove brltty"),
        (replace(USB, ruled=False), "udev", "70-needlework.rules"),
    ],
)
def test_each_trouble_of_a_port_has_a_remedy_of_its_own(usb: UsbFacts, check: str, said: str) -> None:
    (told,) = [one for one in check_ports((replace(PORT, usb=usb),)) if one.level > Level.FINE]
    assert told.check == check
    assert said in told.remedy
    assert told.means


def test_what_is_not_told_is_no_trouble() -> None:
    silent = UsbFacts("0403:6001", "/sys/x", latency_timer_ms=1)
    assert [one.level for one in check_ports((replace(PORT, usb=silent),))] == [Level.FINE]
    gone = replace(PORT, exists=False, usb=replace(USB, may_sleep=True))
    assert len(list(check_ports((gone,)))) == 1


def test_modem_manager_is_told_with_the_ports_that_nothing_keeps_from_it() -> None:
    open_to_it = replace(PORT, device="/dev/ttyUSB1", usb=replace(USB, modem_ignored=False))
    (told,) = check_busybodies(("ModemManager",), (PORT, open_to_it))
    assert told.level is Level.WARNING
    assert "from /dev/ttyUSB1." in told.what
    (braille,) = check_busybodies(("brltty",), (PORT,))
    assert braille.level is Level.WARNING


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A system with one USB adapter, as Linux shows it: a tty whose device lies two folders below the USB device."""
    device = tmp_path / "sys" / "devices" / "usb1" / "1-1"
    line = device / "1-1:1.0" / "ttyUSB0"
    tty = line / "tty" / "ttyUSB0"
    tty.mkdir(parents=True)
    (device / "power").mkdir()
    for name, text in (("idVendor", "1a86"), ("idProduct", "7523"), ("dev", "189:3"), ("power/control", "auto")):
        (device / name).write_text(f"{text}\n")
    (line / "latency_timer").write_text("16\n")
    (tty / "dev").write_text("188:0\n")
    (tty / "device").symlink_to(line)
    (tmp_path / "sys" / "class" / "tty").mkdir(parents=True)
    (tmp_path / "sys" / "class" / "tty" / "ttyUSB0").symlink_to(tty)
    (tmp_path / "udev").mkdir()
    (tmp_path / "rules").mkdir()
    return tmp_path


def facts(system: Path, device: str = "/dev/ttyUSB0") -> UsbFacts | None:
    return usb_facts(device, system=system / "sys", udev=system / "udev", rules=(system / "rules", system / "no"))


def test_an_adapter_is_seen_as_the_system_shows_it(system: Path) -> None:
    found = facts(system)
    assert found is not None
    assert (found.usb_id, found.is_pen, found.may_sleep, found.latency_timer_ms) == ("1a86:7523", False, True, 16)
    assert (found.modem_ignored, found.ruled, found.braille_rule) == (None, None, "")
    assert facts(system, "/dev/ttyS0") is None


def test_what_udev_was_told_is_read_of_the_line_and_of_its_device(system: Path) -> None:
    (system / "udev" / "c188:0").write_text("S:serial/by-id/x\nE:ID_BUS=usb\n")
    found = facts(system)
    assert found is not None
    assert (found.modem_ignored, found.ruled) == (False, False)
    (system / "udev" / "c189:3").write_text("E:ID_MM_DEVICE_IGNORE=1\n")
    (system / "udev" / "c188:0").write_text("S:needlework/0007\n")
    found = facts(system)
    assert found is not None
    assert (found.modem_ignored, found.ruled) == (True, True)


@pytest.mark.parametrize(
    ("rule", "takes"),
    [
        ('ENV{PRODUCT}=="1a86/7523/*", ATTRS{manufacturer}=="?*", GOTO="x"', True),
        ('ENV{PRODUCT}=="1A86/7523/*"', True),
        ('# ENV{PRODUCT}=="1a86/7523/*" was taken out', False),
        ('ENV{PRODUCT}=="403/6001/*"', False),
        ('ENV{PRODUCT}=="11a86/7523/*"', False),
    ],
)
def test_a_rule_of_brltty_that_names_the_adapter_is_found(system: Path, rule: str, takes: bool) -> None:
    (system / "rules" / "85-brltty.rules").write_text(f"# devices\n{rule}\n")
    (system / "rules" / "60-other.rules").write_text('ENV{PRODUCT}=="1a86/7523/*"\n')
    found = facts(system)
    assert found is not None
    assert found.braille_rule == ("85-brltty.rules" if takes else "")


# The clock ------------------------------------------------------------------------------------------------------------


def test_how_far_a_clock_is_off_is_told() -> None:
    kept = ClockFacts(NOW, synchronised=True, offset_ms=-1.5, error_ms=12.0)
    (told,) = check_clock(kept)
    assert (told.level, "-1.5 ms off, at most 12" in told.what) == (Level.FINE, True)
    (told,) = check_clock(replace(kept, offset_ms=-900.0))
    assert (told.level, "-900 ms off" in told.what) == (Level.WARNING, True)
    (told, _) = check_clock(replace(kept, behind_record_s=7300))
    assert (told.level, "2 hours before" in told.what) == (Level.WARNING, True)


def test_a_clock_that_was_set_back_is_found_by_its_own_record(tmp_path: Path) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=3)

    async def write() -> None:
        journal = Journal(tmp_path / "journal.sqlite", station="s", utc_now=lambda: ahead, monotonic_ms=lambda: 0)
        journal.emit(ClockStepped(by_ms=1), session=None)
        await journal.flush()
        await journal.close()

    asyncio.run(write())
    assert probe_clock(tmp_path / "journal.sqlite").behind_record_s == pytest.approx(3 * 3600, abs=20)
    (tmp_path / "ruined.sqlite").write_bytes(os.urandom(4096))
    for other in (tmp_path / "none.sqlite", tmp_path / "ruined.sqlite", None):
        assert probe_clock(other).behind_record_s == 0
