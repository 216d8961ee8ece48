"""`verify` with an anchor: is it journal or store that is damaged, what of a ruined file, and nothing is written."""

import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logger.errors import JournalDamaged, JournalRuined, JournalUnusable, StoreUnusable
from logger.journal.journal import Journal
from logger.proof.verify import VerifyResult, verify_journal
from logger.store.store import Store
from tests.fixtures_brokers import STATION
from tests.logger.making import COUNT, sql, store_of


def _against_a_changed_store(journal: Path, tmp_path: Path, statement: str) -> VerifyResult:
    store_of(journal, tmp_path).close()
    sql(tmp_path / "anchor.db", statement)
    store = Store.open_to_read(tmp_path / "anchor.db")
    result = verify_journal(journal, store=store)
    store.close()
    assert result.verdict == "damaged"
    assert result.store_findings == result.findings_total
    assert {finding.what for finding in result.findings} == {"store_damaged"}
    assert "the recorder's store" in result.sentence()
    assert "The journal itself is intact" in result.sentence()
    return result


@pytest.mark.parametrize(
    ("statement", "sequence", "words"),
    [
        ("DELETE FROM entries WHERE sequence BETWEEN 5 AND 9", 5, "Entries 5 to 9 are missing"),
        ("UPDATE entries SET body = CAST('{}' AS BLOB) WHERE sequence = 7", 7, "Entry 7 is not what was journalled"),
        ("UPDATE entries SET body = 'text' WHERE sequence = 7", 7, "Entry 7 is not what was journalled"),
    ],
)
def test_a_damaged_store_is_said_to_be_the_store(
    pristine: Path, tmp_path: Path, statement: str, sequence: int, words: str
) -> None:
    result = _against_a_changed_store(pristine, tmp_path, statement)
    assert [finding.sequence for finding in result.findings] == [sequence]
    assert words in result.findings[0].sentence
    assert result.not_yet_stored == 0


def test_a_store_that_ends_before_what_was_confirmed_lost_its_end(damaged: Path, tmp_path: Path) -> None:
    sql(damaged, f"UPDATE outbox SET acknowledged = {COUNT}")
    result = _against_a_changed_store(damaged, tmp_path, "DELETE FROM entries WHERE sequence > 20")
    assert f"ends at entry 20, but the recorder confirmed entries up to {COUNT}" in result.findings[0].sentence


def test_a_cut_tail_is_found_by_what_was_confirmed_and_such_a_journal_is_not_continued(damaged: Path) -> None:
    sql(damaged, f"UPDATE outbox SET acknowledged = {COUNT}", f"DELETE FROM entries WHERE sequence > {COUNT - 4}")
    result = verify_journal(damaged)
    assert [(finding.sequence, finding.what) for finding in result.findings] == [(COUNT - 4, "cut_tail")]
    with pytest.raises(JournalDamaged, match="its end was cut"):
        Journal(damaged, station=STATION, utc_now=lambda: datetime.now(UTC), monotonic_ms=lambda: 0)


@pytest.mark.parametrize("ruin", ["emptied", "zeroed", "overwritten", "beginning", "cut"])
def test_a_ruined_journal_beside_a_store_is_damage_and_says_what_the_store_has(
    damaged: Path, tmp_path: Path, ruin: str
) -> None:
    store = store_of(damaged, tmp_path)
    whole = damaged.read_bytes()
    damaged.write_bytes(
        {
            "emptied": b"",
            "zeroed": bytes(len(whole)),
            "overwritten": b"something else " * 2000,
            "beginning": bytes(4096) + whole[4096:],
            "cut": whole[:5000],
        }[ruin]
    )
    result = verify_journal(damaged, store=store)
    store.close()
    assert (result.verdict, result.count) == ("damaged", 0)
    told = " ".join(finding.sentence for finding in result.findings)
    assert f"The store has {COUNT} entries of station {STATION}, up to {COUNT}; it is whole." in told
    assert "permission" not in told
    with pytest.raises(JournalRuined):
        verify_journal(damaged)


def test_an_absent_journal_and_another_database_are_no_damage(tmp_path: Path, pristine: Path) -> None:
    store = store_of(pristine, tmp_path)
    for path in (tmp_path / "absent.db", tmp_path / "anchor.db"):
        with pytest.raises(JournalUnusable) as told:
            verify_journal(path, store=store)
        assert not isinstance(told.value, JournalRuined)
    store.close()


def test_reading_leaves_nothing_beside_journal_and_store(pristine: Path, tmp_path: Path) -> None:
    store_of(pristine, tmp_path).close()
    path = Path(shutil.copy(pristine, tmp_path / "journal.db"))
    before = {item.name: item.read_bytes() for item in tmp_path.iterdir()}
    store = Store.open_to_read(tmp_path / "anchor.db")
    assert verify_journal(path, store=store).verdict == "intact"
    assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == before
    store.close()
    assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == before
    with pytest.raises(StoreUnusable, match="holds something else") as told:
        Store.open_to_read(path)
    assert "receipt" not in str(told.value)


def test_a_store_that_is_being_written_is_read(pristine: Path, tmp_path: Path) -> None:
    writing = store_of(pristine, tmp_path)
    reading = Store.open_to_read(tmp_path / "anchor.db")
    assert reading.span(STATION).contiguous == COUNT
    reading.close()
    writing.close()


def test_journal_and_store_are_for_their_owner_alone(pristine: Path, tmp_path: Path) -> None:
    store_of(pristine, tmp_path).close()
    for path in (pristine, tmp_path / "anchor.db"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
