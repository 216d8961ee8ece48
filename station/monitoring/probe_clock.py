"""The clock as the kernel keeps it (adjtimex(2), which here reads and changes nothing), and beside the record."""

import ctypes
import sys
from datetime import UTC, datetime
from pathlib import Path

from logger.errors import RecordError
from logger.journal.reader import JournalReader
from station.monitoring.doctor_clock import ClockFacts

_TIME_ERROR = 5
"""What adjtimex(2) returns while the clock is not synchronised."""
_IN_NANOSECONDS = 0x2000
"""The bit of ``status`` by which the offset is in ns, and else in µs."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Timex(ctypes.Structure):
    """The beginning of ``struct timex``; what follows is room enough for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


def probe_clock(journal: Path | None = None) -> ClockFacts:
    """The wall clock, whether and how well it is kept, and whether it is behind what was written by it."""
    now = datetime.now(UTC)
    behind_s = _behind_s(journal, now) if journal is not None else 0.0
    if sys.platform != "linux":
        return ClockFacts(now, behind_record_s=behind_s)
    kept = _Timex()
    answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(kept))
    if answer < 0:
        return ClockFacts(now, behind_record_s=behind_s)
    if answer == _TIME_ERROR:
        return ClockFacts(now, synchronised=False, behind_record_s=behind_s)
    per_ms = 1_000_000 if kept.status & _IN_NANOSECONDS else 1_000
    return ClockFacts(now, True, kept.offset / per_ms, kept.maxerror / 1_000, behind_s)


def _behind_s(journal: Path, now: datetime) -> float:
    """How far the clock is behind the newest entry; 0 where it is not, and where there is none."""
    if not journal.is_file():
        return 0.0
    try:
        reader = JournalReader(journal)
    except RecordError:
        return 0.0  # opening it says what is wrong with it
    try:
        last = reader.last()
        entries = reader.read(last[0] - 1, 1) if last is not None else []
    except RecordError:
        return 0.0
    finally:
        reader.close()
    return max(0.0, entries[0].utc_us / 1e6 - (now - _EPOCH).total_seconds()) if entries else 0.0
