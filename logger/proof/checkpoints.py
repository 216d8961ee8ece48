"""Checkpoints: the station's signature under its journal, as entries of the journal itself.

A checkpoint says: up to this entry, with this hash, the journal is mine. By the chain it speaks for every entry before
that one too. What is signed is, with nothing between:

    purpose        :data:`SIGNED_FOR`, 38 bytes, so that no signature made for anything else can stand here
    sequence        8 bytes   unsigned, big-endian
    hash           32 bytes   of the entry with that sequence
    station         the rest  its name in UTF-8

with Ed25519 (RFC 8032). The public key is in the record too, in the entry that announced it. That shows only that one
key signed all along: whose key it is, is told by a key that was noted elsewhere.
"""

import re
import struct
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError

from controller.events import JournalCheckpoint, StationKey
from logger.journal.entry import HASH_BYTES, Entry
from logger.proof.findings import Findings
from logger.proof.verification_code import VerificationCode

SIGNED_FOR = b"needlework: this journal up to here\x00v1"
"""Sets these signatures apart from every other use of a key."""
KEY_ID_CHARS = 16
"""Hexadecimal digits of a key's id: 64 bits, to be compared by people; who forges one needs 2**64 keys."""
CHECKPOINT_ENTRIES = 600
"""A checkpoint is due after so many entries: ten minutes of one pen, which journals about an entry a second. A crash
leaves at most that much unsigned, and a signature and an entry of 300 bytes in 600 cost nothing."""
REMEMBERED = 25_000
"""Hashes kept while a chain is walked. A checkpoint signs what was on the disk when it was made, and at most the
journal's whole queue (20 000 entries) can come between the two."""

_KEY_ID = re.compile(rf"[0-9a-f]{{{KEY_ID_CHARS}}}")
_PUBLIC_BYTES = 32
_SIGNATURE_BYTES = 64


def key_id(public_key: bytes) -> str:
    """The id of a raw public key: the first 16 hexadecimal digits of its SHA-256."""
    return sha256(public_key).hexdigest()[:KEY_ID_CHARS]


def signed_bytes(station: str, sequence: int, digest: bytes) -> bytes:
    """What a checkpoint's signature is made over."""
    return SIGNED_FOR + struct.pack(">Q", sequence) + digest + station.encode()


def announcement(key: Ed25519PrivateKey) -> StationKey:
    """The event that says by which key a station signs."""
    public_key = key.public_key().public_bytes_raw()
    return StationKey(key_id=key_id(public_key), public_key=public_key.hex())


def checkpoint(key: Ed25519PrivateKey, station: str, sequence: int, digest: bytes) -> JournalCheckpoint:
    """Signs a station's journal up to the entry ``sequence`` whose hash is ``digest``."""
    return JournalCheckpoint(
        sequence=sequence,
        hash=digest.hex(),
        key_id=key_id(key.public_key().public_bytes_raw()),
        signature=key.sign(signed_bytes(station, sequence, digest)).hex(),
    )


def public_key_of(event: StationKey) -> bytes | None:
    """The raw public key an announcement gives; None when it is none, or not the one its id is of."""
    raw = _bytes(event.public_key, _PUBLIC_BYTES)
    return raw if raw is not None and key_id(raw) == event.key_id else None


def read_checkpoint(body: bytes) -> JournalCheckpoint | None:
    """The checkpoint in an entry; None when it is none that can be read, or names a key by what is no key's id.

    Anybody who may write entries chooses that name, and it gets into sentences: it is looked at first.
    """
    try:
        event = JournalCheckpoint.model_validate_json(body)
    except ValidationError:
        return None
    return event if _KEY_ID.fullmatch(event.key_id) else None


def fits(event: JournalCheckpoint, station: str, public_key: bytes) -> bool:
    """Whether the holder of ``public_key`` signed exactly this of this station."""
    digest, signature = _bytes(event.hash, HASH_BYTES), _bytes(event.signature, _SIGNATURE_BYTES)
    if digest is None or signature is None or event.sequence < 1:
        return False
    try:
        public = Ed25519PublicKey.from_public_bytes(public_key)
        public.verify(signature, signed_bytes(station, event.sequence, digest))
    except (InvalidSignature, ValueError, struct.error):
        return False
    return True


