"""`verify` finds any change to a record, and says where and against which anchor."""

import os
import shutil
import sqlite3
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logger.errors import JournalUnusable
from logger.journal.entry import entry_hash, rises
from logger.journal.reader import JournalReader
from logger.proof.verify import MAX_FINDINGS, verify_journal, verify_store
from logger.store.store import Store
from tests.fixtures_brokers import STATION
from tests.logger.making import COUNT, chain, safety, sql, store_of

COLUMNS = ("sequence", "utc_us", "monotonic_ms", "session", "type", "version", "previous", "hash", "body")


def test_an_untouched_journal_is_intact(pristine: Path) -> None:
    result = verify_journal(pristine)
    assert (result.verdict, result.count, result.sessions, result.first, result.last) == ("intact", COUNT, 1, 1, COUNT)
    assert result.findings == ()
    assert "no anchor" in result.sentence()


def test_an_empty_journal_is_intact_and_says_how_little_it_holds(damaged: Path) -> None:
    sql(damaged, "DELETE FROM entries")
    result = verify_journal(damaged)
    assert (result.verdict, result.count, result.last) == ("intact", 0, None)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.integers(1, COUNT), column=st.sampled_from(COLUMNS), bit=st.integers(0, 10_000))
def test_any_bit_of_any_row_flipped_is_found(
    pristine: Path, tmp_path: Path, sequence: int, column: str, bit: int
) -> None:
    path = Path(shutil.copy(pristine, tmp_path / "flipped.db"))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    (value,) = connection.execute(f"SELECT {column} FROM entries WHERE sequence = ?", (sequence,)).fetchone()
    if value is None:
        flipped: object = "\0"  # no bits to flip: something where nothing was
    elif isinstance(value, int):
        flipped = value ^ (1 << bit % 62)
    else:
        raw = bytearray(value.encode() if isinstance(value, str) else value)
        raw[bit // 8 % len(raw)] ^= 1 << bit % 8
        flipped = raw.decode("latin-1") if isinstance(value, str) else bytes(raw)
    try:
        connection.execute(f"UPDATE entries SET {column} = ? WHERE sequence = ?", (flipped, sequence))
    except sqlite3.IntegrityError:  # another entry has that sequence: exchange the two
        connection.execute("UPDATE entries SET sequence = -1 WHERE sequence = ?", (flipped,))
        connection.execute("UPDATE entries SET sequence = ? WHERE sequence = ?", (flipped, sequence))
        connection.execute("UPDATE entries SET sequence = ? WHERE sequence = -1", (sequence,))
    connection.close()
    result = verify_journal(path)
    assert result.verdict == "damaged"
    named = [finding.sequence for finding in result.findings]
    assert sequence in named or flipped in named or sequence + 1 in named
    assert "damaged" in result.sentence()


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bit_of_the_file_flipped_is_found_or_touches_no_entry(
    pristine: Path, tmp_path: Path, data: st.DataObject
) -> None:
    original = JournalReader(pristine)
    entries = original.read(0, COUNT + 1)
    sessions = original.sessions()
    original.close()
    raw = bytearray(pristine.read_bytes())
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    path = tmp_path / "flipped.db"
    path.write_bytes(raw)
    try:
        result = verify_journal(path)
        if result.verdict == "intact":
            reader = JournalReader(path)
            assert (reader.station, reader.read(0, COUNT + 1)) == (STATION, entries)
            assert reader.sessions() == sessions
            reader.close()
    except JournalUnusable:
        pass  # the damage shows before the first entry is read
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def test_a_removed_entry_is_named(damaged: Path) -> None:
    sql(damaged, "DELETE FROM entries WHERE sequence = 7")
    result = verify_journal(damaged)
    assert result.verdict == "damaged"
    assert [(finding.sequence, finding.what) for finding in result.findings] == [(7, "missing")]
    assert "Entry 7 is missing" in result.sentence()


def test_removed_entries_are_named_together(damaged: Path) -> None:
    sql(damaged, "DELETE FROM entries WHERE sequence BETWEEN 7 AND 9")
    assert [finding.sentence for finding in verify_journal(damaged).findings] == ["Entries 7 to 9 are missing."]


def test_a_removed_beginning_is_named(damaged: Path) -> None:
    sql(damaged, "DELETE FROM entries WHERE sequence < 3")
    assert [(finding.sequence, finding.what) for finding in verify_journal(damaged).findings] == [(1, "missing")]


def test_an_entry_removed_and_the_rest_moved_up_is_named(damaged: Path) -> None:
    sql(
        damaged,
        "DELETE FROM entries WHERE sequence = 7",
        "UPDATE entries SET sequence = -sequence WHERE sequence > 7",
        "UPDATE entries SET sequence = -sequence - 1 WHERE sequence < 0",
    )
    result = verify_journal(damaged)
    assert (result.findings[0].sequence, result.findings[0].what) == (7, "changed")


def test_an_inserted_entry_is_named(damaged: Path) -> None:
    last = _read(damaged)[-1]
    body = safety(99).model_dump_json().encode()
    digest = entry_hash(STATION.encode(), last.previous, COUNT + 1, 1, 1, None, "refused", 1, body)
    connection = sqlite3.connect(damaged, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    row = (COUNT + 1, 1, 1, None, "refused", 1, last.previous, digest, body)
    connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.close()
    assert [(finding.sequence, finding.what) for finding in verify_journal(damaged).findings] == [
        (COUNT + 1, "does_not_follow")
    ]


def test_exchanged_entries_are_named(damaged: Path) -> None:
    sql(
        damaged,
        "UPDATE entries SET sequence = -1 WHERE sequence = 9",
        "UPDATE entries SET sequence = 9 WHERE sequence = 10",
        "UPDATE entries SET sequence = 10 WHERE sequence = -1",
    )
    assert {finding.sequence for finding in verify_journal(damaged).findings} >= {9, 10}


def test_a_rewritten_entry_with_a_hash_of_its_own_is_found_by_the_next(damaged: Path) -> None:
    entry = _read(damaged)[11]
    body = entry.body.replace(b"number", b"NUMBER")
    digest = entry_hash(
        STATION.encode(), entry.previous, 12, entry.utc_us, entry.monotonic_ms, entry.session, entry.type, 1, body
    )
    connection = sqlite3.connect(damaged, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.execute("UPDATE entries SET body = ?, hash = ? WHERE sequence = 12", (body, digest))
    connection.close()
    assert [(finding.sequence, finding.what) for finding in verify_journal(damaged).findings] == [
        (13, "does_not_follow")
    ]


def test_a_cut_tail_is_found_against_the_store_and_only_there(damaged: Path, tmp_path: Path) -> None:
    store = store_of(damaged, tmp_path)
    sql(damaged, f"DELETE FROM entries WHERE sequence > {COUNT - 4}")
    assert verify_journal(damaged).verdict == "intact"
    result = verify_journal(damaged, store=store)
    assert [(finding.sequence, finding.what) for finding in result.findings] == [(COUNT - 3, "cut_tail")]
    assert result.anchor == "the recorder's store"
    assert f"goes on to {COUNT}" in result.findings[0].sentence
    store.close()


def test_a_chain_rewritten_as_a_whole_is_found_against_the_store(damaged: Path, tmp_path: Path) -> None:
    store = store_of(damaged, tmp_path)
    connection = sqlite3.connect(damaged, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.execute("DELETE FROM entries")
    for entry in chain(COUNT):
        row = (
            entry.sequence,
            entry.utc_us,
            entry.monotonic_ms,
            None,
            entry.type,
            1,
            entry.previous,
            entry.hash,
            entry.body,
        )
        connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.close()
    assert verify_journal(damaged).verdict == "intact"
    result = verify_journal(damaged, store=store)
    assert [(finding.sequence, finding.what) for finding in result.findings] == [(1, "differs_from_anchor")]
    assert f"differ from entry 1 on ({COUNT} entries): one of the two was changed" in result.sentence()
    assert "who may publish on the broker" in result.sentence()
    assert "trust" not in result.sentence()
    store.close()


def test_what_the_store_has_not_got_yet_is_no_fault(pristine: Path, tmp_path: Path) -> None:
    store = store_of(pristine, tmp_path, upto=COUNT - 5)
    result = verify_journal(pristine, store=store)
    assert (result.verdict, result.not_yet_stored) == ("intact", 5)
    assert "5 not stored there yet" in result.sentence()
    store.close()


def test_a_store_is_verified_by_itself(pristine: Path, tmp_path: Path) -> None:
    store = store_of(pristine, tmp_path)
    assert verify_store(store, STATION).verdict == "intact"
    store.close()
    sql(tmp_path / "anchor.db", "UPDATE entries SET utc_us = utc_us + 1 WHERE sequence = 5")
    store = Store.open(tmp_path / "anchor.db")
    assert [(finding.sequence, finding.what) for finding in verify_store(store, STATION).findings] == [(5, "changed")]
    store.close()


def test_a_ruined_journal_is_told_of_without_naming_a_million_entries(damaged: Path) -> None:
    sql(damaged, "UPDATE about SET station = 'room-9'")
    result = verify_journal(damaged)
    assert result.findings_total == COUNT
    assert len(result.findings) <= MAX_FINDINGS


def test_a_journal_on_a_medium_that_cannot_be_written_is_verified(pristine: Path, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    path = Path(shutil.copy(pristine, folder / "journal.db"))
    path.chmod(0o400)
    folder.chmod(0o500)
    try:
        assert verify_journal(path).verdict == "intact"
        assert [item.name for item in folder.iterdir()] == ["journal.db"] or os.geteuid() == 0
    finally:
        folder.chmod(0o700)


def _read(path: Path) -> list:  # type: ignore[type-arg]
    reader = JournalReader(path)
    entries = reader.read(0, COUNT + 1)
    reader.close()
    return entries


def test_a_file_that_leads_in_circles_is_told_of_and_left() -> None:
    first, second, third = chain(3)
    assert rises([first, second, third], 0)
    assert rises([], 7)
    assert not rises([first, second], 1)
    assert not rises([second, second], 0)
    assert not rises([third, first], 0)
