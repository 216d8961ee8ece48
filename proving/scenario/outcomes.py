"""Plays one scenario at the speed that is asked for, and says what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from proving.scenario.course import Broken, Course, Failure, Line
from proving.scenario.from_session import replay
from proving.scenario.loading import Loaded
from proving.scenario.on_rig import POLL_MS, RigStage
from proving.violations import Violation

Speed = Literal["max", "real"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario: its telling, how it failed if it did, and how long the story was. ``skipped`` says why
    it was not played."""

    loaded: Loaded
    lines: tuple[Line, ...]
    failure: Failure | None
    story_ms: int
    skipped: str = ""

    @property
    def held(self) -> bool:
        """Everything was as expected."""
        return self.failure is None and not self.skipped


Hear = Callable[[Line], None]


def nobody(_line: Line) -> None:
    """Hears each line of a telling and does nothing."""


def play(loaded: Loaded, *, hear: Hear = nobody) -> Outcome:
    """Plays a scenario as fast as it goes. ``hear`` is told each line when it is done."""
    if loaded.scenario.replay is not None:
        return _replayed(loaded)
    stage = RigStage(loaded.scenario)
    if stage.left_out:
        return Outcome(loaded, (), None, 0, skipped=stage.left_out)
    course = Course(loaded.scenario, POLL_MS, hear)
    failure: Failure | None = None
    try:
        stage.open()
        going = course.go()
        wanted = next(going, None)
        while wanted is not None:
            answer = stage.answer(wanted)
            try:
                wanted = going.send(answer)
            except StopIteration:
                break
        stage.end()
    except Broken as broken:
        failure = broken.failure
    except Violation as broken:
        expected = f"invariant {broken.number} of the safety case: {broken.name}"
        failure = Failure(course.index, broken.at_ms, expected, broken.sentence)
    except Exception as error:  # noqa: BLE001 - whatever the product raises is a finding, not the end of a run
        raised = f"{type(error).__name__}: {error}"
        failure = Failure(course.index, stage.rig.now_ms, "nothing to be raised", raised)
    return Outcome(loaded, tuple(course.lines), failure, stage.rig.now_ms)


def _replayed(loaded: Loaded) -> Outcome:
    asked = loaded.scenario.replay
    if asked is None:
        raise TypeError("this scenario replays nothing")
    found = replay(asked, loaded.path.parent)
    return Outcome(loaded, found.lines, found.failure, found.story_ms)
