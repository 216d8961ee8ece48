"""Reads scenarios: each mistake with its line and the nearest name that there is. The library is shipped with us."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from controller.datafile import Mistake, mistakes_in, nearest, parse_tree, read_bounded, refused
from controller.errors import DataError
from controller.yaml_tree import Tree, shown
from proving.scenario.model import (
    Act,
    AnyStep,
    Approve,
    Ask,
    Confirm,
    Expect,
    FaultStep,
    Mend,
    Scenario,
    Set,
    Setting,
    TakeSeat,
    Zone,
)
from proving.scenario.plan import shipped
from simulators.faults.catalogue import fault_named

LIBRARY = "scenarios"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A scenario, where it was read from, and the line on which each of its steps begins."""

    scenario: Scenario
    path: Path
    lines: tuple[int, ...]


def load_scenario(path: Path) -> Loaded:
    """The scenario in a file. Raises DataError with file, and of each mistake line and reason."""
    return parse_scenario(read_bounded(path), path)


def parse_scenario(content: bytes, path: Path) -> Loaded:
    """What the bytes of a scenario's file say. Raises DataError naming ``path``, line and reason of each mistake."""
    tree = parse_tree(content, str(path))
    try:
        scenario = Scenario.model_validate(tree.data)
    except ValidationError as error:
        setting, steps = _sound(tree.data)
        raise refused(str(path), [*mistakes_in(tree, error), *_strange(tree, setting, steps)]) from error
    if bool(scenario.steps) is (scenario.replay is not None):
        which = "both" if scenario.steps else "neither"
        raise DataError(f"{path}:1: a scenario has steps or a replay, and this one has {which}. Nothing was loaded.")
    if mistakes := list(_strange(tree, scenario.setting, list(enumerate(scenario.steps)))):
        raise refused(str(path), mistakes)
    if mistakes := list(_for_nothing(tree, scenario)):
        raise refused(str(path), mistakes)
    lines = tuple(tree.line_of(("steps", index)) for index in range(len(scenario.steps)))
    return Loaded(scenario, path, lines)


_STEP: TypeAdapter[AnyStep] = TypeAdapter(AnyStep)

Steps = Sequence[tuple[int, AnyStep]]
"""Steps with their places in the file."""


def _sound(data: Any) -> tuple[Setting | None, Steps]:
    """What of a file that has mistakes is sound by itself: its names are looked at all the same."""
    if not isinstance(data, dict):
        return None, ()
    setting, steps = None, []
    with suppress(ValidationError):
        setting = Setting.model_validate(data.get("setting", {}))
    written = data.get("steps")
    for index, step in enumerate(written if isinstance(written, list) else ()):
        with suppress(ValidationError):
            steps.append((index, _STEP.validate_python(step)))
    return setting, steps


def _for_nothing(tree: Tree, scenario: Scenario) -> Iterator[Mistake]:
    """A story that no pen could fail, and mending of what cannot be broken by then."""
    if scenario.steps and not any(map(_may_fail, scenario.steps)):
        yield (
            tree.line_of(("steps",)),
            "steps: nothing is expected here, so that it would hold whatever comes. Say what has to be so (`expect`), "
            "what is waited for (`when`), or what has to be `refused`",
        )
    broken: set[str] = set()
    for index, step in enumerate(scenario.steps):
        if isinstance(step, FaultStep) and fault_named(step.fault).lasts:
            broken.add(step.fault)
        elif isinstance(step, Mend) and (step.mend not in broken if step.mend != "all" else not broken):
            yield tree.line_of(("steps", index, "mend")), f"steps → {index} → mend: {_unbroken(step.mend)}"


def _may_fail(step: AnyStep) -> bool:
    return isinstance(step, Expect) or step.when is not None or (isinstance(step, Act) and step.refused is not None)


def _unbroken(name: str) -> str:
    if name == "all":
        return "nothing that lasts goes wrong before it"
    if not fault_named(name).lasts:
        return f"{name} happens in a moment: there is nothing to mend"
    return f"{name} does not go wrong before it"


def _strange(tree: Tree, setting: Setting | None, steps: Steps) -> Iterator[Mistake]:
    """Names that the clinic's data do not know."""
    for at, what, name, names in _names(setting, steps):
        if name not in names:
            where = " → ".join(str(part) for part in at)
            yield tree.line_of(at), f"{where}: there is no {what} {shown(name)}. {nearest(name, list(names))}"


def _names(setting: Setting | None, steps: Steps) -> Iterator[tuple[tuple[str | int, ...], str, str, Collection[str]]]:
    """Names that the clinic's data have to know: where, of what, the name, those there are. What is to be refused may
    be anything; without a setting nobody knows which zones there are."""
    library, operators, _ = shipped()
    protocol = library.protocols.get(setting.protocol) if setting is not None else None
    may_be_anything = any(isinstance(step, Ask) and step.do == "prepare" and step.refused for _, step in steps)
    if setting is not None and not may_be_anything:
        yield ("setting", "operator"), "operator", setting.operator, operators.operators
        yield ("setting", "protocol"), "protocol", setting.protocol, library.protocols
        if protocol is not None:
            yield ("setting", "skin"), "skin", setting.skin, protocol.skins
            yield ("setting", "zone"), "zone", setting.zone, protocol.zones
        for question in setting.answers:
            yield ("setting", "answers", question), "question", question, library.questions
    for index, step in steps:
        match step:
            case Zone(refused=None) | Approve(refused=None) if setting is not None:
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
