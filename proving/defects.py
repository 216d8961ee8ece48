"""Planted defects: proof that the campaign can fail. Each is planted (:mod:`proving.planting`) and has to be caught."""

from dataclasses import dataclass

from proving.campaign import played
from proving.defects_core import CORE
from proving.defects_pen import CODEC, FIRMWARE
from proving.planting import Defect
from proving.stories import Story, story
from proving.violations import Violation

STORIES_MAX = 150
"""A defect that so many stories do not show is not caught."""


@dataclass(frozen=True, slots=True)
class Caught:
    """How a campaign caught a defect. ``simulated_ms`` is what it took, all stories together."""

    defect: Defect
    story: Story
    violation: Violation
    simulated_ms: int


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
    return (*FIRMWARE, *CODEC, *CORE)
