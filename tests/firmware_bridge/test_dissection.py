"""Traffic taken apart: every frame by name, and everything that is wrong told with its reason."""

from zlib import crc32

import pytest
from cobs.cobs import encode as cobs_encode
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.wire.capture import CapturedBytes
from firmware_bridge.wire.codec import encode, pack
from firmware_bridge.wire.dissection import HELD_MAX_BYTES, NO_FRAME, Dissector, dissect
from firmware_bridge.wire.fields import fields_of
from firmware_bridge.wire.framing import WIRE_MAX_BYTES, Deframer, frame
from firmware_bridge.wire.messages import (
    Arm,
    Armed,
    Direction,
    Fault,
    Hello,
    Request,
    Response,
    Setpoint,
    Status,
    Stop,
    Welcome,
)
from firmware_bridge.wire.operation import Operation
from firmware_bridge.wire.operations import CARTRIDGE_READ, CartridgeData
from firmware_bridge.wire.service_operations import SERVICE_OPERATIONS, ServiceCeilings

TO_PEN, TO_HOST = Direction.HOST_TO_PEN, Direction.PEN_TO_HOST
STATUS = Status(1000, 7, 0, 0, 0, 0, 0, 3, 500, -0x8000, 100_000, 99_900, 40, 900, 310, 0, 12, 0, 0)


def sealed(body: bytes) -> bytes:
    return cobs_encode(body + crc32(body).to_bytes(4, "little")) + b"\x00"


def of(*pieces: tuple[Direction, bytes]) -> list:
    return list(dissect(CapturedBytes(number * 1000, *piece) for number, piece in enumerate(pieces)))


def test_fields_have_names_units_and_not_measured() -> None:
    (one,) = of((TO_HOST, frame(STATUS, 5)))
    assert (one.kind, one.sequence, one.direction, one.troubles) == ("STATUS", 5, TO_HOST, ())
    assert one.fields["state"] == "IDLE"
    assert one.fields["interlocks"] == ["CARTRIDGE_PRESENT", "NEEDLES_OUT"]
    assert (one.fields["depth_set_um"], one.fields["depth_measured_um"]) == (500, None)


def test_an_operations_own_fields_are_shown_in_request_and_response() -> None:
    data = CartridgeData(1, 0, 0xABCD, 12, 1500, 20_000, b"L1", b"S1")
    asked, answered = of(
        (TO_PEN, frame(Request(9, 7, CARTRIDGE_READ.number, 0, b""), 0)),
        (TO_HOST, frame(Response(9, 0, pack(data)), 0)),
    )
    assert asked.fields["operation"] == answered.fields["operation"] == "CARTRIDGE_READ"
    assert answered.fields["data.lot"] == "L1"
    assert answered.fields["data.needle_length_um"] == 1500


@pytest.mark.parametrize("operation", SERVICE_OPERATIONS, ids=lambda operation: operation.name)
def test_so_are_those_of_a_technicians_bench(operation: Operation) -> None:
    """Of a REQUEST and a RESPONSE of nothing but ones, which is in every range but that of a lease's lifetime."""
    arguments, data = (
        pack(ServiceCeilings(1, 1, 5000)) if struct is ServiceCeilings else bytes([1]) * 200
        for struct in (operation.arguments, operation.data)
    )
    asked, answered = of(
        (TO_PEN, frame(Request(9, 7, operation.number, 1, arguments), 0)),
        (TO_HOST, frame(Response(9, 0, data), 0)),
    )
    for one, rest, struct in ((asked, "arguments", operation.arguments), (answered, "data", operation.data)):
        assert one.fields["operation"] == operation.name
        assert {name for name in one.fields if name.startswith(f"{rest}.")} == {
            f"{rest}.{name}" for name in fields_of(struct)
        }


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        (b"\x05\x01", "not stuffed"),
        (b"\x03\x01\x01", "too few for a frame"),
        (frame(Stop(), 0)[:-2] + b"\x7f", "checksum does not fit"),
        (cobs_encode(encode(Stop(), 0).replace(b"\x08", b"\x77", 1)), "checksum"),
        (b"\x55" * (WIRE_MAX_BYTES + 40), "without a delimiter"),
    ],
)
def test_what_is_no_frame_says_why(wire: bytes, said: str) -> None:
    (one,) = of((TO_PEN, wire + b"\x00"))
    assert one.kind == NO_FRAME
    assert said in one.troubles[0]
    assert len(one.wire) <= HELD_MAX_BYTES


