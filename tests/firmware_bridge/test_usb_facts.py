"""What Linux tells of a USB device without opening it, read from a tree of files like its own."""

import os
from pathlib import Path

import pytest

from firmware_bridge.transports import usb_facts
from firmware_bridge.transports.holders import PortHolder
from firmware_bridge.transports.usb_facts import LinuxUsbFacts


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """/sys/bus/usb/devices with a hub, and a pen that has a serial line."""
    for name, bus, address, serial in (("usb1", 1, 1, None), ("1-2", 1, 7, "NW1-000001"), ("1-3", 1, 8, None)):
        folder = tmp_path / "sys" / name
        folder.mkdir(parents=True)
        (folder / "busnum").write_text(f"{bus}\n")
        (folder / "devnum").write_text(f"{address}\n")
        if serial:
            (folder / "serial").write_text(f"{serial}\n")
    (tmp_path / "sys" / "1-2" / "1-2:1.0" / "tty" / "ttyACM3").mkdir(parents=True)
    (tmp_path / "sys" / "1-2" / "1-2:1.1").mkdir()
    return tmp_path / "sys"


def test_a_device_is_found_by_bus_and_address(system: Path) -> None:
    facts = LinuxUsbFacts(system)
    assert facts.serial_number(1, 7) == "NW1-000001"
    assert facts.serial_number(1, 8) is None
    assert facts.serial_number(2, 7) is None


def test_holders_are_asked_for_by_the_devices_own_names(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def holders(path: str) -> list[PortHolder]:
        asked.append(path)
        return [PortHolder(12, "minicom")]

    monkeypatch.setattr(usb_facts, "port_holders", holders)
    facts = LinuxUsbFacts(system, Path("/dev"))
    assert facts.line_holders(1, 7) == [PortHolder(12, "minicom")]
    assert facts.line_holders(1, 8) == []
    assert facts.device_holders(1, 7) == [PortHolder(12, "minicom")]
    assert asked == ["/dev/ttyACM3", "/dev/bus/usb/001/007"]


def test_a_line_that_is_open_names_its_holder(system: Path) -> None:
    """A pseudo-terminal stands for the line: its name is placed where the kernel would place ttyACM3's."""
    controller, terminal = os.openpty()
    try:
        name = Path(os.ttyname(terminal))
        (system / "1-2" / "1-2:1.0" / "tty" / "ttyACM3").rmdir()
        (system / "1-2" / "1-2:1.0" / "tty" / name.name).mkdir()
        facts = LinuxUsbFacts(system, name.parent)
        assert [holder.pid for holder in facts.line_holders(1, 7)] == [os.getpid()]
    finally:
        os.close(controller)
        os.close(terminal)


def test_other_systems_tell_nothing(tmp_path: Path) -> None:
    facts = LinuxUsbFacts(tmp_path / "none", tmp_path / "none")
    assert facts.serial_number(1, 1) is None
    assert facts.line_holders(1, 1) == []
    assert facts.device_holders(1, 1) == []
