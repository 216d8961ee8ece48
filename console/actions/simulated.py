"""`needlework simulate`: a pen that is not there, served until the process is asked to end; and which pens there are.

The one place of the product that knows a simulated pen.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path

from rich.table import Table

from console.exits import Code
from console.screen import out, say
from simulators.personality import MODELS
from simulators.serve import exchange_on_signal, serve
from station.process.signals import on_ending_signals


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


def simulate(
    *, pty: bool, tcp: str | None, usbip: str | None, link: Path | None, model: str, seed: int | None, zone: str
) -> int:
    """Serves a pen, and says so in one line of JSON. Raises SimulatorError when it cannot be served as asked."""

    async def until_asked() -> None:
        asked = asyncio.Event()
        with on_ending_signals(lambda _: asked.set()):
            serving = asyncio.create_task(
                serve(
                    lambda said: print(json.dumps({"ready": "pen", **said}), flush=True),
                    pty=pty,
                    tcp=tcp,
                    usbip=usbip,
                    link=link,
                    model=model,
                    seed=seed,
                    zone=zone,
                    on_pen=lambda pen: exchange_on_signal(pen, signal.SIGUSR1),
                    log=lambda sentence: print(sentence, file=sys.stderr, flush=True),
                ),
                name="simulated pen",
            )
            ending = asyncio.create_task(asked.wait(), name="asked to end")
            await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
            for task in (serving, ending):
                task.cancel()
            await asyncio.wait({serving, ending})
        if not serving.cancelled():
            serving.result()

    asyncio.run(until_asked())
    return Code.DONE
