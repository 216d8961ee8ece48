"""Framing and codec under anything a line can do: never raise, never grow, never hide a following good frame."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_bridge.errors import CodecError
from firmware_bridge.wire.codec import CRC_BYTES, FRAME_MAX_BYTES, HEAD_BYTES, decode, encode, pack, unpack
from firmware_bridge.wire.fields import REST, Field, fields_of
from firmware_bridge.wire.framing import DELIMITER, WIRE_MAX_BYTES, Deframer, frame
from firmware_bridge.wire.messages import MESSAGES, Message, Request
from firmware_bridge.wire.operations import OPERATIONS

# A busy machine makes single examples slow; that is no fault of the code under test.
unhurried = settings(suppress_health_check=[HealthCheck.too_slow])


def field_values(field: Field, rest_max_bytes: int) -> st.SearchStrategy[int | bytes]:
    """Any value a field may have; text is padded as a decoder gives it back."""
    if field.layout is REST:
        return st.binary(max_size=rest_max_bytes)
    size = field.layout.size_bytes
    if field.layout.code.endswith("s"):
        printable = st.binary(max_size=size).map(lambda text: bytes(32 + byte % 95 for byte in text))
        return printable.map(lambda text: text.ljust(size, b"\0"))
    low, high = field.bounds
    numbers: st.SearchStrategy[int | bytes] = st.integers(low, high)
    return numbers if field.not_measured is None else numbers | st.just(field.not_measured)


def structs(struct_type: type[Any]) -> st.SearchStrategy[Any]:
    """Any value of a message or structure that is inside its ranges and fits into a frame."""
    fields = fields_of(struct_type)
    fixed = sum(field.layout.size_bytes for field in fields.values())
    room = FRAME_MAX_BYTES - HEAD_BYTES - CRC_BYTES - fixed
    return st.builds(struct_type, *(field_values(field, room) for field in fields.values()))


MESSAGE = st.one_of([structs(row.type) for row in MESSAGES])
SEQUENCE = st.integers(0, 255)
# Around the longest frame, without a delimiter in it: where a receiver begins to drop.
OVERLONG = st.integers(WIRE_MAX_BYTES - 2, WIRE_MAX_BYTES + 2).map(lambda size: b"\x55" * size)
NOISE = st.binary(max_size=700) | st.binary(max_size=40).map(lambda data: data * 20) | OVERLONG
# What a line carries: noise, good frames, frames cut short, frames with a byte changed, delimiters.
GOOD = st.builds(frame, MESSAGE, SEQUENCE)
CUT = st.builds(lambda wire, keep: wire[: 1 + keep % len(wire)], GOOD, st.integers(0, 255))
CHANGED = st.builds(
    lambda wire, place, byte: wire[: place % len(wire)] + bytes((byte,)) + wire[place % len(wire) + 1 :],
    GOOD,
    st.integers(0, 255),
    SEQUENCE,
)
STREAM = st.lists(NOISE | GOOD | CUT | CHANGED | st.just(DELIMITER), max_size=8).map(b"".join)


def in_chunks(data: bytes, sizes: list[int]) -> list[bytes]:
    """``data`` cut at running sums of ``sizes``; what is left over is the last chunk."""
    chunks, start = [], 0
    for size in sizes:
        chunks.append(data[start : start + size])
        start += size
    return [*chunks, data[start:]]


CHUNK_SIZES = st.lists(st.integers(0, 300), max_size=30) | st.just([1] * 2000)


@unhurried
@given(STREAM, CHUNK_SIZES)
def test_any_bytes_in_any_chunks_never_raise_and_never_grow(data: bytes, sizes: list[int]) -> None:
    deframer = Deframer()
    for chunk in in_chunks(data, sizes):
        deframer.feed(chunk)
        assert deframer.held_bytes <= WIRE_MAX_BYTES


@unhurried
@given(STREAM, CHUNK_SIZES)
def test_chunks_do_not_change_what_comes_out(data: bytes, sizes: list[int]) -> None:
    whole, pieces = Deframer(), Deframer()
    expected = whole.feed(data)
    delivered = [message for chunk in in_chunks(data, sizes) for message in pieces.feed(chunk)]
    assert delivered == expected
    assert (pieces.frames, pieces.damaged, pieces.lost) == (whole.frames, whole.damaged, whole.lost)
    assert pieces.held_bytes == whole.held_bytes


@unhurried
@given(STREAM, MESSAGE, SEQUENCE, CHUNK_SIZES)
def test_after_any_garbage_and_one_zero_a_good_frame_is_delivered(
    garbage: bytes, message: Message, sequence: int, sizes: list[int]
) -> None:
    deframer = Deframer()
    deframer.feed(garbage)
    deframer.feed(DELIMITER)
    delivered = [out for chunk in in_chunks(frame(message, sequence), sizes) for out in deframer.feed(chunk)]
    assert delivered == [message]


@pytest.mark.parametrize("chunk", [1, 7, 255, 256, 5000])
@pytest.mark.parametrize("size", [255, 256, 257, 600, 5000])
def test_a_piece_longer_than_any_frame_is_dropped_as_it_arrives_and_counted_once(size: int, chunk: int) -> None:
    deframer, data = Deframer(), b"\x55" * size
    for start in range(0, size, chunk):
        deframer.feed(data[start : start + chunk])
        assert deframer.held_bytes <= WIRE_MAX_BYTES
    deframer.feed(DELIMITER)
    assert deframer.damaged == 1


@unhurried
@given(MESSAGE, SEQUENCE)
def test_every_message_survives_the_codec(message: Message, sequence: int) -> None:
    assert decode(encode(message, sequence)) == (sequence, message)


@unhurried
@given(MESSAGE, SEQUENCE)
def test_a_frame_has_one_zero_at_its_end_and_its_size_is_bounded(message: Message, sequence: int) -> None:
    wire = frame(message, sequence)
    assert wire.index(DELIMITER) == len(wire) - 1
    assert len(wire) <= WIRE_MAX_BYTES + 1


@unhurried
@given(st.one_of([structs(item) for operation in OPERATIONS for item in (operation.arguments, operation.data)]))
def test_every_operation_structure_survives_the_codec(value: Any) -> None:
    assert unpack(type(value), pack(value)) == value


@unhurried
@given(st.sampled_from([item for operation in OPERATIONS for item in (operation.arguments, operation.data)]), st.data())
def test_unpacking_any_bytes_gives_a_value_in_range_or_a_codec_error(
    struct_type: type[Any], data: st.DataObject
) -> None:
    payload = data.draw(st.binary(max_size=60))
    try:
        value = unpack(struct_type, payload)
    except CodecError:
        return
    assert payload.startswith(pack(value))


@unhurried
@given(MESSAGE, SEQUENCE, st.integers(0, 2000))
def test_one_changed_bit_is_never_accepted(message: Message, sequence: int, place: int) -> None:
    """CRC-32 finds every single changed bit."""
    inside = bytearray(encode(message, sequence))
    inside[place // 8 % len(inside)] ^= 1 << place % 8
    assert decode(bytes(inside)) is None


def test_a_message_longer_than_a_frame_is_refused() -> None:
    with pytest.raises(CodecError, match="at most 254"):
        encode(Request(1, 1, 1, 1, bytes(FRAME_MAX_BYTES)), 0)
