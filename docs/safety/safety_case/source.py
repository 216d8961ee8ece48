"""YAML with the line of every key and every value, so that what is wrong can be pointed at.

Only plain data is read: tags of other kinds, anchors and aliases have no place in a safety case and are refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

FILE_MAX_BYTES = 2_000_000  # ten times the case as it is; more is a mistake

KINDS = {"map", "seq", "str", "int", "float", "bool", "null", "timestamp"}
"""What a value may be; numbers and dates are kept as they are written."""

Place = tuple[str | int, ...]
"""The way to a value: keys and positions from the top."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong in the case: the line it is on, and a sentence; the file where it is another than the case's."""

    line: int
    sentence: str
    file: str = "docs/safety/hazards.yaml"


class CaseError(Exception):
    """A file that is no safety case; carries what is wrong with it."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("; ".join(mistake.sentence for mistake in mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Source:
    """A file's content as plain data, and where each part of it stands."""

    content: Any
    lines: dict[Place, int]

    def line(self, *place: str | int) -> int:
        """The line of a value; of the nearest thing around it where it is absent."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_source(path: Path) -> Source:
    """A YAML file as data with lines. Raises CaseError."""
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8") if size <= FILE_MAX_BYTES else ""
    except (OSError, UnicodeDecodeError) as error:
        raise CaseError(Mistake(1, f"The file cannot be read ({error}).")) from error
    if size > FILE_MAX_BYTES:
        raise CaseError(Mistake(1, f"The file has {size} bytes; a safety case has at most {FILE_MAX_BYTES}."))
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CaseError(Mistake(line, f"Not valid YAML: {error.problem or error.context}.")) from error
    except YAMLError as error:
        raise CaseError(Mistake(1, f"Not valid YAML: {error}.")) from error
    if node is None:
        raise CaseError(Mistake(1, "The file is empty."))
    mistakes: list[Mistake] = []
    lines: dict[Place, int] = {}
    content = _plain(node, (), lines, mistakes, set())
    if mistakes:
        raise CaseError(*mistakes)
    return Source(content, lines)


def _plain(node: Node, place: Place, lines: dict[Place, int], mistakes: list[Mistake], seen: set[int]) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(place, line)
    if id(node) in seen:
        mistakes.append(Mistake(line, "An alias (*name) is not used here: write it out."))
        return None
    seen.add(id(node))
    kind = str(node.tag).rpartition(":")[2]
    if kind not in KINDS:
        mistakes.append(Mistake(line, f"A value of the kind {node.tag} is not read here."))
        return None
    if isinstance(node, MappingNode):
        return dict(_pairs(node, place, lines, mistakes, seen))
    if isinstance(node, SequenceNode):
        return [_plain(item, (*place, number), lines, mistakes, seen) for number, item in enumerate(node.value)]
    return _scalar(node, kind)


def _pairs(
    node: MappingNode, place: Place, lines: dict[Place, int], mistakes: list[Mistake], seen: set[int]
) -> Iterator[tuple[str, Any]]:
    found: set[str] = set()
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in found:
            mistakes.append(Mistake(line, f"{name!r} stands here a second time; the first would be lost."))
            continue
        found.add(name)
        lines[(*place, name)] = line
        yield name, _plain(value, (*place, name), lines, mistakes, seen)


def _scalar(node: ScalarNode, kind: str) -> str | bool | None:
    if kind == "bool":
        return str(node.value).lower() in {"true", "yes", "on"}
    return None if kind == "null" else str(node.value)
