"""Going to a point the way its direction says: from shallower for *up*, from deeper for *down*.

Play and hysteresis show only so. Where the needles were drawn in between two points of a pass that goes down, because a
lease ended or somebody stopped, the way is gone back to.
"""

from controller.calibration.readings import Place, SeriesPlan
from controller.calibration.series import Setups, What
from controller.service.shown import Shown
from station.bench.bench import TechnicianBench

MEAN_MS = 500
"""What the pen shows is the mean over so long: 25 statuses."""


class Approach:
    """Moves one pen through the places of a series, in service mode."""

    def __init__(self, bench: TechnicianBench, setups: Setups) -> None:
        self._bench = bench
        self._setups = setups
        self._at: tuple[What, Place, int] | None = None

    def forget(self) -> None:
        """Nobody knows where the needles came from: the next point is gone to from outside."""
        self._at = None

    async def to(self, what: What, place: Place) -> Shown:
        """The pen runs at that place, settled; what it shows. Raises as ServiceDriver.move."""
        plan = self._setups.plan(what)
        if what == "depth":
            return await self._depth(plan, place)
        method = self._setups.rate.method
        self._at = None
        return await self._bench.driver.move(
            method.depth_um, plan.points[place.point], settle_ms=method.settle_ms, mean_ms=MEAN_MS
        )

    async def _depth(self, plan: SeriesPlan, place: Place) -> Shown:
        if not self._continues(place):
            await self._begin(plan, place)
        shown = await self._go(plan.points[place.point])
        if place.direction == "down" and self._at is not None and self._at[2] != self._lease:
            # The lease was renewed on the way, with the needles drawn in: this point was come to from shallower.
            await self._begin(plan, place)
            shown = await self._go(plan.points[place.point])
        self._at = ("depth", place, self._lease)
        return shown

    def _continues(self, place: Place) -> bool:
        if self._at is None:
            return False
        what, before, _lease = self._at
        return what == "depth" and (before.direction, before.repeat) == (place.direction, place.repeat)

    async def _begin(self, plan: SeriesPlan, place: Place) -> None:
        """Outside of the point, on the side its direction comes from."""
        driver = self._bench.driver
        if place.direction == "up":
            await driver.motor_off()
            return
        beyond_um = plan.points[-1] + self._setups.depth.method.overshoot_um
        await self._go(min(beyond_um, self._bench.pen.depth_max_um, driver.state.depth_ceiling_um))
        self._at = ("depth", place, self._lease)

    async def _go(self, depth_um: int) -> Shown:
        method, step_um = self._setups.depth.method, self._bench.pen.depth_step_um
        return await self._bench.driver.move(
            depth_um // step_um * step_um, method.rate_mhz, settle_ms=method.settle_ms, mean_ms=MEAN_MS
        )

    @property
    def _lease(self) -> int:
        return self._bench.driver.state.lease
