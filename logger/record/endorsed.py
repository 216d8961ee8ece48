"""What people added to a session's record after its close: signatures and amendments, and what each of them covers."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from controller.events import Event, RecordAmended, SessionSigned
from logger.journal.entry import Entry
from logger.record.models import AmendmentRecord, SignatureRecord


@dataclass(slots=True)
class Endorsements:
    """The signatures and amendments read so far. Give it each of the session's entries, in order."""

    amendments: list[AmendmentRecord] = field(default_factory=list)
    _signatures: list[tuple[int, SignatureRecord]] = field(default_factory=list)  # with the entry it reaches to
    _hashes: dict[int, str] = field(default_factory=dict)
    _amended: int = 0

    def take(self, event: Event, entry: Entry, at: datetime) -> None:
        """One entry and the event in it."""
        match event:
            case SessionSigned():
                signature = SignatureRecord(
                    at=at,
                    by=event.by,
                    role=event.role,
                    meaning=event.meaning,
                    covers=self._covered(event),
                    covers_sequence=event.covers_sequence,
                    covers_hash=event.covers_hash,
                )
                reach = entry.sequence if event.covers_sequence is None else event.covers_sequence
                self._signatures.append((reach, signature))
            case RecordAmended():
                self._amended = entry.sequence
                self.amendments.append(
                    AmendmentRecord(
                        at=at,
                        sequence=entry.sequence,
                        by=event.by,
                        role=event.role,
                        aspect=event.aspect,
                        reason=event.reason,
                        amends_sequence=event.amends_sequence,
                        amends_hash=event.amends_hash,
                        amends_found=self._hashes.get(event.amends_sequence) == event.amends_hash,
                        text_sha256=event.text_sha256,
                    )
                )
            case _:
                pass
        if entry.session is not None:
            self._hashes[entry.sequence] = entry.hash.hex()

    def _covered(self, event: SessionSigned) -> Literal["all", "unknown", "other"]:
        if event.covers_sequence is None:
            return "unknown"
        known = self._hashes.get(event.covers_sequence)
        # A record may be made of some of its entries alone, as a list of sessions is: what is not there is no mismatch.
        return "other" if known is not None and known != event.covers_hash else "all"

    def signatures(self) -> tuple[SignatureRecord, ...]:
        """Every signature, in order, with what it covers as the record stands now."""
        return tuple(
            item.model_copy(update={"covers": "amended"}) if item.covers != "other" and reach < self._amended else item
            for reach, item in self._signatures
        )


def said_afterwards(event: SessionSigned | RecordAmended) -> tuple[str, str]:
    """What a signature or an amendment is on the timeline: what, and its detail."""
    if isinstance(event, SessionSigned):
        return "signed", f"as {event.meaning} by {event.by}"
    return "amended", f"{event.aspect}, {event.reason.replace('_', ' ')}, by {event.by}"
