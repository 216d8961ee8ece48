"""`needlework pens` and `needlework doctor`: what is plugged in here, and what stands in the way of treating."""

import asyncio
import json

from console.exits import Code
from console.render.machine import PortLine, change_line, findings_view, pens_view
from console.screen import out, print_json, say
from firmware_bridge.discovery import FoundPort, FoundUsbPen, list_pens
from firmware_bridge.hotplug import PlugChange, watch_plugs
from station.monitoring.doctor import Level, examine, worst
from station.monitoring.probes import port_facts, probe, usb_pens
from station.process.signals import on_ending_signals
from station.settings import StationSettings


def pens(*, as_json: bool) -> int:
    """Prints the serial ports of this machine and the pens on USB, likely pens first. Opens no port."""
    lines = sorted((PortLine.of(found, port_facts(found.device)) for found in _plugged_in()), key=PortLine.unlikely)
    if as_json:
        print_json([line.as_data() for line in lines])
    else:
        say(out(), pens_view(lines))
    return Code.DONE


def watch_pens(*, as_json: bool) -> int:
    """Prints what is plugged in, and what comes and goes from then on, a line each, until a signal ends it."""

    def tell(change: PlugChange[FoundPort | FoundUsbPen]) -> None:
        line = PortLine.of(change.found, port_facts(change.found.device))
        if as_json:
            print(json.dumps({"plug": change.plug.name.lower(), **line.as_data()}, ensure_ascii=False), flush=True)
        else:
            say(out(), change_line(change.plug, line))

    async def until_asked() -> None:
        asked = asyncio.Event()
        with on_ending_signals(lambda _name: asked.set()):
            watching = asyncio.create_task(watch_plugs(_plugged_in, tell), name="watch pens")
            ending = asyncio.create_task(asked.wait(), name="asked to end")
            await asyncio.wait({watching, ending}, return_when=asyncio.FIRST_COMPLETED)
            for task in (watching, ending):
                task.cancel()
            await asyncio.wait({watching, ending})
        if not watching.cancelled():
            watching.result()

    asyncio.run(until_asked())
    return Code.DONE


def _plugged_in() -> list[FoundPort | FoundUsbPen]:
    return [*list_pens(), *usb_pens()]


def doctor(settings: StationSettings, *, as_json: bool) -> int:
    """Prints findings with their remedies; exit code 1 when one of them prevents treating."""
    findings = examine(probe(settings))
    if as_json:
        print_json([{**finding.model_dump(), "level": Level(finding.level).name.lower()} for finding in findings])
    else:
        say(out(), findings_view(findings))
    return Code.NO if worst(findings) >= Level.PROBLEM else Code.DONE
