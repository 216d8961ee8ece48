"""One entry of the journal, and the exact bytes its hash is taken over.

An entry's content has a digest of its own, and the chain runs over the digests. So a part of a chain can be shown with
the content of some entries withheld, and still be checked: who shows it gives the digest instead. The content's digest
is SHA-256 over, in this order and with nothing between:

    magic           4 bytes   ``NWC2``
    wall time       8 bytes   signed, big-endian; microseconds since 1970-01-01 UTC
    monotonic time  8 bytes   signed, big-endian; the station's milliseconds
    version         4 bytes   unsigned, big-endian; of the event's schema
    lengths        16 bytes   four unsigned big-endian 32-bit numbers: bytes of station, session, type and body;
                              session none is written as length 0xFFFFFFFF with no bytes
    station, session, type    UTF-8
    body                      the event's JSON, byte for byte as it was journalled

and the entry's hash is SHA-256 over:

    magic           4 bytes   ``NWE2``
    previous hash  32 bytes   of the entry before; 32 zero bytes for the first
    sequence        8 bytes   unsigned, big-endian; the first entry is 1
    content        32 bytes   the content's digest

Every field has a fixed place or a length, so no two different entries have the same bytes. Entries of before have one
hash over everything (:func:`first_hash`, magic ``NWE1``). Nothing says which of the two an entry has: the magic is in
what is hashed, so it has the one that fits, and whatever is changed neither fits.
"""

import struct
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from controller.events import Event
from logger.journal.reading import READER

GENESIS = bytes(32)
"""The previous hash of a station's first entry."""

HASH_BYTES = 32
MAX_NAME = 200
"""Characters of a session's or an event type's name, at most."""

_QUICK_NAMES = 10_000
NO_SESSION_LENGTH = 0xFFFFFFFF
_CONTENT = struct.Struct(">4sqqIIIII")
_LINK = struct.Struct(">4s32sQ32s")
_FIRST = struct.Struct(">4s32sQqqIIIII")


def content_digest(
    station: bytes, utc_us: int, monotonic_ms: int, session: str | None, type_: str, version: int, body: bytes
) -> bytes:
    """The 32-byte digest of what an entry says; ``station`` is the name in UTF-8.

    Raises struct.error for a number outside its field, UnicodeEncodeError for text that is no UTF-8.
    """
    session_bytes = b"" if session is None else session.encode()
    type_bytes = type_.encode()
    head = _CONTENT.pack(
        b"NWC2",
        utc_us,
        monotonic_ms,
        version,
        len(station),
        NO_SESSION_LENGTH if session is None else len(session_bytes),
        len(type_bytes),
        len(body),
    )
    return sha256(b"".join((head, station, session_bytes, type_bytes, body))).digest()


def link_hash(previous: bytes, sequence: int, content: bytes) -> bytes:
    """The 32-byte hash of the entry at this place of a chain whose content has this digest. Raises struct.error."""
    return sha256(_LINK.pack(b"NWE2", previous, sequence, content)).digest()


class Quick:
    """Recomputes the hashes of one station's entries as they come from a database, without an object for each.

    What it calls sound is sound; for what it does not, :meth:`Entry.computed_hash` says whether it is.
    """

    def __init__(self, station: str) -> None:
        self._station = station.encode()
        self._station_bytes = len(self._station)
        self._names: dict[str | None, bytes] = {}  # of sessions and types, which repeat

    def sound(self, row: Sequence[Any], expected: int, previous: bytes) -> bool:
        """Whether a row (sequence, utc_us, monotonic_ms, session, type, version, body, previous, hash) is what its
        hash says, has the ``expected`` sequence and follows the ``previous`` hash."""
        sequence, utc_us, monotonic_ms, session, type_, version, body, before, digest = row
        if sequence != expected or before != previous:
            return False
        names = self._names
        try:
            session_bytes, type_bytes = names[session], names[type_]
        except KeyError:
            if len(names) > _QUICK_NAMES:
                names.clear()
            session_bytes = names[session] = b"" if session is None else session.encode()
            type_bytes = names[type_] = type_.encode()
        content = sha256(
            _CONTENT.pack(
                b"NWC2",
                utc_us,
                monotonic_ms,
                version,
                self._station_bytes,
                NO_SESSION_LENGTH if session is None else len(session_bytes),
                len(type_bytes),
                len(body),
            )
            + self._station
            + session_bytes
            + type_bytes
        )
        content.update(body)
        return bool(sha256(_LINK.pack(b"NWE2", previous, sequence, content.digest())).digest() == digest)


