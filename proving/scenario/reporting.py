"""What came of a scenario, as lines for people and as data for programs."""

from collections.abc import Sequence
from typing import Any

from proving.junit import Case, Suite
from proving.scenario.course import Failure, Line
from proving.scenario.outcomes import Outcome


def told(outcome: Outcome) -> list[str]:
    """The telling of a scenario: what was done and seen, when, and what did not come as it had to."""
    lines = [in_words(line) for line in outcome.lines]
    if outcome.failure is not None:
        lines += failed(outcome, outcome.failure)
    return lines


def in_words(line: Line) -> str:
    """One line of a telling."""
    return f"{line.at_ms / 1000:9.3f} s  {line.words}{f' — {line.then}' if line.then else ''}"


def failed(outcome: Outcome, failure: Failure) -> list[str]:
    """What did not hold: where, when, what was expected, what was seen."""
    loaded = outcome.loaded
    place = str(loaded.path)
    if failure.step is not None and failure.step < len(loaded.lines):
        place = f"{loaded.path}:{loaded.lines[failure.step]}"
    return [
        f"{failure.at_ms / 1000:9.3f} s  FAILED at {place}",
        f"             expected: {failure.expected}",
        f"             seen:     {failure.seen}",
    ]


def as_data(outcome: Outcome, took_s: float) -> dict[str, Any]:
    """The same for programs."""
    scenario, failure = outcome.loaded.scenario, outcome.failure
    data: dict[str, Any] = {
        "event": "scenario",
        "name": scenario.name,
        "title": scenario.title,
        "hazards": list(scenario.hazards),
        "file": str(outcome.loaded.path),
        "holds": outcome.held,
        "story_s": outcome.story_ms / 1000,
        "took_s": round(took_s, 3),
        "told": [{"at_s": line.at_ms / 1000, "words": line.words, "then": line.then} for line in outcome.lines],
    }
    if outcome.skipped:
        data["skipped"] = outcome.skipped
    if failure is not None:
        step = failure.step
        data["failure"] = {
            "at_s": failure.at_ms / 1000,
            "line": outcome.loaded.lines[step] if step is not None and step < len(outcome.loaded.lines) else None,
            "expected": failure.expected,
            "seen": failure.seen,
        }
    return data


def as_suite(outcomes: Sequence[tuple[Outcome, float]]) -> Suite:
    """A case for each outcome, for CI servers; the float is how many seconds it took to play."""
    return Suite("needlework scenarios", tuple(_case(outcome, took_s) for outcome, took_s in outcomes))


def _case(outcome: Outcome, took_s: float) -> Case:
    failure = outcome.failure
    return Case(
        "scenarios",
        outcome.loaded.scenario.name,
        took_s,
        file=str(outcome.loaded.path),
        failure=("", "")
        if failure is None
        else (f"expected {failure.expected}; seen: {failure.seen}", "\n".join(told(outcome))),
        skipped=outcome.skipped or "" if failure is None else "",
    )
