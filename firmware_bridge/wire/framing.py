"""Frames in a byte stream: COBS, a zero byte behind each frame, a cap on what is held.

Every zero byte on the line ends a frame, and no frame holds one, so a receiver is back in step at the first zero after
any garbage. What is longer than the longest frame is dropped as it arrives and never held.

COBS: S. Cheshire, M. Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Trans. Networking 7(2), 1999.
"""

from cobs.cobs import DecodeError
from cobs.cobs import decode as cobs_decode
from cobs.cobs import encode as cobs_encode

from firmware_bridge.wire.codec import FRAME_MAX_BYTES, decode_alike, decode_message, encode
from firmware_bridge.wire.messages import Message

DELIMITER = b"\x00"
WIRE_MAX_BYTES = FRAME_MAX_BYTES + 1  # a COBS frame of the longest content, delimiter not counted

RUN_FRAMES = 4  # from here on, reading frames as a run is cheaper than reading each
_IN_ORDER = bytes(range(256)) * 2


def frame(message: Message, sequence: int) -> bytes:
    """Bytes on the wire of one message, delimiter included."""
    wire: bytes = cobs_encode(encode(message, sequence))
    return wire + DELIMITER


class Deframer:
    """Bytes in, messages out; holds at most WIRE_MAX_BYTES between calls.

    ``damaged`` counts pieces between delimiters that were not a frame, ``lost`` the gaps seen in the sender's sequence
    numbers (modulo 256, so an estimate), ``frames`` the good ones.
    """

    __slots__ = ("_expected_sequence", "_held", "_overlong", "damaged", "frames", "lost")

    def __init__(self) -> None:
        self._held = b""
        self._overlong = False
        self._expected_sequence: int | None = None
        self.frames = 0
        self.damaged = 0
        self.lost = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of an unfinished frame held now."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Message]:
        """The messages completed by ``data``. Never raises, whatever the bytes."""
        pieces = (self._held + data if self._held else data).split(DELIMITER)
        rest = pieces.pop()
        if self._overlong and pieces:
            self._overlong = False
            del pieces[0]  # the end of what was dropped
        messages = self._alike(pieces) if len(pieces) >= RUN_FRAMES else None
        if messages is None:
            messages = []
            for piece in pieces:
                message = None
                if len(piece) <= WIRE_MAX_BYTES:
                    try:
                        body = cobs_decode(piece)
                    except DecodeError:
                        pass
                    else:
                        message = decode_message(body)
                if message is not None:
                    self._count(body[1])
                    messages.append(message)
                elif piece:
                    self.damaged += 1
        if len(rest) > WIRE_MAX_BYTES:
            if not self._overlong:
                self.damaged += 1
            self._overlong = True
        self._held = b"" if self._overlong else rest
        return messages

    def _alike(self, pieces: list[bytes]) -> list[Message] | None:
        # No piece here can be overlong: COBS of so many bytes is longer than any frame of a kind with a fixed length.
        try:
            run = decode_alike(list(map(cobs_decode, pieces)))
        except DecodeError:
            return None
        if run is None:
            return None
        sequences, messages = run
        first = self._expected_sequence
        if first is not None and sequences == _IN_ORDER[first : first + len(sequences)]:
            self.frames += len(sequences)
            self._expected_sequence = (first + len(sequences)) & 0xFF
        else:
            for sequence in sequences:
                self._count(sequence)
        return messages

    def _count(self, sequence: int) -> None:
        expected = self._expected_sequence
        if expected is not None and expected != sequence:
            self.lost += (sequence - expected) & 0xFF
        self._expected_sequence = (sequence + 1) & 0xFF
        self.frames += 1
