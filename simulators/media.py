"""The media a pen is reached by: bytes to messages and messages to bytes, each medium with its own buffer and count."""

from collections.abc import Callable

from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Message
from simulators.defects import Defects

Transmit = Callable[[int, bytes], None]
"""Called with a medium's number and the bytes to send on it."""


class Media:
    """Media are numbers chosen by whoever calls; what goes out goes through ``transmit``."""

    __slots__ = ("_defects", "_deframers", "_sequences", "_transmit")

    def __init__(self, transmit: Transmit, defects: Defects) -> None:
        self._transmit = transmit
        self._defects = defects
        self._deframers: dict[int, Deframer] = {}
        self._sequences: dict[int, int] = {}

    def feed(self, medium: int, data: bytes) -> list[Message]:
        """The messages that are complete with these bytes."""
        deframer = self._deframers.get(medium)
        if deframer is None:
            deframer = self._deframers[medium] = Deframer()
        return deframer.feed(data)

    def send(self, medium: int, message: Message) -> None:
        """Sends a message on a medium."""
        sequence = self._sequences.get(medium, 0)
        self._sequences[medium] = (sequence + 1) & 0xFF
        wire = self._defects.said(message, sequence) if self._defects.says else frame(message, sequence)
        if wire:
            self.write(medium, wire)

    def write(self, medium: int, wire: bytes) -> None:
        """Sends bytes on a medium."""
        self._transmit(medium, wire)

    def forget(self, medium: int) -> None:
        """A medium is gone for good: its receive buffer is freed."""
        self._deframers.pop(medium, None)
        self._sequences.pop(medium, None)

    @property
    def damaged_frames(self) -> int:
        """Pieces between delimiters that were no frame, over all media."""
        return sum(deframer.damaged for deframer in self._deframers.values())

    @property
    def held_bytes(self) -> list[int]:
        """How many bytes wait for their frame's end, of each medium."""
        return [deframer.held_bytes for deframer in self._deframers.values()]

    def frames_of(self, medium: int) -> int:
        """How many whole frames came on a medium."""
        return self._deframers[medium].frames if medium in self._deframers else 0
