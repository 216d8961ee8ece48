"""The host's end of an open transport: bytes in, messages out, and frames the other way.

Whoever listens now (the handshake, then the link) sets ``on_message`` and ``on_lost``.
"""

from collections.abc import Callable

from firmware_bridge.errors import CodecError, TransportError
from firmware_bridge.transports.base import Transport
from firmware_bridge.wire.codec import FRAME_MAX_ARMED_BYTES
from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Message

ARMED_WIRE_MAX_BYTES = FRAME_MAX_ARMED_BYTES + 2  # COBS overhead and delimiter

Tap = Callable[[bool, bytes], None]
"""Sees every piece of wire traffic: (sent by host, bytes)."""


class Port:
    """The receiving end of a transport: bytes → messages → whoever is listening now (handshake, then link)."""

    def __init__(self, monotonic_ms: Callable[[], int], tap: Tap | None) -> None:
        self.monotonic_ms = monotonic_ms
        self.deframer = Deframer()
        self.transport: Transport | None = None
        self.bytes_received = 0
        self.on_message: Callable[[Message], None] = lambda _message: None
        self.on_lost: Callable[[TransportError | None], None] = lambda _cause: None
        self._tap = tap
        self._sequence = 0

    def data_received(self, data: bytes) -> None:
        self.bytes_received += len(data)
        if self._tap is not None:
            self._tap(False, data)
        for message in self.deframer.feed(data):
            self.on_message(message)

    def transport_lost(self, cause: TransportError | None) -> None:
        self.transport = None
        self.on_lost(cause)

    def send(self, message: Message, *, armed: bool = False, urgent: bool = False, lead: bytes = b"") -> None:
        wire = lead + frame(message, self._sequence)
        if armed and len(wire) > ARMED_WIRE_MAX_BYTES:
            raise CodecError(
                f"{type(message).__name__} of {len(wire)} bytes is too long for a line with a live lease "
                f"(at most {ARMED_WIRE_MAX_BYTES}); disarm first."
            )
        self._sequence = (self._sequence + 1) & 0xFF
        self.write(wire, urgent=urgent)

    def write(self, wire: bytes, *, urgent: bool = False) -> None:
        if self.transport is not None:
            if self._tap is not None:
                self._tap(True, wire)
            self.transport.write(wire, urgent=urgent)
