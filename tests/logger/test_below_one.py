"""Rows with a sequence below 1, which no station writes: found by whoever verifies, and taken for real by nobody."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logger.journal.reader import JournalReader
from logger.proof.verify import VerifyResult, verify_journal, verify_store
from logger.record.lookback import Asked
from logger.store.projections import differences, project_again
from logger.store.store import Store
from station.record.seam import begin_record
from tests.fixtures_brokers import STATION
from tests.logger.conftest import OpenJournal
from tests.logger.making import opened
from tests.logger.test_incident import interleaved

LOWEST = -(2**63)
FORGED = "20260301T070000-deadbeefdead"
BELOW = pytest.mark.parametrize("below", [LOWEST, -5, 0])


def put_in(path: Path, columns: str, below: int, **exchanged: str) -> None:
    """A copy of a session's opening, below the first entry."""
    values = ", ".join(exchanged.get(name, name) for name in columns.split(", "))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for at, kind in enumerate(("session_opened", "station_key", "station_started")):
            row = values.replace("$sequence", str(below - at if below > LOWEST else below + at))
            connection.execute(
                f"INSERT INTO entries ({columns}) SELECT {row} FROM entries WHERE type = '{kind}' LIMIT 1"
            )


IN_JOURNAL = "sequence, utc_us, monotonic_ms, session, type, version, previous, hash, body"


def named(result: VerifyResult) -> list[tuple[int | None, str, str | None]]:
    return [(finding.sequence, finding.what, finding.session) for finding in result.findings]


@BELOW
async def test_in_a_journal(open_journal: OpenJournal, journal_path: Path, below: int) -> None:
    journal = open_journal()
    for entry in interleaved():
        journal.emit(entry.event(), session=entry.session)
    await journal.close()
    before = verify_journal(journal_path)
    put_in(journal_path, IN_JOURNAL, below, sequence="$sequence", session=f"'{FORGED}'")
    result = verify_journal(journal_path)
    assert result.verdict == "damaged"
    assert {(what, session) for _, what, session in named(result) if what != "signature"} == {("out_of_order", FORGED)}
    assert below in {sequence for sequence, _, _ in named(result)}
    assert result.sessions == before.sessions
    with closing(JournalReader(journal_path)) as reader:
        assert FORGED not in {span.session for span in reader.sessions()}
        assert reader.open_sessions() == []
        for kind in ("session_opened", "station_key", "station_started"):
            newest = reader.newest(kind, 10**6)
            assert newest is not None
            assert newest.sequence > 0
        assert reader.newest("station_started", 0) is None
    again = open_journal()
    closed = await begin_record(again, "needlework 9.9", datetime.now(UTC), site="site")
    assert closed == ()


async def test_a_close_below_the_first_entry_does_not_hide_a_session_that_a_crash_left_open(
    open_journal: OpenJournal, journal_path: Path
) -> None:
    journal = open_journal()
    journal.emit(opened(), session=FORGED)
    await journal.close()
    columns = {"sequence": "-1", "type": "'session_closed'"}
    put_in(journal_path, IN_JOURNAL, -1, **columns)
    with closing(JournalReader(journal_path)) as reader:
        assert reader.open_sessions() == [FORGED]
        assert [span.closed for span in reader.sessions()] == [False]


async def test_a_new_journal_takes_no_such_row(open_journal: OpenJournal, journal_path: Path) -> None:
    journal = open_journal()
    journal.emit(opened(), session=FORGED)
    await journal.flush()
    with (
        closing(sqlite3.connect(journal_path, isolation_level=None)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="CHECK"),
    ):
        connection.execute("UPDATE entries SET sequence = 0")


@BELOW
def test_in_a_store(tmp_path: Path, below: int) -> None:
    path = tmp_path / "store.db"
    with closing(Store.open(path)) as store:
        store.append(interleaved(), seen_utc_us=0)
    put_in(path, f"station, {IN_JOURNAL}", below, sequence="$sequence", session=f"'{FORGED}'")
    with closing(Store.open(path)) as store:
        result = verify_store(store, STATION)
        assert {(what, session) for _, what, session in named(result)} == {("out_of_order", FORGED)}
        assert below in {sequence for sequence, _, _ in named(result)}
        assert FORGED not in {stored.session for stored in store.sessions()}
        assert list(store.session_entries(FORGED)) == []
        for kind in ("session_opened", "station_key", "station_started"):
            newest = store.newest(STATION, kind, 10**6)
            assert newest is not None
            assert newest.sequence > 0
        assert store.newest(STATION, "station_started", 0) is None
        with store._engine.connect() as connection:
            assert differences(connection) == []
            project_again(connection)
            connection.commit()
        assert FORGED not in {used.session for used in store.look_back(Asked())}


def test_a_store_that_has_nothing_but_such_rows_is_not_whole_and_takes_the_record(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(Store.open(path)) as store:
        store.append(interleaved(), seen_utc_us=0)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM entries WHERE sequence > 1")
        connection.execute("UPDATE entries SET sequence = -1")
    with closing(Store.open(path)) as store:
        assert verify_store(store, STATION).verdict == "damaged"
        assert store.span(STATION).contiguous == 0
        assert store.append(interleaved(), seen_utc_us=0).stored == len(interleaved())
