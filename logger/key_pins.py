"""The recorder remembers by which key a station signs: the first one is pinned, and another one is told of.

The pin is the first announcement in the store itself, which takes no entry back: nothing beside it has to be kept in
step. What is told of stays in the chain; it is no damage, it is something for a person to look at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError
from sqlalchemy import Connection, select

from controller.events import JournalCheckpoint, StationKey
from logger.checkpoints import fits, public_key_of
from logger.entry import Entry
from logger.store_tables import ENTRIES


@dataclass(slots=True)
class StationKeys:
    """The keys that one station announced: ``first`` is the id of the one that is pinned."""

    first: str
    known: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """An entry worth a look, and why."""

    entry: Entry
    reason: str


class KeyPins:
    """The pinned keys of the stations in one store. Asked for entries within the transaction that stores them."""

    def __init__(self) -> None:
        self._of: dict[str, StationKeys] = {}

    def look(self, connection: Connection, fresh: Sequence[Entry]) -> list[Notice]:
        """What is worth a look in one station's new entries, which are in the store already and not committed yet."""
        notices: list[Notice] = []
        for entry in fresh:
            if entry.type == "station_key":
                notices += self._key(connection, entry)
            elif entry.type == "journal_checkpoint":
                notices += self._checkpoint(connection, entry)
        return notices

    def first(self, connection: Connection, station: str) -> str | None:
        """The id of the pinned key; None where the station announced none."""
        keys = self._keys(connection, station)
        return None if keys is None else keys.first

    def forget(self, station: str) -> None:
        """What was looked at did not reach the disk: the keys of ``station`` are read again when they are needed."""
        self._of.pop(station, None)

    def _key(self, connection: Connection, entry: Entry) -> list[Notice]:
        try:
            event = StationKey.model_validate_json(entry.body)
            public_key = public_key_of(event)
        except ValidationError:
            public_key = None
        if public_key is None:
            return [Notice(entry, "it announces a key that is none")]
        keys = self._keys(connection, entry.station)
        if keys is None:
            self._of[entry.station] = keys = StationKeys(event.key_id)
        keys.known[event.key_id] = public_key
        if event.key_id == keys.first:
            return []
        return [
            Notice(
                entry,
                f"it announces the key {event.key_id} and the station's first one is {keys.first}: another machine, a "
                "key that was lost, or somebody else who writes in this station's name",
            )
        ]

    def _checkpoint(self, connection: Connection, entry: Entry) -> list[Notice]:
        try:
            event = JournalCheckpoint.model_validate_json(entry.body)
        except ValidationError:
            return [Notice(entry, "it is a checkpoint that cannot be read")]
        keys = self._keys(connection, entry.station)
        public_key = keys.known.get(event.key_id) if keys is not None else None
        if public_key is None:
            return [Notice(entry, f"it is signed by the key {event.key_id}, which the station did not announce")]
        if not fits(event, entry.station, public_key):
            return [Notice(entry, f"it is a checkpoint that the key {event.key_id} did not sign")]
        return []

    def _keys(self, connection: Connection, station: str) -> StationKeys | None:
        """The keys of a station by what is stored; read once, because nothing leads to them but going through all."""
        if station in self._of:
            return self._of[station]
        query = (
            select(ENTRIES.c.body)
            .where(ENTRIES.c.station == station, ENTRIES.c.type == "station_key", ENTRIES.c.sequence > 0)
            .order_by(ENTRIES.c.sequence)
        )
        keys: StationKeys | None = None
        for (body,) in connection.execute(query):
            try:
                event = StationKey.model_validate_json(body)
            except ValidationError:
                continue
            public_key = public_key_of(event)
            if public_key is not None:
                keys = keys or StationKeys(event.key_id)
                keys.known[event.key_id] = public_key
        if keys is not None:
            self._of[station] = keys
        return keys
