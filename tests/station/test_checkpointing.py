"""When a station signs its journal: at its start, when it is asked to, after enough entries, and not for nothing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.events import SetpointChanged
from logger.journal.journal import Journal
from logger.journal.writer import JournalLimits
from logger.proof.checkpoints import CHECKPOINT_ENTRIES
from logger.proof.verify import verify_journal
from station.record.checkpointing import Checkpoints

FIRST = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SECOND = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """A journal, open."""
    made = Journal(
        tmp_path / "journal.db",
        station="room-1",
        utc_now=lambda: datetime(2026, 3, 1, tzinfo=UTC),
        monotonic_ms=lambda: 7,
        limits=JournalLimits(min_free_bytes=0),
    )
    yield made
    await made.close()


def types(journal: Journal) -> list[str]:
    return [entry.type for entry in journal.reader.entries()]


def fill(journal: Journal, count: int) -> None:
    for number in range(count):
        journal.emit(SetpointChanged(depth_commanded_um=number, rate_commanded_mhz=100_000), session="s-1")


async def test_a_key_is_announced_once_and_again_when_it_is_another(journal: Journal) -> None:
    for key in (FIRST, FIRST, SECOND, SECOND):
        await Checkpoints(journal, key).begin()
    assert types(journal) == [
        "station_key", "journal_checkpoint", "journal_checkpoint", "station_key", "journal_checkpoint",
        "journal_checkpoint",
    ]  # fmt: skip
    result = verify_journal(journal.path)
    assert result.verdict == "intact"
    assert len(result.keys) == 2
    assert "From entry 4 on the journal is signed by another key" in result.notes[0]


async def test_what_is_signed_already_is_not_signed_again(journal: Journal) -> None:
    checkpoints = Checkpoints(journal, FIRST)
    await checkpoints.begin()
    await checkpoints.now()
    assert types(journal) == ["station_key", "journal_checkpoint"]
    fill(journal, 3)
    await checkpoints.now()
    await checkpoints.now()
    assert types(journal)[2:] == [*["setpoint_changed"] * 3, "journal_checkpoint"]
    assert (await asyncio.to_thread(verify_journal, journal.path)).signed_to == 5


async def test_it_signs_when_asked_and_after_enough_entries(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("station.record.checkpointing.LOOK_S", 0.01)
    checkpoints = Checkpoints(journal, FIRST)
    await checkpoints.begin()
    running = asyncio.create_task(checkpoints.run())
    try:
        for ask, count in ((True, 1), (False, CHECKPOINT_ENTRIES)):
            before = types(journal).count("journal_checkpoint")
            fill(journal, count)
            if ask:
                checkpoints.soon()
            async with asyncio.timeout(10):
                while types(journal).count("journal_checkpoint") == before:
                    await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.wait([running])
    result = await asyncio.to_thread(verify_journal, journal.path)
    assert result.verdict == "intact"
    assert result.behind <= 2
