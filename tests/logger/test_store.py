"""The store takes what continues a chain, once, and keeps what contradicts it beside it."""

import itertools
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from logger.errors import StoreUnusable, StoreUnwritable
from logger.journal.entry import GENESIS, Entry, entry_hash
from logger.proof.verify import verify_store
from logger.store.place import WRITES, engine_to_write, url_of
from logger.store.store import StationSpan, Store
from logger.store.tables import FREQUENT
from tests.fixtures_brokers import OTHER_STATION, STATION
from tests.fixtures_postgres import PostgresServer
from tests.logger.making import chain


def test_a_chain_is_stored_and_its_span_told(store: Store) -> None:
    entries = chain(5)
    assert store.span(STATION) == StationSpan(STATION, 0, GENESIS)
    result = store.append(entries, seen_utc_us=1)
    assert (result.stored, result.duplicates, result.gap, result.conflict) == (5, 0, False, None)
    assert result.span == store.span(STATION) == StationSpan(STATION, 5, entries[4].hash)
    assert list(store.entries(STATION)) == entries
    assert list(store.entries(STATION, after=3)) == entries[3:]


def test_stations_do_not_mix(store: Store) -> None:
    mine, theirs = chain(3), chain(4, station=OTHER_STATION)
    store.append(mine, seen_utc_us=1)
    store.append(theirs, seen_utc_us=1)
    assert store.stations() == [StationSpan(STATION, 3, mine[-1].hash), StationSpan(OTHER_STATION, 4, theirs[-1].hash)]
    assert list(store.entries(OTHER_STATION)) == theirs


def test_what_overlaps_is_taken_where_it_is_new(store: Store) -> None:
    entries = chain(10)
    store.append(entries[:6], seen_utc_us=1)
    result = store.append(entries[3:], seen_utc_us=1)
    assert (result.stored, result.duplicates, result.span.contiguous) == (4, 3, 10)
    assert list(store.entries(STATION)) == entries


def test_a_gap_is_not_taken(store: Store) -> None:
    entries = chain(10)
    store.append(entries[:2], seen_utc_us=1)
    result = store.append(entries[3:], seen_utc_us=1)
    assert (result.gap, result.stored, result.span.contiguous) == (True, 0, 2)


def test_other_content_under_a_known_sequence_is_refused_and_kept_as_evidence(store: Store) -> None:
    entries, forged = chain(4), chain(6, salt=" ")
    store.append(entries, seen_utc_us=1)
    for _again in range(2):
        result = store.append(forged, seen_utc_us=2)
        assert result.conflict is not None
        assert (result.conflict.sequence, result.stored, result.span.contiguous) == (1, 0, 4)
    assert list(store.entries(STATION)) == entries
    (kept,) = store.conflicts(STATION)
    assert (kept.sequence, kept.hash, kept.seen_utc_us) == (1, forged[0].hash, 2)


def test_a_chain_that_branches_off_behind_what_is_stored_is_refused(store: Store) -> None:
    entries = chain(4)
    store.append(entries, seen_utc_us=1)
    branch = chain(3, after=chain(4, salt=" ")[-1])
    result = store.append(branch, seen_utc_us=2)
    assert result.conflict is not None
    assert result.conflict.sequence == 5
    assert "does not follow" in result.conflict.reason


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 19), st.integers(1, 8), st.booleans()), max_size=25))
def test_whatever_comes_the_store_holds_an_unbroken_beginning_of_the_chain(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[int, int, bool]]
) -> None:
    store = Store.open(tmp_path_factory.mktemp("any") / "store.db")
    good, forged = chain(20), chain(20, salt=" ")
    taken_from_forged = False
    for start, length, forge in batches:
        result = store.append((forged if forge else good)[start : start + length], seen_utc_us=1)
        taken_from_forged |= forge and result.stored > 0
    stored = list(store.entries(STATION))
    assert stored in (good[: len(stored)], forged[: len(stored)])
    assert verify_store(store, STATION).verdict == "intact"
    assert store.span(STATION).contiguous == len(stored)
    store.close()


def test_a_store_is_reopened_as_it_was(store_place: str) -> None:
    entries = chain(3)
    first = Store.open(store_place)
    first.append(entries, seen_utc_us=1)
    first.close()
    second = Store.open(store_place)
    assert list(second.entries(STATION)) == entries
    second.close()
    reading = Store.open_to_read(store_place)
    assert list(reading.entries(STATION)) == entries
    reading.close()


def test_a_file_is_opened_by_its_url_too(tmp_path: Path) -> None:
    Store.open(tmp_path / "a store?.db").close()
    Store.open(f"sqlite:///{tmp_path / 'store.db'}").close()
    assert {path.name for path in tmp_path.iterdir()} == {"a store?.db", "store.db"}


def test_what_was_opened_to_read_is_not_written(store: Store, store_place: str) -> None:
    reading = Store.open_to_read(store_place)
    with pytest.raises(StoreUnwritable):
        reading.append(chain(1), seen_utc_us=1)
    reading.close()
    assert store.stations() == []


