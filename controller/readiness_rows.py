"""How a row of the table of readiness is made. Pure."""

from typing import Literal

from controller.events import ReadinessRow

Outcome = Literal["passes", "note", "open", "fails"]

UNREAD = "Not read from the pen yet."


def row(check: str, because: str, outcome: Outcome, sentence: str) -> ReadinessRow:
    """One row."""
    return ReadinessRow(check=check, because=because, outcome=outcome, sentence=sentence)


def judged(check: str, good: str, *troubles: tuple[bool, str, str]) -> ReadinessRow:
    """A row from conditions that must not hold, (it holds, because, sentence), the first of them deciding."""
    for holds, because, sentence in troubles:
        if holds:
            return row(check, because, "fails", sentence)
    return row(check, "", "passes", good)
