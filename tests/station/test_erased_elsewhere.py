"""A hold and a visit of which the erasing station did not know: nothing goes that has to be kept somewhere."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logger.errors import RecordError
from logger.journal.entry import Entry
from logger.store.store import Store
from station.settings import StationSettings
from station.site import last_visits
from station.site.files import Joined, join, share
from station.site.history_file import HistoryFile
from station.site.keymap import Details
from tests.logger.making import opened as began
from tests.logger.test_checkpoints import follow
from tests.station.test_keymap_file import MARIA, PASSPHRASE, add, names, opened, visit

RETENTION = """
format: needlework-retention/1
keep_years: 10
majority_age: 18
minors_until_age: 28
source: "this test"
confirmed: {by: dr-lee, on: 2026-01-15}
hold_reasons: {lawsuit: "a claim is pending"}
"""


def us(year: int) -> int:
    return int(datetime(year, 6, 1, tzinfo=UTC).timestamp()) * 1_000_000


def station(folder: Path, name: str) -> StationSettings:
    (folder / "retention.yaml").write_text(RETENTION)
    return StationSettings(station=name, state_dir=folder / name, retention=folder / "retention.yaml")


def brought(one: StationSettings, to: StationSettings, year: int) -> Joined:
    return join(to, share(one, PASSPHRASE, 1, people=True), PASSPHRASE, us(year))


@pytest.fixture
def both(tmp_path: Path) -> tuple[StationSettings, StationSettings, str]:
    """Two stations that know the same person."""
    one, two = station(tmp_path, "one"), station(tmp_path, "two")
    maria = add(one, MARIA)
    brought(one, two, 2026)
    return one, two, maria


def erase(at: StationSettings, pseudonym: str) -> None:
    with closing(opened(at)) as file:
        file.erase(pseudonym, "boss", us(2026))


def test_an_erasure_elsewhere_waits_for_a_hold_here(both: tuple[StationSettings, StationSettings, str]) -> None:
    one, two, maria = both
    with closing(opened(one)) as file:
        file.revise(maria, Details(hold="lawsuit"), "dr-lee", us(2026))
    erase(two, maria)
    for _ in range(2):  # each time it is told anew
        joined = brought(two, one, 2026)
        assert joined.erased == 0
        assert [(name, "lawsuit" in reason) for name, reason in joined.kept] == [(maria, True)]
        assert names(one) == ["Maria Muster"]
    assert names(two) == []
    with closing(opened(one)) as file:
        file.revise(maria, Details(hold=""), "dr-lee", us(2026))
    joined = brought(two, one, 2026)
    assert (joined.erased, joined.kept) == (1, ())
    assert names(one) == []


def test_and_for_a_visit_here_until_its_time_is_over(both: tuple[StationSettings, StationSettings, str]) -> None:
    one, two, maria = both
    visit(one, maria)
    erase(two, maria)
    joined = brought(two, one, 2026)
    assert joined.erased == 0
    assert "is kept until 2036-01-02" in joined.kept[0][1]
    with closing(HistoryFile(one.history_path)) as history:
        assert history.sessions_of(maria) == ("s-1",)
    assert brought(two, one, 2037).erased == 1
    assert b"isotretinoin" not in one.history_path.read_bytes()


def test_the_record_of_all_stations_says_when_somebody_was_treated_last(tmp_path: Path) -> None:
    at = station(tmp_path, "one")
    at.state_dir.mkdir()
    assert last_visits.in_record(at, "p-7f3a") is None
    entries: list[Entry] = []
    for session in ("s-1", "s-2"):
        follow(entries, began(), session)
    with closing(Store.open(at.store_place)) as store:
        store.append(entries, seen_utc_us=0)
    assert last_visits.in_record(at, "p-7f3a") == datetime.fromtimestamp(entries[-1].utc_us / 1e6, UTC).date()
    assert last_visits.in_record(at, "p-nobody") is None
    Path(at.store_place).write_bytes(b"rubbish" * 1000)
    with pytest.raises(RecordError):
        last_visits.in_record(at, "p-7f3a")


def test_whoever_is_kept_because_nobody_confirmed_the_figures_is_named_too(
    both: tuple[StationSettings, StationSettings, str],
) -> None:
    one, two, maria = both
    visit(one, maria)
    erase(two, maria)
    example = one.model_copy(update={"retention": None})
    assert [name for name, _ in brought(two, example, 2080).kept] == [maria]
