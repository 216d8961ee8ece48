"""Walks a chain in constant memory: is each entry what was journalled, and does each follow the one before?"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from logger.journal.entry import GENESIS, Entry, Quick, link_hash
from logger.proof.checkpoints import Trail
from logger.proof.findings import Findings

CLOSELY: Final = frozenset({"station_key", "journal_checkpoint", "session_opened"})
"""Types of entries of which more is asked than whether they are sound and follow."""
ROW_TYPE: Final = 4
ROW_HASH: Final = 8


@dataclass(frozen=True, slots=True)
class Withheld:
    """An entry of which only the digest of its content is here."""

    sequence: int
    content: bytes
    previous: bytes
    hash: bytes


@dataclass(slots=True)
class Walk:
    """The state of one walk: what was read last, how much, and what is signed of it.

    ``expected`` is the sequence that has to come next, ``previous`` the hash it has to follow.
    """

    trail: Trail = field(default_factory=Trail)
    count: int = 0
    sessions: int = 0
    first: int | None = None
    last: int | None = None
    last_hash: bytes | None = None
    expected: int = 1
    previous: bytes = GENESIS

    def entry(self, entry: Entry, findings: Findings) -> None:
        """The chain's next entry."""
        if entry.sequence < 1:
            self._before_the_first(entry, findings)
            return
        try:
            sound = entry.computed_hash() == entry.hash
        except (ValueError, OverflowError, AttributeError, TypeError, struct.error):
            sound = False  # a field that no journalled entry can have
        self._place(entry, entry.session, findings, sound=sound)
        if sound:
            self.trail.take(entry, findings)
        else:
            self.trail.withheld(entry.sequence, entry.hash)
        self.sessions += entry.type == "session_opened"

    def rows(
        self, rows: Sequence[Sequence[Any]], quick: Quick, made: Callable[[Sequence[Any]], Entry], findings: Findings
    ) -> None:
        """The chain's next entries, as rows of a database; ``made`` makes an entry of one that is looked at closely."""
        passed = self.trail.passed
        for row in rows:
            try:
                plain = row[ROW_TYPE] not in CLOSELY and quick.sound(row, self.expected, self.previous)
            except (ValueError, OverflowError, AttributeError, TypeError, struct.error):
                plain = False
            if not plain:
                self.entry(made(row), findings)
                continue
            sequence, digest = row[0], row[ROW_HASH]
            if self.first is None:
                self.first = sequence
            self.count += 1
            self.last = sequence
            self.expected = sequence + 1
            self.previous = self.last_hash = digest
            passed.append((sequence, digest))

    def withheld(self, entry: Withheld, findings: Findings) -> None:
        """The chain's next entry, of which only the digest is here."""
        try:
            sound = link_hash(entry.previous, entry.sequence, entry.content) == entry.hash
        except struct.error:
            sound = False
        self._place(entry, None, findings, sound=sound)
        self.trail.withheld(entry.sequence, entry.hash)

    def _before_the_first(self, entry: Entry, findings: Findings) -> None:
        """A row that no chain has: whoever reads the record passes over it, and it is no part of what is signed."""
        self.count += 1
        what = f"Entry {entry.sequence} stands before the first, which is 1: it was put in, and no station writes that."
        findings.add(entry, "out_of_order", what)

    def _place(self, entry: Entry | Withheld, session: str | None, findings: Findings, *, sound: bool) -> None:
        sequence = entry.sequence
        follows = sequence == self.expected
        if not follows:
            _out_of_place(sequence, session, findings, self.expected)
        if not sound:
            what = f"Entry {sequence} is not what was journalled: it was changed."
            findings.add(sequence, "changed", what, session=session)
        elif follows and entry.previous != self.previous:
            findings.add(
                sequence,
                "does_not_follow",
                f"Entry {sequence} does not follow the one before it: one of the two was exchanged, put in or moved.",
                session=session,
            )
        self.count += 1
        if self.first is None:
            self.first = sequence
        self.last = sequence
        self.last_hash = entry.hash
        # An entry that was changed still says which hash it had: the next one is held against that, so that one fault
        # is named once and not again for everything behind it.
        self.expected = sequence + 1
        self.previous = entry.hash


def check_chain(entries: Iterable[Entry], findings: Findings, walk: Walk) -> Iterator[Entry]:
    """Passes the entries on while it checks each, its place in the chain, and the signatures under it."""
    for entry in entries:
        walk.entry(entry, findings)
        yield entry


def _out_of_place(sequence: int, session: str | None, findings: Findings, expected: int) -> None:
    if sequence < expected:
        what = f"Entry {sequence} stands where {expected} or a later one should."
        findings.add(sequence, "out_of_order", what, session=session)
        return
    gone = f"Entry {expected} is" if sequence == expected + 1 else f"Entries {expected} to {sequence - 1} are"
    findings.add(expected, "missing", f"{gone} missing.", session=session)
