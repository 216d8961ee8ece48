"""Captured traffic taken apart for people: every frame with its fields by name, and what is wrong with it.

The link has no use for what is no frame and drops it; whoever looks for a fault looks for exactly that. Nothing here is
used while a pen is driven.
"""

from collections.abc import Iterable, Iterator
from enum import IntFlag
from typing import Any, NamedTuple
from zlib import crc32

from cobs.cobs import DecodeError
from cobs.cobs import decode as cobs_decode

from firmware_bridge.errors import CodecError
from firmware_bridge.wire.capture import CapturedBytes
from firmware_bridge.wire.codec import CRC_BYTES, HEAD_BYTES, decode_message, range_problem, unpack
from firmware_bridge.wire.fields import REST, Field, fields_of
from firmware_bridge.wire.framing import DELIMITER, WIRE_MAX_BYTES
from firmware_bridge.wire.messages import (
    ROW_OF_KIND,
    ROW_OF_TYPE,
    Armed,
    Direction,
    Fault,
    Hello,
    Message,
    Refusal,
    Request,
    Response,
    Status,
    Welcome,
)
from firmware_bridge.wire.operations import OPERATION_OF_NUMBER, Operation

HELD_MAX_BYTES = WIRE_MAX_BYTES + 1
"""Of a piece that is no frame because it is too long, so much is kept to be shown."""

Value = int | str | list[str] | None
"""A field for people and programs: a number in the unit of its name, a name, names, or None for *not measured*."""

NO_FRAME = "NO FRAME"
"""In a list of kinds: bytes between two delimiters that are no frame."""


class Dissected(NamedTuple):
    """A frame, or a piece that should have been one; complete at ``time_us`` since the recording began.

    ``wire`` is as it was on the line, without its delimiter. ``troubles`` are sentences: what is wrong with the frame,
    and what the pen says in it for the first time that it refuses or that it found wrong.
    """

    time_us: int
    direction: Direction
    wire: bytes
    sequence: int | None
    message: Message | None
    fields: dict[str, Value]
    troubles: tuple[str, ...]

    @property
    def kind(self) -> str:
        """The name of the message as the protocol's document has it, or NO_FRAME."""
        return NO_FRAME if self.message is None else kind_name(type(self.message))


def kind_name(message_type: type[Any]) -> str:
    """A message's name as the protocol's document writes it: SETPOINT."""
    return message_type.__name__.upper()


KINDS = tuple(kind_name(row.type) for row in ROW_OF_KIND.values())
"""The names of all messages, in the order of the table."""


class Dissector:
    """Takes traffic apart, piece by piece; both directions, each put together by itself."""

    def __init__(self) -> None:
        self._held = {direction: bytearray() for direction in Direction}
        self._expected: dict[Direction, int] = {}
        self._nonces: dict[Direction, int] = {}
        self._asked: dict[int, Operation] = {}
        self._faults = Fault(0)
        self._refusal = 0
        self._time_us = 0
        self._back_us = 0

    def feed(self, piece: CapturedBytes) -> Iterator[Dissected]:
        """What was completed by ``piece``."""
        self._back_us += max(0, self._time_us - piece.time_us)
        self._time_us = piece.time_us
        held = self._held[piece.direction]
        *whole, rest = piece.data.split(DELIMITER)
        for part in whole:
            wire = bytes(held + part)[:HELD_MAX_BYTES]
            held.clear()
            if wire:
                yield self._of(piece.time_us, piece.direction, wire)
        held += rest[: max(0, HELD_MAX_BYTES - len(held))]

    def rest(self) -> Iterator[Dissected]:
        """What had begun and was not finished when the recording ended."""
        for direction, held in self._held.items():
            if held:
                wire = bytes(held)
                held.clear()
                trouble = f"the recording ends in the middle of it, after {len(wire)} bytes"
                yield Dissected(self._time_us, direction, wire, None, None, {}, (trouble,))

    def _of(self, time_us: int, direction: Direction, wire: bytes) -> Dissected:
        body, damage = _opened(wire)
        message = decode_message(body) if damage is None else None
        if message is None:
            troubles = [*self._backwards(), damage or "it makes no sense"]
            return Dissected(time_us, direction, wire, None, None, {}, tuple(troubles))
        sequence = body[1]
        if self._begins_anew(direction, message):
            self._expected.pop(direction, None)
        troubles = [
            *self._backwards(),
            *self._gap(direction, sequence),
            *_wrong(direction, message),
            *self._news(message),
        ]
        return Dissected(time_us, direction, wire, sequence, message, self._fields(message), tuple(troubles))

    def _backwards(self) -> Iterator[str]:
        if self._back_us:
            yield f"time runs backwards before it, by {self._back_us / 1_000_000:g} s"
            self._back_us = 0

    def _begins_anew(self, direction: Direction, message: Message) -> bool:
        """Whether it is the first HELLO of a connection, or the first WELCOME: who sends it may count from anywhere."""
        if not isinstance(message, Hello | Welcome) or self._nonces.get(direction) == message.nonce:
            return False
        self._nonces[direction] = message.nonce
        return True

    def _gap(self, direction: Direction, sequence: int) -> Iterator[str]:
        expected = self._expected.get(direction, sequence)
        self._expected[direction] = (sequence + 1) & 0xFF
        if sequence != expected:
            lost = (sequence - expected) & 0xFF
            yield f"{lost} {'frame is' if lost == 1 else 'frames are'} missing before it"

    def _news(self, message: Message) -> Iterator[str]:
        """What the pen says for the first time: a refusal, or a fault that latched."""
        if isinstance(message, Status):
            faults, refusal = Fault(message.faults), message.refusal
            new, newly_refused = faults & ~self._faults, refusal not in {self._refusal, Refusal.NONE}
            self._faults, self._refusal = faults, refusal
            if new:
                yield f"the pen latched {', '.join(_flags(Fault, new))}"
            if newly_refused:
                yield f"the pen refused a frame: {_named(Refusal, refusal)}"
        elif isinstance(message, Armed | Response) and message.refusal != Refusal.NONE:
            yield f"the pen refused: {_named(Refusal, message.refusal)}"

    def _fields(self, message: Message) -> dict[str, Value]:
        found = values_of(message)
        if isinstance(message, Request):
            operation = OPERATION_OF_NUMBER.get(message.operation)
            if operation is not None:
                self._asked = {message.id: operation}  # one is outstanding at a time
                _open_up(found, "arguments", operation, operation.arguments, message.arguments)
        elif isinstance(message, Response) and not message.refusal:
            asked = self._asked.get(message.id)
            if asked is not None:
                _open_up(found, "data", asked, asked.data, message.data)
        return found


