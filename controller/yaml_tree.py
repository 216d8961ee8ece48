"""YAML text into plain data and the line of each part, by a strict subset of YAML. Pure; builds only what is plain.

Refused where it is met, before anything is built from it: tags, anchors and aliases (so there is no alias bomb), merge
keys, duplicate keys, keys that are not text, several documents, nesting beyond ``DEPTH_MAX``. Keys are text as written.
Of plain values ``null``, ``true``, ``false`` and decimal numbers have a meaning, everything else is text; numbers with
a point are :class:`~decimal.Decimal`, so no limit passes through a binary fraction.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

DEPTH_MAX = 12
"""Deepest nesting read. A library needs 6; a file of nothing but brackets must not cost time or stack."""
PARTS_MAX = 20_000
"""Most values read. A library has some hundreds; this many are read in a fraction of a second."""
SHOWN_MAX = 40
"""Most characters of a file's own words that a refusal repeats."""
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|nan)", re.IGNORECASE)

Path = tuple[str | int, ...]
"""Where a part of a file is: keys and positions from the top."""


class YamlRefused(Exception):
    """The text is not read. ``line`` counts from 1; None where the whole text is meant."""

    def __init__(self, line: int | None, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


def printable(text: str) -> str:
    """Without what a terminal would act on."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def shown(value: object) -> str:
    """Words of a file as a refusal may repeat them: quoted, cut, nothing in them a terminal would act on."""
    text = repr(str(value)[: SHOWN_MAX + 1])
    return text if len(str(value)) <= SHOWN_MAX else f"{text[:-2]}…{text[-1]}"


@dataclass(frozen=True, slots=True)
class Tree:
    """What a text holds: plain data, and the line on which each part of it begins."""

    data: Any
    lines: dict[Path, int]

    def line_of(self, path: Path) -> int:
        """The line of a part, or of the nearest part around it that exists."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_tree(text: str) -> Tree:
    """The data of a YAML text. Raises YamlRefused, and nothing else, whatever the text is."""
    try:
        return _Builder().build(YAML(typ="safe", pure=True).parse(text.removeprefix("\N{BOM}")))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise YamlRefused(mark.line + 1 if mark else None, f"not valid YAML: {printable(said)}") from error
    except ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise YamlRefused(line, "not valid YAML: a character that may not stand in a text file") from error
    except YAMLError as error:
        raise YamlRefused(None, "not valid YAML") from error
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, AssertionError) as error:
        # The scanner is somebody else's: on a few malformed escapes and directives it stumbles instead of refusing.
        raise YamlRefused(None, f"not valid YAML ({type(error).__name__} while it was read)") from error


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that is being read. ``key`` is the mapping's key that waits for its value."""

    path: Path
    data: dict[str, Any] | list[Any]
    key: str | None = None
    key_lines: dict[str, int] = field(default_factory=dict)


class _Builder:
    """Builds data from the parser's events without recursion."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._lines: dict[Path, int] = {}
        self._data: Any = None
        self._documents = 0
        self._parts = 0

    def build(self, events: Iterator[Event]) -> Tree:
        for event in events:
            line = event.start_mark.line + 1
            self._refuse(event, line)
            if isinstance(event, MappingStartEvent):
                self._begin({}, line)
            elif isinstance(event, SequenceStartEvent):
                self._begin([], line)
            elif isinstance(event, MappingEndEvent | SequenceEndEvent):
                self._open.pop()
            elif isinstance(event, ScalarEvent):
                self._scalar(event, line)
        return Tree(self._data, self._lines)

    def _refuse(self, event: Event, line: int) -> None:
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise YamlRefused(line, f"more than {PARTS_MAX} values; no data file of this product is that large")
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise YamlRefused(line, "a second document begins here (`---`); a data file holds one")
        if not isinstance(event, NodeEvent):
            return
        if isinstance(event, AliasEvent):
            raise YamlRefused(line, f"an alias ({shown(event.anchor)}); write the value out where it is needed")
        if event.anchor is not None:
            raise YamlRefused(line, f"an anchor ({shown(event.anchor)}); write the value out where it is needed")
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
            raise YamlRefused(line, f"a tag ({shown(event.tag)}); data files hold plain values, nothing is built")

    def _begin(self, data: dict[str, Any] | list[Any], line: int) -> None:
        if self._open and isinstance(self._open[-1].data, dict) and self._open[-1].key is None:
            raise YamlRefused(line, "a key has to be a word, not a list or a mapping")
        if len(self._open) >= DEPTH_MAX:
            raise YamlRefused(line, f"nested deeper than {DEPTH_MAX} levels")
        path = self._place(data, line)
        self._open.append(_Open(path, data))

    def _scalar(self, event: ScalarEvent, line: int) -> None:
        top = self._open[-1] if self._open else None
        if top is None or isinstance(top.data, list) or top.key is not None:
            self._place(_value(event), line)
            return
        key = str(event.value)
        if key == "<<" and event.implicit[0]:
            raise YamlRefused(line, "a merge key (<<); write the values out where they are needed")
        if key in top.key_lines:
            first = top.key_lines[key]
            raise YamlRefused(line, f"the key {shown(key)} stands here a second time; the first is on line {first}")
        top.key, top.key_lines[key] = key, line
        self._lines[(*top.path, key)] = line

    def _place(self, value: Any, line: int) -> Path:
        """Puts a value where it belongs; its path."""
        if not self._open:
            self._data = value
            self._lines[()] = line
            return ()
        top = self._open[-1]
        if isinstance(top.data, list):
            path: Path = (*top.path, len(top.data))
            top.data.append(value)
            self._lines[path] = line
            return path
        key = top.key or ""
        top.data[key] = value
        top.key = None
        return (*top.path, key)


def _value(event: ScalarEvent) -> Any:
    text = str(event.value)
    if not event.implicit[0]:
        return text
    if text.lower() in _WORDS and text in {text.lower(), text.upper(), text.capitalize()}:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return Decimal(text)
    if _NOT_FINITE.fullmatch(text):
        return Decimal(text.replace(".", ""))
    return text
