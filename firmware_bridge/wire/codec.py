"""Message ↔ bytes, driven by the table.

``encode`` and ``decode`` handle the inside of a frame: kind, sequence, payload, CRC-32. Framing (COBS and the
delimiter) is :mod:`firmware_bridge.wire.framing`. ``pack`` and ``unpack`` do the same for an operation's arguments.
"""

import struct
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import repeat
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

from firmware_bridge.errors import CodecError
from firmware_bridge.wire.fields import REST, fields_of
from firmware_bridge.wire.messages import MESSAGES, Message, MessageRow

HEAD_BYTES = 2  # kind, sequence
CRC_BYTES = 4
FRAME_MAX_BYTES = 254  # before COBS: the longest COBS carries with one byte of overhead
FRAME_MAX_ARMED_BYTES = 64  # before COBS, while a lease lives: a long frame holds the line up

T = TypeVar("T")


class Decoded(NamedTuple):
    """A frame that passed its CRC: the message, and the sequence number used for line statistics only."""

    sequence: int
    message: Message


def _code(struct_type: type) -> tuple[str, bool]:
    """Struct format of the fixed part of a structure, and whether bytes of any number follow it."""
    layouts = [field.layout for field in fields_of(struct_type).values()]
    return "".join(layout.code for layout in layouts), bool(layouts) and layouts[-1] is REST


def _maker(struct_type: type) -> Callable[[Any], Any]:
    """Makes a structure from the tuple a struct unpacked: its length is known, so ``_make``'s check of it is spared."""
    return partial(tuple.__new__, struct_type)


def _offset_decoder(struct_type: type, offset: int) -> tuple[int, Callable[[bytes, int], Any]]:
    """A function (buffer, end) → struct, and the least payload it needs. Longer payloads are accepted, tail ignored."""
    code, has_rest = _code(struct_type)
    fixed = struct.Struct("<" + code)
    unpack_from = fixed.unpack_from
    make = _maker(struct_type)
    rest_at = offset + fixed.size
    if has_rest:
        return fixed.size, lambda buffer, end: make((*unpack_from(buffer, offset), buffer[rest_at:end]))
    return fixed.size, lambda buffer, _end: make(unpack_from(buffer, offset))


@cache
def _packer(struct_type: Any) -> Callable[..., bytes]:
    code, has_rest = _code(struct_type)
    pack_fixed = struct.Struct("<" + code).pack
    return (lambda *values: pack_fixed(*values[:-1]) + values[-1]) if has_rest else pack_fixed


@cache
def _unpacker(struct_type: Any) -> tuple[int, Callable[[bytes, int], Any]]:
    return _offset_decoder(struct_type, 0)


_DECODERS: dict[int, tuple[int, Callable[[bytes, int], Any]]] = {
    row.kind: (least + HEAD_BYTES + CRC_BYTES, decode)
    for row in MESSAGES
    for least, decode in [_offset_decoder(row.type, HEAD_BYTES)]
}


class _Whole(NamedTuple):
    """How a frame of one kind is read that is exactly as long as this version of the table has it."""

    frame_bytes: int
    unpack: Callable[[bytes], tuple[Any, ...]]
    type: type[Any]


def _wholes() -> Iterator[tuple[int, _Whole]]:
    for row in MESSAGES:
        code, has_rest = _code(row.type)
        if code and not has_rest:
            layout = struct.Struct(f"<{HEAD_BYTES}x{code}{CRC_BYTES}x")
            yield row.kind, _Whole(layout.size, layout.unpack, row.type)


_WHOLES = dict(_wholes())


class _Rule(NamedTuple):
    """What a field may hold that its layout alone does not say; worked out once, for it is checked in every frame."""

    place: int
    name: str
    least: int
    most: int  # of a number, or of bytes: the greatest length
    not_measured: int | None
    unit: str


@cache
def _rules(struct_type: type) -> tuple[_Rule, ...]:
    rules = []
    for place, (name, field) in enumerate(fields_of(struct_type).items()):
        layout = field.layout
        if layout.code.endswith("s"):
            rules.append(_Rule(place, name, 0, layout.size_bytes, None, ""))
        elif field.minimum is not None or field.maximum is not None:
            rules.append(_Rule(place, name, *field.bounds, field.not_measured, field.unit))
    return tuple(rules)


def range_problem(value: Any) -> str | None:
    """What is wrong with the values of a message or structure against the table, or None.

    Returns the first problem as "field value: reason", in the units of the table. It looks at what the layout of a
    field leaves open: a number that no frame can hold is found by :func:`pack` and :func:`encode`.
    """
    for place, name, least, most, not_measured, unit in _rules(value.__class__):
        item = value[place]
        if isinstance(item, bytes):
            if len(item) > most:
                return f"{name}: {len(item)} bytes, at most {most}"
        elif not least <= item <= most and item != not_measured:
            return f"{name} {item}: outside {least} to {most} {unit}".rstrip()
    return None


