"""The demo's usual story: zones one after the other, a limit that refuses, a soft one gone beyond, pauses, and STOP."""

from typing import ClassVar

from console.story import Story, limits
from station.api.client import SeatClient


class Treatment(Story):
    """A treatment of three zones."""

    operator: ClassVar[str] = "demo-master-aesthetician"
    zones: ClassVar[tuple[str, ...]] = ("forehead", "nose", "cheek")

    async def treat(self, seat: SeatClient) -> None:
        """Forehead, nose, cheek; then STOP from elsewhere."""
        await self.arm(seat)
        await self._first_zones(seat)
        await self._last_zone(seat)
        await self._stop(seat)

    async def _first_zones(self, seat: SeatClient) -> None:
        self.set_to(await seat.set_depth("0.50"))
        self.set_to(await seat.set_rate("110"))
        await self.start(seat, "forehead")
        await self.go_on(3.0)
        await self.refused("a deeper zone while the needles are in", seat.declare_zone("cheek"))
        moved = await seat.declare_zone("nose")
        self.tell("done", f"a shallower zone takes effect at once: {limits(moved)}")
        await self.go_on(2.5)
        await self.pause(seat)

    async def _last_zone(self, seat: SeatClient) -> None:
        moved = await seat.declare_zone("cheek")
        self.tell("done", f"declared after the pause: {limits(moved)}")
        await self.refused("1.20 mm on the cheek", seat.set_depth("1.20"))
        self.set_to(await seat.set_depth("0.70"))
        self.set_to(await seat.set_rate("125"))
        await self.start(seat, "cheek")
        await self.go_on(3.0)
        self.set_to(await seat.set_depth("0.60"))
        await self.go_on(1.5)
        reason = (await self.station.pen(seat.pen)).view.override_reasons[0]
        deeper = await seat.set_depth("0.90", override=reason)
        self.tell("done", f"0.90 mm, beyond the soft limit, for the reason {reason}: {limits(deeper)}")
        await self.go_on(2.0)

    async def _stop(self, seat: SeatClient) -> None:
        said = await self.station.stop(seat.pen)
        self.tell("stop", f"STOP, without a seat, as from anywhere: {said.what}")
        await self.until(seat, lambda view: bool(view.needles_out and not view.motor_on), "STOP to be confirmed")
        self.tell("done", "confirmed by the pen: motor off, needles out; it would have to be armed again")
