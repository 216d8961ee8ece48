"""The recorder's store pins a station's first key, and keeps and tells of every other one."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from controller.events import JournalCheckpoint
from logger.journal.entry import Entry
from logger.proof.checkpoints import announcement, checkpoint
from logger.proof.verify import verify_store
from logger.store.conflicts import EVIDENCE_KEPT, FIRST_KEPT, Conflict
from logger.store.store import Store
from tests.fixtures_brokers import STATION, Embedded
from tests.logger.conftest import HouseAt
from tests.logger.house import House, until
from tests.logger.making import chain, safety
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


NO_ID = "evil\x00\x1b[2J\nStation room-2, entry 1: all is well"


def in_the_name_of(key: str) -> JournalCheckpoint:
    return JournalCheckpoint(sequence=1, hash="00" * 32, key_id=key, signature="00" * 64)


def test_a_key_whose_name_is_no_id_is_repeated_nowhere_and_blocks_nothing(store: Store) -> None:
    entries = signed_chain()
    follow(entries, in_the_name_of(NO_ID))
    follow(entries, in_the_name_of("f" * 5000))
    follow(entries, safety(1))
    result = store.append(entries, seen_utc_us=5)
    assert (result.stored, result.conflict) == (11, None)
    assert [notice.reason for notice in result.notices] == ["it is a checkpoint that cannot be read"] * 2
    assert store.conflicts(STATION) == list(result.notices)
    findings = verify_store(store, STATION).findings
    assert [(finding.sequence, "cannot be read" in finding.sentence) for finding in findings] == [(9, True), (10, True)]


def test_what_another_recorder_stored_is_known(store_place: str) -> None:
    entries = signed_chain()
    first, second = Store.open(store_place), Store.open(store_place)
    try:
        follow(entries, announcement(OTHER))
        follow(entries, signing(OTHER))
        follow(entries, announcement(KEY))
        follow(entries, signing(OTHER))
        assert first.append(entries[:2], seen_utc_us=5).notices == ()
        assert [told.sequence for told in second.append(entries[:9], seen_utc_us=5).notices] == [9]
        assert first.append(entries[:10], seen_utc_us=5).notices == ()
        assert second.append(entries, seen_utc_us=5).notices == ()
        assert (first.pinned_key(STATION), second.pinned_key(STATION)) == (KEY_ID, KEY_ID)
    finally:
        first.close()
        second.close()


def test_a_station_that_announces_no_key_is_gone_through_once(store_place: str) -> None:
    entries: list[Entry] = []
    for _ in range(20):
        follow(entries, safety(2))
        follow(entries, in_the_name_of("f" * 16))
    before = Store.open(store_place)
    before.append(entries[:2], seen_utc_us=5)
    before.close()
    store = Store.open(store_place)
    statements: list[str] = []
    event.listen(store._engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    try:
        for number in range(2, len(entries), 2):
            assert len(store.append(entries[number : number + 2], seen_utc_us=5).notices) == 1
    finally:
        store.close()
    assert len([one for one in statements if "FROM entries" in one and "entries.type =" in one]) == 1


async def test_a_flood_of_them_floods_no_log(house_at: HouseAt, embedded: Embedded) -> None:
    house = house_at(embedded)
    house.journal.emit(announcement(KEY), session=None)
    for _ in range(60):
        house.journal.emit(in_the_name_of(NO_ID), session=None)
    house.journal.emit(announcement(OTHER), session=None)
    await house.journal.flush()
    async with house.recording() as recorder, house.publishing() as publisher, asyncio.timeout(15):
        await publisher.drained()
        await until(lambda: recorder.counts.notices == 61)
    told = [sentence for sentence in house.problems if "The entry is stored" in sentence]
    assert len(told) < 10
    assert not any("room-2" in sentence or "\x1b" in sentence for sentence in told)
    assert any("announces the key" in sentence for sentence in told)


def test_of_each_kind_the_first_and_the_newest_are_kept(store: Store) -> None:
    def sent(count: int, start: int) -> list[bytes]:
        """So many contradictions, a microsecond apart, though all of one sequence."""
        hashes = []
        for number in range(start, start + count):
            (other,) = chain(1, salt=" " * (number + 1))
            assert store.append([other], seen_utc_us=number).conflict is not None
            hashes.append(other.hash)
        return hashes

    entries = signed_chain()
    store.append(entries, seen_utc_us=0)
    hashes = sent(EVIDENCE_KEPT + 50, 10)
    follow(entries, announcement(OTHER))
    for _ in range(EVIDENCE_KEPT + 10):
        follow(entries, in_the_name_of(NO_ID))
    follow(entries, announcement(OTHER))
    store.append(entries, seen_utc_us=1000)
    assert sent(1, 0) == [chain(1, salt=" ")[0].hash], "an older clock's"
    kinds: dict[str, list[Conflict]] = {}
    for one in store.conflicts(STATION):
        kinds.setdefault(one.kind, []).append(one)
    assert [one.sequence for one in kinds["key"]] == [9, entries[-1].sequence]
    assert {kind: len(kept) for kind, kept in kinds.items()} == {"refused": 200, "key": 2, "checkpoint": 200}
    refused = {one.hash for one in kinds["refused"]}
    assert set(hashes[: FIRST_KEPT - 1]) | set(hashes[-FIRST_KEPT:]) <= refused
    store.append([chain(1, salt=" " * 11)[0]], seen_utc_us=9999)
    assert {one.hash for one in store.conflicts(STATION) if one.kind == "refused"} == refused, "kept already"


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
