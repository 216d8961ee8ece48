"""What the recorder keeps beside the chains it stores: entries it refused, and entries it stored and tells of."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from logger.entry import Entry
from logger.key_pins import Notice
from logger.store_tables import CONFLICTS

EVIDENCE_KEPT = 200
"""Of one station. Somebody who sends nothing but contradictions must not fill the disk that the record is on."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """An entry that was refused because the store has another one in its place, or that was stored and is worth a look;
    ``reason`` says which."""

    station: str
    sequence: int
    hash: bytes
    seen_utc_us: int
    reason: str


def conflict_of(entry: Entry, seen_utc_us: int, reason: str) -> Conflict:
    """An entry with the reason for which it is kept."""
    return Conflict(entry.station, entry.sequence, entry.hash, seen_utc_us, reason)


def keep_conflict(connection: Connection, conflict: Conflict, entry: Entry) -> None:
    """Keeps the entry as evidence; the same one again is kept once, and of a station no more than ``EVIDENCE_KEPT``."""
    kept = select(func.count()).select_from(CONFLICTS).where(CONFLICTS.c.station == conflict.station)
    if connection.execute(kept).scalar_one() >= EVIDENCE_KEPT:
        return
    try:
        with connection.begin_nested():
            connection.execute(
                insert(CONFLICTS).values(
                    station=conflict.station,
                    sequence=conflict.sequence,
                    hash=conflict.hash,
                    seen_utc_us=conflict.seen_utc_us,
                    reason=conflict.reason,
                    body=entry.body,
                )
            )
    except IntegrityError:
        return


def keep_notices(connection: Connection, notices: Iterable[Notice], seen_utc_us: int) -> tuple[Conflict, ...]:
    """Keeps what was stored and is worth a look; as conflicts."""
    kept = []
    for notice in notices:
        conflict = conflict_of(notice.entry, seen_utc_us, notice.reason)
        keep_conflict(connection, conflict, notice.entry)
        kept.append(conflict)
    return tuple(kept)


def select_conflicts(connection: Connection, station: str) -> list[Conflict]:
    """What was kept of a station, by sequence."""
    columns = [CONFLICTS.c[name] for name in ("station", "sequence", "hash", "seen_utc_us", "reason")]
    query = select(*columns).where(CONFLICTS.c.station == station).order_by(CONFLICTS.c.sequence)
    return [Conflict(*row) for row in connection.execute(query)]
