"""The demo's treatment, played through the station's API as any client would: nothing here knows a pen or a process.

It shows what a treatment meets: zones one after the other, limits that refuse and say why, a soft limit gone beyond
with a reason, pauses, and STOP.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Literal

from console.words import LAYERS, hz, mm, spoken
from controller.plan import SessionPlan
from controller.view import PenView
from station.client import SeatClient, StationClient
from station.errors import StationRefused
from station.models import PenStatus

OPERATOR = "demo-master-aesthetician"
PROTOCOL, SKIN, FIRST_ZONE = "facial-rejuvenation", "thin", "forehead"
SETTLE_S = 5.0
"""The most a pen may take to confirm what it was asked; a pen that needs longer has not done it."""
POLL_S = 0.05

Kind = Literal["done", "refused", "stop"]
Tell = Callable[[Kind, str], None]


class StoryBroken(Exception):
    """Something did not go as a treatment should; the message is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Story:
    """One treatment of ``patient`` in ``pace`` times the usual time. ``tell`` hears each step when it is done."""

    station: StationClient
    patient: str
    checklist: Collection[str]
    tell: Tell
    pace: float = 1.0

    async def play(self) -> str:
        """Plays it; the session's id. Raises StoryBroken, ClientError."""
        async with self.station.seat(OPERATOR) as seat:
            self.tell("done", f"{OPERATOR} takes the operating seat of {seat.pen}")
            plan = SessionPlan(
                patient=self.patient,
                operator=OPERATOR,
                protocol=PROTOCOL,
                skin=SKIN,
                zone=FIRST_ZONE,
                checklist=dict.fromkeys(self.checklist, True),
            )
            prepared = await seat.prepare(plan)
            self.tell("done", f"session prepared for {self.patient}, {len(self.checklist)} points confirmed")
            armed = await seat.arm()
            self.tell("done", f"armed: {_limits(armed)}")
            await self._first_zone(seat)
            await self._second_zone(seat)
            await self._third_zone(seat)
            await self._stop(seat)
            await seat.close("finished")
            self.tell("done", "session closed")
            return prepared.view.session or ""

    async def _first_zone(self, seat: SeatClient) -> None:
        self._set(await seat.set_depth("0.50"))
        self._set(await seat.set_rate("110"))
        await seat.start()
        self.tell("done", "treating forehead")
        await self._treat(3.0)
        await self._refused("a deeper zone while the needles are in", seat.declare_zone("cheek"))
        moved = await seat.declare_zone("nose")
        self.tell("done", f"a shallower zone takes effect at once: {_limits(moved)}")
        await self._treat(2.5)
        await seat.pause()
        self.tell("done", "paused; the pen stays armed")
        await self._until(seat, lambda view: bool(view.needles_out), "the needles to be out")

    async def _second_zone(self, seat: SeatClient) -> None:
        moved = await seat.declare_zone("cheek")
        self.tell("done", f"declared after the pause: {_limits(moved)}")
        await self._refused("1.20 mm on the cheek", seat.set_depth("1.20"))
        self._set(await seat.set_depth("0.70"))
        self._set(await seat.set_rate("125"))
        await seat.start()
        self.tell("done", "treating cheek")
        await self._treat(3.0)
        self._set(await seat.set_depth("0.60"))
        await self._treat(1.5)

    async def _third_zone(self, seat: SeatClient) -> None:
        reason = (await self.station.pen(seat.pen)).view.override_reasons[0]
        deeper = await seat.set_depth("0.90", override=reason)
        self.tell("done", f"0.90 mm, beyond the soft limit, for the reason {reason}: {_limits(deeper)}")
        await self._treat(2.0)

    async def _stop(self, seat: SeatClient) -> None:
        said = await self.station.stop(seat.pen)
        self.tell("stop", f"STOP, without a seat, as from anywhere: {said.what}")
        await self._until(seat, lambda view: bool(view.needles_out and not view.motor_on), "STOP to be confirmed")
        self.tell("done", "confirmed by the pen: motor off, needles out; it would have to be armed again")

    # Helpers ----------------------------------------------------------------------------------------------------------

    def _set(self, now: PenStatus) -> None:
        view = now.view
        rate = hz(view.rate_commanded_mhz) if view.rate_commanded_mhz else "no rate yet"
        self.tell("done", f"set: {mm(view.depth_commanded_um)}, {rate}")

    async def _treat(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self.pace)
        view = (await self.station.pen()).view
        if view.alarms:
            raise StoryBroken(f"An alarm came up while treating: {view.alarms[0].sentence}")
        if not view.motor_on:
            raise StoryBroken(f"The pen does not treat ({spoken(view.phase)}). {view.interruption}".strip())

    async def _refused(self, what: str, asked: Awaitable[PenStatus]) -> None:
        try:
            await asked
        except StationRefused as refused:
            self.tell("refused", f"{what} is refused: {refused.trouble.what}")
            return
        raise StoryBroken(f"{what} was not refused.".capitalize())

    async def _until(self, seat: SeatClient, holds: Callable[[PenView], bool], what: str) -> None:
        try:
            async with asyncio.timeout(SETTLE_S):
                while not holds((await self.station.pen(seat.pen)).view):
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise StoryBroken(f"Waited {SETTLE_S:.0f} s for {what}, in vain.") from error


def _limits(now: PenStatus) -> str:
    limit = now.view.depth_limit
    if limit is None:
        return "limits not known"
    return f"{now.view.zone} allows {mm(limit.effective)} ({LAYERS.get(limit.limited_by, limit.limited_by)})"
