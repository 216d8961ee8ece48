"""Values that no station and no recorder writes, in journal and store: named by their entry, the rest is read on."""

from pathlib import Path

import pytest

from logger.journal.rows import COLUMNS
from logger.proof.verify import verify_journal
from logger.store.check import check_store
from logger.store.place import engine_to_read, url_of
from logger.store.raw_rows import Rows
from tests.fixtures_brokers import STATION
from tests.logger.making import COUNT, sql, store_of

NOT_UTF8 = "CAST(x'ff' AS TEXT)"


@pytest.mark.parametrize("column", ["session", "type"])
def test_text_that_is_none_any_more_is_named_in_a_journal(damaged: Path, column: str) -> None:
    sql(damaged, f"UPDATE entries SET {column} = {NOT_UTF8} WHERE sequence = 7", "UPDATE outbox SET acknowledged = 9")
    result = verify_journal(damaged)
    assert ("changed", 7) in [(finding.what, finding.sequence) for finding in result.findings]
    assert not [finding for finding in result.findings if finding.what == "cut_tail"], "its end is there"
    assert (result.count, result.last) == (COUNT, COUNT)


@pytest.fixture
def place(damaged: Path, tmp_path: Path) -> Path:
    """A store that has all of the journal."""
    store_of(damaged, tmp_path).close()
    return tmp_path / "anchor.db"


@pytest.mark.parametrize("value", [NOT_UTF8, "x'ff'"])
@pytest.mark.parametrize("column", ["session", "type"])
def test_text_that_is_none_is_named_in_a_store(place: Path, column: str, value: str) -> None:
    sql(place, f"UPDATE entries SET {column} = {value} WHERE sequence = 7")
    checked = check_store(place, lambda *_: None)
    assert [(finding.what, finding.sequence) for finding in checked.stations[0].findings][:1] == [("changed", 7)]
    assert checked.stations[0].last == COUNT
    assert bool(checked.problems) == (value == "x'ff'"), "a value of another kind is told of"


@pytest.mark.parametrize("value", ["'7x'", "x'07'", "7.5", NOT_UTF8])
def test_a_sequence_that_is_no_number_is_told_of(place: Path, value: str) -> None:
    sql(place, f"UPDATE entries SET sequence = {value} WHERE sequence = 7")
    checked = check_store(place, lambda *_: None)
    assert not checked.whole
    assert "1 row" in checked.problems[-1]
    assert {("missing", 7), ("out_of_order", 0)} <= {(one.what, one.sequence) for one in checked.stations[0].findings}


@pytest.mark.parametrize("value", ["x'00ff'", NOT_UTF8])
def test_a_row_of_no_station_is_missing_where_it_belongs(place: Path, value: str) -> None:
    sql(place, f"UPDATE entries SET station = {value} WHERE sequence = 7")
    checked = check_store(place, lambda *_: None)
    assert [result.station for result in checked.stations] == [STATION]
    assert [(finding.what, finding.sequence) for finding in checked.stations[0].findings] == [("missing", 7)]


def test_a_store_whose_index_leads_in_circles_ends_the_reading(place: Path) -> None:
    """Rows that do not rise: what a torn index gives."""
    rows = Rows(STATION)
    engine = engine_to_read(url_of(place))
    with engine.connect() as connection:
        assert rows.page(connection, 3)
        rows._last = -1
        assert rows.page(connection, 3)
        rows._last = 2
        from_the_start = f"SELECT {COLUMNS} FROM entries WHERE station = ? AND ? > 0 ORDER BY sequence LIMIT ?"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("logger.store.raw_rows._PAGE", from_the_start)
            assert rows.page(connection, 3) is None
    engine.dispose()