def _bytes(text: str, count: int) -> bytes | None:
    """Lower-case hexadecimal of so many bytes; None for anything else, other spellings of the same bytes too."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return None
    return raw if len(raw) == count and raw.hex() == text else None


@dataclass(slots=True)
class Trail:
    """The keys and checkpoints of one chain, checked while its entries pass.

    ``trusted`` are the ids of keys known from elsewhere: where there are any, no other key counts. ``known`` are public
    keys by id. ``signed_to`` is the last entry that a sound checkpoint signs, ``signed_hash`` its hash, ``by`` the key.
    ``announced`` are the keys as the chain announced them, each with its entry. ``begins`` is the first entry there is,
    in a part of a chain: a checkpoint of what was before it is not compared. ``passed`` are the newest entries.
    """

    trusted: frozenset[str] = frozenset()
    known: dict[str, bytes] = field(default_factory=dict)
    announced: list[tuple[int, str]] = field(default_factory=list)
    signed_to: int | None = None
    signed_hash: str = ""
    by: str = ""
    checkpoints: int = 0
    begins: int = 1
    passed: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def take(self, entry: Entry, findings: Findings) -> None:
        """The chain's next entry."""
        if entry.type == "journal_checkpoint":
            self._checkpoint(entry, findings)
        elif entry.type == "station_key":
            self._key(entry, findings)
        self.passed.append((entry.sequence, entry.hash))

    def withheld(self, sequence: int, digest: bytes) -> None:
        """The chain's next entry, of which only the hash is here."""
        self.passed.append((sequence, digest))

    def hole(self, last: int) -> None:
        """Up to ``last`` the chain is not here: what is signed before and behind that are two things, and a signature
        behind it says nothing of what was before it."""
        self.passed.clear()
        self.begins = last + 1
        self.signed_to, self.signed_hash, self.by = None, "", ""

    def finish(self, findings: Findings) -> None:
        """Behind the last entry: with keys known from elsewhere, a chain that none of them signed is no proof."""
        if self.trusted and self.by not in self.trusted and not findings.total:
            findings.add(
                None,
                "other_key",
                f"Nothing in it is signed by the key that was given, {', '.join(sorted(self.trusted))}: it is older "
                "than that key, or somebody who does not hold it wrote it.",
            )

    def code(self) -> str:
        """The verification code of the last sound checkpoint; empty where there is none."""
        if self.signed_to is None:
            return ""
        return str(VerificationCode.of(self.signed_to, bytes.fromhex(self.signed_hash)))

    def notes(self) -> tuple[str, ...]:
        """That the key changed, and where: another machine, a lost key, or a chain that somebody continued."""
        return tuple(
            f"From entry {sequence} on the journal is signed by another key, {key}, before by {before}: another "
            "machine, a key that was lost, or somebody who does not hold the first."
            for (_, before), (sequence, key) in pairwise(self.announced)
            if key != before
        )

    def _key(self, entry: Entry, findings: Findings) -> None:
        try:
            event = StationKey.model_validate_json(entry.body)
            public_key = public_key_of(event)
        except ValidationError:
            public_key = None
        if public_key is None:
            findings.add(entry, "signature", f"Entry {entry.sequence} announces a key that is none.")
            return
        self.known[event.key_id] = public_key
        self.announced.append((entry.sequence, event.key_id))
        if self.trusted and event.key_id not in self.trusted:
            findings.add(
                entry,
                "other_key",
                f"Entry {entry.sequence} announces the key {event.key_id}, which is not the one that was given: from "
                "there on another machine, or somebody else, wrote this journal.",
            )

    def _checkpoint(self, entry: Entry, findings: Findings) -> None:
        self.checkpoints += 1
        here = f"The checkpoint in entry {entry.sequence}"
        event = read_checkpoint(entry.body)
        if event is None:
            findings.add(entry, "signature", f"{here} cannot be read.")
            return
        public_key = self.known.get(event.key_id)
        if public_key is None:
            findings.add(entry, "signature", f"{here} is signed by the key {event.key_id}, which was not announced.")
        elif not fits(event, entry.station, public_key):
            findings.add(
                entry,
                "signature",
                f"{here} has a signature that the key {event.key_id} did not make.",
            )
        elif event.sequence < self.begins:
            return
        elif (found := self._hash_of(event.sequence)) is None:
            findings.add(entry, "signature", f"{here} signs entry {event.sequence}, which is not before it.")
        elif found.hex() != event.hash:
            findings.add(
                entry,
                "signature",
                f"{here} signs entry {event.sequence} with another hash than that entry has now: what was journalled "
                "up to there was rewritten after it was signed.",
            )
        else:
            self.signed_to, self.signed_hash, self.by = event.sequence, event.hash, event.key_id

    def _hash_of(self, sequence: int) -> bytes | None:
        for passed, digest in reversed(self.passed):
            if passed <= sequence:
                return digest if passed == sequence else None
        return None