def test_an_unknown_kind_and_a_short_payload_are_told_apart() -> None:
    unknown, short = of((TO_PEN, sealed(b"\x77\x00")), (TO_PEN, sealed(b"\x06\x00\x01")))
    assert "0x77" in unknown.troubles[0]
    assert "too few for SETPOINT" in short.troubles[0]


def test_gaps_the_wrong_way_and_nonsense_are_told() -> None:
    first, gap, wrong, nonsense = of(
        (TO_PEN, frame(Hello(1, 1), 3)),
        (TO_PEN, frame(Hello(1, 1), 6)),
        (TO_PEN, frame(Armed(1, 0, 1), 7)),
        (TO_HOST, sealed(encode(STATUS, 0)[:19] + b"\xc8" + encode(STATUS, 0)[20:-4])),
    )
    assert first.troubles == ()
    assert nonsense.fields["state"] == 200
    assert "state 200" in nonsense.troubles[0]
    assert gap.troubles == ("2 frames are missing before it",)
    assert "only goes pen → host" in wrong.troubles[0]


def test_a_new_connection_counts_anew_and_misses_nothing() -> None:
    def welcome(nonce: int) -> Welcome:
        return Welcome(nonce, 1, 5, b"NW", b"1", b"1", 1, 0, 2500, 50, 20_000, 150_000, 1000, 300, 120, 20)

    found = of(
        (TO_PEN, frame(Hello(1, 1), 9)),
        (TO_HOST, frame(welcome(1), 40)),
        (TO_HOST, frame(STATUS, 41)),
        (TO_PEN, frame(Hello(2, 1), 0)),
        (TO_HOST, frame(STATUS, 43)),  # of the old connection still: one is lost before it
        (TO_HOST, frame(welcome(2), 0)),
        (TO_PEN, frame(Hello(2, 1), 2)),  # said again, within one connection: one is lost before it
        (TO_HOST, frame(welcome(2), 1)),
        (TO_HOST, frame(STATUS, 4)),
    )
    missing = [(place, said) for place, one in enumerate(found) for said in one.troubles if "missing" in said]
    assert missing == [
        (4, "1 frame is missing before it"),
        (6, "1 frame is missing before it"),
        (8, "2 frames are missing before it"),
    ]


def test_what_the_pen_refuses_or_finds_is_told_once() -> None:
    dead = STATUS._replace(faults=int(Fault.DEAD_MAN), refusal=3)
    one, two, arm, armed = of(
        (TO_HOST, frame(dead, 0)),
        (TO_HOST, frame(dead, 1)),
        (TO_PEN, frame(Arm(1, 2, 1000, 1000, 0), 0)),
        (TO_HOST, frame(Armed(2, 7, 0), 2)),
    )
    assert one.troubles == ("the pen latched DEAD_MAN", "the pen refused a frame: STALE")
    assert two.troubles == arm.troubles == ()
    assert armed.troubles == ("the pen refused: FAULTED",)


def test_what_was_cut_off_at_the_end_is_shown_as_that() -> None:
    (one,) = of((TO_PEN, frame(Stop(), 0)[:-1]))
    assert "ends in the middle" in one.troubles[0]


PIECES = st.lists(st.tuples(st.sampled_from(Direction), st.binary(max_size=300)), max_size=20)


@given(PIECES)
def test_any_bytes_are_taken_apart_in_bounded_memory(pieces: list) -> None:
    dissector = Dissector()
    for number, piece in enumerate(pieces):
        for one in dissector.feed(CapturedBytes(number, *piece)):
            assert (one.message is None) == (one.kind == NO_FRAME)
            assert one.message is not None or one.troubles
        assert all(len(held) <= HELD_MAX_BYTES for held in dissector._held.values())


@given(
    st.lists(st.sampled_from([Stop(), Hello(9, 1), Setpoint(1, 1, 1, 500, 1000, 7)]), max_size=8),
    st.binary(),
    st.data(),
)
def test_it_finds_the_frames_that_the_link_finds(messages: list, noise: bytes, data: st.DataObject) -> None:
    wire = noise + b"".join(frame(message, number) for number, message in enumerate(messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=5)))
    pieces = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    found = [one.message for one in of(*((TO_PEN, piece) for piece in pieces)) if one.message is not None]
    assert found == Deframer().feed(wire)
