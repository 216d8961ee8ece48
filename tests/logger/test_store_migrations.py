"""Tables change from version to version, forwards and back, with what is in them; a later version's are refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect

import logger.store.migrations
from logger.errors import StoreUnusable
from logger.proof.verify import verify_store
from logger.store.place import WRITES, engine_to_write, url_of
from logger.store.schema import FIRST, HEAD, REVISIONS, migrate
from logger.store.store import Store
from logger.store.tables import METADATA
from tests.logger.making import chain, closed, grouped, opened
from tests.logger.test_uses import armed, chained

ENTRIES = chained([("s-1", opened()), ("s-1", armed("C7")), ("s-1", grouped(1)), ("s-1", closed())])


@pytest.fixture
def engine(store_place: str) -> Iterator[Engine]:
    """An engine on an empty database, of each kind in turn."""
    found = engine_to_write(url_of(store_place))
    yield found
    found.dispose()


def migrated(engine: Engine, to: str) -> tuple[str | None, str]:
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        return migrate(connection, "the store", to=to)


def filled(place: str) -> None:
    """A store with a session that used a cartridge, and with an entry that was refused."""
    store = Store.open(place)
    store.append(ENTRIES, seen_utc_us=1)
    store.append(chain(1, salt=" "), seen_utc_us=2)
    store.close()


def stored(connection: Connection) -> list[tuple[Any, ...]]:
    """Everything but projections, as the database has it."""
    return [
        tuple(row)
        for table in ("entries", "conflicts")
        for row in connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY station, sequence")
    ]


def holds_everything(place: str) -> None:
    store = Store.open(place)
    assert list(store.entries("room-1")) == ENTRIES
    assert verify_store(store, "room-1").verdict == "intact"
    assert len(store.conflicts("room-1")) == 1
    assert [used.session for used in store.uses("C7")] == ["s-1"]
    store.close()


def test_the_revisions_are_those_in_the_folder() -> None:
    settings = Config()
    settings.set_main_option("script_location", str(Path(logger.store.migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(settings)
    assert tuple(script.revision for script in reversed(list(scripts.walk_revisions()))) == REVISIONS
    assert scripts.get_current_head() == HEAD == REVISIONS[-1]
    assert REVISIONS[0] == FIRST


def test_the_revisions_lead_to_the_tables_a_new_store_gets(engine: Engine) -> None:
    assert migrated(engine, FIRST) == (None, FIRST)
    assert migrated(engine, HEAD) == (FIRST, HEAD)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
        by_revisions = _collations(connection)
    migrated(engine, FIRST)
    with engine.begin() as connection:
        for table in inspect(connection).get_table_names():
            connection.exec_driver_sql(f"DROP TABLE {table}")
    assert migrated(engine, HEAD) == (None, HEAD)
    with engine.connect() as connection:
        assert _collations(connection) == by_revisions


def _collations(connection: Connection) -> list[tuple[Any, ...]]:
    if connection.dialect.name == "sqlite":
        return []
    found = connection.exec_driver_sql(
        "SELECT table_name, column_name, collation_name FROM information_schema.columns "
        "WHERE table_schema = 'public' ORDER BY 1, 2"
    )
    return [tuple(row) for row in found]


@pytest.mark.parametrize("to", REVISIONS)
def test_there_and_back_everything_is_kept(store_place: str, engine: Engine, to: str) -> None:
    filled(store_place)
    with engine.connect() as connection:
        before = stored(connection)
    migrated(engine, to)
    with engine.connect() as connection:
        assert stored(connection) == before
    assert migrated(engine, HEAD) == (to, HEAD)
    holds_everything(store_place)


@pytest.fixture(params=["without a revision", "before cartridges were noted"])
def old(request: pytest.FixtureRequest, store_place: str, engine: Engine) -> str:
    """A store as versions made it that counted no revisions."""
    filled(store_place)
    migrated(engine, FIRST)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
        if request.param == "before cartridges were noted":
            connection.exec_driver_sql("DROP TABLE cartridge_uses")
    return store_place


def test_a_store_that_carries_no_revision_is_known_and_read_as_it_is(old: str) -> None:
    reading = Store.open_to_read(old)
    assert list(reading.entries("room-1")) == ENTRIES
    reading.close()


def test_a_file_is_brought_up_to_date_when_it_is_opened_and_a_database_when_it_is_asked_for(
    old: str, engine: Engine
) -> None:
    if engine.dialect.name != "sqlite":
        with pytest.raises(StoreUnusable, match=rf"revision {FIRST}, .*needs {HEAD}.*`needlework store migrate`"):
            Store.open(old)
        assert migrated(engine, HEAD) == (FIRST, HEAD)
    holds_everything(old)
    assert migrated(engine, HEAD) == (HEAD, HEAD)


def test_a_migration_that_fails_changes_nothing(old: str, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_connection: Connection) -> None:
        raise RuntimeError("the power went")

    with engine.connect() as connection:
        tables, before = sorted(inspect(connection).get_table_names()), stored(connection)
    with monkeypatch.context() as patch:
        patch.setattr("logger.store.schema.project_again", broken)
        with pytest.raises(RuntimeError, match="the power went"):
            migrated(engine, HEAD)
    with engine.connect() as connection:
        assert sorted(inspect(connection).get_table_names()) == tables
        assert stored(connection) == before


def test_a_later_versions_store_is_refused_and_left_alone(store_place: str, engine: Engine) -> None:
    filled(store_place)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9000'")
    for opens in (Store.open, Store.open_to_read):
        with pytest.raises(StoreUnusable, match=rf"revision 9000.*up to {HEAD}"):
            opens(store_place)
    with pytest.raises(StoreUnusable, match="Nothing was changed"):
        migrated(engine, HEAD)
