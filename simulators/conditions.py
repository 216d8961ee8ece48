"""Conditions on what is really so, written as people write them: ``motor_driven=true``, ``protrusion_um>400``,
``state=RUNNING``, ``faults=STALL`` (is among them), ``faults=none``."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite, nan
from operator import eq, ge, gt, le, lt, ne

from firmware_bridge.wire.messages import Fault, PenState
from simulators.errors import BadCondition
from simulators.faults.catalogue import CATALOGUE

_FORM = re.compile(r"\s*([a-z_]+)\s*(<=|>=|!=|=|<|>)\s*(\S{1,40})\s*")
_HOLDS: dict[str, Callable[[float, float], bool]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}

_WORDS: dict[str, tuple[str, ...]] = {
    "state": tuple(state.name for state in PenState),
    "faults": ("none", *(fault.name or "" for fault in Fault)),
    "injected": ("none", *CATALOGUE),
}
"""What these fields can be: a word that is none of it would be waited for in vain."""

Truth = Mapping[str, object]
"""What is so, as JSON has it."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on one field."""

    field: str
    operator: str
    wanted: str | float | bool

    def holds(self, truth: Truth) -> bool:
        """Whether it holds."""
        found = truth[self.field]
        if isinstance(found, list):
            among = not found if self.wanted == "none" else self.wanted in found
            return among is (self.operator == "=")
        if isinstance(found, int | float) and isinstance(self.wanted, int | float):
            return _HOLDS[self.operator](found, self.wanted)
        return (found == self.wanted) is (self.operator == "=")


def parse_condition(text: str, truth: Truth) -> Condition:
    """A condition on a field that ``truth`` has. Raises BadCondition."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise BadCondition(
            f"{text[:80]!r} is no condition. Write a field, one of = != < <= > >=, and a value: protrusion_um>400."
        )
    field, operator, wanted = match.groups()
    if field not in truth:
        near = get_close_matches(field, truth, n=3) or sorted(truth)
        raise BadCondition(f"The truth has no field {field!r}. Nearest: {', '.join(near)}.")
    found = truth[field]
    if isinstance(found, bool):
        return Condition(field, _only_equal(text, operator), _word(text, wanted.lower(), "true", "false") == "true")
    if isinstance(found, int | float):
        try:
            number = float(wanted)
        except ValueError:
            number = nan
        if not isfinite(number):
            raise BadCondition(f"{field} is a number, and {wanted!r} is none.")
        return Condition(field, operator, number)
    wanted = "none" if wanted.lower() == "none" else wanted
    known = _WORDS.get(field, (wanted,))
    if wanted not in known:
        near = get_close_matches(wanted, known, n=3) or list(known[:8])
        raise BadCondition(f"{field} is never {wanted!r}. Nearest: {', '.join(near)}.")
    return Condition(field, _only_equal(text, operator), wanted)


def _only_equal(text: str, operator: str) -> str:
    if operator not in {"=", "!="}:
        raise BadCondition(f"{text!r} compares what has no order. Use = or !=.")
    return operator


def _word(text: str, word: str, *words: str) -> str:
    if word not in words:
        raise BadCondition(f"{text!r} may end with {' or '.join(words)}.")
    return word
