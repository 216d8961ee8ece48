"""Names a scenario may use, and how a strange one is refused: with the nearest that there is."""

from collections.abc import Callable, Sequence

from controller.datafile import nearest
from controller.yaml_tree import shown
from simulators.faults.catalogue import CATALOGUE

FAULT_NAMES = tuple(CATALOGUE)
"""Every fault there is."""


def known(what: str, names: Sequence[str]) -> Callable[[str], str]:
    """A validator that takes only these names."""

    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"there is no {what} {shown(name)}. {nearest(name, list(names))}")
        return name

    return check
