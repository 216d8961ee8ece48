"""`needlework run` and `needlework record`: processes that stay up until they are asked to end."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from console.exits import Code
from console.render.marks import DEMO_RECORD
from console.screen import err, out
from console.trouble import ConsoleError, Told, show
from console.watching import ScreenDisplay, watch
from station.process.exits import Exit
from station.process.supervise import Supervisor
from station.process.supervise import run as run_station
from station.record.recorder import recorder_main
from station.settings import StationSettings
from station.site.libraries import clinic_library

FOOTER = "Ctrl-C ends the station: motor off and needles out first. STOP: `needlework stop` in any terminal."
SIMULATE = (sys.executable, "-m", "console.cli", "simulate", "--pty")
"""The simulated pen a station gets that was given none, in a process of its own."""

ENDED = {
    Exit.ORDERLY: ("The station ended: motor off, needles out, record complete.", "green"),
    Exit.NOT_CONFIRMED: (
        "The station ended without the pen's word that its needles are out. Look at the pen.",
        "bold red",
    ),
}


def run(settings: StationSettings, *, live: bool, as_json: bool) -> int:
    """Runs the house until a signal ends it; the exit code."""
    return asyncio.run(_run(settings, live=live, as_json=as_json))


async def _run(settings: StationSettings, *, live: bool, as_json: bool) -> int:
    console, told = out(), err()
    display = ScreenDisplay(console, FOOTER) if live and console.is_terminal and not as_json else None
    watching: list[asyncio.Task[None]] = []

    def ready(house: Supervisor) -> None:
        if as_json:
            print(json.dumps(_ready_record(house, settings)), flush=True)
        else:
            _say_ready(console, _ready_record(house, settings), simulated=not settings.pens)
            if not clinic_library(settings, datetime.now(UTC).date()).signed:
                console.print(Text(DEMO_RECORD, style="yellow"))
        if display is not None and len(house.settings.pens) == 1:
            watching.append(asyncio.create_task(watch(house.settings, display), name="live view"))

    def notice(sentence: str) -> None:
        if display is not None and watching:
            display.notice(sentence)
            return
        what, _, rest = sentence.partition(". ")
        show(Told("station", f"{what}." if rest else what, rest), as_json=as_json)

    if not as_json:
        told.print(Text("Starting station, recorder and pen …", style="dim"))
    try:
        code = await run_station(settings, simulate=SIMULATE, on_ready=ready, notice=notice)
    finally:
        for task in watching:
            task.cancel()
        if watching:
            await asyncio.wait(watching)
    if not as_json and code in ENDED:
        words, style = ENDED[Exit(code)]
        console.print(Text(words, style=style))
    return code


def _ready_record(house: Supervisor, asked: StationSettings) -> dict[str, Any]:
    settings = house.settings
    return {
        "ready": "house",
        "site": settings.site,
        "station": settings.station,
        "pens": [pen.model_dump() for pen in settings.pens],
        "broker": ", ".join(map(_without_password, asked.broker)) or "embedded",
        "state": str(settings.state_dir),
        "api": str(settings.api_socket),
    }


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _say_ready(console: Console, said: dict[str, Any], *, simulated: bool) -> None:
    pens = ", ".join(f"{pen['name']} at {pen['url']}" for pen in said["pens"])
    console.print(
        Text.assemble(
            ("Station ", "bold"),
            (said["station"], "bold"),
            f" is ready: {pens}",
            (" (simulated)" if simulated else "", "yellow"),
        )
    )
    console.print(
        f"Record in {said['state']}, broker {said['broker']}. Ctrl-C ends it; `needlework stop` stops the pen."
    )


def record(settings: StationSettings, *, as_json: bool) -> int:
    """Runs a recorder alone until a signal ends it; the exit code. Raises ConsoleError without a broker."""
    if not settings.broker:
        raise ConsoleError(
            Told(
                "no_broker",
                "No broker is named, so there is nothing to record from.",
                "A station without one has an embedded broker, and a recorder of its own beside it.",
                "Name the site's broker with --broker, or in NEEDLEWORK_BROKER.",
            ),
            Code.USAGE,
        )
    console = out()

    def announce(said: dict[str, Any]) -> None:
        if as_json:
            print(json.dumps(said), flush=True)
        elif "ready" in said:
            where, store = said["broker"], said["store"]
            console.print(f"Recording the site {settings.site} from {where} into {store}. Ctrl-C ends it.")

    return recorder_main(settings, announce=announce)
