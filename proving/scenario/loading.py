"""Reads scenarios: each mistake with its line and the nearest name that there is. The library is shipped with us."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from controller.datafile import nearest, parse_data, read_bounded
from controller.errors import DataError
from controller.yaml_tree import read_tree, shown
from proving.scenario.model import Approve, Ask, Confirm, Scenario, Set, TakeSeat, Zone
from proving.scenario.plan import shipped

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
    """What the bytes of a scenario's file say. Raises DataError naming ``path``, the line and the reason."""
    scenario = parse_data(Scenario, content, str(path))
    tree = read_tree(content.decode("utf-8"))
    if bool(scenario.steps) is (scenario.replay is not None):
        which = "both" if scenario.steps else "neither"
        raise DataError(f"{path}:1: a scenario has steps or a replay, and this one has {which}. Nothing was loaded.")
    for at, what, name, names in _names(scenario):
        if name not in names:
            where = " → ".join(str(part) for part in at)
            near = f"there is no {what} {shown(name)}. {nearest(name, list(names))}"
            raise DataError(f"{path}:{tree.line_of(at)}: {where}: {near} Nothing was loaded.")
    lines = tuple(tree.line_of(("steps", index)) for index in range(len(scenario.steps)))
    return Loaded(scenario, path, lines)


def _names(scenario: Scenario) -> Iterator[tuple[tuple[str | int, ...], str, str, Collection[str]]]:
    """Names that the clinic's data have to know: where, of what, the name, those there are. What is to be refused may
    be anything."""
    library, operators, _ = shipped()
    setting = scenario.setting
    if not any(isinstance(step, Ask) and step.do == "prepare" and step.refused for step in scenario.steps):
        yield ("setting", "operator"), "operator", setting.operator, operators.operators
        yield ("setting", "protocol"), "protocol", setting.protocol, library.protocols
        protocol = library.protocols.get(setting.protocol)
        if protocol is not None:
            yield ("setting", "skin"), "skin", setting.skin, protocol.skins
            yield ("setting", "zone"), "zone", setting.zone, protocol.zones
        for question in setting.answers:
            yield ("setting", "answers", question), "question", question, library.questions
    for index, step in enumerate(scenario.steps):
        match step:
            case Zone(refused=None) | Approve(refused=None):
                protocol = library.protocols.get(setting.protocol)
                yield ("steps", index, "zone"), "zone", step.zone, protocol.zones if protocol is not None else ()
            case Set(refused=None, reason=str(reason)):
                yield ("steps", index, "reason"), "reason", reason, library.override_reasons
            case Confirm(refused=None):
                for point in step.points:
                    yield ("steps", index, "points"), "point of the checklist", point, library.checklist
            case TakeSeat(operator=str(operator)):
                yield ("steps", index, "operator"), "operator", operator, operators.operators
            case _:
                pass


def library() -> tuple[Path, ...]:
    """The scenarios shipped with the product, by name."""
    folder = Path(str(files("proving"))) / LIBRARY
    return tuple(sorted(folder.glob("*.yaml")))