def entry_hash(
    station: bytes,
    previous: bytes,
    sequence: int,
    utc_us: int,
    monotonic_ms: int,
    session: str | None,
    type_: str,
    version: int,
    body: bytes,
) -> bytes:
    """The 32-byte hash of an entry with these fields; ``station`` is the name in UTF-8.

    Raises struct.error for a number outside its field, UnicodeEncodeError for text that is no UTF-8.
    """
    content = content_digest(station, utc_us, monotonic_ms, session, type_, version, body)
    return link_hash(previous, sequence, content)


def first_hash(
    station: bytes,
    previous: bytes,
    sequence: int,
    utc_us: int,
    monotonic_ms: int,
    session: str | None,
    type_: str,
    version: int,
    body: bytes,
) -> bytes:
    """The hash as the first version of the product took it, whose entries are still read; as :func:`entry_hash`."""
    session_bytes = b"" if session is None else session.encode()
    type_bytes = type_.encode()
    head = _FIRST.pack(
        b"NWE1",
        previous,
        sequence,
        utc_us,
        monotonic_ms,
        version,
        len(station),
        NO_SESSION_LENGTH if session is None else len(session_bytes),
        len(type_bytes),
        len(body),
    )
    return sha256(b"".join((head, station, session_bytes, type_bytes, body))).digest()


class Entry(NamedTuple):  # made for every entry that is read anywhere: a frozen dataclass takes five times as long
    """One journal entry. ``body`` is the event's JSON as journalled; ``previous`` and ``hash`` are 32 bytes each."""

    station: str
    sequence: int
    utc_us: int
    monotonic_ms: int
    session: str | None
    type: str
    version: int
    body: bytes
    previous: bytes
    hash: bytes

    def computed_hash(self) -> bytes:
        """The hash this entry's fields call for; equal to ``hash`` when nothing was changed."""
        fields = self._hashed()
        digest = entry_hash(*fields)
        if digest != self.hash and first_hash(*fields) == self.hash:
            return self.hash
        return digest

    def content(self) -> bytes | None:
        """The digest that stands for this entry where its content is withheld; None for one whose hash has none."""
        station, previous, sequence, utc_us, monotonic_ms, session, type_, version, body = self._hashed()
        digest = content_digest(station, utc_us, monotonic_ms, session, type_, version, body)
        return digest if link_hash(previous, sequence, digest) == self.hash else None

    def _hashed(self) -> tuple[bytes, bytes, int, int, int, str | None, str, int, bytes]:
        return (
            self.station.encode(),
            self.previous,
            self.sequence,
            self.utc_us,
            self.monotonic_ms,
            self.session,
            self.type,
            self.version,
            self.body,
        )

    def event(self) -> Event:
        """The event in ``body``, of any version that was ever published, as today's.

        Raises pydantic.ValidationError when this version of the product cannot read it.
        """
        return READER.read(self.type, self.version, self.body)


def follows(entry: Entry, before: Entry) -> bool:
    """Whether an entry is the next of a chain behind another: by its hash alone it may claim any place in it."""
    return entry.sequence == before.sequence + 1 and entry.previous == before.hash


def rises(entries: Sequence[Entry], after: int) -> bool:
    """Whether each sequence is above the one before it, the first above ``after``.

    A database with a damaged index can lead its reader in circles; whoever reads in pages asks this of each page.
    """
    return all(
        later.sequence > before for before, later in zip([after, *(e.sequence for e in entries)], entries, strict=False)
    )
