"""Is the record what was journalled? Walks a chain in constant memory and names what is wrong, entry by entry.

A chain alone shows any entry changed, taken out, put in or moved. Its checkpoints show by their signatures that nobody
but the holder of the station's key rewrote it as a whole, up to the last of them. What neither can show is a cut tail,
and what the holder of the key did: for that it is compared with an anchor kept elsewhere, the recorder's store or a
checkpoint that somebody noted, and the result says which anchor was used. The store is verified with it. Where the two
differ nothing here can tell which one was changed, and nothing here says so.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from logger.errors import JournalRuined, JournalUnusable, StoreUnusable
from logger.journal.entry import Entry, Quick
from logger.journal.reader import JournalReader
from logger.proof.anchors import Anchor, Anchored
from logger.proof.chain import ROW_HASH, Walk, check_chain
from logger.proof.checkpoints import Trail
from logger.proof.findings import MAX_FINDINGS, Finding, Findings, What, counted, printable
from logger.store.store import Store

__all__ = ["MAX_FINDINGS", "Finding", "VerifyResult", "result_of", "verify_journal", "verify_store"]

BREAKS: frozenset[What] = frozenset({"changed", "missing", "does_not_follow", "out_of_order", "file"})
"""Findings with which no chain goes on."""

PROGRESS_ENTRIES = 1000
"""Whoever waits for a long verification is told after each so many entries."""

Progress = Callable[[int, int | None], None]
"""Hears how many entries were read, and of how many where that is known."""

_WHO_MAY_PUBLISH = "Look at who may publish on the broker (password, ACL): whoever may can send a batch to the store."
_STORE = "the recorder's store"


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What was found. ``count`` entries were read, ``first`` to ``last``; ``findings_total`` counts also unnamed ones.

    ``record_differs`` is a verdict of an exported file alone: its entries are intact, and what another version of the
    product made of them beside is not what this one makes, so that nothing here says whether it is true.

    ``anchor`` says against what the end was compared, None when against nothing; ``not_yet_stored`` is how many entries
    the anchor has not got yet, which is no fault. ``store_findings`` of the findings are the anchor's own damage: when
    there are no others, the journal itself is intact.

    ``signed_to`` is the last entry that a sound checkpoint signs, ``signed_by`` the key's id, ``code`` its verification
    code, and ``behind`` how many entries come after it, which are chained and not signed. ``keys`` are the keys as the
    chain announced them. ``notes`` are worth knowing and no damage.
    """

    station: str
    verdict: Literal["intact", "damaged", "record_differs"]
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
    signed_to: int | None = None
    signed_by: str = ""
    code: str = ""
    checkpoints: int = 0
    behind: int = 0
    keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def unbroken(self) -> bool:
        """Whether every entry is as its hash says and follows the one before, whatever its signatures are worth: a
        station can go on from the last of them."""
        named = len(self.findings) == self.findings_total
        return named and not any(finding.what in BREAKS for finding in self.findings)

    def _signed(self) -> str:
        if self.signed_to is None:
            return "signed nowhere"
        behind = f", {counted(self.behind, 'entry', 'entries')} behind that chained only" if self.behind else ""
        return f"signed up to entry {self.signed_to} by the key {self.signed_by}{behind}"

    def sentence(self) -> str:
        """The result for people, one sentence or two."""
        entries = counted(self.count, "entry", "entries")
        span = entries if self.last is None else f"{entries}, {self.first} to {self.last}"
        anchor = (
            f"compared with {self.anchor}" if self.anchor else "compared with no anchor, so a cut end would not show"
        )
        if self.verdict != "damaged":
            waiting = f"; {self.not_yet_stored} not stored there yet" if self.not_yet_stored else ""
            to = f" to checkpoint {self.signed_to}" if self.signed_to and not self.anchor else ""
            if self.verdict == "record_differs":
                to = f"{to} as to its entries, the record beside them not proved"
            return (
                f"intact{to}: station {self.station}, {span}, {counted(self.sessions, 'session')}, {self._signed()}, "
                f"{anchor}{waiting}."
            )
        if self.store_findings == self.findings_total:
            return (
                f"damaged: the recorder's store, {counted(self.findings_total, 'finding')}. The journal itself is "
                f"intact: station {self.station}, {span}, {counted(self.sessions, 'session')}. First: "
                f"{self.findings[0].sentence} Keep both as they are."
            )
        advice = "Keep the file as it is."
        if self.anchor and _STORE not in self.anchor:
            advice = "Keep the file as it is, and what was noted of its anchor."
        elif self.anchor:
            advice = "Keep journal and store as they are"
            contradicted = any(finding.what in ("differs_from_anchor", "cut_tail") for finding in self.findings)
            advice += f". {_WHO_MAY_PUBLISH}" if contradicted else "."
        return (
            f"damaged: station {self.station}, {span}, {anchor}: {counted(self.findings_total, 'finding')}. First: "
            f"{self.findings[0].sentence} {advice}"
        )


