"""`needlework simulate`: pens that are not there, served until the process is asked to end; and which ones there are.

With :mod:`console.actions.simulator` the one place of the product that knows a simulated pen.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TypedDict

from rich.table import Table

from console.exits import Code
from console.screen import out, say
from simulators.fleet import serve_fleet
from simulators.pacing import Pace, UsbFrames, at_baud, too_slow
from simulators.personality import MODELS, model_named
from simulators.serve import exchange_on_signal, serve
from simulators.untruth import Untruth, parse_untruth
from station.process.signals import on_ending_signals, on_leash


class Asked(TypedDict):
    """On what a pen is served, and which one it is, as :func:`simulators.serve.serve` takes it."""

    pty: bool
    tcp: str | None
    link: Path | None
    model: str
    seed: int | None
    zone: str
    untruth: Untruth | None
    control: Path | None


class Instruments(TypedDict):
    """Which instruments stand at it, as :func:`simulators.serve.serve` takes them."""

    gauge: bool
    tachometer: bool


def list_models() -> int:
    """Prints each pen's name, what it is and what it is like."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("what it is")
    table.add_column("from where", style="dim")
    for pen in MODELS.values():
        table.add_row(pen.name, pen.about, pen.source)
    say(out(), table)
    return Code.DONE


def pace_of(baud: int | None, *, usb_frames: bool) -> Pace | None:
    """How slow the media are made: as a serial line, as USB, or not at all. Raises SimulatorError."""
    return UsbFrames if usb_frames else None if baud is None else at_baud(baud)


def warn_of_slow(baud: int, model: str) -> None:
    """Says on standard error when nobody can treat over a line so slow. Raises SimulatorError."""
    if told := too_slow(baud, model_named(model).status_period_ms):
        _note(told)


def untruth_of(text: str) -> Untruth:
    """By how much the pen is not to be true. Raises BadUntruth."""
    return parse_untruth(text)


def simulate(
    asked: Asked,
    instruments: Instruments,
    *,
    usbip: str | None,
    pens: int | None,
    pace: Pace | None,
    dialect: str | None,
    leash: bool,
) -> int:
    """Serves a pen, or so many, and says so in one line of JSON. Raises SimulatorError when it cannot as asked."""
    asyncio.run(_until_asked(asked, instruments, usbip=usbip, pens=pens, pace=pace, dialect=dialect, leash=leash))
    return Code.DONE


async def _until_asked(
    asked: Asked,
    instruments: Instruments,
    *,
    usbip: str | None,
    pens: int | None,
    pace: Pace | None,
    dialect: str | None,
    leash: bool,
) -> None:
    asked_to_end = asyncio.Event()
    with on_ending_signals(lambda _: asked_to_end.set()):
        if leash:
            on_leash(sys.stdin.fileno(), lambda _: asked_to_end.set())
        serving = asyncio.create_task(
            serve(
                lambda told: _say("pen", **told),
                on_pen=lambda pen: exchange_on_signal([pen], signal.SIGUSR1),
                usbip=usbip,
                pace=pace,
                dialect=dialect,
                log=_note,
                **asked,
                **instruments,
            )
            if pens is None
            else serve_fleet(
                lambda told: _say("fleet", pid=os.getpid(), pens=told),
                pens=pens,
                pace=pace,
                on_pens=lambda all_pens: exchange_on_signal(all_pens, signal.SIGUSR1),
                **asked,
            ),
            name="simulated pen",
        )
        ending = asyncio.create_task(asked_to_end.wait(), name="asked to end")
        await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        for task in (serving, ending):
            task.cancel()
        await asyncio.wait({serving, ending})
    if not serving.cancelled():
        serving.result()


def _note(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _say(kind: str, **told: object) -> None:
    print(json.dumps({"ready": kind, **told}), flush=True)
