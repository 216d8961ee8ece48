"""From a lot, a pen, an operator or a time to sessions: the same from journal and store, however it came in."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Executable, delete, event, insert, select, update

from controller.events import Event, PenConnected
from controller.units import Micrometres, Millihertz
from logger.journal.entry import Entry
from logger.journal.reader import JournalReader
from logger.record.lookback import MAX_TEXT, Asked, SessionUsed, sessions_used
from logger.store.place import WRITES
from logger.store.projections import PROJECTIONS, differences, project_again
from logger.store.store import Store
from tests.logger.making import closed, grouped, opened
from tests.logger.test_pens import part, quarantined, released
from tests.logger.test_uses import armed, chained

Told = tuple[str | None, Event]


def connected(pen: str, serial: str) -> Told:
    """A pen that answers to a name."""
    return None, PenConnected(
        pen=pen, url="serial:///dev/ttyACM0", model="NW-1", serial=serial, firmware="1.0", boot_id=1, capabilities=(),
        depth_max_um=Micrometres(2500), depth_step_um=Micrometres(10), rate_max_mhz=Millihertz(150_000),
        rate_step_mhz=Millihertz(100), dead_man_ms=300, retract_ms=100,
    )  # fmt: skip


def begun(session: str, *, pen: str = "pen-1", operator: str = "op-1", patient: str = "p-1") -> Told:
    """A session's beginning."""
    return session, opened().model_copy(update={"pen": pen, "operator": operator, "patient": patient})


DAY: list[Told] = [
    connected("pen-1", "N-001"),
    connected("pen-2", "N-002"),
    begun("s-1"),
    ("s-1", armed("C1", lot="L1")),
    ("s-1", grouped(1)),
    ("s-1", closed()),
    begun("s-2", pen="pen-2", operator="op-2", patient="p-2"),
    ("s-2", armed("C2", lot="L1")),
    connected("pen-2", "N-003"),  # exchanged in the middle
    ("s-2", armed("C3", lot="L2")),
    ("s-2", closed()),
    begun("s-3", operator="op-2"),  # prepared, never armed, never closed
]


OF_PENS: list[Event] = [quarantined(), released("q-1"), part("motor", "L1")]


def fill(store: Store, entries: Sequence[Entry], sizes: Sequence[int] = (500,)) -> None:
    """Appends in batches of these sizes, again and again."""
    start = 0
    while start < len(entries):
        for size in sizes:
            if batch := entries[start : start + size]:
                store.append(batch, seen_utc_us=0)
            start += size


def names(found: list[SessionUsed]) -> list[str]:
    return [session.session for session in found]


@pytest.mark.parametrize(
    ("asked", "sessions"),
    [
        (Asked(lot="L1"), ["s-1", "s-2"]),
        (Asked(lot="L2"), ["s-2"]),
        (Asked(lot="l1"), []),
        (Asked(pen="pen-2"), ["s-2"]),
        (Asked(pen="N-001"), ["s-1"]),
        (Asked(pen="N-002"), ["s-2"]),
        (Asked(pen="N-003"), ["s-2"]),
        (Asked(operator="op-2"), ["s-2", "s-3"]),
        (Asked(operator="op-2", lot="L1"), ["s-2"]),
        (Asked(since_utc_us=6_000_000, until_utc_us=7_000_000), ["s-1"]),
        (Asked(since_utc_us=6_000_001, until_utc_us=7_000_001), ["s-2"]),
        (Asked(since_utc_us=12_000_001), []),
        (Asked(), ["s-1", "s-2", "s-3"]),
    ],
)
def test_what_is_found(store: Store, asked: Asked, sessions: list[str]) -> None:
    fill(store, chained(DAY))
    assert names(store.look_back(asked)) == sessions
    assert [session.session for session in sessions_used(chained(DAY)) if session.fits(asked)] == sessions


def test_what_is_told_of_a_session(store: Store) -> None:
    fill(store, chained(DAY), sizes=(1,))
    (session,) = store.look_back(Asked(lot="L2"))
    assert (session.patient, session.operator, session.pen, session.outcome) == ("p-2", "op-2", "pen-2", "completed")
    assert (session.opened_utc_us, session.closed_utc_us) == (7_000_000, 11_000_000)
    assert [(use.lot, use.serial, use.pen_serial) for use in session.uses] == [
        ("L1", "C2", "N-002"),
        ("L2", "C3", "N-003"),
    ]


def test_stations_whose_pens_have_the_same_name_are_kept_apart(store: Store) -> None:
    for number, station in enumerate(("room-1", "room-2"), 1):
        day = [connected("pen-1", f"N-{number}"), begun(f"s-{number}"), (f"s-{number}", armed("C1"))]
        fill(store, chained(day, station), sizes=(1,))
    assert names(store.look_back(Asked(pen="N-2"))) == ["s-2"]
    assert names(store.look_back(Asked(pen="pen-1"))) == ["s-1", "s-2"]