def _check(value: Any) -> None:
    problem = range_problem(value)
    if problem is not None:
        raise CodecError(f"{type(value).__name__} cannot be sent: {problem}")


def _misfit(value: Any, error: Exception) -> CodecError:
    """Names the value that fits into no frame, after struct has refused one of them."""
    for (name, field), item in zip(fields_of(value.__class__).items(), value, strict=True):
        layout = field.layout
        fits = isinstance(item, bytes) if layout.code.endswith("s") or layout is REST else isinstance(item, int)
        if not fits or (isinstance(item, int) and not layout.minimum <= item <= layout.maximum):
            return CodecError(f"{type(value).__name__} cannot be sent: {name} {item!r}: no {layout.name}")
    return CodecError(f"{type(value).__name__} cannot be sent: {error}")


def pack(value: Any) -> bytes:
    """Bytes of a structure of the table (an operation's arguments or data).

    Raises CodecError when a value is outside its range.
    """
    _check(value)
    try:
        packed: bytes = _packer(value.__class__)(*value)
    except (struct.error, TypeError) as error:
        raise _misfit(value, error) from error
    return packed


def unpack(struct_type: type[T], payload: bytes) -> T:
    """The structure in ``payload``; a longer payload is accepted and its tail ignored.

    Raises CodecError when the payload is too short or a value is outside its range.
    """
    table_type: Any = struct_type
    least, decode_payload = _unpacker(table_type)
    if len(payload) < least:
        raise CodecError(f"{struct_type.__name__} needs {least} bytes, got {len(payload)}")
    value: T = decode_payload(payload, len(payload))
    problem = range_problem(value)
    if problem is not None:
        raise CodecError(f"{struct_type.__name__} makes no sense: {problem}")
    return value


def _body_packer(row: MessageRow) -> Callable[[int, Any], bytes]:
    """A function (sequence, message) → kind, sequence and payload, in one go."""
    code, has_rest = _code(row.type)
    pack_fixed = struct.Struct("<BB" + code).pack
    kind = row.kind
    if has_rest:
        return lambda sequence, message: pack_fixed(kind, sequence, *message[:-1]) + message[-1]
    return lambda sequence, message: pack_fixed(kind, sequence, *message)


_BODY_PACKERS = {row.type: _body_packer(row) for row in MESSAGES}


def encode(message: Message, sequence: int) -> bytes:
    """The inside of a frame: kind, sequence (modulo 256), payload, CRC-32 little-endian.

    Raises CodecError when a value is outside its range or the frame would be longer than FRAME_MAX_BYTES.
    """
    _check(message)
    try:
        body = _BODY_PACKERS[message.__class__](sequence & 0xFF, message)
    except (struct.error, TypeError) as error:
        raise _misfit(message, error) from error
    if len(body) > FRAME_MAX_BYTES - CRC_BYTES:
        raise CodecError(f"{type(message).__name__} would be {len(body) + CRC_BYTES} bytes, at most {FRAME_MAX_BYTES}")
    return body + crc32(body).to_bytes(CRC_BYTES, "little")


_CRC_RESIDUE = 0x2144DF1C  # CRC-32 over any body followed by its own CRC, little-endian


def decode_message(frame: bytes) -> Message | None:
    """The message in a frame (COBS already removed), or None when it is damaged, too short or of an unknown kind.

    Values are not checked against their ranges here: the receiver does that with :func:`range_problem` where it acts.
    """
    if crc32(frame) != _CRC_RESIDUE:
        return None
    entry = _DECODERS.get(frame[0])
    if entry is None or len(frame) < entry[0]:
        return None
    message: Message = entry[1](frame, len(frame) - CRC_BYTES)
    return message


def decode(frame: bytes) -> Decoded | None:
    """As :func:`decode_message`, with the sequence number."""
    message = decode_message(frame)
    return None if message is None else Decoded(frame[1], message)


def decode_alike(frames: list[bytes]) -> tuple[bytes, list[Message]] | None:
    """The sequence numbers and messages of frames that are all good, of one kind and of that kind's own length.

    None when they are not. Telemetry that waited is a run of such frames, and is read here at little more than the cost
    of its numbers; whatever else comes is for :func:`decode_message`.
    """
    whole = _WHOLES.get(frames[0][0]) if frames and frames[0] else None
    count = len(frames)
    if whole is None or list(map(crc32, frames)).count(_CRC_RESIDUE) != count:
        return None
    try:
        messages: list[Message] = list(map(tuple.__new__, repeat(whole.type), map(whole.unpack, frames)))
    except struct.error:
        return None  # not all of them are of that length
    joined = b"".join(frames)
    kinds, sequences = joined[:: whole.frame_bytes], joined[1 :: whole.frame_bytes]
    return None if kinds != kinds[:1] * count else (sequences, messages)
