"""Vectors of what goes wrong on a line: frames to be dropped, values out of range, longer payloads, garbage between."""

from collections.abc import Iterator
from typing import Any
from zlib import crc32

from cobs.cobs import encode as cobs_encode

from firmware_bridge.wire.codec import CRC_BYTES, FRAME_MAX_BYTES, HEAD_BYTES, encode, pack
from firmware_bridge.wire.fields import REST, Field
from firmware_bridge.wire.framing import DELIMITER, WIRE_MAX_BYTES, frame
from firmware_bridge.wire.messages import MESSAGES, Hello, MessageRow, Setpoint, Status, Stop
from generator.table import fields_in, fixed_size, is_text, rest_field, wire_name
from generator.typical import typical

Vector = dict[str, Any]

_TAIL = bytes.fromhex("00ff1234")


def _sealed(body: bytes) -> bytes:
    """A body (kind, sequence, payload) with its CRC-32."""
    return body + crc32(body).to_bytes(CRC_BYTES, "little")


def _on_the_line(inside: bytes) -> str:
    encoded: bytes = cobs_encode(inside)
    return (encoded + DELIMITER).hex()


def tails() -> Iterator[Vector]:
    """A frame of every message without a REST field, with four bytes more than it needs."""
    for row in MESSAGES:
        if rest_field(row.type) is not None:
            continue
        value = typical(row.type)
        inside = _sealed(bytes((row.kind, 7)) + pack(value) + _TAIL)
        yield {
            "name": f"{wire_name(row)}/longer",
            "message": wire_name(row),
            "sequence": 7,
            "frame": inside.hex(),
            "wire": _on_the_line(inside),
            "canonical": frame(value, 7).hex(),
        }


