"""A safety case from its file: each part where it belongs, each mistake with its line."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from safety_case.model import Case
from safety_case.source import CaseError, Mistake, Source, read_source

WORDS = {
    "extra_forbidden": "There is no such key here: a misspelling?",
    "missing": "{name!r} is missing here.",
}


@dataclass(frozen=True, slots=True)
class KeptCase:
    """A case, and where each part of it stands in its file."""

    case: Case
    source: Source


def read_case(path: Path) -> KeptCase:
    """The case in a file. Raises CaseError with every mistake that was found in its form."""
    source = read_source(path)
    try:
        return KeptCase(Case.model_validate(source.content), source)
    except ValidationError as error:
        raise CaseError(
            *(
                Mistake(source.line(*one["loc"]), _sentence(one["type"], one["loc"], one["msg"]))
                for one in error.errors()
            )
        ) from error


def _sentence(kind: str, place: tuple[str | int, ...], message: str) -> str:
    name = place[-1] if place else ""
    where = " → ".join(str(part) for part in place) or "the file as a whole"
    return f"{where}: " + WORDS.get(kind, message.rstrip(".") + ".").format(name=name)
