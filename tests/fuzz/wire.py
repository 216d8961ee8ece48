"""Target: framing, codec, viewer and captures, by any bytes in any pieces."""

from io import StringIO

from firmware_bridge.errors import CodecError
from firmware_bridge.wire.capture import CapturedBytes, CaptureReader, lines_of
from firmware_bridge.wire.codec import pack, range_problem, unpack
from firmware_bridge.wire.dissection import HELD_MAX_BYTES, Dissector, dissect
from firmware_bridge.wire.framing import WIRE_MAX_BYTES, Deframer, frame
from firmware_bridge.wire.messages import MESSAGES, Direction
from firmware_bridge.wire.operations import OPERATIONS
from simulators.recorded_steps import steps_of
from simulators.replay import RecordedPen
from tests.fuzz.reading import Script


def fuzz(data: bytes) -> None:
    """The bytes as a line, as an operation's data, as a recording, and as a recording that is played."""
    if data[:1] == b"{":
        _as_file(data)
        return
    script = Script(data)
    pieces = []
    while script.left:
        piece = script.sealed() if script.number(2) else script.piece(script.number(400))
        pieces.append(CapturedBytes(1000 * len(pieces), tuple(Direction)[script.number(4) == 0], piece))
    _as_lines(pieces)
    _as_recording(pieces)
    for operation in OPERATIONS:
        for structure in (operation.arguments, operation.data):
            try:
                value = unpack(structure, data)
            except CodecError:
                continue
            assert pack(value)[: len(data)] == data[: len(pack(value))]


def _as_lines(pieces: list[CapturedBytes]) -> None:
    for direction in Direction:
        own = [piece.data for piece in pieces if piece.direction is direction]
        cut, whole = Deframer(), Deframer()
        found = []
        for piece in own:
            found += cut.feed(piece)
            assert cut.held_bytes <= WIRE_MAX_BYTES
        assert found == whole.feed(b"".join(own)), "it depends on how the bytes came"
        assert (cut.frames, cut.lost) == (whole.frames, whole.lost)
        seen = [one.message for one in dissect(pieces) if one.direction is direction and one.message is not None]
        assert seen == found, "the viewer and the link do not see the same frames"
        for message in found:
            if range_problem(message) is None:
                assert Deframer().feed(frame(message, 0)) == [message]


def _as_recording(pieces: list[CapturedBytes]) -> None:
    dissector = Dissector()
    for piece in pieces:
        list(dissector.feed(piece))
        assert all(len(held) <= HELD_MAX_BYTES for held in dissector._held.values())
    pen = RecordedPen(steps_of(dissect(pieces)), lambda _told: None)
    for piece in pieces:
        pen.advance(piece.time_us)
        if piece.direction is Direction.HOST_TO_PEN:
            pen.receive(1, piece.data)
        Deframer().feed(pen.take(1))


def _as_file(data: bytes) -> None:
    try:
        for one in dissect(CaptureReader(lines_of(StringIO(data.decode("utf-8", "replace"))))):
            assert one.wire
    except CodecError:
        return


def seeds() -> list[bytes]:
    """A frame of each kind, and a short recording."""
    sealed = [bytes((1, number, 40)) + bytes(40) + b"\x05\x01" for number in range(len(MESSAGES))]
    head = b'{"format": "needlework-capture", "version": 1, "pen": "x", "started": ""}\n'
    return [*sealed, b"".join(sealed), head + b'{"us": 0, "from": "host", "hex": "00"}\n' * 3]
