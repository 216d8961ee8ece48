"""Has each pen's health read by itself: when it is plugged in, after each session, and now and then beside a charger.

Nothing is asked of a pen while a session is open on it: arming never waits for a reading. What its motor drew at its
work is looked at in the STATUS that comes anyway.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from controller.events import Event
from controller.health.reading import Work, read_health
from firmware_bridge.errors import WireError
from firmware_bridge.link import Link
from firmware_bridge.wire.messages import Capability

LOOK_S = 1.0
"""A sample of the load a second: a session of minutes has hundreds."""
AGAIN_S = 6 * 3600.0
"""A pen that stands there connected is read four times a day: enough to see it charge and rest."""


class WatchedPen(Protocol):
    """A pen of the station."""

    @property
    def link(self) -> Link | None:
        """The connection that is up."""

    @property
    def session_open(self) -> bool:
        """A session is open on it."""


async def watch_health(
    pen: WatchedPen, emit: Callable[[Event], None], *, look_s: float = LOOK_S, again_s: float = AGAIN_S
) -> None:
    """Until cancelled. Only pens that count are read: of another, STATUS in the record has all there is."""
    link: Link | None = None
    frames = damaged = 0
    waited_s, was_open, due = 0.0, False, False
    work = Work()
    while True:
        if pen.link is not link:
            link, frames, damaged, due, was_open, work = pen.link, 0, 0, True, False, Work()
        is_open = pen.session_open
        if is_open and link is not None and link.latest is not None:
            work.see(link.latest)
        due = due or waited_s >= again_s or (was_open and not is_open)
        was_open = is_open
        if due and not is_open and link is not None and link.latest is not None:
            due, waited_s = False, 0.0
            if link.welcome.capabilities & Capability.LIFETIME:
                with suppress(WireError):  # a pen that goes meanwhile is read when it is back
                    emit(await read_health(link, work, frames_before=frames, damaged_before=damaged))
                    frames, damaged, work = link.deframer.frames, link.deframer.damaged, Work()
        await asyncio.sleep(look_s)
        waited_s += look_s
