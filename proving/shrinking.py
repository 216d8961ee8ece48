"""Makes a story that ends in a violation as short as it goes, the violation staying the same.

Delta debugging (A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002) on
the list of actions, then simpler values, shorter faults, less waiting and a plainer setting, as long as that helps.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any, cast

from proving.playing import play
from proving.stories import Action, Setting, Story
from proving.violations import Violation

PLAYS_MAX = 400
"""A story takes about a tenth of a second; somebody waits for this."""

SOME_TIME_MS = 200
_PLAIN_VALUES = (0, 1, 500)


class Shrinker:
    """Shrinks one story. ``plays`` counts what it took; ``violation`` is the one of ``best``."""

    def __init__(self, story: Story, violation: Violation, plays_max: int = PLAYS_MAX) -> None:
        self.best = story
        self.violation = violation
        self.plays = 0
        self._plays_max = plays_max
        self._what = (violation.number, violation.name)

    def shrink(self) -> Story:
        """The shortest found."""
        self._accept(self._cut_off())
        before = None
        while before != self.best and self.plays < self._plays_max:
            before = self.best
            self._fewer_actions()
            self._first(self._simpler_actions)
            self._first(self._plainer_settings)
            self._first(self._less_waiting)
        return self.best

    def _accept(self, story: Story) -> bool:
        if story == self.best or self.plays >= self._plays_max:
            return False
        self.plays += 1
        found = play(story).violation
        if found is None or (found.number, found.name) != self._what:
            return False
        self.best, self.violation = story, found
        self.best = self._cut_off()
        return True

    def _cut_off(self) -> Story:
        """Without what comes after the violation."""
        end_ms = self.violation.at_ms + 1
        kept = tuple(action for action in self.best.actions if action.at_ms <= end_ms)
        return replace(self.best, actions=kept, length_ms=min(self.best.length_ms, max(end_ms, 1)))

    def _fewer_actions(self) -> None:
        size = max(len(self.best.actions) // 2, 1)
        while size:
            start = 0
            while start < len(self.best.actions):
                actions = self.best.actions
                if not self._accept(replace(self.best, actions=actions[:start] + actions[start + size :])):
                    start += size
            size //= 2

    def _first(self, candidates: Callable[[], Iterator[Story]]) -> None:
        """Takes each candidate that still does it; they are made from the best at that time."""
        tried: set[str] = set()
        again = True
        while again and self.plays < self._plays_max:
            again = False
            for story in candidates():
                key = repr((story.setting, story.actions))
                if key not in tried:
                    tried.add(key)
                    if self._accept(story):
                        again = True
                        break

    def _simpler_actions(self) -> Iterator[Story]:
        for place, action in enumerate(self.best.actions):
            for simpler in _simpler(action):
                yield self._with(place, simpler)

    def _with(self, place: int, action: Action) -> Story:
        actions = self.best.actions
        return replace(self.best, actions=(*actions[:place], action, *actions[place + 1 :]))

    def _plainer_settings(self) -> Iterator[Story]:
        for field in fields(Setting):
            if getattr(self.best.setting, field.name) != field.default:
                plainer: Setting = replace(self.best.setting, **{field.name: cast(Any, field.default)})
                yield replace(self.best, setting=plainer)

    def _less_waiting(self) -> Iterator[Story]:
        """Everything from one action on comes earlier: by all, by half of the wait before it."""
        before_ms = 0
        for place, action in enumerate(self.best.actions):
            wait_ms = action.at_ms - before_ms
            before_ms = action.at_ms
            for less_ms in (wait_ms - SOME_TIME_MS, wait_ms // 2):
                if less_ms > 0 and wait_ms > SOME_TIME_MS:
                    moved = tuple(replace(later, at_ms=later.at_ms - less_ms) for later in self.best.actions[place:])
                    yield replace(self.best, actions=self.best.actions[:place] + moved)


def _simpler(action: Action) -> Iterator[Action]:
    if action.for_ms > SOME_TIME_MS:
        yield replace(action, for_ms=action.for_ms // 2)
    if action.at_ms % 100:
        yield replace(action, at_ms=action.at_ms - action.at_ms % 100)
    if action.value not in _PLAIN_VALUES:
        for value in _PLAIN_VALUES:
            yield replace(action, value=value)
