"""How a store is named: what is understood, what is refused, and that no password is ever shown."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from logger.errors import StoreUnusable
from logger.store.place import cause, shown, url_of
from logger.store.store import Store
from tests.fixtures_postgres import PASSWORD, PostgresServer


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_one_driver_whatever_the_scheme(scheme: str) -> None:
    assert url_of(f"{scheme}://needlework@records.example/store").drivername == "postgresql+psycopg"


def test_a_place_is_shown_as_people_write_it_and_its_servers_words_end_in_no_question() -> None:
    assert shown("postgresql+psycopg://clinic@records.example/store") == "postgresql://clinic@records.example/store"
    asked = SQLAlchemyError("connection refused Is the server running on that host and accepting connections?")
    assert cause(asked) == "connection refused"


@pytest.mark.parametrize(
    "place",
    [
        "postgresql://clinic:secret@records.example:5432/store",
        "postgresql://records.example/store?user=clinic&password=secret&sslpassword=secret",
        "postgresql://clinic:secret@records.example:port/store",
        "mysql://clinic:secret@records.example/store",
        "postgresql+psycopg2://clinic:secret@records.example/store",
        "nonsense://clinic:secret@[",
    ],
)
def test_no_password_is_shown(place: str) -> None:
    assert "secret" not in shown(place)
    with suppress(StoreUnusable):
        assert "secret" not in str(url_of(place).difference_update_query(("password", "sslpassword")))
        return
    with pytest.raises(StoreUnusable) as refused:
        url_of(place)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("place", ["mysql://records.example/store", "postgresql+asyncpg://x/y", "nonsense://somewhere"])
@pytest.mark.parametrize("opens", [Store.open, Store.open_to_read])
def test_what_is_no_store_is_refused_by_its_name(place: str, opens: object) -> None:
    with pytest.raises(StoreUnusable, match="no kind of store"):
        opens(place)  # type: ignore[operator]


@pytest.mark.parametrize("opens", [Store.open, Store.open_to_read])
def test_without_its_driver_one_sentence_says_what_to_install(opens: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # what Python does with a package that is not there
    with pytest.raises(StoreUnusable, match=r"pip install 'needlework\[postgres\]'") as told:
        opens("postgresql://clinic:secret@records.example/store")  # type: ignore[operator]
    assert "secret" not in str(told.value)


@pytest.mark.system
@pytest.mark.parametrize("opens", [Store.open, Store.open_to_read])
def test_a_server_that_does_not_let_us_in_is_told_without_the_password(
    postgres: PostgresServer, opens: object, tmp_path: Path
) -> None:
    wrong = postgres.url().replace("s3cret", "wr0ng")
    for place in (wrong, postgres.url("no_such_database"), postgres.url().replace(str(postgres.port), "1")):
        with pytest.raises(StoreUnusable, match=r"postgresql://recorder:\*\*\*@127") as told:
            opens(place)  # type: ignore[operator]
        assert "wr0ng" not in str(told.value)
        assert PASSWORD not in str(told.value)
        assert "\n" not in str(told.value)


@pytest.mark.system
def test_an_empty_database_is_not_read(postgres_place: str) -> None:
    with pytest.raises(StoreUnusable, match="the database is empty"):
        Store.open_to_read(postgres_place)


@pytest.mark.system
def test_a_database_of_something_else_is_left_alone(postgres: PostgresServer, postgres_place: str) -> None:
    database = postgres_place.rpartition("/")[2]
    with postgres.connect(database) as connection:
        connection.execute("CREATE TABLE about (station text)")
        for opens in (Store.open, Store.open_to_read):
            with pytest.raises(StoreUnusable, match="holds something else"):
                opens(postgres_place)
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (1,)


@pytest.mark.system
def test_what_a_receipt_promises_is_asked_of_the_server(postgres_place: str, postgres: PostgresServer) -> None:
    """A server set up to answer before it has written is told to write first, for us."""
    database = postgres_place.rpartition("/")[2]
    with postgres.connect() as connection:
        connection.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
    store = Store.open(postgres_place)
    with store._engine.connect() as own:
        assert own.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
        assert own.exec_driver_sql("SHOW lock_timeout").scalar() == "3s"
    store.close()
