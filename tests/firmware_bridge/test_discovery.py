"""What is made of the system's port records; the looking itself is only asked not to fail."""

from dataclasses import dataclass
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.discovery import PEN_USB_IDS, UsbId, found_ports, list_pens, stable_names
from firmware_bridge.transports import parse_url


@dataclass
class Record:
    device: str
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None
    manufacturer: str | None = None
    product: str | None = None


PEN = next(iter(PEN_USB_IDS))


def test_a_pen_comes_first_and_by_its_stable_name() -> None:
    by_id = "/dev/serial/by-id/usb-Needlework_Pen_N1-0007-if00"
    records = [
        Record("/dev/ttyACM10", 0x2341, 0x0043, "A1", "Arduino", "Uno"),
        Record("/dev/ttyACM2"),
        Record("/dev/ttyUSB0", PEN.vendor, PEN.product, "N1-0007", "Needlework", "Pen"),
    ]
    pen, second, third = found_ports(records, {"/dev/ttyUSB0": by_id})
    assert pen.looks_like_pen
    assert pen.url == f"serial://{by_id}"
    assert (pen.device, pen.by_id) == ("/dev/ttyUSB0", by_id)
    assert pen.identity == f"{PEN}:N1-0007"
    assert (pen.product, pen.manufacturer, pen.serial_number) == ("Pen", "Needlework", "N1-0007")
    assert (second.device, second.url, second.identity) == ("/dev/ttyACM2", "serial:///dev/ttyACM2", "-:-:-")
    assert (third.device, third.identity) == ("/dev/ttyACM10", "2341:0043:A1")
    assert not second.looks_like_pen
    assert not third.looks_like_pen


def test_a_maker_with_a_number_of_its_own_adds_it() -> None:
    records = [Record("/dev/ttyACM0", 0x2341, 0x0043)]
    assert not found_ports(records, {})[0].looks_like_pen
    assert found_ports(records, {}, [UsbId(0x2341, 0x0043)])[0].looks_like_pen


def test_half_a_number_is_none() -> None:
    (port,) = found_ports([Record("COM3", PEN.vendor, None, "")], {})
    assert port.usb_id is None
    assert port.serial_number is None
    assert not port.looks_like_pen
    assert port.url == "serial://COM3"


@given(st.lists(st.builds(Record, st.text(st.characters(codec="ascii"), min_size=1).map("/dev/".__add__))))
def test_any_records_make_urls_that_can_be_read(records: list[Record]) -> None:
    ports = found_ports(records, {})
    assert {port.device for port in ports} == {record.device for record in records}
    assert len(ports) == len({record.device for record in records})
    for port in ports:
        assert parse_url(port.url).scheme == "serial"


def test_stable_names_lead_to_devices(tmp_path: Path) -> None:
    device = tmp_path / "ttyACM0"
    device.touch()
    folder = tmp_path / "by-id"
    folder.mkdir()
    (folder / "usb-pen").symlink_to("../ttyACM0")
    assert stable_names(folder) == {str(device): str(folder / "usb-pen")}
    assert stable_names(tmp_path / "absent") == {}


def test_looking_finds_what_it_finds_and_opens_nothing() -> None:
    for port in list_pens():
        assert parse_url(port.url).scheme == "serial"
