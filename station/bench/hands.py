"""What a person, or a program in their place, does in a series of measurements: read, put things on, decide."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from controller.calibration.readings import Reading
from controller.calibration.series import CalibrationUnderWay, Read, Results, Stage, Step, Table, What
from station.bench.reference import Reference


async def _nobody(_work: CalibrationUnderWay, _step: Step) -> None:
    """Nobody wants to hear of it."""


@dataclass(frozen=True, slots=True)
class Hands:
    """Who reads, and who is asked.

    ``again`` hears why something did not come about, and says whether to try it once more; where it is ``attended`` a
    person says so, who put it right, and then faults of the pen are cleared. ``prepare`` is asked for
    before each series (the load has to be put on, the gauge be set to the face) and comes back when that is done;
    ``adjust`` sees what was found, the table the pen holds and the one that would correct it, and decides; ``heard``
    hears of every step, and ``read`` of every reading with what was shown and what the reference said. ``files`` are
    series that were read elsewhere.
    """

    depth: Reference
    rate: Reference
    again: Callable[[str], Awaitable[bool]]
    prepare: Callable[[Stage, What], Awaitable[None]]
    adjust: Callable[[Results, Table, Table], Awaitable[bool]]
    heard: Callable[[CalibrationUnderWay, Step], Awaitable[None]] = _nobody
    read: Callable[[Read, int, int], None] = lambda _due, _shown, _reference: None
    attended: bool = True
    files: Mapping[tuple[Stage, What], tuple[Reading, ...]] = field(default_factory=dict)

    def reference(self, what: What) -> Reference:
        """Who reads this."""
        return self.depth if what == "depth" else self.rate