def verify_journal(
    path: Path,
    *,
    store: Store | None = None,
    anchors: Sequence[Anchor] = (),
    trusted: frozenset[str] = frozenset(),
    progress: Progress | None = None,
) -> VerifyResult:
    """Verifies a station's journal, against the recorder's ``store`` and ``anchors`` where they are given.

    ``trusted`` are the ids of the keys that alone may have signed it; empty takes whichever the journal announces.

    A file that is no longer a database is a finding when a store tells what was in it. Raises JournalUnusable when
    ``path`` is absent, forbidden or no journal, StoreUnusable when the store cannot be read.
    """
    try:
        reader = JournalReader(path, mapped=True)
    except JournalRuined as error:
        if store is None:
            raise
        return _ruined(error, store)
    with closing(reader), ThreadPoolExecutor(1, thread_name_prefix="verify") as beside:
        # SQLite looks at the file's structure for about as long as the walk takes, and needs no Python for it.
        structure = beside.submit(_problems, path)
        findings, walk = Findings(), Walk(Trail(trusted))
        # Before the entries are read: what is confirmed by now is on the disk, and in the store, by then.
        confirmed = _confirmed(reader, findings)
        comparison = _Comparison(store, reader.station)
        anchored = Anchored(anchors)
        quick, read_whole = Quick(reader.station), True
        newest = reader.last() if progress is not None else None
        upto = None if newest is None else newest[0]
        try:
            for rows in reader.rows():
                walk.rows(rows, quick, reader.entry_of, findings)
                if store is not None or anchors:
                    for row in rows:
                        comparison.take(row[0], row[ROW_HASH])
                        anchored.take(row[0], row[ROW_HASH])
                if progress is not None:
                    progress(walk.count, upto)
        except JournalUnusable as error:
            read_whole = False  # what lies behind may be there
            findings.add(walk.last, "file", f"Behind entry {walk.last or 0} the file cannot be read: {error}")
        if read_whole and confirmed > (walk.last or 0):
            findings.add(
                walk.last,
                "cut_tail",
                f"The journal ends at entry {walk.last or 0}, but it notes that the recorder confirmed entries up to "
                f"{confirmed}: its end was cut.",
            )
        comparison.finish(findings, confirmed, read_whole=read_whole)
        findings.of_the_file(structure.result())
        anchored.finish(findings, walk.last)
        return result_of(
            reader.station,
            findings,
            walk,
            (*([] if store is None else [_STORE]), *anchored.words),
            comparison.not_yet_stored,
            comparison.store_findings,
        )


def _problems(path: Path) -> list[str]:
    with closing(JournalReader(path, mapped=True)) as reader:
        return reader.file_problems()


def _confirmed(reader: JournalReader, findings: Findings) -> int:
    try:
        return reader.acknowledged()
    except JournalUnusable as error:
        findings.add(None, "file", f"What the recorder confirmed cannot be read: {error}")
        return 0


def _ruined(error: JournalRuined, store: Store) -> VerifyResult:
    """The result for a file that is no journal any more, beside a store that knows what one held."""
    findings = Findings()
    findings.add(None, "file", str(error))
    spans = store.stations()
    for span in spans:
        of_store = verify_store(store, span.station)
        whole = "it is whole" if of_store.verdict == "intact" else f"{of_store.findings_total} findings there too"
        findings.add(
            None,
            "file",
            f"The store has {counted(of_store.count, 'entry', 'entries')} of station {span.station}, up to "
            f"{span.contiguous}; {whole}.",
        )
    station = spans[0].station if len(spans) == 1 else "unknown"
    return result_of(station, findings, Walk(), (_STORE,), 0)


