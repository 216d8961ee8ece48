"""`needlework live --picture`: the live view of a real running treatment, on loopback and simulated, as an SVG."""

import asyncio
import io
import random
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME

from console.actions.running import SIMULATE
from console.exits import Code
from console.live import live_view
from console.picture import LivePicture
from console.screen import err
from console.story import Kind
from console.story_treatment import Treatment
from console.trouble import ConsoleError, Told
from console.watching import Watcher
from station.process.supervise import Supervisor
from station.settings import load_settings
from station.site.libraries import clinic_library

COLUMNS, ROWS = 100, 30
MOMENT = "treating cheek"
"""The step of the story that is pictured, ``AFTER_S`` seconds later."""
AFTER_S = 2.5
DEADLINE_S = 60.0
FONTS = "DejaVu Sans Mono, Menlo, Consolas, monospace"
FOOTER = "Ctrl-C ends this view, not the treatment. STOP: `needlework stop` in any terminal."


def take(path: Path) -> int:
    """Treats with a simulated pen in a directory that is thrown away, and saves the picture. Raises ConsoleError."""
    err().print("Treating with a simulated pen for the picture …")
    with tempfile.TemporaryDirectory(prefix="needlework-") as directory:
        picture = asyncio.run(_pictured(Path(directory)))
    svg = as_svg(picture)
    try:
        path.write_text(svg, encoding="utf-8")
    except OSError as error:
        what = f"The picture cannot be written to {path}: {error.strerror or error}."
        raise ConsoleError(Told("picture", what, "", "Choose another place.")) from error
    err().print(f"Saved {path}.")
    return Code.DONE


async def _pictured(state: Path) -> LivePicture:
    begun = asyncio.Event()

    def tell(kind: Kind, words: str) -> None:
        if words == MOMENT:
            begun.set()

    settings = load_settings(state_dir=state, stop_port=0)
    async with asyncio.timeout(DEADLINE_S), Supervisor(settings, simulate=SIMULATE) as house, house.client() as station:
        watcher = Watcher(house.settings)
        patient = f"demo-{random.getrandbits(24):06x}"
        story = Treatment(station, patient, clinic_library(settings, datetime.now(UTC).date()), tell, _no_hand)
        tasks = [
            asyncio.create_task(watcher.follow(), name="live frames"),
            asyncio.create_task(watcher.follow_station(), name="station status"),
            asyncio.create_task(story.play(), name="story"),
        ]
        try:
            await begun.wait()
            await asyncio.sleep(AFTER_S)
            return watcher.picture()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _no_hand() -> None:
    """This story exchanges no cartridge."""


def as_svg(picture: LivePicture) -> str:
    """The picture as a page of its own: no font and nothing else is fetched from anywhere."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False
    )
    shown = LivePicture(picture.pen, picture.now_s, picture.trail, picture.station, footer=FOOTER)
    console.print(live_view(shown, width=COLUMNS, height=ROWS))
    page = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    page = page.replace("Fira Code, monospace", FONTS)
    return console.export_svg(
        title="needlework live", theme=SVG_EXPORT_THEME, code_format=page, unique_id="needlework-live"
    )
