"""The recorder's store pins a station's first key, and keeps and tells of every other one."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.events import JournalCheckpoint
from logger.checkpoints import announcement, checkpoint
from logger.entry import Entry
from logger.store import Store
from logger.verify import verify_store
from tests.fixtures_brokers import STATION
from tests.logger.house import House
from tests.logger.making import safety
from tests.logger.test_checkpoints import KEY, KEY_ID, OTHER, follow, signed_chain, signing


def with_another_key() -> list[Entry]:
    entries = signed_chain()
    follow(entries, announcement(OTHER))
    follow(entries, signing(OTHER))
    return entries


def test_the_first_key_is_pinned_without_a_word(store: Store) -> None:
    assert store.append(signed_chain(), seen_utc_us=5).notices == ()
    assert store.conflicts(STATION) == []


def test_another_key_is_stored_kept_beside_and_told_of_once(store: Store) -> None:
    entries = with_another_key()
    result = store.append(entries, seen_utc_us=5)
    assert (result.stored, result.conflict) == (10, None)
    assert [(notice.sequence, KEY_ID in notice.reason) for notice in result.notices] == [(9, True)]
    assert store.append(entries, seen_utc_us=6).notices == ()
    assert [(kept.sequence, kept.seen_utc_us) for kept in store.conflicts(STATION)] == [(9, 5)]
    verified = verify_store(store, STATION)
    assert verified.verdict == "intact"
    assert any("told of by the recorder" in note for note in verified.notes)


def test_the_pin_outlives_the_recorder(tmp_path: Path) -> None:
    entries = with_another_key()
    first = Store.open(tmp_path / "store.db")
    first.append(entries[:8], seen_utc_us=5)
    first.close()
    second = Store.open(tmp_path / "store.db")
    try:
        assert [notice.sequence for notice in second.append(entries[8:], seen_utc_us=6).notices] == [9]
    finally:
        second.close()


def test_a_checkpoint_nobody_signed_or_by_a_key_nobody_announced_is_told_of(store: Store) -> None:
    entries = signed_chain()

    def forged(before: list[Entry]) -> JournalCheckpoint:
        made = checkpoint(OTHER, STATION, before[-1].sequence, before[-1].hash)
        return made.model_copy(update={"key_id": KEY_ID})

    follow(entries, forged)
    follow(entries, signing(OTHER))
    result = store.append(entries, seen_utc_us=5)
    assert [notice.sequence for notice in result.notices] == [9, 10]
    assert "did not sign" in result.notices[0].reason
    assert "did not announce" in result.notices[1].reason


@pytest.mark.system
async def test_the_recorder_says_so_to_whoever_runs_it(house: House) -> None:
    for key in (KEY, OTHER):
        house.journal.emit(announcement(key), session=None)
    await house.journal.flush()
    async with house.recording() as recorder, house.publishing() as publisher, asyncio.timeout(10):
        while house.journal.acknowledged < 2:
            await publisher.drained()
            await asyncio.sleep(0.01)
    assert recorder.counts.notices == 1
    (said,) = [sentence for sentence in house.problems if "announces the key" in sentence]
    assert "The entry is stored" in said


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 12), max_size=6))
def test_however_it_comes_in_batches_the_same_is_told(tmp_path: Path, cuts: list[int]) -> None:
    entries = with_another_key()
    follow(entries, safety(1))
    follow(entries, signing(OTHER))
    (tmp_path / "store.db").unlink(missing_ok=True)
    store = Store.open(tmp_path / "store.db")
    told: list[int] = []
    try:
        for begin, end in zip([0, *sorted(set(cuts))], [*sorted(set(cuts)), len(entries)], strict=True):
            if entries[begin:end]:
                told += [notice.sequence for notice in store.append(entries[begin:end], seen_utc_us=5).notices]
    finally:
        store.close()
    assert told == [9]
