"""Message ↔ bytes, driven by the table.

``encode`` and ``decode`` handle the inside of a frame: kind, sequence, payload, CRC-32. Framing (COBS and the
delimiter) is :mod:`firmware_bridge.wire.framing`. ``pack`` and ``unpack`` do the same for an operation's arguments.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

from firmware_bridge.errors import CodecError
from firmware_bridge.wire.fields import REST, fields_of
from firmware_bridge.wire.messages import MESSAGES, Message

HEAD_BYTES = 2  # kind, sequence
CRC_BYTES = 4
FRAME_MAX_BYTES = 254  # before COBS: the longest COBS carries with one byte of overhead
FRAME_MAX_ARMED_BYTES = 64  # before COBS, while a lease lives: a long frame holds the line up

T = TypeVar("T")


class Decoded(NamedTuple):
    """A frame that passed its CRC: the message, and the sequence number used for line statistics only."""

    sequence: int
    message: Message


class _Rule(NamedTuple):
    """What a field may hold that its layout alone does not say."""

    place: int
    name: str
    least: int
    most: int  # of a number, or of bytes: the greatest length
    not_measured: int | None
    unit: str


def _rules(struct_type: type) -> Iterator[_Rule]:
    for place, (name, field) in enumerate(fields_of(struct_type).items()):
        layout = field.layout
        if layout.code.endswith("s"):
            yield _Rule(place, name, 0, layout.size_bytes, None, "")
        elif field.minimum is not None or field.maximum is not None:
            yield _Rule(place, name, *field.bounds, field.not_measured, field.unit)


@dataclass(frozen=True, slots=True)
class _Structure:
    """A structure of the table, worked out once: all of this is used for every frame in and out."""

    type: type[Any]
    rules: tuple[_Rule, ...]
    code: str  # of struct, for the fixed part
    fixed_bytes: int
    has_rest: bool  # bytes of any number follow the fixed part
    pack_fixed: Callable[..., bytes]
    unpack_fixed: Callable[[bytes, int], tuple[Any, ...]]


def _worked_out(struct_type: type) -> _Structure:
    layouts = [field.layout for field in fields_of(struct_type).values()]
    code = "".join(layout.code for layout in layouts)
    fixed = struct.Struct("<" + code)
    has_rest = bool(layouts) and layouts[-1] is REST
    return _Structure(
        struct_type, tuple(_rules(struct_type)), code, fixed.size, has_rest, fixed.pack, fixed.unpack_from
    )


_structure: Callable[[Any], _Structure] = cache(_worked_out)


def _make(structure: _Structure, buffer: bytes, start: int, end: int) -> Any:
    """The structure that lies in ``buffer`` from ``start``; its number of values is known and needs no check."""
    values = structure.unpack_fixed(buffer, start)
    if structure.has_rest:
        values += (buffer[start + structure.fixed_bytes : end],)
    return tuple.__new__(structure.type, values)


def range_problem(value: Any) -> str | None:
    """What is wrong with the values of a message or structure against the table, or None.

    Returns the first problem as "field value: reason", in the units of the table. It looks at what the layout of a
    field leaves open: a number that no frame can hold is found by :func:`pack` and :func:`encode`.
    """
    rules = _structure(value.__class__).rules
    return _broken_rule(rules, value) if rules else None


def _broken_rule(rules: tuple[_Rule, ...], value: Any) -> str | None:
    for place, name, least, most, not_measured, unit in rules:
        item = value[place]
        if item.__class__ is bytes:
            if len(item) > most:
                return f"{name}: {len(item)} bytes, at most {most}"
        elif not least <= item <= most and item != not_measured:
            return f"{name} {item}: outside {least} to {most} {unit}".rstrip()
    return None


def _check(rules: tuple[_Rule, ...], value: Any) -> None:
    problem = _broken_rule(rules, value)
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
    structure = _structure(value.__class__)
    if structure.rules:
        _check(structure.rules, value)
    try:
        if structure.has_rest:
            packed: bytes = structure.pack_fixed(*value[:-1]) + value[-1]
            return packed
        return structure.pack_fixed(*value)
    except (struct.error, TypeError) as error:
        raise _misfit(value, error) from error


def unpack(struct_type: type[T], payload: bytes) -> T:
    """The structure in ``payload``; a longer payload is accepted and its tail ignored.

    Raises CodecError when the payload is too short or a value is outside its range.
    """
    structure = _structure(struct_type)
    size = len(payload)
    if size < structure.fixed_bytes:
        raise CodecError(f"{struct_type.__name__} needs {structure.fixed_bytes} bytes, got {size}")
    value: T = _make(structure, payload, 0, size)
    if structure.rules:
        problem = _broken_rule(structure.rules, value)
        if problem is not None:
            raise CodecError(f"{struct_type.__name__} makes no sense: {problem}")
    return value


class _Encoder(NamedTuple):
    """How the inside of a frame of one kind is made."""

    kind: int
    structure: _Structure
    pack_head_and_fixed: Callable[..., bytes]


_ENCODERS = {
    row.type: _Encoder(row.kind, structure, struct.Struct("<BB" + structure.code).pack)
    for row in MESSAGES
    for structure in [_structure(row.type)]
}


def encode(message: Message, sequence: int) -> bytes:
    """The inside of a frame: kind, sequence (modulo 256), payload, CRC-32 little-endian.

    Raises CodecError when a value is outside its range or the frame would be longer than FRAME_MAX_BYTES.
    """
    kind, structure, pack_fixed = _ENCODERS[message.__class__]
    if structure.rules and _broken_rule(structure.rules, message) is not None:
        _check(structure.rules, message)
    values: tuple[Any, ...] = message
    try:
        if structure.has_rest:
            body: bytes = pack_fixed(kind, sequence & 0xFF, *values[:-1]) + values[-1]
        else:
            body = pack_fixed(kind, sequence & 0xFF, *values)
    except (struct.error, TypeError) as error:
        raise _misfit(message, error) from error
    if len(body) > FRAME_MAX_BYTES - CRC_BYTES:
        raise CodecError(f"{type(message).__name__} would be {len(body) + CRC_BYTES} bytes, at most {FRAME_MAX_BYTES}")
    return body + crc32(body).to_bytes(CRC_BYTES, "little")


_STRUCTURE_OF_KIND = {row.kind: _structure(row.type) for row in MESSAGES}
_CRC_RESIDUE = 0x2144DF1C  # CRC-32 over any body followed by its own CRC, little-endian


def decode_message(frame: bytes) -> Message | None:
    """The message in a frame (COBS already removed), or None when it is damaged, too short or of an unknown kind.

    Values are not checked against their ranges here: the receiver does that with :func:`range_problem` where it acts.
    """
    if crc32(frame) != _CRC_RESIDUE:
        return None
    structure = _STRUCTURE_OF_KIND.get(frame[0])
    end = len(frame) - CRC_BYTES
    if structure is None or end < HEAD_BYTES + structure.fixed_bytes:
        return None
    message: Message = _make(structure, frame, HEAD_BYTES, end)
    return message


def decode(frame: bytes) -> Decoded | None:
    """As :func:`decode_message`, with the sequence number."""
    message = decode_message(frame)
    return None if message is None else Decoded(frame[1], message)


class _Whole(NamedTuple):
    """How a frame of one kind is read that is exactly as long as this version of the table has it."""

    type: type[Any]
    frame_bytes: int
    unpack: Callable[[bytes], tuple[Any, ...]]


def _wholes() -> Iterator[tuple[int, _Whole]]:
    for kind, structure in _STRUCTURE_OF_KIND.items():
        if structure.code and not structure.has_rest:
            layout = struct.Struct(f"<{HEAD_BYTES}x{structure.code}{CRC_BYTES}x")
            yield kind, _Whole(structure.type, layout.size, layout.unpack)


_WHOLES = dict(_wholes())


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
