"""What a pen remembers when it is switched off: outcomes of requests, its event log, its calibration, strokes."""

import struct
from collections import OrderedDict, deque
from enum import IntEnum

from firmware_bridge.wire.messages import OUTCOMES_KEPT, Refusal
from firmware_bridge.wire.operations import CalibrationData

LOG_ENTRIES_KEPT = 64
LOG_ENTRIES_PER_ANSWER = 3
"""What fits in an answer of 64 bytes, the longest frame while a lease lives."""

_ENTRY = struct.Struct("<IIBI")


class LogCode(IntEnum):
    """What an entry of the event log tells; its argument in brackets."""

    BOOT = 1
    ARMED = 2  # lease
    LEASE_ENDED = 3  # LeaseEnd
    FAULT = 4  # the fault's bit, as in Fault
    FAULTS_CLEARED = 5  # mask
    CALIBRATION_WRITTEN = 6
    CARTRIDGE_CONSUMED = 7  # tag
    SELF_TEST = 8  # bits passed
    BUTTON_PRESS = 9
    PEDAL_PRESS = 10


class LeaseEnd(IntEnum):
    """Why a lease ended, as the event log tells it."""

    STOP = 0
    DISARM = 1
    FAULT = 2
    HELLO = 3
    SILENCE = 4


class NonVolatile:
    """A pen's memory that keeps its content without supply. ``turns_at_insertion`` is where the stroke count begins."""

    __slots__ = ("_entries", "_newest", "_outcomes", "calibration", "turns_at_insertion")

    def __init__(self, calibration: CalibrationData) -> None:
        self.calibration = calibration
        self.turns_at_insertion = 0.0
        self._outcomes: OrderedDict[int, Refusal] = OrderedDict()
        self._entries: deque[bytes] = deque(maxlen=LOG_ENTRIES_KEPT)
        self._newest = 0

    def keep_outcome(self, key: int, refusal: Refusal) -> None:
        """Keeps what became of the request with this key; the oldest of more than 16 is forgotten."""
        self._outcomes[key] = refusal
        if len(self._outcomes) > OUTCOMES_KEPT:
            self._outcomes.popitem(last=False)

    def outcome(self, key: int) -> Refusal | None:
        """What became of the request with this key, or None when it is not among those kept."""
        return self._outcomes.get(key)

    def log(self, pen_time_ms: int, code: LogCode, argument: int = 0) -> None:
        """Appends an entry; entries are numbered from 1 over all boots."""
        self._newest += 1
        self._entries.append(_ENTRY.pack(self._newest & 0xFFFF_FFFF, pen_time_ms, code, argument & 0xFFFF_FFFF))

    @property
    def newest_entry(self) -> int:
        """Number of the newest log entry, 0 when there is none."""
        return self._newest

    def entries_from(self, first: int) -> bytes:
        """Up to three packed log entries, the oldest kept whose number is not under ``first`` and those after it."""
        oldest = self._newest - len(self._entries) + 1
        start = max(first - oldest, 0)
        return b"".join(list(self._entries)[start : start + LOG_ENTRIES_PER_ANSWER])
