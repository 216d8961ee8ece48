"""Names a scenario may use, and how a strange one is refused: with the nearest that there is."""

from collections.abc import Callable, Sequence

from controller.datafile import nearest
from controller.yaml_tree import shown
from simulators.faults.catalogue import CATALOGUE

FAULT_NAMES = tuple(CATALOGUE)
"""Every fault there is."""

HAZARDS = tuple(f"H{number:02}" for number in range(1, 86))
"""Every hazard of the safety case (docs/safety/hazards.yaml), which is not shipped; a test holds them to it."""


def hazard(name: str) -> str:
    """A validator that takes only hazards there are."""
    if name not in HAZARDS:
        raise ValueError(f"there is no hazard {shown(name)}. The safety case has {HAZARDS[0]} to {HAZARDS[-1]}")
    return name


def known(what: str, names: Sequence[str]) -> Callable[[str], str]:
    """A validator that takes only these names."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"there is no {what} {shown(name)}. {nearest(name, list(names))}")
        return name

    return check
