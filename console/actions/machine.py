"""`needlework pens` and `needlework doctor`: what is plugged in here, and what stands in the way of treating."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from random import SystemRandom
from typing import Any

from rich.progress import Progress

from console.exits import Code
from console.render.line import soak_view
from console.render.machine import PortLine, change_line, findings_view, pens_view
from console.screen import err, out, print_json, say
from console.trouble import ConsoleError, Told
from controller.health.policy import load_health_policy
from controller.health.share import rank
from firmware_bridge.discovery import FoundPort, FoundUsbPen, list_pens
from firmware_bridge.errors import PenBusy, PortBusy, WireError
from firmware_bridge.hotplug import PlugChange, watch_plugs
from firmware_bridge.line_quality import GAP_EDGES_MS
from station.monitoring.doctor import examine
from station.monitoring.doctor_line import check_line
from station.monitoring.findings import Finding, Level, worst
from station.monitoring.probes import port_facts, probe, usb_pens
from station.monitoring.soak import Soak, soak
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


def looked_at(
    settings: StationSettings, soak_s: float | None, *, quiet: bool
) -> tuple[list[Finding], list[dict[str, Any]]]:
    """The findings, and in numbers what was heard of each pen. Raises ConsoleError where no pen is named to soak."""
    findings, soaks = _examined(settings, soak_s, quiet=quiet)
    told = []
    for heard in soaks:
        numbers = asdict(heard)
        trips = numbers.pop("round_trips_ms")
        ranks = {f"round_trip_p{share}_ms": rank(trips, share / 100) for share in (50, 95, 99)} if trips else {}
        told.append({**numbers, **ranks, "gap_edges_ms": GAP_EDGES_MS})
    return findings, told


def _examined(settings: StationSettings, soak_s: float | None, *, quiet: bool) -> tuple[list[Finding], list[Soak]]:
    soaks: list[Soak] = []
    findings = list(examine(probe(settings)))
    if soak_s is not None:
        policy = load_health_policy(settings.health).line
        for heard in _soaked(settings, soak_s, quiet=quiet):
            if isinstance(heard, Finding):
                findings.append(heard)
            else:
                soaks.append(heard)
                findings += check_line(heard, policy)
    return findings, soaks


def _soaked(settings: StationSettings, soak_s: float, *, quiet: bool) -> Iterator[Soak | Finding]:
    """What was heard of each pen of the settings, one after the other; a finding for one that is not reached."""
    if not settings.pens:
        told = Told("no_pen_named", "No pen is named to be listened to.", "", "Name it: --pen URL.")
        raise ConsoleError(told, Code.USAGE)
    for pen in settings.pens:
        with Progress(console=err(), transient=True, disable=quiet) as shown:
            listening = soak(
                pen.url,
                soak_s,
                monotonic_s=time.monotonic,
                random=SystemRandom(),
                progress=_bar(shown, pen.name, soak_s),
            )
            try:
                yield asyncio.run(listening)
            except (PortBusy, PenBusy) as error:
                yield Finding(
                    check="line",
                    level=Level.NOTE,
                    what=str(error),
                    means="It was not listened to.",
                    remedy="A pen that a station drives is listened to when that station has ended.",
                )
            except WireError as error:
                yield Finding(
                    check="line",
                    level=Level.PROBLEM,
                    what=str(error),
                    means="Its line could not be listened to.",
                    remedy="Check that it is plugged in and switched on; `needlework pens` lists what is there.",
                )


def _bar(shown: Progress, name: str, soak_s: float) -> Callable[[float], None]:
    task = shown.add_task(f"listening to {name}", total=soak_s)

    def done(seconds: float) -> None:
        shown.update(task, completed=seconds)

    return done


def _plugged_in() -> list[FoundPort | FoundUsbPen]:
    return [*list_pens(), *usb_pens()]


def doctor(settings: StationSettings, *, soak_s: float | None = None, as_json: bool) -> int:
    """Prints findings with their remedies; exit code 1 when one of them prevents treating.

    With ``soak_s`` each pen of the settings is listened to for so long. Raises ConsoleError where none is named.
    """
    findings, soaks = _examined(settings, soak_s, quiet=as_json)
    if as_json:
        print_json([{**finding.model_dump(), "level": Level(finding.level).name.lower()} for finding in findings])
    else:
        for heard in soaks:
            say(out(), soak_view(heard))
        say(out(), findings_view(findings))
    return Code.NO if worst(findings) >= Level.PROBLEM else Code.DONE
