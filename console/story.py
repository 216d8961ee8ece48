"""What the demo's stories share: a treatment played through the station's API as any client would.

Nothing here knows a pen or a process. A story is a file of its own beside this one.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from console.words import LAYERS, hz, mm, spoken
from controller.library import LoadedLibrary
from controller.plan import SessionPlan
from controller.view import PenView
from station.api.client import SeatClient, StationClient
from station.api.models import PenStatus
from station.errors import StationRefused

PROTOCOL = "facial-rejuvenation"
CONSENT = "demonstration, nobody was asked"
SETTLE_S = 15.0
"""The most a pen may take to confirm what it was asked; a pen that needs longer has not done it."""
POLL_S = 0.05

Kind = Literal["done", "refused", "stop"]
Tell = Callable[[Kind, str], None]
Hand = Callable[[], Awaitable[None]]
"""A hand at the pen, that takes the cartridge off and puts a new one in."""


class StoryBroken(Exception):
    """Something did not go as a treatment should; the message is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Story(ABC):
    """One treatment of ``patient`` in ``pace`` times the usual time. ``tell`` hears each step when it is done."""

    operator: ClassVar[str]
    skin: ClassVar[str] = "thin"
    zones: ClassVar[tuple[str, ...]]

    station: StationClient
    patient: str
    library: LoadedLibrary
    tell: Tell
    hand: Hand
    pace: float = 1.0

    async def play(self) -> str:
        """Plays it; the session's id. Raises StoryBroken, ClientError."""
        async with self.station.seat(self.operator) as seat:
            self.tell("done", f"{self.operator} takes the operating seat of {seat.pen}")
            prepared = await self._prepare(seat)
            await self.treat(seat)
            await seat.close("finished")
            self.tell("done", "session closed")
            return prepared.view.session or ""

    @abstractmethod
    async def treat(self, seat: SeatClient) -> None:
        """What happens between preparing and closing."""

    async def _prepare(self, seat: SeatClient) -> PenStatus:
        plan = SessionPlan(
            patient=self.patient,
            operator=self.operator,
            protocol=PROTOCOL,
            skin=self.skin,
            zone=self.zones[0],
            zones=self.zones,
            checklist=dict.fromkeys(self.library.checklist, True),
            answers=dict.fromkeys(self.library.questions, False),
            consent=CONSENT,
        )
        prepared = await seat.prepare(plan)
        asked = f"{len(plan.answers)} questions answered, {len(plan.checklist)} points confirmed"
        self.tell("done", f"session prepared for {self.patient}: {asked}")
        rows = prepared.view.readiness
        passed = sum(row.outcome in ("passes", "note") for row in rows)
        self.tell("done", f"before arming, {passed} of {len(rows)} checks pass")
        return prepared

    # Helpers ----------------------------------------------------------------------------------------------------------

    async def arm(self, seat: SeatClient) -> PenStatus:
        """Arms the pen, and tells what the zone allows."""
        armed = await seat.arm()
        self.tell("done", f"armed: {limits(armed)}")
        return armed

    def set_to(self, now: PenStatus) -> None:
        """Tells what is set."""
        view = now.view
        rate = hz(view.rate_commanded_mhz) if view.rate_commanded_mhz else "no rate yet"
        self.tell("done", f"set: {mm(view.depth_commanded_um)}, {rate}")

    async def start(self, seat: SeatClient, zone: str) -> None:
        """Motor on."""
        await seat.start()
        self.tell("done", f"treating {zone}")

    async def go_on(self, seconds: float) -> None:
        """Treats for a while. Raises StoryBroken when an alarm comes up or the motor stops."""
        await asyncio.sleep(seconds * self.pace)
        view = (await self.station.pen()).view
        if view.alarms:
            raise StoryBroken(f"An alarm came up while treating: {view.alarms[0].sentence}")
        if not view.motor_on:
            raise StoryBroken(f"The pen does not treat ({spoken(view.phase)}). {view.interruption}".strip())

    async def pause(self, seat: SeatClient) -> None:
        """Motor off, and waits for the needles to be out."""
        await seat.pause()
        self.tell("done", "paused; the pen stays armed")
        await self.until(seat, lambda view: bool(view.needles_out), "the needles to be out")

    async def refused(self, what: str, asked: Awaitable[PenStatus], *, said: str = "") -> None:
        """Asks for what has to be refused, in words that hold ``said``. Raises StoryBroken when it is not."""
        try:
            await asked
        except StationRefused as refused:
            if said not in refused.trouble.what:
                raise StoryBroken(f"{what} was refused, but not for {said!r}: {refused.trouble.what}") from refused
            self.tell("refused", f"{what} is refused: {refused.trouble.what}")
            return
        raise StoryBroken(f"{what} was not refused.".capitalize())

    async def until(self, seat: SeatClient, holds: Callable[[PenView], bool], what: str) -> None:
        """Waits for the pen. Raises StoryBroken when it takes too long."""
        try:
            async with asyncio.timeout(SETTLE_S):
                while not holds((await self.station.pen(seat.pen)).view):
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise StoryBroken(f"Waited {SETTLE_S:.0f} s for {what}, in vain.") from error


def limits(now: PenStatus) -> str:
    """What the zone allows now, and which layer decides."""
    limit = now.view.depth_limit
    if limit is None:
        return "limits not known"
    return f"{now.view.zone} allows {mm(limit.effective)} ({LAYERS.get(limit.limited_by, limit.limited_by)})"