def dissect(pieces: Iterable[CapturedBytes]) -> Iterator[Dissected]:
    """All that is in captured traffic, in the order of its last bytes; bare delimiters left out."""
    dissector = Dissector()
    for piece in pieces:
        yield from dissector.feed(piece)
    yield from dissector.rest()


def values_of(structure: Any) -> dict[str, Value]:
    """The fields of a message, or of an operation's arguments or data, by name."""
    return {
        name: _value(field, value)
        for (name, field), value in zip(fields_of(structure.__class__).items(), structure, strict=True)
    }


def _value(field: Field, value: Any) -> Value:
    if isinstance(value, bytes):
        if field.layout is REST:
            return value.hex()
        return value.rstrip(b"\0").decode("ascii", "backslashreplace")
    number: int = value
    if number == field.not_measured:
        return None
    if field.names is None:
        return number
    return _flags(field.names, number) if issubclass(field.names, IntFlag) else _named(field.names, number)


def _flags(names: type[IntFlag], bits: int) -> list[str]:
    known = [flag for flag in names if bits & flag]
    unknown = bits & ~sum(known)
    return [str(flag.name) for flag in known] + ([f"0x{unknown:X}"] if unknown else [])


def _named(names: type[Any], number: int) -> Value:
    try:
        return str(names(number).name)
    except ValueError:
        return number


def _open_up(found: dict[str, Value], rest: str, operation: Operation, structure: type[Any], payload: bytes) -> None:
    """Puts an operation's own fields in the place of the bytes they lie in; nothing where those make no sense."""
    found["operation"] = operation.name
    try:
        inner = values_of(unpack(structure, payload))
    except CodecError:
        return
    del found[rest]
    found |= {f"{rest}.{name}": value for name, value in inner.items()}


def _opened(wire: bytes) -> tuple[bytes, str | None]:
    """The inside of a frame, or why there is none."""
    if len(wire) > WIRE_MAX_BYTES:
        return b"", f"more than {WIRE_MAX_BYTES} bytes without a delimiter: noise, or another speed"
    try:
        body: bytes = cobs_decode(wire)
    except DecodeError:
        return b"", f"{len(wire)} bytes that are not stuffed as a frame is: noise, or bytes were lost"
    if len(body) < HEAD_BYTES + CRC_BYTES:
        return b"", f"{len(body)} bytes are too few for a frame"
    if crc32(body[:-CRC_BYTES]).to_bytes(CRC_BYTES, "little") != body[-CRC_BYTES:]:
        return b"", "its checksum does not fit: bytes changed or were lost on the way"
    if body[0] not in ROW_OF_KIND:
        return b"", f"no message of this version has the kind 0x{body[0]:02X}"
    if decode_message(body) is None:
        return b"", f"{len(body)} bytes are too few for {kind_name(ROW_OF_KIND[body[0]].type)}"
    return body, None


def _wrong(direction: Direction, message: Message) -> Iterator[str]:
    if ROW_OF_TYPE[type(message)].direction is not direction:
        yield f"a message that only goes {ROW_OF_TYPE[type(message)].direction.value}"
    problem = range_problem(message)
    if problem is not None:
        yield f"it makes no sense: {problem}"
