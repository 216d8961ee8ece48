"""`needlework status` and `needlework live`."""

import asyncio

from console.exits import Code
from console.render.status import status_view
from console.screen import out, print_json, say
from console.watching import LineDisplay, ScreenDisplay, watch
from station.api.client import StationClient
from station.api.models import StationStatus
from station.process.signals import on_ending_signals
from station.settings import StationSettings

FOOTER = "Ctrl-C ends this view, not the treatment. STOP: `needlework stop` in any terminal."


def status(settings: StationSettings, *, as_json: bool) -> int:
    """Prints what the station says of itself and its pens. Raises StationUnreachable."""

    async def ask() -> StationStatus:
        async with StationClient.of(settings) as station:
            return await station.status()

    found = asyncio.run(ask())
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        say(out(), status_view(found))
    return Code.DONE


def live(settings: StationSettings, pen: str, *, as_json: bool) -> int:
    """Shows a pen until a signal ends it, or the reader of the pipe leaves. Raises ClientError when it cannot begin."""
    return asyncio.run(_live(settings, pen, as_json=as_json))


async def _live(settings: StationSettings, pen: str, *, as_json: bool) -> int:
    async with StationClient.of(settings) as station:
        name = await station.name_of(pen)
        await station.pen(name)  # an unknown name is refused before a screen is taken
    asked = asyncio.Event()
    console = out()
    with on_ending_signals(lambda _: asked.set()):
        if as_json:
            showing = asyncio.create_task(_frames(settings, name), name="frames")
        else:
            display = ScreenDisplay(console, FOOTER) if console.is_terminal else LineDisplay(console)
            showing = asyncio.create_task(watch(settings, display, name), name="live view")
        ending = asyncio.create_task(asked.wait(), name="asked to end")
        await asyncio.wait({showing, ending}, return_when=asyncio.FIRST_COMPLETED)
        for task in (showing, ending):
            task.cancel()
        await asyncio.wait({showing, ending})
    if not showing.cancelled():
        showing.result()
    return Code.DONE


async def _frames(settings: StationSettings, pen: str) -> None:
    async with StationClient.of(settings) as station:
        async for frame in station.live(pen):
            print(frame.model_dump_json(), flush=True)
