"""Message ↔ bytes, driven by the table.

``encode`` and ``decode`` handle the inside of a frame: kind, sequence, payload, CRC-32. Framing (COBS and the
delimiter) is :mod:`firmware_bridge.wire.framing`. ``pack`` and ``unpack`` do the same for an operation's arguments.
"""

import struct
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

from firmware_bridge.errors import CodecError
from firmware_bridge.wire.fields import REST, fields_of
from firmware_bridge.wire.messages import MESSAGES, ROW_OF_TYPE, Message

HEAD_BYTES = 2  # kind, sequence
CRC_BYTES = 4
FRAME_MAX_BYTES = 254  # before COBS: the longest COBS carries with one byte of overhead
FRAME_MAX_ARMED_BYTES = 64  # before COBS, while a lease lives: a long frame holds the line up

T = TypeVar("T")


class Decoded(NamedTuple):
    """A frame that passed its CRC: the message, and the sequence number used for line statistics only."""

    sequence: int
    message: Message


def _offset_decoder(struct_type: Any, offset: int) -> tuple[int, Callable[[bytes, int], Any]]:
    """A function (buffer, end) → struct, and the least payload it needs. Longer payloads are accepted, tail ignored."""
    layouts = [field.layout for field in fields_of(struct_type).values()]
    has_rest = bool(layouts) and layouts[-1] is REST
    fixed = struct.Struct("<" + "".join(layout.code for layout in layouts))
    unpack_from = fixed.unpack_from
    make: Callable[[Any], Any] = struct_type._make  # every structure of the table is a NamedTuple
    if has_rest:

        def decode_with_rest(buffer: bytes, end: int) -> Any:
            return make((*unpack_from(buffer, offset), buffer[offset + fixed.size : end]))

        return fixed.size, decode_with_rest

    def decode_fixed(buffer: bytes, _end: int) -> Any:
        return make(unpack_from(buffer, offset))

    return fixed.size, decode_fixed


@cache
def _packer(struct_type: type) -> Callable[..., bytes]:
    layouts = [field.layout for field in fields_of(struct_type).values()]
    pack_fixed = struct.Struct("<" + "".join(layout.code for layout in layouts)).pack
    if layouts and layouts[-1] is REST:
        return lambda *values: pack_fixed(*values[:-1]) + values[-1]
    return pack_fixed


@cache
def _unpacker(struct_type: Any) -> tuple[int, Callable[[bytes, int], Any]]:
    return _offset_decoder(struct_type, 0)


_DECODERS: dict[int, tuple[int, Callable[[bytes, int], Any]]] = {
    row.kind: (least + HEAD_BYTES + CRC_BYTES, decode)
    for row in MESSAGES
    for least, decode in [_offset_decoder(row.type, HEAD_BYTES)]
}


class _Rule(NamedTuple):
    """What a field of a structure may hold, worked out once: checking runs for every frame in and out."""

    name: str
    least: int
    most: int  # of a number, or of bytes: the greatest length
    not_measured: int | None
    unit: str


@cache
def _rules(struct_type: type) -> tuple[_Rule, ...]:
    rules = []
    for name, field in fields_of(struct_type).items():
        if field.layout.code.endswith("s"):
            least, most = 0, field.layout.size_bytes
        elif field.layout is REST:
            least, most = 0, sys.maxsize  # the frame's own limit is encode's to check
        else:
            least, most = field.bounds
        rules.append(_Rule(name, least, most, field.not_measured, field.unit))
    return tuple(rules)


def range_problem(value: Any) -> str | None:
    """What is wrong with the values of a message or structure against the table, or None.

    Returns the first problem as "field value: reason", in the units of the table.
    """
    for (name, least, most, not_measured, unit), item in zip(_rules(value.__class__), value, strict=True):
        if isinstance(item, bytes):
            if len(item) > most:
                return f"{name}: {len(item)} bytes, at most {most}"
        elif not least <= item <= most and item != not_measured:
            return f"{name} {item}: outside {least} to {most} {unit}".rstrip()
    return None


def pack(value: Any) -> bytes:
    """Bytes of a structure of the table (an operation's arguments or data).

    Raises CodecError when a value is outside its range.
    """
    problem = range_problem(value)
    if problem is not None:
        raise CodecError(f"{type(value).__name__} cannot be sent: {problem}")
    packed: bytes = _packer(value.__class__)(*value)
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


def encode(message: Message, sequence: int) -> bytes:
    """The inside of a frame: kind, sequence (modulo 256), payload, CRC-32 little-endian.

    Raises CodecError when a value is outside its range or the frame would be longer than FRAME_MAX_BYTES.
    """
    row = ROW_OF_TYPE[type(message)]
    body = bytes((row.kind, sequence & 0xFF)) + pack(message)
    if len(body) + CRC_BYTES > FRAME_MAX_BYTES:
        raise CodecError(f"{row.type.__name__} would be {len(body) + CRC_BYTES} bytes, at most {FRAME_MAX_BYTES}")
    return body + crc32(body).to_bytes(CRC_BYTES, "little")


_CRC_RESIDUE = 0x2144DF1C  # CRC-32 over any body followed by its own CRC, little-endian


def decode(frame: bytes) -> Decoded | None:
    """The message in a frame (COBS already removed), or None when it is damaged, too short or of an unknown kind.

    Values are not checked against their ranges here: the receiver does that with :func:`range_problem` where it acts.
    """
    if crc32(frame) != _CRC_RESIDUE:
        return None
    entry = _DECODERS.get(frame[0])
    if entry is None or len(frame) < entry[0]:
        return None
    return Decoded(frame[1], entry[1](frame, len(frame) - CRC_BYTES))
