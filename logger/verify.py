"""Is the record what was journalled? Walks a chain in constant memory and names what is wrong, entry by entry.

A chain alone shows any entry changed, taken out, put in or moved. It cannot show a cut tail, nor a chain rewritten as a
whole by whoever holds the file: for that it is compared with an anchor kept elsewhere, here the recorder's store, and
the result says which anchor was used.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from logger.entry import GENESIS, Entry
from logger.errors import JournalUnusable, StoreUnusable
from logger.journal_reader import JournalReader
from logger.store import Store

MAX_FINDINGS = 100  # named one by one; beyond that only counted, so that a ruined file does not fill the memory

What = Literal["changed", "missing", "does_not_follow", "out_of_order", "cut_tail", "differs_from_anchor", "file"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong. ``sequence`` is the entry where it shows, None when it is the file as a whole."""

    sequence: int | None
    what: What
    sentence: str


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What was found. ``count`` entries were read, ``first`` to ``last``; ``findings_total`` counts also unnamed ones.

    ``anchor`` says against what the end was compared, None when against nothing; ``not_yet_stored`` is how many entries
    the anchor has not got yet, which is no fault.
    """

    station: str
    verdict: Literal["intact", "damaged"]
    count: int
    sessions: int
    first: int | None
    last: int | None
    last_hash: str | None
    anchor: str | None
    not_yet_stored: int
    findings_total: int
    findings: tuple[Finding, ...]

    def sentence(self) -> str:
        """The result for people, one sentence or two."""
        entries = _counted(self.count, "entry", "entries")
        span = entries if self.last is None else f"{entries}, {self.first} to {self.last}"
        anchor = (
            f"compared with {self.anchor}" if self.anchor else "compared with no anchor, so a cut end would not show"
        )
        if self.verdict == "intact":
            waiting = f"; {self.not_yet_stored} not stored there yet" if self.not_yet_stored else ""
            return f"intact: station {self.station}, {span}, {_counted(self.sessions, 'session')}, {anchor}{waiting}."
        return (
            f"damaged: station {self.station}, {span}, {anchor}: {_counted(self.findings_total, 'finding')}. First: "
            f"{self.findings[0].sentence} Keep the file as it is, and trust the recorder's store for what it has."
        )


@dataclass(slots=True)
class _Findings:
    named: list[Finding] = field(default_factory=list)
    total: int = 0

    def add(self, sequence: int | None, what: What, sentence: str) -> None:
        self.total += 1
        if len(self.named) < MAX_FINDINGS:
            self.named.append(Finding(sequence, what, sentence))


@dataclass(slots=True)
class _Walk:
    """The state of one walk: what was read last, and how much."""

    count: int = 0
    sessions: int = 0
    first: int | None = None
    last: int | None = None
    last_hash: bytes | None = None


def check_chain(entries: Iterable[Entry], findings: _Findings, walk: _Walk) -> Iterator[Entry]:
    """Passes the entries on while it checks each and its place in the chain."""
    expected, previous = 1, GENESIS
    for entry in entries:
        sequence = entry.sequence
        follows = True
        if sequence < expected:
            findings.add(sequence, "out_of_order", f"Entry {sequence} stands where {expected} or a later one should.")
            follows = False
        elif sequence > expected:
            gone = f"Entry {expected} is" if sequence == expected + 1 else f"Entries {expected} to {sequence - 1} are"
            findings.add(expected, "missing", f"{gone} missing.")
            follows = False
        try:
            sound = entry.computed_hash() == entry.hash
        except (ValueError, OverflowError, AttributeError, TypeError, struct.error):
            sound = False  # a field that no journalled entry can have
        if not sound:
            findings.add(sequence, "changed", f"Entry {sequence} is not what was journalled: it was changed.")
        elif follows and entry.previous != previous:
            findings.add(
                sequence,
                "does_not_follow",
                f"Entry {sequence} does not follow the one before it: one of the two was exchanged, put in or moved.",
            )
        walk.count += 1
        walk.sessions += entry.type == "session_opened"
        walk.first = sequence if walk.first is None else walk.first
        walk.last, walk.last_hash = sequence, entry.hash
        # An entry that was changed still says which hash it had: the next one is held against that, so that one fault
        # is named once and not again for everything behind it.
        expected, previous = sequence + 1, entry.hash
        yield entry


def verify_journal(path: Path, *, store: Store | None = None) -> VerifyResult:
    """Verifies a station's journal, against the recorder's ``store`` where one is given.

    Raises JournalUnusable when ``path`` is no journal, StoreUnusable when the store cannot be read.
    """
    reader = JournalReader(path)
    try:
        findings, walk = _Findings(), _Walk()
        for problem in reader.file_problems():
            findings.add(None, "file", f"The database file is not whole: {problem}.")
        stored = iter(store.entries(reader.station)) if store is not None else iter(())
        not_yet_stored = 0
        entries = check_chain(reader.entries(), findings, walk)
        try:
            if store is None:
                for _entry in entries:
                    pass
            else:
                not_yet_stored = _compare(entries, stored, findings)
        except JournalUnusable as error:
            findings.add(walk.last, "file", f"Behind entry {walk.last or 0} the file cannot be read: {error}")
        return _result(
            reader.station, findings, walk, None if store is None else "the recorder's store", not_yet_stored
        )
    finally:
        reader.close()


def verify_store(store: Store, station: str) -> VerifyResult:
    """Verifies what the store has of one station. Raises StoreUnusable when it cannot be read at all."""
    findings, walk = _Findings(), _Walk()
    try:
        for _entry in check_chain(store.entries(station), findings, walk):
            pass
    except StoreUnusable as error:
        if walk.count == 0:
            raise
        findings.add(walk.last, "file", f"Behind entry {walk.last or 0} the store cannot be read: {error}")
    return _result(station, findings, walk, None, 0)


def _compare(entries: Iterator[Entry], stored: Iterator[Entry], findings: _Findings) -> int:
    """Holds the journal's entries against the anchor's; returns how many the anchor has not got yet."""
    not_yet_stored = 0
    mine, anchor = next(entries, None), next(stored, None)
    while anchor is not None:
        if mine is None:
            last = anchor.sequence
            for last_entry in stored:
                last = last_entry.sequence
            findings.add(
                anchor.sequence,
                "cut_tail",
                f"The journal ends before entry {anchor.sequence}, the recorder's store goes on to {last}: its end "
                "was cut.",
            )
            return 0
        if mine.sequence < anchor.sequence:
            mine = next(entries, None)  # not in the anchor: named by the chain, or by the hash behind it
        elif mine.sequence > anchor.sequence:
            anchor = next(stored, None)  # missing here: the chain has named it
        else:
            if mine.hash != anchor.hash:
                findings.add(
                    mine.sequence,
                    "differs_from_anchor",
                    f"Entry {mine.sequence} is another one in the recorder's store: the journal was rewritten after "
                    "it was sent.",
                )
            mine, anchor = next(entries, None), next(stored, None)
    while mine is not None:
        not_yet_stored += 1
        mine = next(entries, None)
    return not_yet_stored


def _result(station: str, findings: _Findings, walk: _Walk, anchor: str | None, not_yet_stored: int) -> VerifyResult:
    return VerifyResult(
        station=station,
        verdict="damaged" if findings.total else "intact",
        count=walk.count,
        sessions=walk.sessions,
        first=walk.first,
        last=walk.last,
        last_hash=None if walk.last_hash is None else walk.last_hash.hex(),
        anchor=anchor,
        not_yet_stored=not_yet_stored,
        findings_total=findings.total,
        findings=tuple(findings.named),
    )
