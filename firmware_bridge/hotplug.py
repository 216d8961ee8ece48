"""Pens that come and go while a program runs. The looking is done beside the event loop; what changed is told on it.

Systems differ in how they tell of a plug, and libusb's own way of telling needs a thread that never sleeps on some of
them; so this looks once in a while, which costs a few milliseconds of another thread and works everywhere alike. It is
for lists and for people: a link notices by itself, and sooner, that its own pen is gone.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

from firmware_bridge.transports.opening import open_in_thread

LOOK_EVERY_S = 0.5
"""Half a second: nobody sees a list lag behind a plug, and the looking stays under a hundredth of one core."""

LOOK_DEADLINE_S = 5.0
"""A look takes milliseconds. One that has not returned by now stands in a driver, and the next may fare better."""


class Seen(Protocol):
    """What was found, by what opens it and where it is: the same pen at another place has come back anew."""

    @property
    def url(self) -> str:
        """What opens it."""

    @property
    def device(self) -> str:
        """Where it is."""


S = TypeVar("S", bound=Seen)


class Plug(Enum):
    """What happened."""

    IN = "plugged in"
    OUT = "unplugged"


@dataclass(frozen=True, slots=True)
class PlugChange(Generic[S]):
    """A pen came or went."""

    plug: Plug
    found: S


def changes_between(before: Iterable[S], after: Iterable[S]) -> list[PlugChange[S]]:
    """What went, then what came, in the order of the lists. Pure."""
    old = {(found.url, found.device): found for found in before}
    new = {(found.url, found.device): found for found in after}
    gone = [PlugChange(Plug.OUT, found) for key, found in old.items() if key not in new]
    return gone + [PlugChange(Plug.IN, found) for key, found in new.items() if key not in old]


async def watch_plugs(
    look: Callable[[], list[S]], told: Callable[[PlugChange[S]], None], *, every_s: float = LOOK_EVERY_S
) -> None:
    """Tells of everything that is plugged in, and from then on of what comes and goes, until cancelled.

    ``look`` runs in a thread; ``told`` is called on the loop and must not block. Raises what ``look`` raises.
    """
    present: list[S] = []
    while True:
        try:
            found = await open_in_thread("look for pens", look, lambda _found: None, LOOK_DEADLINE_S)
        except TimeoutError:
            found = present
        for change in changes_between(present, found):
            told(change)
        present = found
        await asyncio.sleep(every_s)
