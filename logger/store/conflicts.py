"""What the recorder keeps beside the chains it stores: entries it refused, and entries it stored and tells of."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, and_, case, delete, insert, select
from sqlalchemy.exc import IntegrityError

from logger.journal.entry import Entry
from logger.record.lookback import kept
from logger.store.key_pins import Notice
from logger.store.tables import CONFLICTS, ENTRIES

EVIDENCE_KEPT = 200
"""Of one station and one kind. Somebody who sends nothing but contradictions must not fill the disk that the record is
on, nor take the room of what comes behind: another kind has room of its own."""
FIRST_KEPT = EVIDENCE_KEPT // 2
"""How it began stays; of what comes later the newest."""

Kind = Literal["refused", "key", "checkpoint"]

_STORED: Final = CONFLICTS.outerjoin(
    ENTRIES,
    and_(*(CONFLICTS.c[name] == ENTRIES.c[name] for name in ("station", "sequence", "hash"))),
)
"""What is kept, beside the entry that is stored where it was not refused."""
_KIND: Final = case((ENTRIES.c.type.is_(None), "refused"), (ENTRIES.c.type == "station_key", "key"), else_="checkpoint")


@dataclass(frozen=True, slots=True)
class Conflict:
    """An entry that was refused because the store has another one in its place, or that was stored and is worth a look;
    ``kind`` says which: what is stored is the announcement of a key, or a checkpoint."""

    station: str
    sequence: int
    hash: bytes
    seen_utc_us: int
    reason: str
    kind: Kind = "refused"


def conflict_of(entry: Entry, seen_utc_us: int, reason: str, kind: Kind = "refused") -> Conflict:
    """An entry with the reason for which it is kept, as every database can keep it."""
    return Conflict(entry.station, entry.sequence, entry.hash, seen_utc_us, kept(reason), kind)


def keep_conflict(connection: Connection, conflict: Conflict, entry: Entry) -> None:
    """Keeps the entry as evidence; the same one again is kept once. Of a station and kind the first ``FIRST_KEPT`` and
    the newest are kept, ``EVIDENCE_KEPT`` together, as the recorder's clock has them."""
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
    table = CONFLICTS.c
    alike = (
        select(table.sequence, table.hash)
        .select_from(_STORED)
        .where(table.station == conflict.station, _KIND.in_((conflict.kind,)))
        .order_by(table.seen_utc_us, table.sequence, table.hash)
    )
    kept_now = connection.execute(alike).all()
    if len(kept_now) > EVIDENCE_KEPT:
        sequence, digest = kept_now[FIRST_KEPT]
        this = and_(table.station == conflict.station, table.sequence == sequence, table.hash == digest)
        connection.execute(delete(CONFLICTS).where(this))


def keep_notices(connection: Connection, notices: Iterable[Notice], seen_utc_us: int) -> tuple[Conflict, ...]:
    """Keeps what was stored and is worth a look; as conflicts."""
    told = []
    for notice in notices:
        conflict = conflict_of(notice.entry, seen_utc_us, notice.reason, notice.kind)
        keep_conflict(connection, conflict, notice.entry)
        told.append(conflict)
    return tuple(told)


def select_conflicts(connection: Connection, station: str) -> list[Conflict]:
    """What was kept of a station, by sequence."""
    columns: list[ColumnElement[Any]] = [
        *(CONFLICTS.c[name] for name in ("station", "sequence", "hash", "seen_utc_us", "reason")),
        _KIND,
    ]
    query = select(*columns).select_from(_STORED).where(CONFLICTS.c.station == station)
    return [Conflict(*row) for row in connection.execute(query.order_by(CONFLICTS.c.sequence))]
