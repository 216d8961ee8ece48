"""Pens that come and go: told once each, in order, from a thread that may hang."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import hotplug
from firmware_bridge.discovery import FoundUsbPen, list_usb_pens
from firmware_bridge.hotplug import Plug, PlugChange, changes_between, watch_plugs
from firmware_bridge.transports.libusb import UsbHost
from simulators.usb.backend import VirtualBackend
from simulators.usb.bus import VirtualBus
from simulators.usb.descriptors import UsbIdentity
from simulators.usb.device import UsbDevice
from tests.usb_bus import NoFacts

DEADLINE_S = 5.0


@dataclass(frozen=True)
class Thing:
    url: str
    device: str


things = st.lists(st.builds(Thing, st.sampled_from("abc"), st.sampled_from("123")), unique=True)


@given(before=things, after=things)
def test_changes_lead_from_one_list_to_the_other(before: list[Thing], after: list[Thing]) -> None:
    present = set(before)
    for change in changes_between(before, after):
        if change.plug is Plug.OUT:
            present.remove(change.found)
        else:
            assert change.found not in present
            present.add(change.found)
    assert present == set(after)


class Desk:
    """A bus to plug pens into, and what was told of it."""

    def __init__(self) -> None:
        self.bus = VirtualBus()
        self.host = UsbHost(VirtualBackend(self.bus), NoFacts())
        self.told: list[tuple[Plug, str | None]] = []
        self.threads: set[str] = set()
        self.news = asyncio.Event()

    def look(self) -> list[FoundUsbPen]:
        self.threads.add(threading.current_thread().name)
        return list_usb_pens(self.host)

    def tell(self, change: PlugChange[FoundUsbPen]) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.told.append((change.plug, change.found.serial_number))
        self.news.set()

    async def heard(self, *expected: tuple[Plug, str]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.told) < len(expected):
                self.news.clear()
                await self.news.wait()
        assert self.told == list(expected)
        self.told.clear()


def pen(serial: str) -> UsbDevice:
    return UsbDevice(UsbIdentity("NW-1", serial), lambda _way, data: len(data), log=lambda _sentence: None)


async def test_plugs_are_told_on_the_loop_and_looked_for_beside_it() -> None:
    desk = Desk()
    first, second = pen("A"), pen("B")
    desk.bus.plug(first)
    watching = asyncio.create_task(watch_plugs(desk.look, desk.tell, every_s=0.002))
    try:
        await desk.heard((Plug.IN, "A"))
        desk.bus.plug(second)
        await desk.heard((Plug.IN, "B"))
        desk.bus.re_enumerate(first)
        await desk.heard((Plug.OUT, "A"), (Plug.IN, "A"))
        desk.bus.unplug(second)
        await desk.heard((Plug.OUT, "B"))
        assert threading.main_thread().name not in desk.threads
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_a_look_that_hangs_is_given_up_and_nothing_is_told_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hotplug, "LOOK_DEADLINE_S", 0.02)
    desk = Desk()
    desk.bus.plug(pen("A"))
    held = threading.Event()
    looks: Iterator[bool] = iter([False, True, False])

    def look() -> list[FoundUsbPen]:
        if next(looks, False):
            held.wait(DEADLINE_S)
        return desk.look()

    watching = asyncio.create_task(watch_plugs(look, desk.tell, every_s=0.002))
    try:
        await desk.heard((Plug.IN, "A"))
        await asyncio.sleep(0.05)
        desk.bus.plug(pen("B"))
        await desk.heard((Plug.IN, "B"))
    finally:
        held.set()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_what_looking_raises_ends_the_watch() -> None:
    def look() -> list[FoundUsbPen]:
        raise ValueError("no libusb here")

    with pytest.raises(ValueError, match="no libusb"):
        await watch_plugs(look, lambda _change: None)
