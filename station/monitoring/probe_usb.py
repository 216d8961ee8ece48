"""What Linux says of a serial port's USB device, and what udev was told of it. Reads /sys, /run/udev and rules only."""

import os
import re
from pathlib import Path

from firmware_bridge.discovery import PEN_USB_IDS
from station.monitoring.doctor_ports import UsbFacts

SYSTEM = Path("/sys")
UDEV = Path("/run/udev/data")
RULES = (Path("/etc/udev/rules.d"), Path("/run/udev/rules.d"), Path("/lib/udev/rules.d"), Path("/usr/lib/udev/rules.d"))
_LEVELS = 8
"""So many folders are between a tty and its USB device at the most."""


def usb_facts(
    device: str, *, system: Path = SYSTEM, udev: Path = UDEV, rules: tuple[Path, ...] = RULES
) -> UsbFacts | None:
    """The facts of a port such as /dev/ttyACM0; None where it is not on USB, or the system does not tell."""
    tty = system / "class" / "tty" / Path(device).resolve().name
    folder = _usb_device(tty / "device")
    if folder is None:
        return None
    usb_id = f"{_read(folder / 'idVendor')}:{_read(folder / 'idProduct')}".lower()
    told = [data for node in (tty, folder) if (data := _told(node, udev)) is not None]
    control = _read(folder / "power" / "control")
    return UsbFacts(
        usb_id=usb_id,
        folder=str(folder),
        is_pen=usb_id in {str(pen) for pen in PEN_USB_IDS},
        may_sleep=control == "auto" if control else None,
        latency_timer_ms=_number(_read(tty / "device" / "latency_timer")),
        modem_ignored=any("E:ID_MM_DEVICE_IGNORE=1" in data for data in told) if told else None,
        ruled=any(line.startswith("S:needlework/") for data in told for line in data) if told else None,
        braille_rule=_braille_rule(usb_id, rules),
    )


def _usb_device(start: Path) -> Path | None:
    folder = Path(os.path.realpath(start))
    for _ in range(_LEVELS):
        if (folder / "idVendor").is_file():
            return folder
        folder = folder.parent
    return None


def _told(node: Path, udev: Path) -> list[str] | None:
    """The lines of udev's data of a device; None where there are none."""
    number = _read(node / "dev")
    lines = _read(udev / f"c{number}").splitlines() if number else []
    return lines or None


def _braille_rule(usb_id: str, folders: tuple[Path, ...]) -> str:
    """The first rules file of brltty's that names this USB id; empty where none does."""
    vendor, _, product = usb_id.partition(":")
    names = re.compile(rf'^[^#]*"(?:0*{vendor}/0*{product}/|0*{vendor}/\*)', re.IGNORECASE | re.MULTILINE)
    for folder in folders:
        try:
            found = sorted(folder.glob("*brltty*.rules"))
        except OSError:
            continue
        for file in found:
            if names.search(_read(file)):
                return file.name
    return ""


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
