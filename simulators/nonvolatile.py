"""What a pen remembers when it is switched off: outcomes of requests, its event log, its calibration and adjustment,
what it counted, its firmware."""

import struct
from collections import OrderedDict, deque
from enum import IntEnum
from typing import NamedTuple
from zlib import crc32

from firmware_bridge.wire.codec import pack, unpack
from firmware_bridge.wire.messages import OUTCOMES_KEPT, Refusal
from firmware_bridge.wire.operations import CalibrationData
from firmware_bridge.wire.service_operations import AdjustmentData
from simulators.adjustment import AdjustmentTable
from simulators.firmware_store import FirmwareStore
from simulators.lifetime import Counted, Lifetime

LOG_ENTRIES_KEPT = 64
LOG_ENTRIES_PER_ANSWER = 3
"""What fits in an answer of 64 bytes, the longest frame while a lease lives."""

_ENTRY = struct.Struct("<IIBI")
_COPY = struct.Struct("<IIIII")

WRITE_STEPS = ("nothing yet", "the older copy erased", "half of the new copy", "all but its check", "all of it")
"""What a write has done when the supply may fail: everything up to here, and nothing after it."""


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
    SERVICE_ARMED = 11  # lease
    ADJUSTMENT_WRITTEN = 12  # its number
    FIRMWARE_APPLIED = 13
    FIRMWARE_CONFIRMED = 14  # its number
    FIRMWARE_ROLLED_BACK = 15


class LeaseEnd(IntEnum):
    """Why a lease ended, as the event log tells it."""

    STOP = 0
    DISARM = 1
    FAULT = 2
    HELLO = 3
    SILENCE = 4
    SKIN = 5  # of a service lease: skin was touched
    LIFETIME = 6  # of a service lease: its time was over


class PowerCut(Exception):
    """The supply failed in the midst of a write."""


class Written(NamedTuple):
    """What is written as one, whole or not at all; ``key`` is that of the request that asked for it."""

    calibration: CalibrationData
    adjustment: AdjustmentTable
    counted_then: Counted
    key: int


class NonVolatile:
    """A pen's memory that keeps its content without supply. ``turns_at_insertion`` is where the stroke count begins.

    ``counted_then`` is what had been counted when the calibration was written. At step ``cut_at`` of
    :data:`WRITE_STEPS` of the next write the supply fails; None where it lasts.
    """

    __slots__ = (
        "_entries", "_newest", "_outcomes", "adjustment", "calibration", "counted_then", "cut_at", "firmware",
        "lifetime", "turns_at_insertion",
    )  # fmt: skip

    def __init__(self, calibration: CalibrationData, firmware: FirmwareStore | None = None) -> None:
        self.calibration = calibration
        self.adjustment = AdjustmentTable()
        self.firmware = FirmwareStore() if firmware is None else firmware
        self.lifetime = Lifetime()
        self.counted_then = Counted(0, 0, 0)
        self.turns_at_insertion = 0.0
        self.cut_at: int | None = None
        self._outcomes: OrderedDict[int, Refusal] = OrderedDict()
        self._entries: deque[bytes] = deque(maxlen=LOG_ENTRIES_KEPT)
        self._newest = 0

    def write(
        self, key: int, counted: Counted, calibration: CalibrationData, adjustment: AdjustmentTable | None = None
    ) -> None:
        """Writes a calibration, and a table where one is given, for the request with this key.

        There are two copies: the older one is erased and written, and counts once its check is right. Raises PowerCut
        where the supply fails in between; then the memory holds what a start finds.
        """
        if adjustment is None:
            adjustment = self.adjustment
        older = _sealed(1, Written(self.calibration, self.adjustment, self.counted_then, 0))
        newer = _sealed(2, Written(calibration, adjustment, counted, key))
        spoilt = newer[:-4] + bytes(4)
        for step, copy in enumerate((older, b"", newer[: len(newer) // 2], spoilt, newer)):
            if self.fails_at(step):
                self._take(_opened(copy) or _opened(older))
                raise PowerCut
        self._take(_opened(newer))

    def fails_at(self, step: int) -> bool:
        """Whether the supply fails at this step of a write; it does so once."""
        failed = step == self.cut_at
        if failed:
            self.cut_at = None
        return failed

    def _take(self, written: Written | None) -> None:
        if written is None:
            raise ValueError("neither copy is whole, which writing one at a time excludes")
        self.calibration, self.adjustment, self.counted_then, key = written
        if key:
            self.keep_outcome(key, Refusal.NONE)

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


def _sealed(number: int, written: Written) -> bytes:
    """A copy as it lies in the memory: number, key, counts, calibration, table, CRC-32."""
    calibration = pack(written.calibration)
    head = _COPY.pack(number, written.key, *written.counted_then)
    body = head + bytes((len(calibration),)) + calibration + pack(written.adjustment.as_data())
    return body + crc32(body).to_bytes(4, "little")


def _opened(copy: bytes) -> Written | None:
    """What a copy holds; None when its check is not right."""
    body = copy[:-4]
    if not body or crc32(body).to_bytes(4, "little") != copy[-4:]:
        return None
    _, key, *counted = _COPY.unpack_from(body)
    rest = body[_COPY.size :]
    calibration, table = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
    return Written(
        unpack(CalibrationData, calibration),
        AdjustmentTable.of(unpack(AdjustmentData, table)),
        Counted(*counted),
        key,
    )
