"""Planted defects: proof that the campaign can fail. Each is put into the running program and taken out again.

None of them is a flag of the product: a defect is planted from outside, by replacing one function or method for as long
as the context lasts. ``test`` names a test where a campaign cannot see a defect in principle, and ``why`` says why.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from proving.campaign import played
from proving.stories import Story, story
from proving.violations import Violation

Plant = Callable[[], AbstractContextManager[None]]

STORIES_MAX = 150
"""A defect that so many stories do not show is not caught."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One planted defect: ``where`` it is, what it does, how it is planted."""

    name: str
    where: str
    what: str
    plant: Plant
    test: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Caught:
    """How a campaign caught a defect. ``simulated_ms`` is what it took, all stories together."""

    defect: Defect
    story: Story
    violation: Violation
    simulated_ms: int


@contextmanager
def planted(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    """Replaces attributes for as long as the context lasts: (owner, name, what makes the new one of the original)."""
    with ExitStack() as undo:
        for owner, name, make in changes:
            original = owner.__dict__[name]
            setattr(owner, name, make(original))
            undo.callback(setattr, owner, name, original)
        yield


def catch(defect: Defect, seed: int, stories_max: int = STORIES_MAX) -> Caught | None:
    """Plays stories of a seed with the defect planted, until one is caught; None when none is."""
    simulated_ms = 0
    with defect.plant():
        for index in range(stories_max):
            coverage, done, _ = played([story(seed, index)])
            simulated_ms += coverage.simulated_ms
            if done is not None and done.violation is not None:
                return Caught(defect, done.story, done.violation, simulated_ms)
    return None


def defects() -> tuple[Defect, ...]:
    """Every defect there is."""
    from proving.defects_core import CORE  # noqa: PLC0415 - they build on this module
    from proving.defects_pen import CODEC, FIRMWARE  # noqa: PLC0415 - as above

    return (*FIRMWARE, *CODEC, *CORE)