def rejected() -> Iterator[Vector]:
    """Bytes that hold no acceptable frame. ``damaged`` is how many pieces a receiver counts as damaged."""
    for row in MESSAGES:
        yield from _rejected_of(row)
    setpoint = frame(typical(Setpoint), 0)
    yield _vector("unknown_kind_0x00", _on_the_line(_sealed(bytes((0x00, 0)) + bytes(8))))
    yield _vector("unknown_kind_0x7F", _on_the_line(_sealed(bytes((0x7F, 0)) + bytes(8))))
    yield _vector("unknown_kind_0xFF", _on_the_line(_sealed(bytes((0xFF, 0)))))
    yield _vector("kind_alone", _on_the_line(_sealed(b"\x08")))
    yield _vector("crc_of_nothing", _on_the_line(_sealed(b"")))
    yield _vector("one_byte", "0100")
    yield _vector("half_a_frame", setpoint[: len(setpoint) // 2].hex() + "00")
    yield _vector("two_frames_run_together", setpoint[:-1].hex() + setpoint.hex())
    yield _vector("cobs_block_beyond_its_end", "ff0800")
    yield _vector("cobs_code_changed", f"{setpoint[0] + 1:02x}{setpoint[1:].hex()}")
    yield _vector("overlong_by_one", "01" * (WIRE_MAX_BYTES + 1) + "00")
    yield _vector("overlong_good_crc", _on_the_line(_sealed(bytes((0x0A, 0)) + bytes(FRAME_MAX_BYTES - 5))))
    yield _vector("overlong_by_far", "55" * 1000 + "00")
    yield _vector("empty_pieces", "00000000", damaged=0)
    yield _vector("unfinished", setpoint[:-1].hex(), damaged=0)


def _rejected_of(row: MessageRow) -> Iterator[Vector]:
    name = wire_name(row)
    inside = encode(typical(row.type), 3)
    for position, what in ((0, "kind"), (1, "sequence"), (len(inside) - 1, "crc")):
        flipped = bytearray(inside)
        flipped[position] ^= 0x10
        yield _vector(f"{name}/bit_flipped_in_{what}", _on_the_line(bytes(flipped)))
    if len(inside) > HEAD_BYTES + CRC_BYTES:
        flipped = bytearray(inside)
        flipped[HEAD_BYTES] ^= 0x01
        yield _vector(f"{name}/bit_flipped_in_payload", _on_the_line(bytes(flipped)))
    least = HEAD_BYTES + fixed_size(row.type)
    if least > HEAD_BYTES:
        yield _vector(f"{name}/short_by_one", _on_the_line(_sealed(inside[: least - 1])))
        yield _vector(f"{name}/no_payload", _on_the_line(_sealed(inside[:HEAD_BYTES])))
    swapped = inside[:-CRC_BYTES] + inside[-CRC_BYTES:][::-1]
    yield _vector(f"{name}/crc_big_endian", _on_the_line(swapped))


def _vector(name: str, wire: str, *, damaged: int = 1) -> Vector:
    return {"name": name, "wire": wire, "damaged": damaged}


def out_of_range() -> Iterator[Vector]:
    """Frames with one value just outside its range."""
    for row in MESSAGES:
        for name, field in fields_in(row.type).items():
            if field.layout is REST or is_text(field):
                continue
            for value in _outside(field):
                yield {
                    "name": f"{wire_name(row)}/{name}_{value}",
                    "message": wire_name(row),
                    "field": name,
                    "value": value,
                    "wire": _on_the_line(_sealed(_packed(row, name, value))),
                }


def _outside(field: Field) -> Iterator[int]:
    low, high = field.bounds
    if low > field.layout.minimum and low - 1 != field.not_measured:
        yield low - 1
    for value in (high + 1, field.layout.maximum):
        if high < value <= field.layout.maximum and value != field.not_measured:
            yield int(value)
            if value == field.layout.maximum:
                return


def _packed(row: MessageRow, name: str, value: int) -> bytes:
    """A body with a value the encoder would refuse: written over the field's place."""
    body = bytearray(bytes((row.kind, 0)) + pack(typical(row.type)))
    offset = HEAD_BYTES
    for other, field in fields_in(row.type).items():
        size = field.layout.size_bytes
        if other == name:
            body[offset : offset + size] = value.to_bytes(size, "little", signed=field.layout.minimum < 0)
            break
        offset += size
    return bytes(body)


def streams() -> Iterator[Vector]:
    """Streams with garbage: which frames come out, how many pieces count as damaged, how many frames as lost."""
    hello, status, stop = typical(Hello), typical(Status), Stop()

    def wire(value: Any, sequence: int) -> bytes:
        return frame(value, sequence)

    def stream(name: str, data: bytes, delivered: list[tuple[Any, int]], damaged: int, lost: int) -> Vector:
        inside = [encode(value, sequence).hex() for value, sequence in delivered]
        return {"name": name, "wire": data.hex(), "delivered": inside, "damaged": damaged, "lost": lost}

    two = [(hello, 0), (status, 1)]
    both = wire(hello, 0) + wire(status, 1)
    yield stream("clean", both, two, 0, 0)
    yield stream("leading_delimiter", DELIMITER + both, two, 0, 0)
    yield stream("delimiters_between", DELIMITER.join((wire(hello, 0), wire(status, 1), b"")), two, 0, 0)
    yield stream("joined_in_the_middle", wire(status, 9)[10:] + both, two, 1, 0)
    yield stream("garbage_then_delimiter", b"login: \xff\xfe" + DELIMITER + both, two, 1, 0)
    yield stream("garbage_swallows_one_frame", b"login: " + both, [(status, 1)], 1, 0)
    yield stream("overlong_then_frames", b"\x55" * 600 + DELIMITER + both, two, 1, 0)
    yield stream("overlong_runs_into_frame", b"\x55" * 600 + both, [(status, 1)], 1, 0)
    cut = wire(hello, 0) + wire(status, 1)[:-5] + DELIMITER + wire(stop, 2)
    yield stream("damaged_between", cut, [(hello, 0), (stop, 2)], 1, 1)
    wrapping = [(stop, 254), (stop, 255), (stop, 0)]
    yield stream("sequence_wraps", b"".join(wire(*item) for item in wrapping), wrapping, 0, 0)
    yield stream("three_lost", wire(stop, 250) + wire(stop, 254), [(stop, 250), (stop, 254)], 0, 3)
    yield stream("repeated", wire(stop, 5) * 2, [(stop, 5), (stop, 5)], 0, 255)
    yield stream("unfinished_at_the_end", both + wire(stop, 2)[:-1], two, 0, 0)
