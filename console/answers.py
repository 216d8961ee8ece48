"""Answers about contraindications: from a file, and from the last visit where nothing changed since. Pure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from console.exits import Code
from console.trouble import ConsoleError, Told
from controller.datafile import DataModel, load_data

_WORDS = {"yes": True, "no": False}


class AnswersFile(DataModel):
    """A file of answers: question → whether it applies, and question → why it is treated all the same.

    ``since_last_visit: unchanged`` says that the patient was asked what changed and that, but for the ``answers`` of
    the file, nothing did.
    """

    since_last_visit: Literal["unchanged"] | None = None
    answers: dict[str, bool] = Field(default_factory=dict)
    accepted: dict[str, str] = Field(default_factory=dict)

    @field_validator("answers", mode="before")
    @classmethod
    def _yes_and_no(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        return {question: _WORDS.get(str(word).lower(), word) for question, word in given.items()}


def read_answers(path: Path) -> AnswersFile:
    """The answers in a YAML or JSON file. Raises DataError with line and reason."""
    return load_data(AnswersFile, path, "")


def answers_of(given: AnswersFile, last: Mapping[str, bool] | None, questions: Mapping[str, object]) -> dict[str, bool]:
    """Every answer there is; questions that are new since the last visit stay unanswered. Raises ConsoleError."""
    if given.since_last_visit is None:
        return dict(given.answers)
    if last is None:
        raise ConsoleError(
            Told(
                "no_last_visit",
                "The answers say `since_last_visit: unchanged`, and this site has no answers of an earlier visit.",
                "Nothing was prepared: no answer is assumed.",
                "Ask every question, and write each answer into the file.",
            ),
            Code.USAGE,
        )
    return {name: applies for name, applies in last.items() if name in questions} | given.answers
