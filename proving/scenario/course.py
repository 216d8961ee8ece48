"""Goes through a scenario's steps, without time or pen of its own: it asks, and whoever drives it answers.

:func:`course` is a generator. It yields what it wants (:class:`Until`, :class:`Look`, :class:`Take`) and is sent the
answer, so the same course is driven by a rig, faster than life, and by a whole station in real time.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from proving.scenario.conditions import Clause, Condition, Seen, clauses
from proving.scenario.model import Act, AnyAct, AnyStep, Expect, Scenario, Wait
from proving.scenario.step_words import said


@dataclass(frozen=True, slots=True)
class Until:
    """Let time pass until then, in ms of the story. Answer: none."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Look:
    """Look at everything, at the record only where ``record`` asks for it. Answer: :class:`Seen`."""

    record: bool = False


@dataclass(frozen=True, slots=True)
class Take:
    """Do this. Answer: the refusal, or none."""

    step: AnyStep


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something was not followed: the code of its reason and its sentence."""

    because: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the telling: when, which step, in words, and what came of it."""

    at_ms: int
    step: int
    words: str
    then: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """What did not come as it had to: the step (counted from 0), when, what was expected and what was seen."""

    step: int | None
    at_ms: int
    expected: str
    seen: str


Wanted = Until | Look | Take
Answer = Seen | Refusal | None


class Broken(Exception):
    """A scenario does not hold."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"expected {failure.expected}; seen: {failure.seen}")
        self.failure = failure


@dataclass(slots=True)
class Course:
    """One way through a scenario. ``poll_ms`` is how often a condition that is waited for is looked at, ``slack_ms`` by
    how much everything may be later than it says, ``hear`` is told each line of the telling when it is done, ``index``
    is the step that is under way."""

    scenario: Scenario
    poll_ms: int
    hear: Callable[[Line], None]
    slack_ms: int = 0
    lines: list[Line] = field(default_factory=list)
    now_ms: int = 0
    index: int = 0

    def go(self) -> Generator[Wanted, Answer, None]:
        """Asks for one thing after another until the story is over. Raises Broken at what does not hold."""
        for index, step in enumerate(self.scenario.steps):
            self.index = index
            yield from self._come_to(index, step)
            match step:
                case Expect():
                    yield from self._expect(index, step)
                case Wait():
                    self._tell(index, step)
                    yield from self._wait(step.wait_ms)
                case _:
                    yield from self._take(index, step)

    def _come_to(self, index: int, step: AnyStep) -> Generator[Wanted, Answer, None]:
        if step.after_ms:
            yield from self._wait(step.after_ms)
        if step.at_ms is not None and step.at_ms > self.now_ms:
            yield Until(step.at_ms)
            self.now_ms = step.at_ms
        if step.when is not None:
            yield from self._until(index, step.when, step.within_ms)

    def _wait(self, for_ms: int) -> Generator[Wanted, Answer, None]:
        seen = yield from self._look()
        yield Until(seen.now_ms + for_ms)
        self.now_ms = seen.now_ms + for_ms

    def _look(self, condition: Condition | None = None) -> Generator[Wanted, Answer, Seen]:
        seen = yield Look(record=condition is not None and condition.of_record)
        if not isinstance(seen, Seen):
            raise TypeError("whoever is asked to look has to say what is seen")
        self.now_ms = seen.now_ms
        return seen

    def _until(self, index: int, condition: Condition, within_ms: int) -> Generator[Wanted, Answer, int]:
        """Waits for a condition; when it was met. Raises Broken."""
        asked, within_ms = clauses(condition), within_ms + self.slack_ms
        seen = yield from self._look(condition)
        began_ms = seen.now_ms
        while missing := _missing(asked, seen):
            if seen.now_ms - began_ms >= within_ms:
                raise Broken(self._failure(index, missing, seen, within_ms))
            yield Until(min(seen.now_ms + self.poll_ms, began_ms + within_ms))
            seen = yield from self._look(condition)
        return seen.now_ms - began_ms

    def _expect(self, index: int, step: Expect) -> Generator[Wanted, Answer, None]:
        took_ms = yield from self._until(index, step.expect, step.within_ms)
        asked, begun_ms = clauses(step.expect), self.now_ms
        while self.now_ms < begun_ms + step.stays_ms:
            yield Until(min(self.now_ms + self.poll_ms, begun_ms + step.stays_ms))
            seen = yield from self._look(step.expect)
            missing = _missing(asked, seen)
            if missing:
                failed = self._failure(index, missing, seen, 0)
                stays = f"{failed.expected}, for {step.stays_ms / 1000:g} s"
                after = f"{failed.seen}, after {(seen.now_ms - begun_ms) / 1000:g} s"
                raise Broken(Failure(index, seen.now_ms, stays, after))
        self._tell(index, step, f"yes, after {took_ms / 1000:g} s" if took_ms else "yes")

    @staticmethod
    def _failure(index: int, missing: tuple[Clause, ...], seen: Seen, within_ms: int) -> Failure:
        expected = " and ".join(one.expected for one in missing)
        within = f", within {within_ms / 1000:g} s" if within_ms else ""
        return Failure(index, seen.now_ms, expected + within, "; ".join(one.instead(seen) for one in missing))

    def _take(self, index: int, step: AnyStep) -> Generator[Wanted, Answer, None]:
        began_ms = self.now_ms
        refusal = yield Take(step)
        seen = yield from self._look()
        if refusal is not None and not isinstance(refusal, Refusal):
            raise TypeError("whoever is asked to do something has to say whether it was refused")
        if isinstance(step, Act):
            self._judge(index, step, refusal, seen.now_ms)
        then = f"refused: {refusal.sentence}" if refusal is not None else ""
        self._line(Line(began_ms, index, said(step), then))

    def _judge(self, index: int, step: AnyAct, refusal: Refusal | None, now_ms: int) -> None:
        """Whether what was asked was followed or refused as it had to be. Raises Broken."""
        if refusal is None:
            if step.refused is not None:
                expected = f"{said(step)} to be refused because of {step.refused}"
                raise Broken(Failure(index, now_ms, expected, "it was followed"))
            return
        seen = f"it was refused because of {refusal.because}: {refusal.sentence}"
        if step.refused is None:
            raise Broken(Failure(index, now_ms, f"{said(step)} to be followed", seen))
        if step.refused not in {"any", refusal.because}:
            raise Broken(Failure(index, now_ms, f"{said(step)} to be refused because of {step.refused}", seen))
        if step.said is not None and step.said not in refusal.sentence:
            raise Broken(Failure(index, now_ms, f"{said(step)} to be refused with the words {step.said!r}", seen))

    def _tell(self, index: int, step: AnyStep, then: str = "") -> None:
        self._line(Line(self.now_ms, index, said(step), then))

    def _line(self, line: Line) -> None:
        self.lines.append(line)
        self.hear(line)


def _missing(asked: tuple[Clause, ...], seen: Seen) -> tuple[Clause, ...]:
    """What of all that is asked is not so."""
    return tuple(one for one in asked if not one.holds(seen))
