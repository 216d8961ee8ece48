"""The Python codec against every vector, and the table's ranges against the range check."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cobs.cobs import decode as cobs_decode

from firmware_bridge.errors import CodecError
from firmware_bridge.wire import operations
from firmware_bridge.wire.codec import decode, encode, pack, range_problem, unpack
from firmware_bridge.wire.fields import REST, fields_of
from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import MESSAGES, Request, Response, Stop
from firmware_bridge.wire.operations import OPERATION_OF_NUMBER, OPERATIONS

FOLDER = Path(__file__).parent.parent / "vectors"
TYPE_OF_NAME = {row.type.__name__.upper(): row.type for row in MESSAGES}


def vectors(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / name).read_text(encoding="utf-8"))["vectors"]
    assert found, f"{name} holds no vector: it proves nothing"
    return found


def value_of(struct_type: type[Any], fields: dict[str, Any]) -> Any:
    """The structure a vector's fields describe, its text padded as it lies on the wire."""
    table = fields_of(struct_type)
    assert list(fields) == list(table), "a vector names every field, in wire order"
    items: list[int | bytes] = []
    for name, item in fields.items():
        if isinstance(item, dict):
            items.append(bytes.fromhex(item["hex"]))
        elif isinstance(item, str):
            items.append(item.encode("ascii").ljust(table[name].layout.size_bytes, b"\0"))
        else:
            items.append(item)
    return struct_type(*items)


def test_every_message_and_structure_has_vectors() -> None:
    assert {vector["message"] for vector in vectors("messages.json")} == set(TYPE_OF_NAME)
    named = {(vector["operation"], vector["role"]) for vector in vectors("operations.json")}
    assert named == {(operation.name, role) for operation in OPERATIONS for role in ("arguments", "data")}


def test_messages_decode_and_encode_to_the_same_bytes() -> None:
    for vector in vectors("messages.json"):
        name, wire = vector["name"], bytes.fromhex(vector["wire"])
        value = value_of(TYPE_OF_NAME[vector["message"]], vector["fields"])
        assert cobs_decode(wire[:-1]).hex() == vector["frame"], name
        decoded = decode(bytes.fromhex(vector["frame"]))
        assert decoded == (vector["sequence"], value), name
        assert Deframer().feed(wire) == [value], name
        assert range_problem(value) is None, name
        assert encode(value, vector["sequence"]).hex() == vector["frame"], name
        assert frame(value, vector["sequence"]) == wire, name


def test_operation_structures_unpack_and_pack_to_the_same_bytes() -> None:
    for vector in vectors("operations.json"):
        name, payload = vector["name"], bytes.fromhex(vector["payload"])
        operation = OPERATION_OF_NUMBER[vector["number"]]
        assert operation.name == vector["operation"], name
        struct_type = getattr(operation, vector["role"])
        assert struct_type.__name__ == vector["struct"], name
        value = value_of(struct_type, vector["fields"])
        assert unpack(struct_type, payload) == value, name
        assert pack(value) == payload, name
        (message,) = Deframer().feed(bytes.fromhex(vector["wire"]))
        if vector["role"] == "arguments":
            assert isinstance(message, Request), name
            assert (message.operation, message.arguments) == (operation.number, payload), name
            assert (message.key == 0) == operation.repeatable, name
        else:
            assert isinstance(message, Response), name
            assert message.data == payload, name


def test_longer_payloads_are_accepted_and_their_tail_ignored() -> None:
    for vector in vectors("longer.json"):
        (value,) = Deframer().feed(bytes.fromhex(vector["wire"]))
        assert type(value) is TYPE_OF_NAME[vector["message"]], vector["name"]
        assert frame(value, vector["sequence"]).hex() == vector["canonical"], vector["name"]


def test_a_longer_payload_of_a_structure_is_accepted() -> None:
    for operation in OPERATIONS:
        for struct_type in (operation.arguments, operation.data):
            fields = fields_of(struct_type).values()
            if any(field.layout is REST for field in fields):
                continue
            payload = pack(
                struct_type(*(b"a" if field.layout.name.startswith("text") else field.bounds[1] for field in fields))
            )
            assert unpack(struct_type, payload + b"more") == unpack(struct_type, payload)


def test_what_must_be_dropped_is_dropped_and_counted() -> None:
    stop = frame(Stop(), 0)
    for vector in vectors("rejected.json"):
        deframer = Deframer()
        assert deframer.feed(bytes.fromhex(vector["wire"])) == [], vector["name"]
        assert deframer.damaged == vector["damaged"], vector["name"]
        if vector["wire"].endswith("00"):
            assert deframer.feed(stop) == [Stop()], f"{vector['name']} must not hide what follows"


def test_values_out_of_range_decode_and_are_named_by_the_range_check() -> None:
    for vector in vectors("out_of_range.json"):
        (value,) = Deframer().feed(bytes.fromhex(vector["wire"]))
        assert getattr(value, vector["field"]) == vector["value"], vector["name"]
        problem = range_problem(value)
        assert problem is not None, vector["name"]
        assert problem.startswith(f"{vector['field']} {vector['value']}:"), vector["name"]
        with pytest.raises(CodecError, match=vector["field"]):
            encode(value, 0)


def test_streams_deliver_what_they_should() -> None:
    for vector in vectors("streams.json"):
        deframer = Deframer()
        delivered = deframer.feed(bytes.fromhex(vector["wire"]))
        expected = [decode(bytes.fromhex(inside)) for inside in vector["delivered"]]
        assert [item and item.message for item in expected] == delivered, vector["name"]
        assert (deframer.damaged, deframer.lost) == (vector["damaged"], vector["lost"]), vector["name"]
        assert deframer.frames == len(delivered), vector["name"]


def all_structs() -> list[type[NamedTuple]]:
    operation_structs = [
        struct_type for operation in OPERATIONS for struct_type in (operation.arguments, operation.data)
    ]
    return [row.type for row in MESSAGES] + operation_structs


def test_the_longest_frames_fit_where_they_must() -> None:
    """A frame sent while a lease lives has at most 64 bytes; WELCOME alone is longer, and no lease lives then."""
    for row in MESSAGES:
        size = sum(field.layout.size_bytes for field in fields_of(row.type).values()) + 6
        assert size <= (64 if row.while_armed else 254), row.type.__name__
    for operation in OPERATIONS:
        if operation.while_armed:
            data = sum(field.layout.size_bytes for field in fields_of(operation.data).values())
            entries = 3 * 13 if operation is operations.EVENT_LOG else 0
            assert data + entries + 3 + 6 <= 64, operation.name


def test_not_measured_lies_outside_every_range() -> None:
    for struct_type in all_structs():
        for name, field in fields_of(struct_type).items():
            if field.not_measured is not None:
                low, high = field.bounds
                assert not low <= field.not_measured <= high, f"{struct_type.__name__}.{name}"
