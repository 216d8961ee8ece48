"""What `needlework pens` shows of what is plugged in: serial ports and pens on USB, once or while one watches."""

import json
import os
import signal
from collections.abc import Iterator

import pytest

from console.actions import machine
from console.exits import Code
from console.render.machine import PortLine, change_line, pens_view
from console.screen import out
from firmware_bridge import hotplug
from firmware_bridge.discovery import FoundPort, FoundUsbPen
from firmware_bridge.hotplug import Plug
from firmware_bridge.usb_id import UsbId
from station.monitoring.doctor_ports import PortFacts

PEN = UsbId(0x1209, 0x0001)
SERIAL = FoundPort("serial:///dev/ttyACM0", "/dev/ttyACM0", None, PEN, "A", "Pen", "Needlework", looks_like_pen=True)
OTHER = FoundPort("serial:///dev/ttyS0", "/dev/ttyS0", None, None, None, None, None, looks_like_pen=False)
USB = FoundUsbPen("usb://1209:0001?serial=A", PEN, "A", 1, 7)


def shown(renderable: object) -> str:
    console = out()
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_a_pen_on_usb_is_a_pen_with_what_opens_it_and_what_stands_in_the_way() -> None:
    line = PortLine.of(USB, PortFacts(USB.device, "", allowed=False, holders=("other (9)",)))
    text = shown(pens_view([line]))
    assert "1209:0001:A" in text
    assert "usb://1209:0001?serial=A" in text
    assert "not permitted" in text
    assert "held by other (9)" in text
    assert line.as_data()["device"] == "/dev/bus/usb/001/007"


def test_a_change_is_one_line() -> None:
    line = PortLine.of(SERIAL, PortFacts(SERIAL.device, ""))
    assert shown(change_line(Plug.IN, line)).split() == ["plugged", "in", SERIAL.url, "Needlework", "Pen"]
    assert shown(change_line(Plug.OUT, line)).split() == ["unplugged", SERIAL.url]


def test_likely_pens_come_first(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(machine, "list_pens", lambda: [OTHER, SERIAL])
    monkeypatch.setattr(machine, "usb_pens", lambda: [USB])
    assert machine.pens(as_json=True) == Code.DONE
    listed = json.loads(capsys.readouterr().out)
    assert [line["url"] for line in listed] == [SERIAL.url, USB.url, OTHER.url]


@pytest.mark.parametrize("as_json", [True, False])
def test_watching_tells_what_comes_and_goes_until_it_is_interrupted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    looks: Iterator[list[FoundUsbPen]] = iter([[], [USB], []])

    def look() -> list[FoundUsbPen]:
        found = next(looks, None)
        if found is None:
            os.kill(os.getpid(), signal.SIGINT)
        return found or []

    monkeypatch.setattr(machine, "list_pens", lambda: [OTHER])
    monkeypatch.setattr(machine, "usb_pens", look)
    monkeypatch.setattr(hotplug.watch_plugs, "__kwdefaults__", {"every_s": 0.001})
    assert machine.watch_pens(as_json=as_json) == Code.DONE
    lines = capsys.readouterr().out.splitlines()
    if as_json:
        told = [(json.loads(line)["plug"], json.loads(line)["url"]) for line in lines]
        assert told == [("in", OTHER.url), ("in", USB.url), ("out", USB.url)]
    else:
        assert [line.split("  ")[0] for line in lines] == ["plugged in", "plugged in", "unplugged"]
