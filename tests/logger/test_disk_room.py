"""A disk that does not answer keeps nobody waiting who asks how much room there is."""

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.events import Stopped
from logger.journal import disk_room
from logger.journal.disk_room import DiskRoom, DiskSilent
from logger.journal.journal import Journal
from logger.journal.writer import JournalLimits


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set: the system's answer is a long time coming."""
    hangs, released = threading.Event(), threading.Event()
    answer = shutil.disk_usage

    def usage(path: Path) -> Any:
        if hangs.is_set():
            while hangs.is_set() and not released.wait(0.01):
                pass
        return answer(path)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    monkeypatch.setattr(disk_room, "LOOK_S", 0.01)
    monkeypatch.setattr(disk_room, "SILENT_AFTER_S", 0.3)
    yield hangs
    hangs.clear()
    released.set()


def _until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_it_tells_what_the_system_says(tmp_path: Path) -> None:
    room = DiskRoom(tmp_path)
    try:
        assert abs(room.free_bytes() - shutil.disk_usage(tmp_path).free) < 1 << 30
    finally:
        room.close(5)


def test_a_folder_that_is_gone_is_told_with_the_systems_reason(tmp_path: Path) -> None:
    room = DiskRoom(tmp_path / "never")
    try:
        with pytest.raises(FileNotFoundError):
            room.free_bytes()
    finally:
        room.close(5)


def test_a_disk_that_hangs_is_told_and_waited_for_by_nobody(tmp_path: Path, hanging: threading.Event) -> None:
    room = DiskRoom(tmp_path)
    try:
        hanging.set()

        def silent() -> bool:
            began_s = time.monotonic()
            try:
                room.free_bytes()
            except DiskSilent:
                return True
            finally:
                assert time.monotonic() - began_s < 0.25
            return False

        _until(silent)
    finally:
        hanging.clear()
        room.close(15)


async def test_a_journal_on_it_accepts_no_treatment_and_keeps_the_loop_going(
    tmp_path: Path, hanging: threading.Event
) -> None:
    journal = Journal(
        tmp_path / "journal.db",
        station="st1",
        utc_now=lambda: datetime.now(UTC),
        monotonic_ms=lambda: 0,
        limits=JournalLimits(min_free_bytes=0),
    )
    try:
        assert journal.problem() is None
        hanging.set()
        worst_s = 0.0
        while journal.problem() is None:
            began_s = time.monotonic()
            journal.problem()
            journal.fill_permille()
            worst_s = max(worst_s, time.monotonic() - began_s)
            await asyncio.sleep(0.01)
        assert "has not answered" in (journal.problem() or "")
        assert worst_s < 0.25
        journal.emit(Stopped(source="test"), session=None)
        await journal.flush()
    finally:
        hanging.clear()
        await journal.close()