def verify_store(
    store: Store,
    station: str,
    *,
    anchors: Sequence[Anchor] = (),
    trusted: frozenset[str] = frozenset(),
    progress: Progress | None = None,
) -> VerifyResult:
    """Verifies what the store has of one station. Raises StoreUnusable when it cannot be read at all."""
    findings, walk = Findings(), Walk(Trail(trusted))
    anchored = Anchored(anchors)
    upto = store.span(station).contiguous if progress is not None else None
    try:
        for entry in check_chain(_told(store.every_row(station), progress, upto), findings, walk):
            anchored.take(entry.sequence, entry.hash)
    except StoreUnusable as error:
        if walk.count == 0:
            raise
        findings.add(walk.last, "file", f"Behind entry {walk.last or 0} the store cannot be read: {error}")
    anchored.finish(findings, walk.last)
    refused = store.conflicts(station)
    notes: tuple[str, ...] = ()
    if refused:
        first = refused[0]
        notes = (
            f"{counted(len(refused), 'entry was', 'entries were')} refused or told of by the recorder, first "
            f"{first.sequence}: {first.reason}.",
        )
    return result_of(station, findings, walk, anchored.words, 0, notes=notes)


def _told(entries: Iterator[Entry], progress: Progress | None, upto: int | None) -> Iterable[Entry]:
    return entries if progress is None else _counting(entries, progress, upto)


def _counting(entries: Iterator[Entry], progress: Progress, upto: int | None) -> Iterator[Entry]:
    for count, entry in enumerate(entries, 1):
        yield entry
        if count % PROGRESS_ENTRIES == 0:
            progress(count, upto)


class _Comparison:
    """Holds the journal's entries against the store's, while it checks the store's own chain; both go by once."""

    def __init__(self, store: Store | None, station: str) -> None:
        self.not_yet_stored = 0
        self.store_findings = 0
        self._of_store = Findings()
        self._walk = Walk()
        self._given = store is not None
        self._stored = iter(()) if store is None else self._entries(store, station)
        self._anchor = next(self._stored, None)
        self._first_other: int | None = None
        self._others = 0

    def _entries(self, store: Store, station: str) -> Iterator[Entry]:
        try:
            yield from check_chain(store.every_row(station), self._of_store, self._walk)
        except StoreUnusable as error:
            if self._walk.count == 0:
                raise
            last = self._walk.last
            self._of_store.add(last, "file", f"Behind entry {last} it cannot be read: {error}")

    def take(self, sequence: int, digest: bytes) -> None:
        """The journal's next entry and its hash."""
        if sequence < 1:
            return  # no entry of a chain, and named as such
        while self._anchor is not None and self._anchor.sequence < sequence:
            self._anchor = next(self._stored, None)  # missing in the journal: its chain has named it
        if self._anchor is None:
            self.not_yet_stored += self._given
        elif self._anchor.sequence == sequence:
            if self._anchor.hash != digest:
                self._others += 1
                self._first_other = self._first_other or sequence
            self._anchor = next(self._stored, None)

    def finish(self, findings: Findings, confirmed: int, *, read_whole: bool) -> None:
        """Behind the journal's last entry: says where the two differ, and what is wrong with the store itself."""
        rest, behind = self._anchor, self._anchor
        while rest is not None:
            rest = next(self._stored, None)
        if self._others:
            findings.add(
                self._first_other,
                "differs_from_anchor",
                f"Journal and store differ from entry {self._first_other} on "
                f"({counted(self._others, 'entry', 'entries')}): one of the two was changed; "
                "which one, the hashes cannot tell.",
            )
        if behind is not None and read_whole:
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


def result_of(
    station: str,
    findings: Findings,
    walk: Walk,
    anchors: Sequence[str],
    not_yet_stored: int = 0,
    store_findings: int = 0,
    notes: tuple[str, ...] = (),
    record_differs: bool = False,
) -> VerifyResult:
    """What a walk that has ended comes to."""
    walk.trail.finish(findings)
    told = [printable(note) for note in (*walk.trail.notes(), *notes)]
    if len(told) > MAX_FINDINGS:
        told = [*told[:MAX_FINDINGS], f"And {len(told) - MAX_FINDINGS} notes more."]
    return VerifyResult(
        station=printable(station),
        verdict="damaged" if findings.total else "record_differs" if record_differs else "intact",
        count=walk.count,
        sessions=walk.sessions,
        first=walk.first,
        last=walk.last,
        last_hash=None if walk.last_hash is None else walk.last_hash.hex(),
        anchor=" and ".join(anchors) or None,
        not_yet_stored=not_yet_stored,
        findings_total=findings.total,
        findings=tuple(findings.named),
        store_findings=store_findings,
        signed_to=walk.trail.signed_to,
        signed_by=walk.trail.by,
        code=walk.trail.code(),
        checkpoints=walk.trail.checkpoints,
        behind=(walk.last or 0) - (walk.trail.signed_to or 0),
        keys=tuple(dict.fromkeys(key for _, key in walk.trail.announced)),
        notes=tuple(told),
    )
