"""The recorder remembers by which key a station signs: the first one is pinned, and another one is told of.

The pin is the first announcement in the store itself, which takes no entry back: nothing beside it has to be kept in
step. What is told of stays in the chain; it is no damage, it is something for a person to look at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import ValidationError
from sqlalchemy import Connection, select

from controller.events import StationKey
from logger.journal.entry import Entry
from logger.proof.checkpoints import fits, public_key_of, read_checkpoint
from logger.store.tables import ENTRIES

_TELLING: Final = frozenset({"station_key", "journal_checkpoint"})


@dataclass(slots=True)
class StationKeys:
    """The keys that one station announced up to the entry ``read_to``: ``first`` is the id of the one that is pinned,
    None where it announced none."""

    first: str | None = None
    known: dict[str, bytes] = field(default_factory=dict)
    read_to: int = 0

    def announced(self, key: str, public_key: bytes) -> None:
        """One key more."""
        self.first = self.first or key
        self.known[key] = public_key


@dataclass(frozen=True, slots=True)
class Notice:
    """An entry worth a look, and why: the key it announces, or the checkpoint it is."""

    entry: Entry
    kind: Literal["key", "checkpoint"]
    reason: str


class KeyPins:
    """The pinned keys of the stations in one store. Asked for entries within the transaction that stores them."""

    def __init__(self) -> None:
        self._of: dict[str, StationKeys] = {}

    def look(self, connection: Connection, fresh: Sequence[Entry]) -> list[Notice]:
        """What is worth a look in one station's new entries, which are in the store already and not committed yet."""
        if not fresh:
            return []
        station, before = fresh[0].station, fresh[0].sequence - 1
        if not any(entry.type in _TELLING for entry in fresh):
            seen = self._of.get(station)
            if seen is not None and seen.read_to == before:
                seen.read_to = fresh[-1].sequence
            return []
        keys = self._upto(connection, station, before)
        notices: list[Notice] = []
        for entry in fresh:
            if entry.type == "station_key":
                notices += _key(keys, entry)
            elif entry.type == "journal_checkpoint":
                notices += _checkpoint(keys, entry)
        keys.read_to = fresh[-1].sequence
        return notices

    def first(self, connection: Connection, station: str) -> str | None:
        """The id of the pinned key; None where the station announced none."""
        return next((key for key, _public in _announced(connection, station, 0, None)), None)

    def forget(self, station: str) -> None:
        """What was looked at did not reach the disk: the keys of ``station`` are read again when they are needed."""
        self._of.pop(station, None)

    def _upto(self, connection: Connection, station: str, sequence: int) -> StationKeys:
        """The keys of a station up to an entry by what is stored. Every entry is gone through once, since nothing leads
        to the keys; then only what another recorder stored meanwhile."""
        keys = self._of.setdefault(station, StationKeys())
        if keys.read_to < sequence:
            for key, public_key in _announced(connection, station, keys.read_to, sequence):
                keys.announced(key, public_key)
            keys.read_to = sequence
        return keys


def _announced(connection: Connection, station: str, after: int, upto: int | None) -> Iterator[tuple[str, bytes]]:
    """The keys, id and raw, that a station's stored entries announce, in order."""
    query = (
        select(ENTRIES.c.body)
        .where(ENTRIES.c.station == station, ENTRIES.c.type == "station_key", ENTRIES.c.sequence > after)
        .order_by(ENTRIES.c.sequence)
    )
    for (body,) in connection.execute(query if upto is None else query.where(ENTRIES.c.sequence <= upto)):
        found = _read_key(body)
        if found is not None:
            yield found


def _read_key(body: bytes) -> tuple[str, bytes] | None:
    try:
        event = StationKey.model_validate_json(body)
    except ValidationError:
        return None
    public_key = public_key_of(event)
    return None if public_key is None else (event.key_id, public_key)


def _key(keys: StationKeys, entry: Entry) -> list[Notice]:
    found = _read_key(entry.body)
    if found is None:
        return [Notice(entry, "key", "it announces a key that is none")]
    keys.announced(*found)
    if found[0] == keys.first:
        return []
    return [
        Notice(
            entry,
            "key",
            f"it announces the key {found[0]} and the station's first one is {keys.first}: another machine, a key that "
            "was lost, or somebody else who writes in this station's name",
        )
    ]


def _checkpoint(keys: StationKeys, entry: Entry) -> list[Notice]:
    event = read_checkpoint(entry.body)
    if event is None:
        return [Notice(entry, "checkpoint", "it is a checkpoint that cannot be read")]
    public_key = keys.known.get(event.key_id)
    if public_key is None:
        what = f"it is signed by the key {event.key_id}, which the station did not announce"
        return [Notice(entry, "checkpoint", what)]
    if not fits(event, entry.station, public_key):
        return [Notice(entry, "checkpoint", f"it is a checkpoint that the key {event.key_id} did not sign")]
    return []
