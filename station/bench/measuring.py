"""A series of readings in service mode: go to the point, read the reference beside what the pen shows, the next one.

What can be put right at the bench, a gauge that was unplugged, a finger on the pen, a person who took too long, is
told, and the same reading is asked for again; what was read before it stays. Nothing is read of another pen, and no
series goes on over a restart.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from controller.calibration.readings import ReadingRefused
from controller.calibration.series import Read
from controller.errors import ControlRefused
from controller.service.errors import MoveNotFollowed, ServiceEnded
from controller.service_events import ServicePurpose
from firmware_bridge.errors import WireError
from firmware_bridge.gauges.errors import GaugeError
from firmware_bridge.wire.messages import Fault
from station.bench.approach import Approach, AtPoint, Course
from station.bench.bench import TechnicianBench
from station.bench.hands import Hands

Due = Callable[[], Read | None]
"""Which reading of the series comes next; None when it is complete."""
Take = Callable[[Read, AtPoint, int], Awaitable[None]]
"""Takes a reading: what the pen said, what the reference said. Raises ReadingRefused."""


async def measure(
    bench: TechnicianBench,
    course: Course,
    hands: Hands,
    *,
    purpose: ServicePurpose,
    series: str,
    resumed: bool,
    due: Due,
    take: Take,
) -> None:
    """Reads a series to its end.

    Raises what a person does not want to try again: ReadingRefused, MoveNotFollowed, GaugeError, ServiceEnded; and
    ControlRefused where the pen is another or was restarted, RecordUnavailable.
    """
    approach = Approach(bench, course)
    while due() is not None:
        try:
            async with bench.service(purpose, series=series, resumed=resumed):
                approach.forget()
                while (reading := due()) is not None:
                    await _one(bench, approach, hands, reading, take)
        except ServiceEnded as ended:
            # STOP is a person's decision; what else ended service mode can be put right, and it be opened anew.
            if ended.because == "stopped" or not await hands.again(ended.sentence):
                raise
        except ControlRefused as refused:
            if refused.because not in _CAN_BE_PUT_RIGHT or not await hands.again(refused.sentence):
                raise
            await _clear_faults(bench, hands)
        await held_same(bench, hands)
        resumed = True


BACK_S = 5.0
"""How long a pen that is plugged in again may take to answer."""

_CAN_BE_PUT_RIGHT = frozenset(
    {"pen_not_ready", "pen_faulted", "pen_busy", "pen_fault", "needles", "on_skin", "off_skin_proof", "stale"}
)
"""Why service mode was not opened, or gave no lease, that somebody at the bench can do something about."""


async def _clear_faults(bench: TechnicianBench, hands: Hands) -> None:
    """Clears what is latched: what a person was told of and put right, and by itself only that a host fell silent,
    which is what a bench that was killed leaves behind."""
    seen = bench.driver.state.seen
    if seen is not None and seen.faults and (hands.attended or seen.faults == Fault.DEAD_MAN):
        with suppress(ControlRefused, WireError):  # what still holds is told again by the next try
            await bench.driver.clear_faults()


async def _one(bench: TechnicianBench, approach: Approach, hands: Hands, due: Read, take: Take) -> None:
    """One reading, tried until it comes about or nobody wants to try again."""
    reference = hands.reference(due.what)
    while True:
        try:
            at = await approach.to(due.place, reference.hold_ms)
            value = await reference.read(due)
            approach.moving()
            await take(due, at, value)
        except (ReadingRefused, MoveNotFollowed, GaugeError) as error:
            approach.forget()
            with suppress(MoveNotFollowed):  # nobody measures just now: needles home
                await bench.driver.motor_off()
            if not await hands.again(str(error)):
                raise
            continue
        hands.read(due, at.shown, value)
        return


async def held_same(bench: TechnicianBench, hands: Hands) -> None:
    """Waits for the pen where it went away. Raises ControlRefused where it is another one (*another_pen*) or was
    restarted (*pen_restarted*), and what :class:`ServiceDriver` raises where it does not come back."""
    while True:
        try:
            pen = await bench.driver.connected(BACK_S)
        except (ControlRefused, WireError) as error:
            if not await hands.again(str(error)):
                raise
        else:
            break
    if (pen.model, pen.serial) != (bench.pen.model, bench.pen.serial):
        raise ControlRefused(
            "another_pen",
            f"{pen.model} {pen.serial} is on the line now, and this work is of {bench.pen.model} {bench.pen.serial}. "
            "Nothing of one pen goes into another's. Plug the first one in, or begin another piece of work.",
        )
    if pen != bench.pen:
        raise ControlRefused(
            "pen_restarted",
            "The pen was restarted in the middle of a series. Where its scale begins may be another now, so this "
            "series is read anew; complete ones are kept. Go on with this work.",
        )
