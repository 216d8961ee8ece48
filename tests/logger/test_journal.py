"""The journal: order, durability, one writer, readers beside it, and what it says when it cannot write."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing as closing_
from pathlib import Path

import pytest

from controller.events import SessionClosed
from logger.errors import (
    JournalBusy,
    JournalClosed,
    JournalDamaged,
    JournalFull,
    JournalUnusable,
    JournalUnwritable,
    TopicError,
)
from logger.journal.entry import first_hash
from logger.journal.journal import Journal
from logger.journal.reader import JournalReader
from logger.journal.writer import JournalLimits
from logger.proof.verify import verify_journal
from tests.fixtures_brokers import STATION
from tests.logger.conftest import OpenJournal
from tests.logger.making import START, closed, grouped, opened, safety


async def test_what_is_emitted_is_read_back_in_order_with_its_times(open_journal: OpenJournal) -> None:
    journal = open_journal()
    events = [opened(), *(grouped(number) for number in range(50)), safety(1), closed()]
    for event in events:
        journal.emit(event, session="s-1")
    await journal.flush()
    entries = journal.reader.read(0, 1000)
    assert [entry.event() for entry in entries] == [*events[:-1], closed().model_copy(update={"entries": len(events)})]
    assert [entry.sequence for entry in entries] == list(range(1, len(events) + 1))
    assert [entry.monotonic_ms for entry in entries] == list(range(1, len(events) + 1))
    assert entries[0].utc_us == int(START.timestamp()) * 1_000_000
    assert {entry.session for entry in entries} == {"s-1"}
    assert all(entry.computed_hash() == entry.hash for entry in entries)
    assert [entry.previous for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]


async def test_the_chain_goes_on_after_reopening(open_journal: OpenJournal) -> None:
    first = open_journal()
    first.emit(safety(1), session=None)
    await first.close()
    second = open_journal()
    second.emit(safety(2), session=None)
    await second.flush()
    one, two = second.reader.read(0, 10)
    assert (one.sequence, two.sequence, two.previous) == (1, 2, one.hash)


async def test_a_safety_row_is_on_the_disk_at_once_and_takes_those_before_it_along(
    open_journal: OpenJournal, journal_path: Path
) -> None:
    journal = open_journal(limits=JournalLimits(min_free_bytes=0, group_ms=60_000))
    journal.emit(grouped(1), session=None)
    journal.emit(safety(2), session=None)
    async with asyncio.timeout(5):
        assert await journal.wait_committed(1) == 2
    reader = JournalReader(journal_path)
    assert [entry.type for entry in reader.entries()] == ["setpoint_changed", "refused"]
    reader.close()


async def test_other_rows_are_grouped_and_reach_the_disk_by_themselves(open_journal: OpenJournal) -> None:
    journal = open_journal(limits=JournalLimits(min_free_bytes=0, group_ms=20))
    journal.emit(grouped(1), session=None)
    async with asyncio.timeout(5):
        assert await journal.wait_committed(0) == 1


async def test_flush_of_an_idle_journal_returns(open_journal: OpenJournal) -> None:
    journal = open_journal()
    await journal.flush()
    assert journal.committed == 0
    assert journal.problem() is None


async def test_threads_emit_without_loss_or_mixing(open_journal: OpenJournal) -> None:
    journal = open_journal()

    def emit(name: str) -> None:
        for number in range(200):
            journal.emit(grouped(number), session=name)

    threads = [threading.Thread(target=emit, args=(f"s-{index}",)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    await journal.flush()
    for index in range(4):
        depths = [entry.event().depth_commanded_um for entry in journal.reader.session_entries(f"s-{index}")]  # type: ignore[union-attr]
        assert depths == list(range(200))


async def test_another_process_reads_while_the_station_writes(open_journal: OpenJournal, journal_path: Path) -> None:
    journal = open_journal()
    journal.emit(opened(), session="s-1")
    await journal.flush()
    code = (
        "import sys; from pathlib import Path; from logger.journal.reader import JournalReader\n"
        "reader = JournalReader(Path(sys.argv[1]))\n"
        "print(reader.station, [s.session for s in reader.sessions()], reader.open_sessions()); reader.close()"
    )
    run = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, str(journal_path)], capture_output=True, text=True, timeout=15
    )
    assert run.stdout.strip() == "room-1 ['s-1'] ['s-1']", run.stderr


async def test_sessions_are_listed_with_their_ends(open_journal: OpenJournal) -> None:
    journal = open_journal()
    journal.emit(safety(0), session=None)
    journal.emit(opened(), session="s-1")
    journal.emit(opened(), session="s-2")
    journal.emit(closed(), session="s-1")
    journal.emit(grouped(1), session="s-1")
    await journal.flush()
    first, second = journal.reader.sessions()
    assert (first.session, first.first, first.last, first.closed) == ("s-1", 2, 5, True)
    assert (second.session, second.first, second.last, second.closed) == ("s-2", 3, 3, False)
    assert journal.reader.open_sessions() == ["s-2"]
    assert [entry.sequence for entry in journal.reader.session_entries("s-1")] == [2, 4, 5]
    assert list(journal.reader.session_entries("s-3")) == []


async def test_a_read_ends_before_too_many_bytes_but_never_empty(open_journal: OpenJournal) -> None:
    journal = open_journal()
    for number in range(10):
        journal.emit(grouped(number), session=None)
    await journal.flush()
    size = len((journal.reader.read(0, 1))[0].body)
    assert len(journal.reader.read(0, 10, max_bytes=3 * size + 10)) == 3
    assert len(journal.reader.read(0, 10, max_bytes=1)) == 1
    assert journal.reader.read(10, 10) == []


async def test_the_cursor_survives_and_moves_both_ways_but_not_beyond_the_disk(open_journal: OpenJournal) -> None:
    journal = open_journal()
    for number in range(5):
        journal.emit(safety(number), session=None)
    await journal.flush()
    journal.acknowledge(9)
    assert journal.acknowledged == 5
    journal.acknowledge(3)
    await journal.close()
    assert open_journal().acknowledged == 3


async def test_a_second_writer_is_told_who_has_the_journal(open_journal: OpenJournal, journal_path: Path) -> None:
    open_journal()
    with pytest.raises(JournalBusy, match="a station already runs here") as caught:
        open_journal()
    assert caught.value.owner_pid is not None
    code = (
        "import sys\nfrom datetime import datetime, UTC\nfrom pathlib import Path\n"
        "from logger.journal.journal import Journal\n"
        "Journal(Path(sys.argv[1]), station='room-1', utc_now=lambda: datetime.now(UTC), monotonic_ms=lambda: 0)"
    )
    run = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, str(journal_path)], capture_output=True, text=True, timeout=15
    )
    assert run.returncode != 0
    assert "JournalBusy" in run.stderr


async def test_a_journal_has_one_station(open_journal: OpenJournal) -> None:
    await open_journal().close()
    with pytest.raises(JournalUnusable, match="belongs to station room-1"):
        open_journal(station="room-9")
    open_journal()  # the refused one has let go of it


@pytest.mark.parametrize("name", ["", "a/b", "a+b", "#", "$SYS", "ä", "a" * 64])
async def test_a_station_needs_a_name_that_can_stand_in_a_topic(open_journal: OpenJournal, name: str) -> None:
    with pytest.raises(TopicError):
        open_journal(station=name)


async def test_what_is_no_journal_is_left_alone(open_journal: OpenJournal, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, and long enough to be looked at by SQLite: " * 20)
    before = text.read_bytes()
    with pytest.raises(JournalUnusable):
        open_journal(text)
    assert text.read_bytes() == before
    with pytest.raises(JournalUnusable, match="no journal at"):
        JournalReader(tmp_path / "absent.db")
    with pytest.raises(JournalUnusable):
        open_journal(tmp_path / "no folder" / "journal.db")


async def test_a_closed_journal_takes_nothing(open_journal: OpenJournal) -> None:
    journal = open_journal()
    journal.emit(grouped(1), session=None)
    await journal.close()
    with pytest.raises(JournalClosed):
        journal.emit(safety(1), session=None)
    assert "closed" in (journal.problem() or "")
    assert [entry.sequence for entry in open_journal().reader.entries()] == [1]


async def test_too_little_free_space_is_a_problem(open_journal: OpenJournal) -> None:
    journal = open_journal(limits=JournalLimits(min_free_bytes=1 << 62))
    assert "are kept for the record" in (journal.problem() or "")


def _lock_out(journal: Journal) -> sqlite3.Connection:
    """Takes the database's write lock, as a foreign program would; the writer waits for it 2 s and then fails."""
    connection = sqlite3.connect(journal.path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that waits for a lock for a moment, not for two seconds."""
    monkeypatch.setattr("logger.journal.file._BUSY_TIMEOUT_MS", 50)


@pytest.mark.usefixtures("impatient")
async def test_a_journal_that_cannot_be_written_says_so_and_catches_up_in_order(open_journal: OpenJournal) -> None:
    journal = open_journal()
    journal.emit(safety(0), session=None)
    await journal.flush()
    connection = _lock_out(journal)
    for number in range(1, 6):
        journal.emit(safety(number), session=None)
    with pytest.raises(JournalUnwritable, match="wait in memory"):
        await journal.flush()
    assert "cannot be written" in (journal.problem() or "")
    journal.emit(grouped(6), session=None)
    connection.execute("ROLLBACK")
    connection.close()
    async with asyncio.timeout(10):
        await journal.wait_committed(6)
    await journal.flush()
    assert journal.problem() is None
    entries = journal.reader.read(0, 100)
    assert [entry.sequence for entry in entries] == list(range(1, 8))
    assert [entry.type for entry in entries] == ["refused"] * 6 + ["setpoint_changed"]


async def test_a_flush_that_the_disk_does_not_answer_has_a_deadline(open_journal: OpenJournal) -> None:
    journal = open_journal(limits=JournalLimits(min_free_bytes=0, flush_deadline_ms=100))
    connection = _lock_out(journal)
    journal.emit(safety(1), session=None)
    with pytest.raises(JournalUnwritable, match="did not reach the disk within"):
        await journal.flush()
    connection.execute("ROLLBACK")
    connection.close()
    async with asyncio.timeout(10):
        await journal.wait_committed(0)


async def test_a_full_queue_keeps_room_for_safety_rows_and_never_loses_in_silence(open_journal: OpenJournal) -> None:
    journal = open_journal(limits=JournalLimits(min_free_bytes=0, retry_ms=20, max_queued_entries=10))
    connection = _lock_out(journal)
    for number in range(8):
        journal.emit(grouped(number), session=None)
    assert "falling behind" in (journal.problem() or "")
    journal.emit(grouped(8), session=None)
    assert journal.lost == 1
    journal.emit(safety(9), session=None)
    assert journal.lost == 1
    journal.emit(safety(10), session=None)
    journal.emit(safety(11), session=None)
    assert journal.lost == 2
    connection.execute("ROLLBACK")
    connection.close()
    async with asyncio.timeout(10):
        assert await journal.wait_committed(9) == 10
    assert "could not be kept" in (journal.problem() or "")
    with pytest.raises(JournalFull):
        await journal.flush()


@pytest.mark.usefixtures("impatient")
async def test_a_journal_that_somebody_else_wrote_to_is_not_appended_to(open_journal: OpenJournal) -> None:
    journal = open_journal()
    journal.emit(safety(1), session=None)
    await journal.flush()
    connection = _lock_out(journal)
    journal.emit(safety(2), session=None)
    with pytest.raises(JournalUnwritable):
        await journal.flush()
    connection.execute("DELETE FROM entries")
    connection.execute("COMMIT")
    connection.close()
    async with asyncio.timeout(10):
        while "somebody else changed it" not in (journal.problem() or ""):
            await _failing_flush(journal)
    with pytest.raises(JournalDamaged):
        await journal.flush()
    with pytest.raises(JournalUnwritable, match="are lost"):
        await journal.close()


async def _failing_flush(journal: Journal) -> None:
    try:
        await journal.flush()
    except (JournalUnwritable, JournalDamaged):
        return


@pytest.mark.parametrize("session", ["", "s" * 201, "sitzung ü", "line\n", "\ud800"])
async def test_a_session_needs_a_name_that_every_part_of_the_record_can_carry(
    open_journal: OpenJournal, session: str
) -> None:
    journal = open_journal()
    with pytest.raises(ValueError, match="printable ASCII"):
        journal.emit(safety(1), session=session)
    await journal.flush()
    assert journal.committed == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_writer_that_ended_by_a_fault_is_told_of(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_journal(limits=JournalLimits(min_free_bytes=0, flush_deadline_ms=200))

    def faulty(*_arguments: object) -> None:
        raise RuntimeError("a fault of the program")

    monkeypatch.setattr(journal._file, "append", faulty)
    journal.emit(safety(1), session=None)
    with pytest.raises(JournalUnwritable):
        await journal.flush()
    assert "its thread ended" in (journal.problem() or "")
    with pytest.raises(JournalUnwritable, match="are lost"):
        await journal.close()


async def test_a_journal_of_before_goes_on_and_is_whole_and_the_version_before_refuses_it(
    open_journal: OpenJournal, journal_path: Path
) -> None:
    journal = open_journal()
    journal.emit(safety(1), session=None)
    await journal.close()
    with closing_(sqlite3.connect(journal_path, isolation_level=None)) as connection:
        sequence, utc_us, monotonic_ms, session, type_, version, previous, _, body = connection.execute(
            "SELECT * FROM entries"
        ).fetchone()
        old = first_hash(STATION.encode(), previous, sequence, utc_us, monotonic_ms, session, type_, version, body)
        connection.execute("UPDATE entries SET hash = ?", (old,))
        connection.execute("UPDATE about SET format = 1")
    assert verify_journal(journal_path).verdict == "intact"
    again = open_journal()
    again.emit(safety(2), session=None)
    await again.close()
    assert verify_journal(journal_path).verdict == "intact"
    with closing_(sqlite3.connect(journal_path)) as connection:
        assert connection.execute("SELECT format FROM about").fetchone() == (2,)


async def test_a_session_s_end_says_how_many_entries_the_session_has(
    open_journal: OpenJournal, journal_path: Path
) -> None:
    journal = open_journal()
    journal.emit(safety(0), session="early")  # before its opening: not counted
    for session in ("early", "s-1", "s-2"):
        journal.emit(opened(), session=session)
    for number in range(7):
        journal.emit(grouped(number), session="s-1")
        journal.emit(grouped(number), session="s-2")
        journal.emit(grouped(number), session=None)
    journal.emit(closed(), session="s-1")
    journal.emit(safety(1), session="s-1")
    journal.emit(closed(), session="never-opened")
    await journal.close()
    again = open_journal()  # as after a crash: s-2 and early are open, and are closed by the next run
    again.emit(grouped(8), session="s-2")
    for session in ("s-2", "early"):
        again.emit(closed(), session=session)
    await again.close()
    with closing_(JournalReader(journal_path)) as reader:
        ends = [entry for entry in reader.entries() if entry.type == "session_closed"]
    said = {entry.session: event.entries for entry in ends if isinstance(event := entry.event(), SessionClosed)}
    assert said == {"s-1": 9, "s-2": 10, "early": 2, "never-opened": None}
    assert verify_journal(journal_path).verdict == "intact"
