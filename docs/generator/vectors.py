"""The test vectors: frames and structures with their values and bytes, for implementations in any language.

Every file is one JSON object: ``about`` says what its vectors are, ``vectors`` lists them by name. Bytes are lower-case
hex. Values of fields are numbers; text is a string without its padding; a REST field is ``{"hex": …}``.
"""

import json
from collections.abc import Iterator
from typing import Any

from firmware_bridge.wire import framing
from firmware_bridge.wire.codec import CRC_BYTES, FRAME_MAX_BYTES, HEAD_BYTES, encode, pack
from firmware_bridge.wire.fields import REST, Field
from firmware_bridge.wire.messages import MESSAGES, ROW_OF_TYPE, Request, Response, Stop
from firmware_bridge.wire.operations import OPERATIONS, Operation
from generator.bad_frames import out_of_range, rejected, streams, tails
from generator.table import fields_in, is_text, wire_name
from generator.typical import typical

Vector = dict[str, Any]


def make_vectors() -> dict[str, str]:
    """The files of ``tests/vectors``, by name."""
    files = {
        "messages.json": (
            "Messages. A decoder gets `fields` from `wire`, an encoder `wire` from `kind`, `sequence` and `fields`; "
            "`frame` is kind, sequence, payload and CRC-32, before COBS.",
            list(_messages()),
        ),
        "operations.json": (
            "Arguments and data of operations: `payload` is the structure, `wire` the REQUEST or RESPONSE with it.",
            list(_operations()),
        ),
        "longer.json": (
            "Payloads longer than this version's: accepted, tail ignored. `canonical` is the frame without the tail.",
            list(tails()),
        ),
        "rejected.json": (
            "Bytes on the line that hold no acceptable frame: a receiver drops them silently.",
            list(rejected()),
        ),
        "out_of_range.json": (
            "Good frames with a value outside its range: they decode, and the range check says no.",
            list(out_of_range()),
        ),
        "streams.json": (
            "Bytes with garbage between frames: `delivered` are the frames a receiver gets out of them, before COBS.",
            list(streams()),
        ),
    }
    return {name: _json(about, vectors) for name, (about, vectors) in files.items()}


def _json(about: str, vectors: list[Vector]) -> str:
    names = [vector["name"] for vector in vectors]
    if len(set(names)) != len(names):
        raise ValueError("two vectors have one name: " + ", ".join({name for name in names if names.count(name) > 1}))
    lines = ",\n".join("  " + json.dumps(vector, ensure_ascii=False) for vector in vectors)
    return f'{{\n"about": {json.dumps(about)},\n"vectors": [\n{lines}\n]\n}}\n'


def json_fields(value: Any) -> Vector:
    """The values of a message or structure, as they stand in a vector."""
    return {
        name: _json_value(field, item)
        for (name, field), item in zip(fields_in(type(value)).items(), value, strict=True)
    }


def _json_value(field: Field, item: int | bytes) -> int | str | dict[str, str]:
    if not isinstance(item, bytes):
        return int(item)
    return {"hex": item.hex()} if field.layout is REST else item.decode("ascii")


def _message_vector(name: str, value: Any, sequence: int) -> Vector:
    row = ROW_OF_TYPE[type(value)]
    return {
        "name": f"{wire_name(row)}/{name}",
        "message": wire_name(row),
        "kind": row.kind,
        "sequence": sequence,
        "fields": json_fields(value),
        "frame": encode(value, sequence).hex(),
        "wire": framing.frame(value, sequence).hex(),
    }


def _messages() -> Iterator[Vector]:
    sequence = 0
    for row in MESSAGES:
        for name, value in variants(row.type):
            yield _message_vector(name, value, sequence)
            sequence = (sequence + 1) & 0xFF
    yield _message_vector("last_sequence", Stop(), 255)
    yield _message_vector("longest_of_zeros", _longest(b"\x00"), 0)
    yield _longest_without_zero()


def _longest(filler: bytes) -> Request:
    room = FRAME_MAX_BYTES - HEAD_BYTES - CRC_BYTES - 11
    return Request(0, 0, 0, 0, filler * room)


def _longest_without_zero() -> Vector:
    """A frame of the full length without a zero byte: COBS has one block of 254 bytes and nothing behind it."""
    value = Request(0x0101, 0x0101_0101, 1, 0x0101_0101, _longest(b"\x55").arguments)
    sequence = next(number for number in range(1, 256) if 0 not in encode(value, number))
    return _message_vector("longest_without_zero", value, sequence)


def variants(struct_type: type[Any]) -> Iterator[tuple[str, Any]]:
    """Named values of a structure: typical, every bound, every name of a number, everything not measured."""
    fields = fields_in(struct_type)
    usual = typical(struct_type)
    yield "typical", usual
    if not fields:
        return
    for end in (0, 1):
        yield ("minimum", "maximum")[end], struct_type(*(_extreme(field, end) for field in fields.values()))
    for name, field in fields.items():
        for end in (0, 1):
            extreme = usual._replace(**{name: _extreme(field, end)})
            yield f"{name}_{('minimum', 'maximum')[end]}", extreme
        if field.not_measured is not None:
            yield f"{name}_not_measured", usual._replace(**{name: field.not_measured})
        if field.names is not None:
            for member_name, member in field.names.__members__.items():
                yield f"{name}_{member_name}", usual._replace(**{name: int(member)})
    measurable = {name: field.not_measured for name, field in fields.items() if field.measurable}
    if measurable:
        yield "nothing_measured", usual._replace(**measurable)


def _extreme(field: Field, end: int) -> int | bytes:
    if field.layout is REST:
        return (b"", b"\xff\x00" * 20)[end]
    if is_text(field):
        return (b"", b"~" * field.layout.size_bytes)[end]
    return int(field.bounds[end])


def _operations() -> Iterator[Vector]:
    request_id = 1
    for operation in OPERATIONS:
        for role, struct_type in (("arguments", operation.arguments), ("data", operation.data)):
            for name, value in variants(struct_type):
                payload = pack(value)
                message = _carrier(operation, role, request_id, payload)
                yield {
                    "name": f"{operation.name}/{role}/{name}",
                    "operation": operation.name,
                    "number": operation.number,
                    "role": role,
                    "struct": struct_type.__name__,
                    "fields": json_fields(value),
                    "payload": payload.hex(),
                    "sequence": 0,
                    "frame": encode(message, 0).hex(),
                    "wire": framing.frame(message, 0).hex(),
                }
                request_id += 1


def _carrier(operation: Operation, role: str, request_id: int, payload: bytes) -> Request | Response:
    if role == "data":
        response: Response = typical(Response)
        return response._replace(id=request_id, data=payload)
    request: Request = typical(Request)
    key = 0 if operation.repeatable else request.key
    return request._replace(id=request_id, operation=operation.number, key=key, arguments=payload)
