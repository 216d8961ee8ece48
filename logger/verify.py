"""Is the record what was journalled? Walks a chain in constant memory and names what is wrong, entry by entry.

A chain alone shows any entry changed, taken out, put in or moved. It cannot show a cut tail, nor a chain rewritten as a
whole by whoever holds the file: for that it is compared with an anchor kept elsewhere, here the recorder's store, and
the result says which anchor was used. The anchor is verified with it. Where the two differ nothing here can tell which
one was changed, and nothing here says so.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from logger.entry import GENESIS, Entry
from logger.errors import JournalRuined, JournalUnusable, StoreUnusable
from logger.journal_reader import JournalReader
from logger.store import Store

MAX_FINDINGS = 100  # named one by one; beyond that only counted, so that a ruined file does not fill the memory

_WHO_MAY_PUBLISH = "Look at who may publish on the broker (password, ACL): whoever may can send a batch to the store."

What = Literal[
    "changed", "missing", "does_not_follow", "out_of_order", "cut_tail", "differs_from_anchor", "store_damaged", "file"
]


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
    the anchor has not got yet, which is no fault. ``store_findings`` of the findings are the anchor's own damage: when
    there are no others, the journal itself is intact.
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
    store_findings: int = 0

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
        if self.store_findings == self.findings_total:
            return (
                f"damaged: the recorder's store, {_counted(self.findings_total, 'finding')}. The journal itself is "
                f"intact: station {self.station}, {span}, {_counted(self.sessions, 'session')}. First: "
                f"{self.findings[0].sentence} Keep both as they are."
            )
        advice = "Keep the file as it is."
        if self.anchor:
            advice = "Keep journal and store as they are"
            contradicted = any(finding.what in ("differs_from_anchor", "cut_tail") for finding in self.findings)
            advice += f". {_WHO_MAY_PUBLISH}" if contradicted else "."
        return (
            f"damaged: station {self.station}, {span}, {anchor}: {_counted(self.findings_total, 'finding')}. First: "
            f"{self.findings[0].sentence} {advice}"
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

    A file that is no longer a database is a finding when a store tells what was in it. Raises JournalUnusable when
    ``path`` is absent, forbidden or no journal, StoreUnusable when the store cannot be read.
    """
    try:
        reader = JournalReader(path)
    except JournalRuined as error:
        if store is None:
            raise
        return _ruined(error, store)
    try:
        findings, walk = _Findings(), _Walk()
        for problem in reader.file_problems():
            findings.add(None, "file", f"The database file is not whole: {problem}.")
        # Before the entries are read: what is confirmed by now is on the disk, and in the store, by then.
        confirmed = _confirmed(reader, findings)
        comparison = _Comparison(store, reader.station)
        try:
            for entry in check_chain(reader.entries(), findings, walk):
                comparison.take(entry)
        except JournalUnusable as error:
            findings.add(walk.last, "file", f"Behind entry {walk.last or 0} the file cannot be read: {error}")
        if confirmed > (walk.last or 0):
            findings.add(
                walk.last,
                "cut_tail",
                f"The journal ends at entry {walk.last or 0}, but it notes that the recorder confirmed entries up to "
                f"{confirmed}: its end was cut.",
            )
        comparison.finish(findings, confirmed)
        return _result(
            reader.station,
            findings,
            walk,
            None if store is None else "the recorder's store",
            comparison.not_yet_stored,
            comparison.store_findings,
        )
    finally:
        reader.close()


def _confirmed(reader: JournalReader, findings: _Findings) -> int:
    try:
        return reader.acknowledged()
    except JournalUnusable as error:
        findings.add(None, "file", f"What the recorder confirmed cannot be read: {error}")
        return 0


def _ruined(error: JournalRuined, store: Store) -> VerifyResult:
    """The result for a file that is no journal any more, beside a store that knows what one held."""
    findings = _Findings()
    findings.add(None, "file", str(error))
    spans = store.stations()
    for span in spans:
        of_store = verify_store(store, span.station)
        whole = "it is whole" if of_store.verdict == "intact" else f"{of_store.findings_total} findings there too"
        findings.add(
            None,
            "file",
            f"The store has {_counted(of_store.count, 'entry', 'entries')} of station {span.station}, up to "
            f"{span.contiguous}; {whole}.",
        )
    station = spans[0].station if len(spans) == 1 else "unknown"
    return _result(station, findings, _Walk(), "the recorder's store", 0)


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


class _Comparison:
    """Holds the journal's entries against the store's, while it checks the store's own chain; both go by once."""

    def __init__(self, store: Store | None, station: str) -> None:
        self.not_yet_stored = 0
        self.store_findings = 0
        self._of_store = _Findings()
        self._walk = _Walk()
        self._given = store is not None
        self._stored = iter(()) if store is None else self._entries(store, station)
        self._anchor = next(self._stored, None)
        self._first_other: int | None = None
        self._others = 0

    def _entries(self, store: Store, station: str) -> Iterator[Entry]:
        try:
            yield from check_chain(store.entries(station), self._of_store, self._walk)
        except StoreUnusable as error:
            if self._walk.count == 0:
                raise
            last = self._walk.last
            self._of_store.add(last, "file", f"Behind entry {last} it cannot be read: {error}")

    def take(self, mine: Entry) -> None:
        """The journal's next entry."""
        while self._anchor is not None and self._anchor.sequence < mine.sequence:
            self._anchor = next(self._stored, None)  # missing in the journal: its chain has named it
        if self._anchor is None:
            self.not_yet_stored += self._given
        elif self._anchor.sequence == mine.sequence:
            if self._anchor.hash != mine.hash:
                self._others += 1
                self._first_other = self._first_other or mine.sequence
            self._anchor = next(self._stored, None)

    def finish(self, findings: _Findings, confirmed: int) -> None:
        """Behind the journal's last entry: says where the two differ, and what is wrong with the store itself."""
        rest, behind = self._anchor, self._anchor
        while rest is not None:
            rest = next(self._stored, None)
        if self._others:
            findings.add(
                self._first_other,
                "differs_from_anchor",
                f"Journal and store differ from entry {self._first_other} on "
                f"({_counted(self._others, 'entry', 'entries')}): one of the two was changed; "
                "which one, the hashes cannot tell.",
            )
        if behind is not None:
            findings.add(
                behind.sequence,
                "cut_tail",
                f"The journal ends before entry {behind.sequence}, the recorder's store goes on to {self._walk.last}: "
                "the journal's end was cut, or entries that are not the station's were put into the store.",
            )
        if self._given and confirmed > (self._walk.last or 0):
            self._of_store.add(
                self._walk.last,
                "cut_tail",
                f"It ends at entry {self._walk.last or 0}, but the recorder confirmed entries up to {confirmed}: its "
                "end was lost, or it is another recorder's store.",
            )
        self.store_findings = self._of_store.total
        for finding in self._of_store.named:
            findings.add(
                finding.sequence, "store_damaged", f"It is the recorder's store that is damaged: {finding.sentence}"
            )
        findings.total += self._of_store.total - len(self._of_store.named)


def _result(
    station: str,
    findings: _Findings,
    walk: _Walk,
    anchor: str | None,
    not_yet_stored: int,
    store_findings: int = 0,
) -> VerifyResult:
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
        store_findings=store_findings,
    )
