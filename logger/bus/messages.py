"""What goes over the bus, as JSON. Versions: a published field is never changed or taken away; what changes gets a new
number.

A batch carries each event's JSON as text, byte for byte as it was journalled, because the hash is taken over those
bytes.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, with_config
from typing_extensions import TypedDict

from logger.errors import MessageError
from logger.journal.entry import HASH_BYTES, MAX_NAME, Entry, entry_hash, first_hash

MAX_BATCH_ENTRIES = 500
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024  # what a recorder reads at most; a publisher's batches are far smaller

_MAX_SQLITE_INTEGER = 2**63 - 1  # both ends keep these numbers in 64-bit columns

Hex = Annotated[str, StringConstraints(pattern=rf"^[0-9a-f]{{{2 * HASH_BYTES}}}$")]
Sequence_ = Annotated[int, Field(ge=0, le=_MAX_SQLITE_INTEGER)]
Integer = Annotated[int, Field(ge=-_MAX_SQLITE_INTEGER, le=_MAX_SQLITE_INTEGER)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME)]


class Message(BaseModel):
    """Base of everything on the bus: strict and immutable; fields that a later version added are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    version: Literal[1] = 1

    def payload(self) -> bytes:
        """The message's bytes on the bus."""
        return self.model_dump_json().encode()

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Reads a payload. Raises MessageError."""
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise MessageError(f"a payload of {len(payload)} bytes is longer than any {cls.__name__}")
        try:
            return cls.model_validate_json(payload)
        except ValidationError as error:
            raise MessageError(
                f"the payload is no {cls.__name__}: of its fields {error.error_count()} do not fit"
            ) from error


# A dictionary and no model: reading a batch into models takes three times as long, for objects that nobody keeps.
@with_config(ConfigDict(strict=True, extra="forbid"))
class EntryMessage(TypedDict):
    """One journal entry; ``body`` is the event's JSON text, hashes are in lower-case hexadecimal."""

    sequence: Annotated[int, Field(ge=1, le=_MAX_SQLITE_INTEGER)]
    utc_us: Integer
    monotonic_ms: Integer
    session: Name | None
    type: Name
    event_version: Annotated[int, Field(ge=0, le=2**32 - 1)]
    body: str
    previous: Hex
    hash: Hex


class BatchMessage(Message):
    """Topic `journal`: entries of one station in order, each sequence one above the one before."""

    station: Name
    entries: Annotated[tuple[EntryMessage, ...], Field(min_length=1, max_length=MAX_BATCH_ENTRIES)]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Self:
        """The batch of ``entries``, which are one station's and not empty.

        Raises MessageError for an entry that no station journals: its journal was damaged.
        """
        try:
            return cls(station=entries[0].station, entries=tuple(map(_fields, entries)))
        except (ValidationError, UnicodeDecodeError) as error:
            raise MessageError(
                f"Entries {entries[0].sequence} to {entries[-1].sequence} of {entries[0].station} cannot be sent: one "
                "of them is not what was journalled. What comes behind it waits. Run `needlework verify`."
            ) from error

    def to_entries(self) -> list[Entry]:
        """The entries, each with its hash recomputed and each following the one before.

        Raises MessageError when one is not what its hash says, or they are not in order.
        """
        entries: list[Entry] = []
        station, name, last = self.station, self.station.encode(), None
        for item in self.entries:
            sequence, session, type_ = item["sequence"], item["session"], item["type"]
            if "\0" in type_ or (session is not None and "\0" in session):
                raise MessageError(
                    f"entry {sequence} of {station} has a zero byte in a name, which no station writes and not every "
                    "database can keep"
                )
            body, previous, digest = item["body"].encode(), bytes.fromhex(item["previous"]), bytes.fromhex(item["hash"])
            fields = (sequence, item["utc_us"], item["monotonic_ms"], session, type_, item["event_version"], body)
            # What a station of before journalled and had not sent yet has the hash of before.
            if entry_hash(name, previous, *fields) != digest and first_hash(name, previous, *fields) != digest:
                raise MessageError(
                    f"entry {sequence} of {station} is not what its hash says: it was changed on its way"
                )
            if last is not None and (sequence != last.sequence + 1 or previous != last.hash):
                raise MessageError(f"entry {sequence} of {station} does not follow the one before it in its batch")
            last = Entry(station, *fields, previous, digest)
            entries.append(last)
        return entries


def _fields(entry: Entry) -> EntryMessage:
    """This entry as it is sent. Raises UnicodeDecodeError."""
    return {
        "sequence": entry.sequence,
        "utc_us": entry.utc_us,
        "monotonic_ms": entry.monotonic_ms,
        "session": entry.session,
        "type": entry.type,
        "event_version": entry.version,
        "body": entry.body.decode(),
        "previous": entry.previous.hex(),
        "hash": entry.hash.hex(),
    }


class Refusal(BaseModel):
    """An entry that the recorder did not take because it has another one under the same sequence."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    sequence: Sequence_
    reason: str


class ReceiptMessage(Message):
    """Topic `receipt`: what the recorder has of this station, durably. The only thing that moves the outbox's cursor.

    ``contiguous`` is the highest sequence stored with all before it, 0 for none; ``hash`` is that entry's. ``recorder``
    is random for each run of a recorder and ``number`` counts its receipts, so that an old receipt is known as such.
    ``expects`` says that something came which does not follow ``contiguous``: send again from there.
    """

    station: Name
    recorder: Name
    number: Sequence_
    contiguous: Sequence_
    hash: Hex
    expects: bool = False
    refused: Refusal | None = None


class StatusMessage(Message):
    """Topic `status`, retained: birth, and as last will death. ``run`` is random for each start of a publisher."""

    station: Name
    run: Name
    state: Literal["online", "offline"]
    reason: str
    software: str
    utc_us: Integer
    sequence: Sequence_


class AlarmItem(BaseModel):
    """One alarm condition that is active or latched."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    pen: str
    alarm: str
    priority: Literal["HIGH", "MEDIUM", "LOW"]
    sentence: str
    active: bool
    acknowledged: bool


class AlarmsMessage(Message):
    """Topic `alarms`, retained: all of them; an empty tuple is good news."""

    utc_us: Integer
    alarms: tuple[AlarmItem, ...]


class LivePen(BaseModel):
    """What one pen does now; None is not measured or not known. Depth in µm, rate in mHz, battery in thousandths."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    pen: str
    session: str | None
    state: str
    zone: str | None
    depth_commanded_um: int | None
    depth_set_um: int | None
    depth_measured_um: int | None
    rate_commanded_mhz: int | None
    rate_set_mhz: int | None
    rate_measured_mhz: int | None
    battery_permille: int | None
    on_skin: bool | None
    alarms: int


class LiveMessage(Message):
    """Topic `live`, five times a second, QoS 0: for watching, not for the record."""

    utc_us: Integer
    pens: tuple[LivePen, ...]
