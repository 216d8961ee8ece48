"""What a fuzzer's bytes mean to a target: numbers, pieces, and messages that are good frames whatever they say.

A fuzzer that had to guess a CRC-32 would never get past it; so some of its bytes become payloads of sealed frames.
"""

from zlib import crc32

from cobs.cobs import encode as cobs_encode

from firmware_bridge.wire.codec import CRC_BYTES, FRAME_MAX_BYTES
from firmware_bridge.wire.framing import DELIMITER
from firmware_bridge.wire.messages import ROW_OF_KIND

KINDS = sorted(ROW_OF_KIND)


class Script:
    """Bytes taken from the front, one after the other; an empty script gives zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def number(self, below: int) -> int:
        """A number under ``below``, of one or two bytes."""
        size = 1 if below <= 256 else 2
        return int.from_bytes(self.piece(size), "little") % below

    def piece(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def sealed(self, kind: int | None = None) -> bytes:
        """A frame with a good checksum: kind and payload are the script's."""
        kind = KINDS[self.number(len(KINDS))] if kind is None else kind
        payload = self.piece(self.number(FRAME_MAX_BYTES - 2 - CRC_BYTES))
        body = bytes((kind, self.number(256))) + payload
        return cobs_encode(body + crc32(body).to_bytes(CRC_BYTES, "little")) + DELIMITER
