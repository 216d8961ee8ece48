"""Backups of either kind of store are made while it is used, are intact, go into either kind, and overwrite nothing."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from logger.errors import StoreError, StoreOccupied, StoreUnusable
from logger.journal.entry import GENESIS, Entry, entry_hash
from logger.record.lookback import Asked
from logger.store.backup import back_up, restore
from logger.store.check import check_store
from logger.store.place import WRITES, engine_to_write, url_of
from logger.store.schema import FIRST, migrate
from logger.store.store import Store
from tests.fixtures_brokers import OTHER_STATION, STATION
from tests.fixtures_postgres import PostgresServer
from tests.logger.making import chain, sql
from tests.logger.test_store_migrations import filled, holds_everything

Place = Callable[[], str]


def silent(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Names a place for a store to be restored to, of each kind in turn."""
    if request.param == "sqlite":
        numbers = itertools.count()
        yield lambda: str(tmp_path / f"restored-{next(numbers)}.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    names: list[str] = []

    def made() -> str:
        names.append(server.new_database())
        return server.url(names[-1])

    yield made
    for name in names:
        server.drop(name)


def test_from_either_kind_into_either_kind(store_place: str, new_place: Place, tmp_path: Path) -> None:
    filled(store_place)
    backup = tmp_path / "backup.db"
    heard: list[tuple[str, int, int]] = []
    copied = back_up(store_place, backup, lambda *said: heard.append(said))
    assert (copied.intact, copied.entries, [result.last for result in copied.stations]) == (True, 4, [4])
    assert {what for what, _, _ in heard} == {"copying", "verifying"}
    assert all(done <= total for _, done, total in heard)
    assert backup.stat().st_mode & 0o777 == 0o600
    assert not [path for path in tmp_path.iterdir() if path.name.endswith((".part", "backup.db-wal", "backup.db-shm"))]
    place = new_place()
    assert restore(backup, place, silent).entries == 4
    holds_everything(place)
    for there in (str(backup), place):
        reading = Store.open_to_read(there)
        assert [session.session for session in reading.look_back(Asked(lot="L2407A"))] == ["s-1"]
        reading.close()
    assert check_store(place, silent).whole


def test_a_backup_is_one_moment_of_a_store_being_written(store: Store, store_place: str, tmp_path: Path) -> None:
    """A recorder writes as fast as it can, on two stations; every backup is an unbroken beginning of both."""
    entries = {name: chain(6000, station=name) for name in (STATION, OTHER_STATION)}
    ended = threading.Event()

    def record() -> None:
        for start in range(0, 6000, 20):
            for mine in entries.values():
                store.append(mine[start : start + 20], seen_utc_us=1)
            if ended.is_set():
                return

    store.append(entries[STATION][:3000], seen_utc_us=1)
    recorder = threading.Thread(target=record)
    recorder.start()
    try:
        ends = []
        for number in range(3):
            copied = back_up(store_place, tmp_path / f"backup-{number}.db", silent)
            assert copied.intact
            ends.append({result.station: result.last or 0 for result in copied.stations})
    finally:
        ended.set()
        recorder.join()
    for end in ends:
        # One batch is of one station: at a moment they are a batch apart at most, once both are written.
        assert end.get(OTHER_STATION, 0) <= end[STATION]
        assert end[STATION] == 3000 or end[STATION] - end[OTHER_STATION] <= 20
    assert store.span(STATION).contiguous >= ends[-1][STATION]


def test_a_backup_overwrites_nothing(store_place: str, tmp_path: Path) -> None:
    filled(store_place)
    for name in ("backup.db", "backup.db-wal"):
        there = tmp_path / name
        there.write_text("somebody's")
        with pytest.raises(StoreOccupied, match="never overwritten"):
            back_up(store_place, tmp_path / "backup.db", silent)
        assert there.read_text() == "somebody's"
        there.unlink()
    with pytest.raises(FileNotFoundError):
        back_up(store_place, tmp_path / "nowhere" / "backup.db", silent)


def test_a_restore_overwrites_nothing(store_place: str, tmp_path: Path) -> None:
    filled(store_place)
    backup = tmp_path / "backup.db"
    back_up(store_place, backup, silent)
    with pytest.raises(StoreOccupied, match="something at"):
        restore(backup, store_place, silent)
    holds_everything(store_place)


def test_a_store_a_recorder_opened_and_never_filled_is_restored_into(postgres_place: str, tmp_path: Path) -> None:
    filled(str(tmp_path / "old.db"))
    Store.open(postgres_place).close()
    restore(tmp_path / "old.db", postgres_place, silent)
    holds_everything(postgres_place)


def test_a_damaged_store_is_copied_and_said_to_be_damaged_and_not_restored(
    store_place: str, new_place: Place, tmp_path: Path
) -> None:
    filled(store_place)
    engine = engine_to_write(url_of(store_place))
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        connection.exec_driver_sql("DELETE FROM entries WHERE sequence = 2")
    engine.dispose()
    backup, place = tmp_path / "backup.db", new_place()
    copied = back_up(store_place, backup, silent)
    assert not copied.intact
    assert copied.stations[0].findings[0].sequence == 2
    with pytest.raises(StoreUnusable, match=r"is damaged\. .*Entry 2 is missing.*Nothing was restored"):
        restore(backup, place, silent)
    if "://" not in place:
        assert not Path(place).exists()


def test_a_station_that_signs_wrongly_keeps_nobody_from_being_restored(
    store_place: str, new_place: Place, tmp_path: Path
) -> None:
    filled(store_place)
    fields = (1, 1, 1, None, "station_key", 1, b'{"key_id":"x","public_key":"zz"}')
    with closing(Store.open(store_place)) as store:
        before = len(store.stations())
        digest = entry_hash(b"room-9", GENESIS, *fields)
        store.append([Entry("room-9", *fields, GENESIS, digest)], seen_utc_us=1)
    backup, place = tmp_path / "backup.db", new_place()
    assert not back_up(store_place, backup, silent).intact
    restored = restore(backup, place, silent)
    assert len(restored.stations) == before + 1
    assert [result.station for result in restored.stations if result.verdict != "intact"] == ["room-9"]


def test_what_is_no_backup_is_refused(new_place: Place, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database " * 100)
    for source in (tmp_path / "absent.db", tmp_path / "notes.txt"):
        with pytest.raises(StoreError, match=r"(no backup|cannot be read|cannot be copied)"):
            restore(source, new_place(), silent)
    with pytest.raises(StoreError):
        back_up(tmp_path / "notes.txt", tmp_path / "backup.db", silent)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_older_versions_store_is_backed_up_and_restored_as_todays(
    store_place: str, new_place: Place, tmp_path: Path
) -> None:
    filled(store_place)
    engine = engine_to_write(url_of(store_place))
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        migrate(connection, store_place, to=FIRST)
    engine.dispose()
    backup, place = tmp_path / "backup.db", new_place()
    assert back_up(store_place, backup, silent).intact
    restore(backup, place, silent)
    holds_everything(place)


def test_a_restore_that_fails_in_the_middle_leaves_nothing(
    new_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(str(tmp_path / "old.db"))
    place = new_place()

    def full(*_anything: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("logger.store.backup.project_again", full)
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            restore(tmp_path / "old.db", place, silent)
    assert restore(tmp_path / "old.db", place, silent).intact
    holds_everything(place)


def test_a_check_names_what_is_wrong(store_place: str) -> None:
    filled(store_place)
    assert check_store(store_place, silent).whole
    engine = engine_to_write(url_of(store_place))
    for statement, word in (
        ("UPDATE sessions_used SET session = 's-9'", "sessions"),
        ("UPDATE cartridge_uses SET lot = 'L1'", "cartridges used"),
    ):
        with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
            connection.exec_driver_sql(statement)
        assert f"looked up of {word}" in " ".join(check_store(store_place, silent).problems)
        with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
            migrate(connection, store_place)  # makes it anew
        assert check_store(store_place, silent).whole
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        connection.exec_driver_sql("UPDATE entries SET utc_us = utc_us + 1 WHERE sequence = 3")
    engine.dispose()
    checked = check_store(store_place, silent)
    assert not checked.whole
    assert checked.stations[0].findings[0].sequence == 3
    assert asdict(checked)["stations"][0]["verdict"] == "damaged"


def test_a_torn_file_is_found(tmp_path: Path) -> None:
    place = tmp_path / "store.db"
    store = Store.open(place)
    store.append(chain(200), seen_utc_us=1)
    store.close()
    sql(place, "PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET sql = replace(sql, 'lot', 'lat')"
        " WHERE name = 'cartridge_uses_lot'")  # fmt: skip
    with pytest.raises(StoreUnusable, match="cannot be"):
        check_store(place, silent)


@pytest.mark.system
def test_a_server_that_keeps_less_than_a_receipt_promises_is_a_doubt(postgres_place: str) -> None:
    filled(postgres_place)
    checked = check_store(postgres_place, silent)
    assert checked.whole
    assert "fsync = off" in checked.doubts[0]
