"""Whether what is made of a record is made of what was journalled: hashes and links, while the entries are read. Pure.

This is what a report or an export asks before it says anything. Signatures, anchors and the whole chain are for
:mod:`logger.proof.verify`.
"""

import struct
from collections.abc import Callable, Iterable, Iterator

from logger.errors import RecordDamaged
from logger.journal.entry import GENESIS, Entry

After = Callable[[str, int], Iterator[Entry]]
"""All entries of a station with a sequence greater than this, in order."""

_THEN = (
    "A report or an export is made of a sound record alone. Keep this one as it is, let `needlework verify` name "
    "everything that is wrong with it, and look whether the other copy is sound: --store or --journal names it."
)


def sound_session(own: Iterable[Entry], after: After) -> Iterator[Entry]:
    """Passes a session's entries on while it checks each, and that none is missing up to its close.

    Other entries of the station between them are checked with them: one of this session could be among them under
    another's name. Behind the close come signatures and amendments, years later perhaps: of those each is checked by
    itself. Raises RecordDamaged at the first entry that is not as it was journalled.
    """
    chain: Iterator[Entry] | None = None
    closed = False
    for entry in own:
        if closed:
            check_entry(entry)
        else:
            if chain is None:
                before = max(entry.sequence - 1, 1)
                chain = sound_chain(after(entry.station, before - 1), first=before)
            next((one for one in chain if one.sequence >= entry.sequence), None)
            closed = entry.type == "session_closed"
        yield entry


def sound_chain(entries: Iterable[Entry], *, first: int = 1) -> Iterator[Entry]:
    """Passes entries on while it checks that each is sound and follows the one before; a station's chain begins at 1.

    Raises RecordDamaged at the first entry that is not as it was journalled.
    """
    station, expected, previous = None, first, GENESIS if first == 1 else None
    for entry in entries:
        if station is not None and entry.station != station:
            expected, previous = 1, GENESIS
        check_entry(entry)
        if entry.sequence != expected:
            raise RecordDamaged(f"Entry {expected} of {entry.station}'s record is missing. {_THEN}")
        if previous is not None and entry.previous != previous:
            raise RecordDamaged(
                f"Entry {entry.sequence} of {entry.station}'s record does not follow the one before it. {_THEN}"
            )
        station, expected, previous = entry.station, entry.sequence + 1, entry.hash
        yield entry


def check_entry(entry: Entry) -> None:
    """Raises RecordDamaged when the entry is not what its hash says."""
    try:
        sound = entry.computed_hash() == entry.hash
    except (ValueError, OverflowError, AttributeError, TypeError, struct.error):
        sound = False  # a field that no journalled entry can have
    if not sound:
        raise RecordDamaged(
            f"Entry {entry.sequence} of {entry.station}'s record is not what was journalled: it was changed. {_THEN}"
        )
