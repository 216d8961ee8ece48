"""Reads scenarios: each mistake with its line and the nearest name that there is. The library is shipped with us."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from controller.datafile import parse_data, read_bounded
from controller.errors import DataError
from controller.yaml_tree import read_tree
from proving.scenario.model import Scenario

LIBRARY = "scenarios"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A scenario, where it was read from, and the line on which each of its steps begins."""

    scenario: Scenario
    path: Path
    lines: tuple[int, ...]


def load_scenario(path: Path) -> Loaded:
    """The scenario in a file. Raises DataError with file, line and reason."""
    return parse_scenario(read_bounded(path), path)


def parse_scenario(content: bytes, path: Path) -> Loaded:
    """What the bytes of a scenario's file say. Pure. Raises DataError naming ``path``, the line and the reason."""
    scenario = parse_data(Scenario, content, str(path))
    tree = read_tree(content.decode("utf-8"))
    lines = tuple(tree.line_of(("steps", index)) for index in range(len(scenario.steps)))
    if bool(scenario.steps) is (scenario.replay is not None):
        which = "both" if scenario.steps else "neither"
        raise DataError(f"{path}:1: a scenario has steps or a replay, and this one has {which}. Nothing was loaded.")
    return Loaded(scenario, path, lines)


def library() -> tuple[Path, ...]:
    """The scenarios shipped with the product, by name."""
    folder = Path(str(files("proving"))) / LIBRARY
    return tuple(sorted(folder.glob("*.yaml")))