def test_two_recorders_of_one_store_store_nothing_twice(store: Store, store_place: str) -> None:
    """Each gets every batch, at the same time, as after a broker's hand-over."""
    entries = chain(200)
    batches = [entries[start : start + 10] for start in range(0, 200, 10)]
    other = Store.open(store_place)
    with ThreadPoolExecutor(2) as threads:
        for batch in batches:
            results = list(threads.map(lambda one, batch=batch: one.append(batch, seen_utc_us=1), (store, other)))
            assert sorted(result.stored for result in results) == [0, 10]
    other.close()
    assert list(store.entries(STATION)) == entries


def test_odd_but_lawful_entries_come_back_as_they_were(store: Store) -> None:
    """The ends of every field's range; the body is bytes, whatever they are."""
    entries: list[Entry] = []
    previous = GENESIS
    bodies = [b"", b"\x00\xff\x00", "µ – 漢 🦔 \ufeff".encode(), b"\\x41 %s :name ' \" ?"]
    for number, (body, time_us) in enumerate(itertools.product(bodies, (-(2**63), 0, 2**63 - 1)), 1):
        fields = (number, time_us, -time_us - 1, "s 漢 '%s", "type:name", 2**32 - 1, body)
        digest = entry_hash(STATION.encode(), previous, *fields)
        entries.append(Entry(STATION, *fields, previous, digest))
        previous = digest
    store.append(entries, seen_utc_us=1)
    assert list(store.entries(STATION)) == entries
    assert list(store.session_entries("s 漢 '%s")) == entries


NAMES = ["Room-1", "room-1", "room-10", "room-2", "room_1", "salle-é", "z", "ä"]


def test_stations_are_listed_by_the_bytes_of_their_names(store: Store) -> None:
    for name in reversed(NAMES):
        store.append(chain(1, station=name), seen_utc_us=1)
    assert [span.station for span in store.stations()] == sorted(NAMES, key=str.encode)


@pytest.mark.system
def test_the_language_of_a_server_does_not_change_that(postgres: PostgresServer) -> None:
    name = postgres.new_database("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'")
    with postgres.connect(name) as connection:
        assert connection.execute("SELECT 'Z' < 'a'").fetchone() == (False,)
    store = Store.open(postgres.url(name))
    test_stations_are_listed_by_the_bytes_of_their_names(store)
    store.close()
    postgres.drop(name)


@pytest.fixture
def locked(store_place: str, store: Store) -> Iterator[None]:
    """Somebody else holds the store's write lock, for longer than anybody waits for it."""
    sqlite = "://" not in store_place
    with store._engine.connect() as own:  # goes back to the pool, and is the one that is used next
        own.exec_driver_sql("PRAGMA busy_timeout = 50" if sqlite else "SET lock_timeout = '50ms'")
        own.commit()
    engine = engine_to_write(url_of(store_place))
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        if not sqlite:
            connection.exec_driver_sql("LOCK TABLE entries IN EXCLUSIVE MODE")
        yield
    engine.dispose()


def test_a_store_that_cannot_be_written_gives_no_receipt(store: Store, locked: None) -> None:
    with pytest.raises(StoreUnwritable, match="no receipt is given"):
        store.append(chain(2), seen_utc_us=1)
    assert store.span(STATION).contiguous == 0


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database " * 100)
    with pytest.raises(StoreUnusable, match="cannot be opened"):
        Store.open(text)
    with pytest.raises(StoreUnusable):
        Store.open(tmp_path / "no folder" / "store.db")
    with pytest.raises(StoreUnusable):
        Store.open("nonsense://somewhere")


def test_a_store_of_another_format_is_refused(store_place: str) -> None:
    store = Store.open(store_place)
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE about SET format = 99")
    store.close()
    for opens in (Store.open, Store.open_to_read):
        with pytest.raises(StoreUnusable, match="format 99"):
            opens(store_place)


def test_entries_of_some_types_are_those_in_order_also_the_frequent_one(store: Store) -> None:
    names = [FREQUENT if number % 3 else "pen_armed" for number in range(700)] + ["session_closed"]
    entries, previous = [], GENESIS
    for number, name in enumerate(names, 1):
        fields = (number, number, number, "s", name, 1, b"{}")
        entries.append(Entry(STATION, *fields, previous, entry_hash(STATION.encode(), previous, *fields)))
        previous = entries[-1].hash
    store.append(entries, seen_utc_us=1)
    for types in (("pen_armed",), ("pen_armed", "session_closed"), (FREQUENT, "pen_armed"), ("health_read",)):
        for after in (0, 400):
            found = list(store.entries_of(types, {STATION: after}))
            assert found == [entry for entry in entries[after:] if entry.type in types]


def test_what_is_told_is_found_without_reading_the_frequent_entries(tmp_path: Path) -> None:
    """By the index alone: SQLite says how it would do it, with and without the frequent type."""
    store, asked = Store.open(tmp_path / "store.db"), []

    def note(_connection: object, _cursor: object, sql: str, given: object, *_more: object) -> None:
        asked.append((sql, given))

    store.append(chain(3), seen_utc_us=1)
    event.listen(Engine, "before_cursor_execute", note)
    try:
        for types in (("pen_armed",), ("pen_armed", FREQUENT)):
            list(store.entries_of(types))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        store.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as database:
        plans = [
            str(database.execute(f"EXPLAIN QUERY PLAN {sql}", given).fetchall())
            for sql, given in asked
            if "entries.type IN" in sql
        ]
    assert ["INDEX entries_told" in plan for plan in plans] == [True, False]
