"""Walks a chain in constant memory: is each entry what was journalled, and does each follow the one before?"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from logger.checkpoints import Trail
from logger.entry import GENESIS, Entry
from logger.findings import Findings


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


def check_chain(entries: Iterable[Entry], findings: Findings, walk: Walk) -> Iterator[Entry]:
    """Passes the entries on while it checks each, its place in the chain, and the signatures under it."""
    for entry in entries:
        sequence = entry.sequence
        follows = sequence == walk.expected
        if not follows:
            _out_of_place(entry, findings, walk.expected)
        try:
            sound = entry.computed_hash() == entry.hash
        except (ValueError, OverflowError, AttributeError, TypeError, struct.error):
            sound = False  # a field that no journalled entry can have
        if not sound:
            findings.add(entry, "changed", f"Entry {sequence} is not what was journalled: it was changed.")
        elif follows and entry.previous != walk.previous:
            findings.add(
                entry,
                "does_not_follow",
                f"Entry {sequence} does not follow the one before it: one of the two was exchanged, put in or moved.",
            )
        if sound:
            walk.trail.take(entry, findings)
        else:
            walk.trail.withheld(sequence, entry.hash)
        walk.count += 1
        walk.sessions += entry.type == "session_opened"
        walk.first = sequence if walk.first is None else walk.first
        walk.last, walk.last_hash = sequence, entry.hash
        # An entry that was changed still says which hash it had: the next one is held against that, so that one fault
        # is named once and not again for everything behind it.
        walk.expected, walk.previous = sequence + 1, entry.hash
        yield entry


def _out_of_place(entry: Entry, findings: Findings, expected: int) -> None:
    sequence = entry.sequence
    if sequence < expected:
        findings.add(entry, "out_of_order", f"Entry {sequence} stands where {expected} or a later one should.")
        return
    gone = f"Entry {expected} is" if sequence == expected + 1 else f"Entries {expected} to {sequence - 1} are"
    findings.add(expected, "missing", f"{gone} missing.", session=entry.session)
