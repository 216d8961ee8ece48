"""Going to a point the way its direction says: from shallower for *up*, from deeper for *down*.

Play and hysteresis show only so. Where the needles were drawn in between two points of a pass that goes down, because a
lease ended or somebody stopped, the way is gone back to.
"""

from dataclasses import dataclass

from controller.calibration.policy import AccuracyMethod, DepthMethod, RateMethod
from controller.calibration.readings import Place, SeriesPlan
from controller.service.shown import Shown
from station.bench.bench import TechnicianBench

MEAN_MS = 500
"""What the pen shows is the mean over so long: 25 statuses."""


@dataclass(frozen=True, slots=True)
class Course:
    """A series of one quantity, with the other one kept as it is: ``kept`` in mHz for depth, in µm for rate."""

    plan: SeriesPlan
    kept: int
    settle_ms: int

    @property
    def of_depth(self) -> bool:
        """Whether it is a series of depth."""
        return self.plan.quantity == "depth_um"


def depth_course(plan: SeriesPlan, method: DepthMethod | AccuracyMethod) -> Course:
    """Depths at the method's rate."""
    return Course(plan, method.rate_mhz, method.settle_ms)


def rate_course(plan: SeriesPlan, method: RateMethod | AccuracyMethod) -> Course:
    """Rates at the method's depth."""
    return Course(plan, method.depth_um, method.settle_ms)


@dataclass(frozen=True, slots=True)
class AtPoint:
    """What a pen says at a place: ``shown`` in µm or mHz, and what its motor takes, None where it does not say."""

    shown: int
    current_ma: int | None


class Approach:
    """Moves one pen through the places of a series, in service mode."""

    def __init__(self, bench: TechnicianBench, course: Course) -> None:
        self._bench = bench
        self._course = course
        self._at: tuple[Place, int] | None = None

    def forget(self) -> None:
        """Nobody knows where the needles came from: the next point is gone to from outside."""
        self._at = None

    def moving(self) -> None:
        """Raises MoveNotFollowed, ServiceEnded unless the needles still are where they were sent."""
        self._bench.driver.check_moving()

    async def to(self, place: Place, hold_ms: int) -> AtPoint:
        """The pen runs at that place, settled, and is held there for so long; what it says there.

        Raises as ServiceDriver.move.
        """
        point = self._course.plan.points[place.point]
        if not self._course.of_depth:
            shown = await self._move(self._course.kept, point, hold_ms)
            rate_mhz = shown.rate_measured_mhz
            return AtPoint(point if rate_mhz is None else rate_mhz, shown.motor_current_ma)
        shown = await self._depth(place, point, hold_ms)
        # A pen without a sensor shows what it was set to: that is what a person reads off it.
        depth_um = shown.depth_measured_um
        return AtPoint(point if depth_um is None else depth_um, shown.motor_current_ma)

    async def _depth(self, place: Place, point_um: int, hold_ms: int) -> Shown:
        before_um = self._course.plan.approach_to(place)
        if before_um is None and not self._continues(place):
            before_um = self._beyond(place, point_um)
        if before_um is not None:
            await self._go(before_um, hold_ms)
        came_by = self._lease
        shown = await self._go(point_um, hold_ms)
        if place.direction == "down" and self._lease != came_by:
            # The lease was renewed on the way, with the needles drawn in: this point was come to from shallower.
            await self._go(self._beyond(place, point_um), hold_ms)
            shown = await self._go(point_um, hold_ms)
        self._at = (place, self._lease)
        return shown

    def _beyond(self, place: Place, point_um: int) -> int:
        past_um = self._course.plan.approach
        return max(0, point_um + (-past_um if place.direction == "up" else past_um))

    def _continues(self, place: Place) -> bool:
        """Whether the needles are where the place before left them, or were drawn in and are on their way up."""
        if self._at is None:
            return False
        before, _lease = self._at
        return (before.direction, before.repeat) == (place.direction, place.repeat)

    async def _go(self, depth_um: int, hold_ms: int) -> Shown:
        pen, driver = self._bench.pen, self._bench.driver
        within_um = min(max(depth_um, pen.depth_min_um), driver.state.depth_ceiling_um)
        return await self._move(within_um // pen.depth_step_um * pen.depth_step_um, self._course.kept, hold_ms)

    async def _move(self, depth_um: int, rate_mhz: int, hold_ms: int) -> Shown:
        return await self._bench.driver.move(
            depth_um, rate_mhz, settle_ms=self._course.settle_ms, mean_ms=MEAN_MS, hold_ms=hold_ms
        )

    @property
    def _lease(self) -> int:
        return self._bench.driver.state.lease
