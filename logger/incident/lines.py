"""The lines of ``entries.jsonl``: what of the chain is shown, what is withheld, and how each is written and read.

A line is a JSON object, one of three kinds:

    shown      sequence, utc_us, monotonic_ms, session, type, version, body (the event's JSON as text), previous, hash
    withheld   sequence, content (the digest that stands for it), previous, hash
    older      sequence, last, previous, hash: withheld entries from ``sequence`` to ``last`` that were hashed the first
               way, which no digest stands for; ``previous`` is the hash before them and ``hash`` that of ``last``

Hashes and digests are in hexadecimal.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from logger.errors import BundleError
from logger.journal.entry import HASH_BYTES, Entry
from logger.proof.chain import Withheld

MAX_LINE_BYTES: Final = 8 * 1024 * 1024
"""A second's inputs are some 10 kB; a line of more than this was not written by this product."""

PUBLIC_TYPES: Final = frozenset(
    {
        "station_started",
        "station_stopped",
        "station_key",
        "journal_checkpoint",
        "pen_connected",
        "pen_lost",
        "link_advisory",
        "clock_stepped",
        "alarm_raised",
        "alarm_acknowledged",
        "alarm_cleared",
        "cartridge_reconciled",
    }
)
"""Events outside every session that tell of machines alone. What else there is (accounts, approvals, erasures) may be
about other people and is withheld."""

_Hex = Annotated[str, StringConstraints(pattern=rf"^[0-9a-f]{{{2 * HASH_BYTES}}}$")]
_Sequence = Annotated[int, Field(ge=1, le=2**63 - 1)]
_Integer = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    sequence: _Sequence


class _Shown(_Line):
    utc_us: _Integer
    monotonic_ms: _Integer
    session: str | None
    type: str
    version: Annotated[int, Field(ge=0, le=2**32 - 1)]
    body: str
    previous: _Hex
    hash: _Hex


class _Withheld(_Line):
    content: _Hex
    previous: _Hex
    hash: _Hex


class Older(_Line):
    """Entries ``sequence`` to ``last``, of which nothing is shown and nothing is proved but where they stand."""

    last: _Sequence
    previous: _Hex
    hash: _Hex


Part = Entry | Withheld | Older
"""What a line says."""

_LINE: TypeAdapter[_Shown | _Withheld | Older] = TypeAdapter(_Shown | _Withheld | Older)


def may_be_shown(entry: Entry, session: str) -> bool:
    """Whether an entry may be in the bundle of ``session``: it is the session's own, or is about no other."""
    if entry.session is not None:
        return entry.session == session
    if entry.type not in PUBLIC_TYPES:
        return False
    try:
        said = json.loads(entry.body)
        others = {said.get(name) for name in ("session", "other_session", "previous_session")}
    except (ValueError, AttributeError):
        return False
    return others <= {None, session}


def leaves_a_hole(entry: Entry, session: str) -> bool:
    """Whether an entry may not be shown in the bundle of ``session`` and has no digest that could stand for it.

    Raises BundleError for one that is not what was journalled.
    """
    return isinstance(_part(entry, session), Older)


def parts_of(entries: Iterable[Entry], session: str) -> Iterator[Part]:
    """What is shown of a part of a chain to whoever gets the bundle of ``session``. Raises BundleError."""
    older: Older | None = None
    for entry in entries:
        part = _part(entry, session)
        if isinstance(part, Older) and older is not None:
            older = older.model_copy(update={"last": part.last, "hash": part.hash})
            continue
        if older is not None:
            yield older
            older = None
        if isinstance(part, Older):
            older = part
        else:
            yield part
    if older is not None:
        yield older


def _part(entry: Entry, session: str) -> Part:
    if may_be_shown(entry, session):
        return entry
    content = entry.content()
    if content is not None:
        return Withheld(entry.sequence, content, entry.previous, entry.hash)
    if entry.computed_hash() != entry.hash:
        raise BundleError(
            f"Entry {entry.sequence} is not what was journalled, so nothing can stand for it in a file that proves "
            "anything. Nothing was written. Run `needlework verify`, and hand over the journal itself."
        )
    place = entry.sequence
    return Older(sequence=place, last=place, previous=entry.previous.hex(), hash=entry.hash.hex())


def written(part: Part) -> bytes:
    """A part as its line. Raises BundleError for an entry whose body is no text."""
    if isinstance(part, Older):
        return part.model_dump_json().encode() + b"\n"
    ends = {"previous": part.previous.hex(), "hash": part.hash.hex()}
    if isinstance(part, Withheld):
        said: dict[str, object] = {"sequence": part.sequence, "content": part.content.hex(), **ends}
    else:
        try:
            body = part.body.decode()
        except UnicodeDecodeError as error:
            raise BundleError(
                f"Entry {part.sequence} is damaged: what it holds is no text. Nothing was written. Run `needlework "
                "verify`, and hand over the journal itself."
            ) from error
        said = {
            "sequence": part.sequence,
            "utc_us": part.utc_us,
            "monotonic_ms": part.monotonic_ms,
            "session": part.session,
            "type": part.type,
            "version": part.version,
            "body": body,
            **ends,
        }
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def read(line: bytes, number: int, station: str) -> Part:
    """What line ``number`` says of a station's chain. Raises BundleError."""
    try:
        said = _LINE.validate_json(line)
    except ValidationError as error:
        raise BundleError(f"Line {number} of the entries is none that this product writes.") from error
    match said:
        case Older():
            return said
        case _Withheld():
            return Withheld(said.sequence, *(bytes.fromhex(one) for one in (said.content, said.previous, said.hash)))
        case _Shown():
            return Entry(
                station=station,
                sequence=said.sequence,
                utc_us=said.utc_us,
                monotonic_ms=said.monotonic_ms,
                session=said.session,
                type=said.type,
                version=said.version,
                body=said.body.encode(),
                previous=bytes.fromhex(said.previous),
                hash=bytes.fromhex(said.hash),
            )
