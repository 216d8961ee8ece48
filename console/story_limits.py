"""A story of limits: each kind is met, refused or gone beyond with a reason, and found again in the record."""

import asyncio
from typing import ClassVar

from console.story import Story, StoryBroken, limits
from controller.view import PenView
from station.api.client import SeatClient

EXCHANGE_S = 5.0
"""A new cartridge is in and seen by the pen within this time."""
LOOK_S = 0.2


class Limits(Story):
    """An aesthetician of limited scope, who asks for more than is allowed in every way there is."""

    operator: ClassVar[str] = "demo-aesthetician"
    skin: ClassVar[str] = "thick"
    zones: ClassVar[tuple[str, ...]] = ("periorbital", "forehead")

    async def treat(self, seat: SeatClient) -> None:
        """Soft limit, override, decimal slip, scope, deeper zone; and another cartridge in the middle."""
        await self.arm(seat)
        await self._soft_limit(seat)
        await self._exchange(seat)
        await self._scope(seat)

    async def _soft_limit(self, seat: SeatClient) -> None:
        await self.refused("0.45 mm below the eye", seat.set_depth("0.45"), said="soft limit")
        reason = (await self.station.pen(seat.pen)).view.override_reasons[-1]
        deeper = await seat.set_depth("0.45", override=reason)
        self.tell("done", f"0.45 mm, beyond the soft limit, for the reason {reason}: {limits(deeper)}")
        slip = seat.set_depth("4.5", override=reason)
        await self.refused("4.5, a decimal slip, even with a reason", slip, said="hard limit")
        self.set_to(await seat.set_rate("90"))
        await self.start(seat, "periorbital")
        await self.go_on(2.5)
        await self.refused("a deeper zone while the needles are in", seat.declare_zone("forehead"), said="pause")
        await self.pause(seat)

    async def _exchange(self, seat: SeatClient) -> None:
        before = (await self.station.pen(seat.pen)).view.cartridge
        await seat.exchange_cartridge()
        self.tell("done", "the cartridge is exchanged: the pen is disarmed, the dose so far stays")
        await self.until(seat, lambda view: view.phase == "prepared", "the pen to be disarmed")
        await self.hand()
        try:
            async with asyncio.timeout(EXCHANGE_S):
                while not await self._new_is_in(seat):
                    await asyncio.sleep(LOOK_S)
        except TimeoutError as error:
            raise StoryBroken(f"No new cartridge was in within {EXCHANGE_S:.0f} s.") from error
        armed = await self.arm(seat)
        after = armed.view.cartridge
        if before is None or after is None or before.serial == after.serial:
            raise StoryBroken("The pen was armed with the old cartridge.")
        self.tell("done", f"in use now: serial {after.serial} instead of {before.serial}")

    async def _new_is_in(self, seat: SeatClient) -> bool:
        """The pen reads a cartridge that may be used."""
        rows = (await seat.examine()).view.readiness
        return any(row.check == "cartridge" and row.outcome == "passes" for row in rows)

    async def _scope(self, seat: SeatClient) -> None:
        await seat.declare_zone("forehead")
        await self.refused("5.0 mm, meant as 0.50", seat.set_depth("5.0"), said="Did you mean 0.50 mm?")
        await self.refused("0.70 mm, which the zone would allow", seat.set_depth("0.70"), said="operator's scope")
        self.set_to(await seat.set_depth("0.50"))
        self.set_to(await seat.set_rate("110"))
        await self.start(seat, "forehead")
        await self.go_on(3.0)
        await self.pause(seat)
        self._say_doses((await self.station.pen(seat.pen)).view)

    def _say_doses(self, view: PenView) -> None:
        said = ", ".join(f"{dose.zone} {dose.treated_ms / 1000:.1f} s" for dose in view.doses)
        self.tell("done", f"on skin, over both cartridges: {said}")
