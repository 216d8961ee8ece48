"""Defects of what a pen hears and says, to be planted in the simulated pen: see :mod:`proving.conform.defects`."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from zlib import crc32

from cobs.cobs import DecodeError
from cobs.cobs import decode as cobs_decode
from cobs.cobs import encode as cobs_encode

import simulators.firmware
import simulators.media
from firmware_bridge.wire.codec import CRC_BYTES, HEAD_BYTES
from firmware_bridge.wire.fields import fields_of
from firmware_bridge.wire.framing import DELIMITER, Deframer
from firmware_bridge.wire.messages import ROW_OF_KIND, Hello, Message, Status
from proving.planting import Plant, planted
from simulators.firmware import PenFirmware

Original = Any
ARMED_MAX_BYTES = 64


def pen(name: str, make: Original) -> Plant:
    """A method of the pen's firmware, made otherwise."""
    return lambda: planted((PenFirmware, name, make))


# What comes in --------------------------------------------------------------------------------------------------------


def hears(change: Callable[[bytes], bytes]) -> Plant:
    """The pen's receiver changes the bytes between two zero bytes before it looks at them."""

    class Changed(Deframer):
        """Hears otherwise."""

        __slots__ = ("_piece",)

        def feed(self, data: bytes) -> list[Message]:
            *pieces, rest = (getattr(self, "_piece", b"") + data).split(DELIMITER)
            self._piece = rest[-2000:]
            return super().feed(b"".join(change(piece) + DELIMITER for piece in pieces))

    return lambda: planted((simulators.media, "Deframer", lambda _original: Changed))


def inside(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """A change of kind, sequence and payload; the CRC is made to fit."""

    def changed(piece: bytes) -> bytes:
        try:
            body = cobs_decode(piece)
        except DecodeError:
            return piece
        if len(body) <= CRC_BYTES + 1 or crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
            return piece
        inside = change(body[:-4])
        wire: bytes = cobs_encode(inside + crc32(inside).to_bytes(4, "little")) if inside else b""
        return wire

    return changed


def crc_mended(piece: bytes) -> bytes:
    try:
        body = cobs_decode(piece)
    except DecodeError:
        return piece
    if len(body) <= CRC_BYTES:
        return piece
    wire: bytes = cobs_encode(body[:-4] + crc32(body[:-4]).to_bytes(4, "little"))
    return wire


def exact_length_only(inside: bytes) -> bytes:
    row = ROW_OF_KIND.get(inside[0])
    if row is None or row.type.__name__ == "Request":
        return inside
    return inside if len(inside) == HEAD_BYTES + size(row.type) else b""


def size(kind: Any) -> int:
    return sum(field.layout.size_bytes for field in fields_of(kind).values())


def padded(inside: bytes) -> bytes:
    row = ROW_OF_KIND.get(inside[0])
    return inside if row is None else inside + bytes(max(0, HEAD_BYTES + size(row.type) - len(inside)))


def deaf_after_garbage() -> AbstractContextManager[None]:
    class Deaf(Deframer):
        """Gives up at the first damage."""

        __slots__ = ()

        def feed(self, data: bytes) -> list[Message]:
            messages = super().feed(data)
            return [] if self.damaged else messages

    return planted((simulators.media, "Deframer", lambda _original: Deaf))


# What goes out --------------------------------------------------------------------------------------------------------


def says(change: Callable[[PenFirmware, Message], Message | None]) -> Plant:
    """The pen says something else than it means."""

    def make(original: Original) -> Original:
        def send(self: PenFirmware, medium: int, message: Message) -> None:
            changed = change(self, message)
            if changed is not None:
                original(self, medium, changed)

        return send

    return pen("send", make)


def status(**changes: Callable[[PenFirmware, Status], int]) -> Plant:
    def change(pen: PenFirmware, message: Message) -> Message:
        if not isinstance(message, Status):
            return message
        return message._replace(**{name: make(pen, message) for name, make in changes.items()})

    return says(change)


def long_frames(original: Original) -> Original:
    def frame(message: Message, sequence: int) -> bytes:
        wire: bytes = original(message, sequence)
        if not isinstance(message, Status):
            return wire
        inside = cobs_decode(wire[:-1])[:-4] + bytes(ARMED_MAX_BYTES)
        longer: bytes = cobs_encode(inside + crc32(inside).to_bytes(4, "little")) + DELIMITER
        return longer

    return frame


def damaged_now_and_then(original: Original) -> Original:
    count = [0]

    def frame(message: Message, sequence: int) -> bytes:
        wire: bytes = original(message, sequence)
        count[0] += isinstance(message, Status)
        return wire if count[0] % 10 else wire[:3] + bytes((wire[3] ^ 1 or 2,)) + wire[4:]

    return frame


def sequence_stuck(original: Original) -> Original:
    return lambda message, _sequence: original(message, 5)


def answers_once(original: Original) -> Original:
    def hello(self: PenFirmware, medium: int, said: Hello) -> None:
        if (medium, said.nonce) != (self.medium, self.nonce):
            original(self, medium, said)

    return hello
