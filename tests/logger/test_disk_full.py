"""A disk that is full, for real: the journal says so, keeps what it was given and writes it when there is room."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from logger.proof.verify import verify_journal

COMMON = """
import asyncio, json, os, resource, signal, subprocess, sys
from datetime import datetime, UTC
from pathlib import Path
from logger.errors import JournalError
from logger.journal.journal import Journal
from logger.journal.disk_room import LOOK_S
from logger.journal.writer import JournalLimits
from logger.proof.verify import verify_journal
from tests.logger.making import grouped, safety

async def fill_and_free(path, fill, free, **limits):
    journal = Journal(path, station="room-1", utc_now=lambda: datetime.now(UTC), monotonic_ms=lambda: 0,
                      limits=JournalLimits(retry_ms=20, **limits))
    said = {"before": journal.problem()}
    journal.emit(safety(0), session="s-1")
    await journal.flush()
    fill()
    await asyncio.sleep(2 * LOOK_S)
    said["full"] = journal.problem()
    said["error"] = None
    sent = 1
    while said["error"] is None and sent < 5000:
        journal.emit(safety(sent) if sent % 3 else grouped(sent), session="s-1")
        sent += 1
        try:
            await journal.flush()
        except JournalError as error:
            said["error"] = str(error)
    said["during"] = journal.problem()
    for _ in range(5):
        journal.emit(grouped(sent), session="s-1")
        sent += 1
    free()
    async with asyncio.timeout(10):
        await journal.wait_committed(sent - 1)
    await journal.flush()
    await asyncio.sleep(2 * LOOK_S)
    said.update(after=journal.problem(), sent=sent, lost=journal.lost)
    said["types"] = [entry.type for entry in journal.reader.entries()]
    await journal.close()
    said["verdict"] = verify_journal(path).verdict
    print(json.dumps(said))
"""

SMALL_DISK = (
    COMMON
    + """
folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
ballast = folder / "ballast"

def fill():
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass

asyncio.run(fill_and_free(folder / "journal.db", fill, ballast.unlink, min_free_bytes=65536))
"""
)

SIZE_LIMIT = (
    COMMON
    + """
# A file may not grow beyond the limit: the write fails with EFBIG, an I/O error that is not "disk full".
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
asyncio.run(fill_and_free(
    Path(sys.argv[1]) / "journal.db",
    lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard)),
    lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard)),
    min_free_bytes=0,
))
"""
)


async def _run(*command: str) -> dict[str, object]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(18):
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    found: dict[str, object] = json.loads(out)
    return found


def _check(said: dict[str, object]) -> None:
    assert said["before"] is None
    assert "cannot be written" in str(said["error"])
    assert "wait in memory" in str(said["during"])
    assert said["after"] is None
    assert said["lost"] == 0
    assert said["verdict"] == "intact"
    sent = said["sent"]
    assert isinstance(sent, int)
    expected = ["refused" if number == 0 or number % 3 else "setpoint_changed" for number in range(sent - 5)]
    assert said["types"] == expected + ["setpoint_changed"] * 5


async def test_a_full_disk_stops_nothing_that_was_given(tmp_path: Path) -> None:
    """A file system of one megabyte, mounted in a namespace that ends with the process."""
    if shutil.which("unshare") is None:
        pytest.fail("unshare is not installed (package util-linux): needed to mount a small disk", pytrace=False)
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    said = await _run(*own, sys.executable, "-c", SMALL_DISK, str(tmp_path))
    assert "free on the disk" in str(said["full"])
    _check(said)


async def test_an_io_error_stops_nothing_that_was_given(tmp_path: Path) -> None:
    said = await _run(sys.executable, "-c", SIZE_LIMIT, str(tmp_path))
    _check(said)
    assert verify_journal(tmp_path / "journal.db").verdict == "intact"
