"""Which tables a store has, and which this version of the product needs.

A new store gets today's tables at once; an older one is changed by the revisions in `logger/store/migrations`, in one
transaction, after which the projections are made anew from the entries. Stores of the first version carry no revision:
they are known by their tables.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from logger.errors import StoreUnusable
from logger.store.place import WRITES, cause, engine_to_write, shown, url_of
from logger.store.projections import project_again
from logger.store.tables import ABOUT, METADATA

HEAD: Final = "0005"
"""The newest revision in `logger/store/migrations`; a test holds the two together."""
FIRST: Final = "0001"
"""What a store has that carries no revision."""
REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005")
"""All of them, oldest first: what is not among them was made by a later version."""

_FORMAT: Final = 1
_FIRST_TABLES: Final = {"about", "entries", "conflicts"}
_ALEMBIC: Final = Table("alembic_version", MetaData(), Column("version_num", String(32), nullable=False))
_LOCK: Final = 0x6E65_6564_6C65  # "needle"; who prepares a PostgreSQL store holds it


def revision_of(connection: Connection, where: str | Path) -> str | None:
    """Which tables there are; None in an empty database.

    Raises StoreUnusable for what is no store or a later version's, SQLAlchemyError.
    """
    tables = set(inspect(connection).get_table_names())
    if not tables & {*METADATA.tables, _ALEMBIC.name}:
        return None
    if not tables >= _FIRST_TABLES:  # a journal has tables `about` and `entries` too
        raise StoreUnusable(
            f"The store {shown(where)} cannot be used: the database holds something else. Nothing was changed. Check "
            "that it is a recorder's store, whole, and name an empty database for a new one."
        )
    found = connection.execute(select(ABOUT.c.format)).scalar()
    if found != _FORMAT:
        raise StoreUnusable(
            f"The store {shown(where)} has format {found}, this version reads format {_FORMAT}. Use the version that "
            "wrote it."
        )
    if _ALEMBIC.name not in tables:
        return FIRST
    revision = connection.execute(select(_ALEMBIC.c.version_num)).scalar()
    if revision is None:
        return FIRST
    if revision not in REVISIONS:
        raise StoreUnusable(
            f"The store {shown(where)} has tables of revision {revision}; this version of Needlework knows those up to "
            f"{HEAD}. Nothing was changed, and the stations keep their records meanwhile. Use the version that made "
            "them, or a later one."
        )
    return str(revision)


def create(connection: Connection) -> None:
    """Makes today's tables in an empty database. Raises SQLAlchemyError."""
    METADATA.create_all(connection)
    _ALEMBIC.create(connection)
    connection.execute(insert(ABOUT).values(format=_FORMAT))
    connection.execute(insert(_ALEMBIC).values(version_num=HEAD))


def migrate(connection: Connection, where: str | Path, *, to: str = HEAD) -> tuple[str | None, str]:
    """Changes the tables to revision ``to``, or makes them; says which they had before and have now.

    What is made from the entries is made anew. Part of the connection's transaction: all of it happens, or nothing.
    Raises StoreUnusable, SQLAlchemyError.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # a large store takes its time
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    before = revision_of(connection, where)  # asked when nobody else can change it any more
    if before is None and to == HEAD:
        create(connection)
    elif before != to:
        _by_revisions(connection, before, to)
    if before is not None and to == HEAD:
        project_again(connection)
    return before, to


def migrate_store(where: str | Path) -> tuple[str | None, str]:
    """Gives the store that is there today's tables, and makes anew what is made from the entries.

    Says which revision it had and has. Raises StoreUnusable.
    """
    engine = engine_to_write(url_of(where))
    try:
        with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
            return migrate(connection, where)
    except SQLAlchemyError as error:
        raise StoreUnusable(
            f"The store {shown(where)} cannot be changed: {cause(error)}. It is as it was. End the recorders that use "
            "it, and check that this user may change its tables."
        ) from error
    finally:
        engine.dispose()


def _by_revisions(connection: Connection, before: str | None, to: str) -> None:
    from alembic import command  # noqa: PLC0415 0.2 s that an up-to-date store does not need
    from alembic.config import Config  # noqa: PLC0415 as above

    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    settings.attributes["connection"] = connection
    if before is not None and REVISIONS.index(to) < REVISIONS.index(before):
        command.downgrade(settings, to)
    else:
        command.upgrade(settings, to)
