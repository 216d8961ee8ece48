"""Is a store whole? The database's own structure, every station's chain, and what is looked up by.

Beside damage it tells of settings under which a receipt promises more than the server keeps.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from logger.errors import StoreUnusable
from logger.proof.findings import counted
from logger.proof.verify import VerifyResult, verify_store
from logger.store.place import cause, engine_to_read, shown, url_of
from logger.store.projections import differences
from logger.store.raw_rows import of_other_kinds
from logger.store.schema import HEAD, revision_of
from logger.store.store import Store
from logger.store.tables import ENTRIES

_MAX_PROBLEMS: Final = 20

_PROMISES: Final = {
    "fsync": "after a power cut the database may be damaged beyond repair",
    "full_page_writes": "after a power cut pages of the database may be torn",
}
"""Settings of a server without which what is committed is not safe on its disk, and what happens then."""

_BY_TABLE: Final = ("enable_seqscan",)
_BY_INDEX: Final = ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan")


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found. ``doubts`` are no damage: what whoever runs the store ought to change."""

    place: str
    kind: str
    revision: str
    stations: tuple[VerifyResult, ...]
    problems: tuple[str, ...]
    doubts: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is damaged."""
        return not self.problems and all(result.verdict == "intact" for result in self.stations)


def check_store(where: str | Path, progress: Callable[[str, int, int], None]) -> Checked:
    """Checks a store, also one that is being written. Raises StoreUnusable when it cannot be read at all."""
    engine = engine_to_read(url_of(where))
    try:
        with closing(Store.open_to_read(where)) as store:
            spans = store.stations()
            total, done, results = sum(span.contiguous for span in spans), 0, []
            for span in spans:
                progress("verifying", done, total)
                results.append(verify_store(store, span.station))
                done += span.contiguous
            progress("verifying", done, total)
        with engine.connect() as connection:
            revision = revision_of(connection, where) or ""
            problems, doubts = _of_database(connection)
            if revision == HEAD:
                problems += differences(connection)
            else:
                doubts.append(f"Its tables are of revision {revision}, this version makes {HEAD}: `needlework store "
                              "migrate` changes them.")  # fmt: skip
        return Checked(shown(where), engine.dialect.name, revision, tuple(results), tuple(problems), tuple(doubts))
    except SQLAlchemyError as error:
        raise StoreUnusable(
            f"The store {shown(where)} cannot be checked: {cause(error)}. Check that it is there, whole, and answers."
        ) from error
    finally:
        engine.dispose()


def _of_database(connection: Connection) -> tuple[list[str], list[str]]:
    if connection.dialect.name == "sqlite":
        found = [str(row[0]) for row in connection.exec_driver_sql(f"PRAGMA integrity_check({_MAX_PROBLEMS})")]
        problems = [f"The database file is not whole: {problem}." for problem in found if problem != "ok"]
        if others := of_other_kinds(connection):
            problems.append(f"Values of a kind that no recorder stores: {counted(others, 'row')}. Somebody wrote into "
                            "the file.")  # fmt: skip
        return problems, []
    doubts = []
    for setting, then in _PROMISES.items():
        if connection.exec_driver_sql(f"SHOW {setting}").scalar() != "on":
            doubts.append(f"The server runs with {setting} = off: {then}, and stations believe that it is safe.")
    if connection.exec_driver_sql("SHOW data_checksums").scalar() != "on":
        doubts.append("The server keeps no checksums of its pages (initdb --data-checksums), so decay on its disk is "
                      "found by the chains alone.")  # fmt: skip
    # By the table and by its index: an index that lost rows hides them from everything that reads in order.
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    counts = []
    for avoided in (_BY_INDEX, _BY_TABLE):
        for way in (*_BY_INDEX, *_BY_TABLE):
            connection.exec_driver_sql(f"SET LOCAL {way} = {'off' if way in avoided else 'on'}")
        counts.append(connection.execute(select(func.count()).select_from(ENTRIES)).scalar())
    if counts[0] != counts[1]:
        return [f"The table of entries has {counts[0]} rows and its index {counts[1]}: REINDEX TABLE entries."], doubts
    return [], doubts
