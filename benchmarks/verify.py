"""`needlework verify` on a journal against SHA-256 over the same file, as `sha256sum` takes it; by turns.

The journal is what treating leaves: a second of inputs in columns for each second, and a few short entries. What is
compared does what verifying must: every entry's hashes, the chain, the signatures, and SQLite's own look at the file.
"""

import asyncio
import hashlib
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.measuring import BUILD, Effort, alternated, median_ratio
from benchmarks.results import Row, at_least
from controller.events import InputChunk, SetpointChanged
from controller.recording import COLUMNS, SENT_COLUMN
from controller.units import Micrometres, Millihertz
from logger.journal.journal import Journal
from logger.proof.checkpoints import CHECKPOINT_ENTRIES
from logger.proof.verify import verify_journal
from station.record.checkpointing import Checkpoints

SUBJECT = "verify"
SESSION = "20260101T100000-000000000001"
STATUSES_A_SECOND = 50


def _chunk(second: int) -> InputChunk:
    """A second of a pen's inputs, with numbers that differ from one to the next."""
    seen = range(STATUSES_A_SECOND)
    return InputChunk(
        pen="serial:///dev/ttyACM0",
        kinds="ST" * 20 + "S" * 30,
        times_ms=tuple(range(second * 1000, second * 1000 + 70)),
        status={name: tuple((second * 37 + one) % 10_000 for one in seen) for name in (*COLUMNS, SENT_COLUMN)},
        commands=(),
        links=(),
    )


async def _write(path: Path, seconds: int) -> None:
    async with Journal(
        path, station="bench", utc_now=lambda: datetime.now(UTC), monotonic_ms=lambda: time.monotonic_ns() // 1_000_000
    ) as journal:
        checkpoints = Checkpoints(journal, Ed25519PrivateKey.generate())
        await checkpoints.begin()
        for second in range(seconds):
            journal.emit(_chunk(second), session=SESSION)
            if second % 6 == 0:
                changed = SetpointChanged(
                    depth_commanded_um=Micrometres(second), rate_commanded_mhz=Millihertz(100_000)
                )
                journal.emit(changed, session=SESSION)
            if second % CHECKPOINT_ENTRIES == 0:
                await checkpoints.now()
        await checkpoints.now()


def _verified(path: Path) -> float:
    began = time.perf_counter()
    result = verify_journal(path)
    took = time.perf_counter() - began
    if result.verdict != "intact" or result.signed_to is None:
        raise RuntimeError(result.sentence())
    return took


def _hashed(path: Path) -> float:
    began = time.perf_counter()
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    return time.perf_counter() - began


def measure(effort: Effort) -> list[Row]:
    """The ratio of their speeds, and what an entry takes."""
    seconds = effort.pick(1_800, 10_800)
    BUILD.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="verify-", dir=BUILD))
    try:
        path = folder / "journal.sqlite"
        asyncio.run(_write(path, seconds))
        size = path.stat().st_size
        verified, hashed = alternated(effort.pick(5, 9), [lambda: _verified(path), lambda: _hashed(path)])
    finally:
        shutil.rmtree(folder)
    entries = seconds + seconds // 6
    return [
        Row(SUBJECT, "verify, a journal of treating", median_ratio(hashed, verified), "× its speed",
            "SHA-256 over the same file, read from the same disk", at_least(0.5)),
        Row(SUBJECT, "verify, bytes a second", size / median(verified) / 1e6, "MB/s",
            f"SHA-256 alone {size / median(hashed) / 1e6:.0f} MB/s"),
        Row(SUBJECT, "verify, each entry", median(verified) / entries * 1e6, "µs", f"of {size // entries} bytes"),
    ]  # fmt: skip
