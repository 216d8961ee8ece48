"""Where a store is, and how it is connected to: an SQLite file or a PostgreSQL database, by one kind of engine.

What differs between the two is here and nowhere else. A database's password is in its URL; what is shown to people is
always :func:`shown`.
"""

import sqlite3
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from logger.errors import StoreUnusable
from logger.sqlite_files import create_private, read_only_uri

WRITES: Final = "needlework_writes"
"""Execution option of a connection that is going to write: with SQLite it waits for its turn when it begins."""

_POSTGRESQL: Final = "postgresql+psycopg"
_SECRETS: Final = ("password", "sslpassword")

_CONNECTING: Final = {
    "application_name": "needlework",
    "connect_timeout": 5,  # seconds; a server that is away is told of before the station wonders about receipts
    "keepalives_idle": 5,  # the system is to give up a server that vanished without a word after about ten seconds
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}
_SESSION: Final = (
    "SET lock_timeout = '3s'",  # whoever locks the tables is told of before the station's receipts are overdue
    "SET statement_timeout = '30s'",  # a batch takes milliseconds
    "SET idle_in_transaction_session_timeout = '60s'",  # a recorder that was stopped in the middle holds up nobody
    # A receipt promises that entries are on the disk. 'local' stays: a standby may lag, if its owner wants that.
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
)


def url_of(where: str | Path) -> URL:
    """The URL of a store: the path of an SQLite file, or `postgresql://…`. Raises StoreUnusable."""
    if isinstance(where, Path) or "://" not in where:
        return URL.create("sqlite", database=str(Path(where).resolve()))
    try:
        url = make_url(where)
    except (ArgumentError, ValueError) as error:
        raise StoreUnusable(
            f"The store {shown(where)} is no URL that can be read. Nothing was opened. Write "
            "postgresql://user:password@host:port/database, with %2F for a / and %40 for an @ in the password."
        ) from error
    scheme = url.drivername
    if scheme in ("postgresql", "postgres", _POSTGRESQL):
        return url.set(drivername=_POSTGRESQL)
    if scheme == "sqlite":
        return url
    raise StoreUnusable(
        f"The store {shown(where)} cannot be opened: {scheme} is no kind of store. Nothing was opened. Name the path "
        "of an SQLite file, or postgresql://user@host/database."
    )


def shown(where: str | Path) -> str:
    """A place as people may read it: without a password."""
    if isinstance(where, Path) or "://" not in where:
        return str(where)
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        return f"{where.partition('://')[0]}://…"
    if url.drivername == _POSTGRESQL:
        url = url.set(drivername="postgresql")  # as it is written; the driver is our choice
    return url.difference_update_query(_SECRETS).render_as_string(hide_password=True)


def engine_to_write(url: URL) -> Engine:
    """An engine whose commits are on the disk. Raises StoreUnusable, SQLAlchemyError."""
    if url.get_backend_name() != "sqlite":
        return _postgresql(url)
    if url.database:
        create_private(Path(url.database))
    engine = create_engine(url)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def engine_to_read(url: URL) -> Engine:
    """An engine that writes nothing, with SQLite not even a file beside it; each transaction sees one moment.

    Raises StoreUnusable, SQLAlchemyError.
    """
    if url.get_backend_name() != "sqlite":
        server = _postgresql(url, isolation_level="REPEATABLE READ")
        event.listen(server, "connect", _read_only)
        return server
    if not url.database:
        return create_engine(url)
    uri = read_only_uri(Path(url.database))
    engine = create_engine(
        url, creator=lambda: sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
    )
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def cause(error: SQLAlchemyError) -> str:
    """The database's own words, in one line, without SQLAlchemy's statement and link, and the question it ends with."""
    return " ".join(str(getattr(error, "orig", None) or error).split()).partition(" Is the server running")[0]


def _postgresql(url: URL, **settings: Any) -> Engine:
    defaults = {name: value for name, value in _CONNECTING.items() if name not in url.query}
    try:
        # Asked before it is used: a pooled connection does not survive a restart of the server.
        engine = create_engine(url, connect_args=defaults, pool_pre_ping=True, **settings)
    except ImportError as error:
        raise StoreUnusable(
            f"The store {shown(url.render_as_string())} cannot be opened: PostgreSQL's driver is not installed here. "
            "Install Needlework with it: pip install 'needlework[postgres]'."
        ) from error
    event.listen(engine, "connect", _set_up_postgresql)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    """FULL, because a receipt promises that the entries are on the disk."""
    connection.isolation_level = None  # the driver begins no transaction by itself: see _begin_sqlite
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Begins in the database too. Left to the driver, tables would be changed outside of any transaction, and a writer
    that read first would not get its turn once somebody else has written."""
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_up_postgresql(connection: Any, _record: object) -> None:
    connection.autocommit = True  # what is set inside a transaction goes with it when it is rolled back
    with connection.cursor() as cursor:
        cursor.execute("; ".join(_SESSION))
    connection.autocommit = False


def _read_only(connection: Any, _record: object) -> None:
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    connection.autocommit = False
