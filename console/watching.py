"""Watches a pen through the station's API and draws it: on a screen again and again, in a pipe a line a second.

What draws never decides what is shown: :mod:`console.live` does, from what the station said last and how long ago.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from console.live import live_line, live_view
from console.picture import LivePicture, Step, Trail
from controller.view import PenView
from station.api.client import StationClient
from station.api.models import PenStatus, StationStatus
from station.errors import ClientError
from station.settings import StationSettings

LIVE_HZ = 5.0
SILENT_AFTER_S = 1.0
"""The station speaks five times a second; a second without a word is shown as silence."""
STATION_EVERY_S = 2.0
RETRY_S = 0.5
LOG_LINES = 3


class Display(Protocol):
    """Something that draws pictures; entered for as long as it is used."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def draw(self, picture: LivePicture) -> None:
        """Shows a picture."""


class ScreenDisplay:
    """The whole screen of a terminal, given back as it was."""

    def __init__(self, console: Console, footer: str) -> None:
        self._console = console
        self._footer = footer
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._notice = ""
        self._log: list[Step] = []
        self._prompt: str | None = None

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def notice(self, sentence: str) -> None:
        """A sentence shown from the next picture on."""
        self._notice = sentence

    def log(self, step: Step) -> None:
        """A step shown below the picture until newer ones take its place."""
        self._log = [*self._log[1 - LOG_LINES :], step]

    def prompt(self, line: str) -> None:
        """A line somebody is typing, shown below everything but the footer."""
        self._prompt = line

    def draw(self, picture: LivePicture) -> None:
        """Shows a picture."""
        width, height = self._console.size
        shown = replace(picture, notice=self._notice, footer=self._footer, log=tuple(self._log), typing=self._prompt)
        self._live.update(live_view(shown, width=width, height=height), refresh=True)


class TreatDisplay(ScreenDisplay):
    """The screen of whoever treats: a stop that was not asked for here is a step of its own.

    ``last`` is the pen as it was last seen with the session open; ``gone`` is called once when it no longer is.
    """

    def __init__(self, console: Console, footer: str, gone: Callable[[], None]) -> None:
        super().__init__(console, footer)
        self.last: PenView | None = None
        self._gone = gone
        self._open = False
        self._armed = False
        self._asked = False

    def ending(self) -> None:
        """A stop or a close was asked for here."""
        self._asked = True

    def draw(self, picture: LivePicture) -> None:
        """Shows a picture."""
        view = picture.pen.view if picture.pen else None
        phase = view.phase if view is not None else ""
        if view is not None and view.session is not None:
            self.last = view
        if self._open and view is not None and view.session is None:
            self._gone()
        self._open = view is not None and view.session is not None
        armed = phase in ("paused", "treating")
        if self._armed and not self._asked and phase in ("stopping", "prepared"):
            words = "■ Stopped, not from here: by the pen's button, from elsewhere, or after a long pause."
            self.log(Text(words, style="bold red"))
        self._armed = armed
        self._asked = self._asked and armed
        super().draw(picture)


class LineDisplay:
    """A line a second, and one at once when the phase or the alarms change: for a pipe or a log."""

    def __init__(self, console: Console, every_s: float = 1.0) -> None:
        self._console = console
        self._every_s = every_s
        self._said_at_s = float("-inf")
        self._said: tuple[object, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def draw(self, picture: LivePicture) -> None:
        """Shows a picture, when it is time for a line."""
        if picture.pen is None and not picture.silent_s:
            return
        view = picture.pen.view if picture.pen else None
        now = (view.phase, view.zone, len(view.alarms)) if view else ()
        if now != self._said or picture.now_s - self._said_at_s >= self._every_s:
            self._said, self._said_at_s = now, picture.now_s
            self._console.print(Text(live_line(picture)), soft_wrap=True)


class Watcher:
    """What the station said of one pen, newest first, kept up to date by two tasks until cancelled."""

    def __init__(self, settings: StationSettings, pen: str = "") -> None:
        self._settings = settings
        self._pen = pen
        self.newest: PenStatus | None = None
        self.station: StationStatus | None = None
        self.heard_at_s = time.monotonic()
        self._trail = Trail()

    def picture(self) -> LivePicture:
        """What is to be shown now."""
        now_s = time.monotonic()
        silent_s = now_s - self.heard_at_s
        return LivePicture(
            self.newest, now_s, self._trail, self.station, silent_s if silent_s > SILENT_AFTER_S else 0.0
        )

    async def follow(self) -> None:
        """Reads frames, and begins again whenever the station is out of reach."""
        while True:
            with suppress(ClientError):
                async with StationClient.of(self._settings) as station:
                    async for frame in station.live(self._pen, hz=LIVE_HZ):
                        self.newest = frame
                        self.heard_at_s = time.monotonic()
                        self._trail = self._trail.add(self.heard_at_s, frame.view)
            await asyncio.sleep(RETRY_S)

    async def follow_station(self) -> None:
        """Reads the station's own status now and then: record and broker."""
        while True:
            try:
                async with StationClient.of(self._settings) as station:
                    while True:
                        self.station = await station.status()
                        await asyncio.sleep(STATION_EVERY_S)
            except ClientError:
                self.station = None
            await asyncio.sleep(STATION_EVERY_S)


async def watch(settings: StationSettings, display: Display, pen: str = "") -> None:
    """Draws a pen until cancelled."""
    watcher = Watcher(settings, pen)
    with display:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watcher.follow(), name="live frames")
            tasks.create_task(watcher.follow_station(), name="station status")
            while True:
                display.draw(watcher.picture())
                await asyncio.sleep(1 / LIVE_HZ)