TOLD = st.one_of(
    st.builds(connected, st.sampled_from(["pen-1", "pen-2"]), st.sampled_from(["N-1", "N-2", ""])),
    st.builds(begun, st.sampled_from(["s-1", "s-2"]), pen=st.sampled_from(["pen-1", "pen-2"])),
    st.builds(
        lambda session, lot: (session, armed("C1", lot=lot)), st.sampled_from(["s-1", "s-2"]), st.text(max_size=3)
    ),
    st.builds(lambda session: (session, closed()), st.sampled_from(["s-1", "s-2"])),
    st.builds(lambda session: (session, grouped(1)), st.sampled_from(["s-1", None])),
)


@settings(max_examples=25)
@given(st.lists(TOLD, max_size=20), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_however_it_came_in_store_and_journal_answer_alike(
    tmp_path_factory: pytest.TempPathFactory, told: list[Told], sizes: list[int]
) -> None:
    """Also what no station journals: a session closed before it was opened, opened twice, armed without a pen."""
    entries = chained(told)
    store = Store.open(tmp_path_factory.mktemp("any") / "store.db")
    fill(store, entries, sizes)
    found = store.look_back(Asked())
    assert found == sessions_used(entries)
    with store._engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        assert differences(connection) == []
        project_again(connection)
    assert store.look_back(Asked()) == found
    store.close()


@pytest.mark.parametrize("lot", ["L" * 10_000, "\0", "L1' OR 1=1 --", "\ud7ff漢"])
def test_no_text_of_a_cartridge_keeps_the_record_from_being_stored(store: Store, lot: str) -> None:
    """An index takes no long row and PostgreSQL no zero byte: what is looked up is cut, the entry is as it was."""
    entries = chained([connected("pen-1", lot), begun("s-1", operator=lot), ("s-1", armed(lot, lot=lot))])
    fill(store, entries)
    assert list(store.entries("room-1")) == entries
    for asked in (Asked(lot=lot), Asked(operator=lot), Asked(pen=lot)):
        assert names(store.look_back(asked)) == ["s-1"]
    assert len(store.look_back(Asked())[0].uses[0].lot) <= MAX_TEXT


def test_a_journal_answers_by_reading(pristine: Path) -> None:
    reader = JournalReader(pristine)
    (session,) = reader.look_back(Asked(operator="op-2"))
    assert (session.session, session.patient, session.uses) == ("s-1", "p-7f3a", ())
    assert reader.look_back(Asked(lot="L1")) == []
    reader.close()


def test_a_store_answers_without_going_through_the_entries(store: Store) -> None:
    fill(store, chained(DAY))
    statements: list[str] = []
    event.listen(store._engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    for asked in (Asked(lot="L1"), Asked(pen="N-003"), Asked(operator="op-2"), Asked(since_utc_us=1, until_utc_us=9)):
        store.look_back(asked)
    reads = [one for one in statements if one.startswith("SELECT")]
    assert len(reads) == 8
    assert not [one for one in reads if "entries" in one]


def test_a_check_compares_every_column_of_every_row(store: Store) -> None:
    fill(store, chained([*DAY, *((None, told) for told in OF_PENS)]), (3, 1))
    with store._engine.connect().execution_options(**{WRITES: True}) as connection:
        with connection.begin():
            assert differences(connection) == []
        for table, what in zip(
            PROJECTIONS, ("cartridges used", "sessions", "pens", "quarantines, repairs and certificates"), strict=True
        ):
            with connection.begin():
                rows = [dict(row._mapping) for row in connection.execute(select(table))]
            assert len(rows) > 2
            for row in rows:
                this = [table.c[column.name] == row[column.name] for column in table.primary_key]
                another = {name: another_than(value, table.c[name].type) for name, value in row.items()}
                changes: list[Executable] = [
                    *(update(table).where(*this).values({name: value}) for name, value in another.items()),
                    delete(table).where(*this),
                    insert(table).values(row | {"station": "room-9"}),
                ]
                for change in changes:
                    with connection.begin() as transaction:
                        connection.execute(change)
                        found = differences(connection)
                        transaction.rollback()
                    assert len(found) == 1, change
                    assert f"looked up of {what} is not" in found[0]


def another_than(value: object, kind: object) -> object:
    """A value that the column can have too."""
    if value is None:
        return 7 if isinstance(kind, BigInteger) else "completed"
    return value + 1000 if isinstance(value, int) else f"{value}-"
