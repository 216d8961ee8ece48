"""A connection that reads a store, whose errors say what they mean."""

from contextlib import suppress

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from logger.errors import StoreUnusable
from logger.store.place import cause


class Reading:
    """For one transaction. Entering and leaving raise StoreUnusable for whatever the database says."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self._where = where

    def __enter__(self) -> Connection:
        try:
            self._connection = self._engine.connect()
        except SQLAlchemyError as error:
            raise self._unusable(error) from error
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        with suppress(SQLAlchemyError):  # cut while it is given back: the pool forgets it, and what was read is read
            self._connection.close()
        if isinstance(error, SQLAlchemyError):
            raise self._unusable(error) from error

    def _unusable(self, error: SQLAlchemyError) -> StoreUnusable:
        return StoreUnusable(
            f"The store {self._where} cannot be read: {cause(error)}. Check that it is there and whole."
        )
