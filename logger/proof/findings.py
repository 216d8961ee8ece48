"""What a verification finds: each thing by its entry, what it is, and a sentence for people."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from logger.journal.entry import Entry

MAX_FINDINGS = 100  # named one by one; beyond that only counted, so that a ruined file does not fill the memory

What = Literal[
    "changed",
    "missing",
    "does_not_follow",
    "out_of_order",
    "signature",
    "other_key",
    "cut_tail",
    "differs_from_anchor",
    "store_damaged",
    "file",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong. ``sequence`` is the entry where it shows, None when it is the file as a whole; ``session`` is
    that entry's, or that of the one behind a hole."""

    sequence: int | None
    what: What
    sentence: str
    session: str | None = None


@dataclass(slots=True)
class Findings:
    """What was found so far; beyond :data:`MAX_FINDINGS` only counted."""

    named: list[Finding] = field(default_factory=list)
    total: int = 0

    def add(self, where: Entry | int | None, what: What, sentence: str, *, session: str | None = None) -> None:
        """One thing more, at an entry, at a sequence, or of the file as a whole."""
        self.total += 1
        if len(self.named) >= MAX_FINDINGS:
            return
        if isinstance(where, Entry):
            session, where = session or where.session, where.sequence
        self.named.append(Finding(where, what, printable(sentence), None if session is None else printable(session)))

    def of_the_file(self, problems: Sequence[str]) -> None:
        """What SQLite finds wrong with the file: before everything else, because it may be why."""
        self.total += len(problems)
        named = [Finding(None, "file", f"The database file is not whole: {problem}.") for problem in problems]
        self.named = [*named, *self.named][:MAX_FINDINGS]


def printable(text: str) -> str:
    """Text of a file that anybody may have written, for a terminal: what is not printable is written out."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def counted(count: int, one: str, many: str = "") -> str:
    """A number and its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"
