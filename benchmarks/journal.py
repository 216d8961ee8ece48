"""The journal against the least a durable append can be: a C program that appends to a file and calls fdatasync.

Both in the same folder, by turns, with rows of the same size. A commit is taken twice: as the writer's thread does it
(rows chained by their hashes, inserted into SQLite in WAL with ``synchronous=FULL``), and as somebody on the event loop
waits for it, from the first ``emit`` to the return of ``flush``, with JSON, the queue and two changes of thread.
"""

import asyncio
import shutil
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.measuring import BUILD, Effort, alternated, built, median_ratio
from benchmarks.results import Row, at_least
from controller.events import Event, SetpointChanged, TreatmentPaused
from controller.units import Micrometres, Millihertz
from logger.journal.entry import HASH_BYTES, entry_hash
from logger.journal.file import JournalFile
from logger.journal.journal import Journal

SUBJECT = "journal"
SESSION = "20260101T100000-00000001"
PAUSED = TreatmentPaused(source="pedal")
"""A safety row: it asks for its commit by itself."""
CHANGED = SetpointChanged(depth_commanded_um=Micrometres(500), rate_commanded_mhz=Millihertz(100_000))
"""A row that waits for company."""


def _row_bytes(event: Event) -> int:
    """What an entry holds: its JSON, both hashes, names and numbers."""
    return len(event.model_dump_json()) + 2 * HASH_BYTES + len(SESSION) + len(event.type) + 3 * 8


async def _append(path: Path, event: Event, rows: int, group: int) -> float:
    """Seconds for ``rows`` appended and waited for, ``group`` at a time."""
    async with Journal(
        path, station="bench", utc_now=lambda: datetime.now(UTC), monotonic_ms=lambda: time.monotonic_ns() // 1_000_000
    ) as journal:
        journal.emit(event, session=SESSION)
        await journal.flush()
        began = time.perf_counter()
        for _ in range(rows // group):
            for _ in range(group):
                journal.emit(event, session=SESSION)
            await journal.flush()
        took = time.perf_counter() - began
        if journal.committed != rows + 1:
            raise RuntimeError(f"{journal.committed} rows on the disk, not {rows + 1}")
    return took


def _commit(path: Path, event: Event, rows: int, group: int) -> float:
    """Seconds for ``rows`` committed ``group`` at a time, by what the writer's thread does for them."""
    file = JournalFile(path, "bench")
    body = event.model_dump_json().encode()
    sequence, previous, station = 0, file.last_hash, b"bench"
    began = time.perf_counter()
    for _ in range(rows // group):
        chained = []
        for _ in range(group):
            sequence += 1
            digest = entry_hash(station, previous, sequence, 1, 1, SESSION, event.type, event.version, body)
            chained.append((sequence, 1, 1, SESSION, event.type, event.version, previous, digest, body))
            previous = digest
        file.append(chained, None)
    took = time.perf_counter() - began
    if file.last_sequence != rows:
        raise RuntimeError(f"{file.last_sequence} rows on the disk, not {rows}")
    file.close()
    return took


def measure(effort: Effort) -> list[Row]:
    """Ratios of rows a second."""
    program = built("append")
    BUILD.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="journal-", dir=BUILD))
    paths = (folder / f"journal-{number}.sqlite" for number in count())

    def floor(event: Event, rows: int, group: int) -> float:
        command = [str(program), str(folder / "floor"), str(rows), str(group), str(_row_bytes(event))]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return int(done.stdout) / 1e9

    def compared(event: Event, rows: int, group: int, goal: float) -> list[Row]:
        commits, waits, least = alternated(
            effort.pick(3, 9),
            [
                lambda: _commit(next(paths), event, rows, group),
                lambda: asyncio.run(_append(next(paths), event, rows, group)),
                lambda: floor(event, rows, group),
            ],
        )
        size = f"{group} row{'s' if group > 1 else ''} a commit"
        against = "append and fdatasync in C, same folder and bytes"
        each_us = [median(taken) / rows * 1e6 for taken in (waits, commits, least)]
        return [
            Row(SUBJECT, f"journal, {size}, in the writer's thread", median_ratio(least, commits), "× its speed",
                against, at_least(goal)),
            Row(SUBJECT, f"journal, {size}, awaited on the event loop", median_ratio(least, waits), "× its speed",
                against, at_least(goal)),
            Row(SUBJECT, f"a row awaited, {size}", each_us[0], "µs",
                f"in the writer's thread {each_us[1]:.1f} µs, C {each_us[2]:.1f} µs"),
        ]  # fmt: skip

    try:
        return compared(PAUSED, effort.pick(200, 600), 1, 0.55) + compared(
            CHANGED, effort.pick(4_000, 20_000), 100, 0.45
        )
    finally:
        shutil.rmtree(folder)
