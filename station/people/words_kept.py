"""What a person typed, before it becomes an input: a word that nobody defined is not kept. Pure.

Inputs and refusals are journalled and leave the site, and somebody may type a name where a zone belongs. So only words
of the library and of the alarm table get that far; any other becomes :data:`NOT_KEPT`, and is refused as it would be.
"""

from collections.abc import Collection
from dataclasses import dataclass

from controller.alarm_table import ALARMS
from controller.datafile import nearest
from controller.inputs import Acknowledge, Command, Confirm, DeclareZone, SetDepth
from controller.plan import ResolvedPlan

NOT_KEPT = "?"


@dataclass(frozen=True, slots=True)
class Kept:
    """A command as it may stand in a record; ``word`` is what was left out of it, ``near`` what it is looked up in."""

    command: Command
    word: str = ""
    near: tuple[str, ...] = ()

    def told(self, sentence: str) -> str:
        """A refusal as the person reads it who typed the word: with the word, and the names that are near it."""
        if not self.word:
            return sentence
        near = list(self.near)
        return sentence.replace(nearest(NOT_KEPT, near), nearest(self.word, near)).replace(
            repr(NOT_KEPT), repr(self.word)
        )


def kept(given: Command, plan: ResolvedPlan | None) -> Kept:
    """The command, an unknown word in it replaced."""
    match given:
        case SetDepth() if plan is not None and given.override:
            return _of(given, "override", given.override, plan.override_reasons)
        case DeclareZone():
            return _of(given, "zone", given.zone, () if plan is None else plan.zones)
        case Acknowledge():
            return _of(given, "alarm", given.alarm, ALARMS)
        case Confirm():
            known = set() if plan is None else {*plan.missing, *plan.checklist}
            unknown = next((item for item in given.items if item not in known), "")
            items = tuple(item if item in known else NOT_KEPT for item in given.items)
            return Kept(given.model_copy(update={"items": items}), unknown, () if plan is None else plan.missing)
        case _:
            return Kept(given)


def _of(given: Command, field: str, word: str, known: Collection[str]) -> Kept:
    if word in known:
        return Kept(given)
    return Kept(given.model_copy(update={field: NOT_KEPT}), word, tuple(known))
