"""The site's memory: what is told twice is kept once, what was not told is found in the journal."""

import asyncio
import sqlite3
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.events import SessionClosed, SessionOpened, TreatmentStarted, ZoneDose
from controller.history import Approval, ClosedSession, OpenedSession, ZoneVisit, approval_for
from controller.ports import MemoryUnavailable
from controller.units import Micrometres, Millihertz
from logger.journal.journal import Journal
from station.site.history import HistoryKeeper, SiteHistory, keep_what_is_recorded
from station.site.history_file import HistoryFile
from tests.station.conftest import OPERATOR, House

TODAY = date(2026, 6, 1)
DOSE = ZoneDose(zone="cheek", treated_ms=9000, strokes=900, punctures=None, depth_measured_max_um=480,
                depth_measured_mean_um=450, rate_measured_mean_mhz=99_000)  # fmt: skip
ZONE = ZoneVisit(zone="cheek", depth_commanded_um=Micrometres(500), rate_commanded_mhz=Millihertz(100_000),
                 treated_ms=9000, strokes=900)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


@pytest.fixture
def file(path: Path) -> Iterator[HistoryFile]:
    opened_ = HistoryFile(path)
    yield opened_
    opened_.close()


def opened(session: str, on: date = TODAY, **changes: object) -> OpenedSession:
    fields = {"session": session, "patient": "P-1", "operator": "az-1", "on": on, "protocol": "face", "skin": "thin"}
    return OpenedSession.model_validate({**fields, **changes})


def closed(**changes: object) -> ClosedSession:
    return ClosedSession.model_validate({"outcome": "completed", "zones": (ZONE,), "doses": (DOSE,), **changes})


def approval(name: str = "a1", sessions: int = 4) -> Approval:
    return Approval(id=name, patient="P-1", zones=("cheek",), depth_max_um=Micrometres(1500), sessions=sessions, used=0,
                    expires=date(2027, 1, 1), by="dr-lee", given_on=TODAY)  # fmt: skip


def used(file: HistoryFile) -> int:
    (found,) = file.patient("P-1").approvals
    return found.used


def test_a_new_patient_has_no_history(file: HistoryFile) -> None:
    found = file.patient("P-9")
    assert (found.visits, found.approvals, found.last_answers, found.interrupted) == ((), (), None, None)


def test_visits_come_back_as_they_were_told_oldest_first(file: HistoryFile, path: Path) -> None:
    file.opened(opened("s2", TODAY, answers={"isotretinoin": True}, consent="C-2"))
    file.opened(opened("s1", TODAY - timedelta(days=30), answers={"isotretinoin": False}, consent="C-1"))
    file.opened(opened("other", patient="P-2", answers={"pregnant": True}))
    for session in ("s1", "s2", "other"):
        file.closed(session, closed())
    found = file.patient("P-1")
    assert [visit.session for visit in found.visits] == ["s1", "s2"]
    assert found.last_answers == {"isotretinoin": True}
    assert (found.visits[0].zones, found.visits[0].doses) == ((ZONE,), (DOSE,))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_open_session_is_no_visit_yet_and_its_answers_are_known(file: HistoryFile) -> None:
    file.opened(opened("s1", answers={"isotretinoin": False}))
    found = file.patient("P-1")
    assert (found.visits, found.last_answers) == ((), {"isotretinoin": False})


def test_what_broke_off_is_found_until_it_is_taken_up(file: HistoryFile) -> None:
    file.opened(opened("s1"))
    file.closed("s1", closed(outcome="interrupted"))
    broken = file.patient("P-1").interrupted
    assert broken is not None
    assert (broken.session, broken.doses) == ("s1", (DOSE,))
    file.opened(opened("s2", resumes="s1"))
    assert file.patient("P-1").interrupted is None
    file.closed("s2", closed(outcome="interrupted"))
    again = file.patient("P-1").interrupted
    assert again is not None
    assert (again.session, again.resumes) == ("s2", "s1")
    file.opened(opened("s3", TODAY + timedelta(days=1)))
    file.closed("s3", closed())
    assert file.patient("P-1").interrupted is None


def test_an_approval_counts_from_the_opening_and_is_given_back_when_it_was_not_needed(file: HistoryFile) -> None:
    file.approve(approval())
    file.approve(approval().model_copy(update={"depth_max_um": 9000}))  # told again, and differently: the first stands
    (known,) = file.patient("P-1").approvals
    assert (known.depth_max_um, known.used) == (1500, 0)
    file.opened(opened("s1", approvals=("a1",)))
    assert used(file) == 1
    file.closed("s1", closed(approvals_used=()))
    assert used(file) == 0
    file.opened(opened("s2", approvals=("a1",)))
    file.closed("s2", closed(approvals_used=("a1",)))
    assert used(file) == 1
    assert file.patient("P-1").visits[-1].approvals == ("a1",)


def test_a_session_taken_up_uses_its_approval_once(file: HistoryFile) -> None:
    file.approve(approval(sessions=1))
    file.opened(opened("s1", approvals=("a1",)))
    file.closed("s1", closed(outcome="interrupted"))
    history = file.patient("P-1")
    assert approval_for(history, "cheek", TODAY) is None
    assert approval_for(history, "cheek", TODAY, resumes="s1") is not None
    file.opened(opened("s2", approvals=("a1",), resumes="s1"))
    file.opened(opened("s3", approvals=("a1",), resumes="s2"))
    assert used(file) == 1
    file.opened(opened("s4", approvals=("a1",)))
    assert used(file) == 2


def test_an_end_without_a_beginning_is_said(file: HistoryFile) -> None:
    with pytest.raises(MemoryUnavailable, match="its beginning is not in"):
        file.closed("s1", closed())


sessions = st.sampled_from(("s1", "s2", "s3"))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("opened"), sessions, st.booleans()),
        st.tuples(st.just("closed"), sessions, st.booleans()),
        st.tuples(st.just("approve"), sessions, st.booleans()),
    ),
    max_size=12,
)


@settings(max_examples=15)  # each change waits for the disk, as it does in a clinic
@given(steps)
def test_told_twice_is_kept_once(tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, str, bool]]) -> None:
    place = tmp_path_factory.mktemp("twice")
    files = [HistoryFile(place / "once.sqlite"), HistoryFile(place / "twice.sqlite")]
    for times, kept in enumerate(files, 1):
        for what, session, flag in told:
            for _ in range(times):
                try:
                    match what:
                        case "opened":
                            kept.opened(opened(session, approvals=("a1",) if flag else ()))
                        case "closed":
                            kept.closed(session, closed(approvals_used=("a1",) if flag else ()))
                        case _:
                            kept.approve(approval())
                except MemoryUnavailable:
                    assert what == "closed"
    once, twice = (kept.patient("P-1") for kept in files)
    for kept in files:
        kept.close()
    assert once == twice


def test_a_damaged_file_is_refused_and_left_as_it_is(path: Path, file: HistoryFile) -> None:
    file.approve(approval())
    file.close()
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(MemoryUnavailable, match="left as it was"):
        HistoryFile(path)
    assert path.read_bytes() == content


def test_a_value_that_is_none_of_ours_is_a_trouble_and_no_crash(path: Path, file: HistoryFile) -> None:
    file.approve(approval())
    other = sqlite3.connect(path)
    other.execute("UPDATE approvals SET approval = '{}'")
    other.commit()
    other.close()
    with pytest.raises(MemoryUnavailable):
        file.patient("P-1")


# The journal as the source --------------------------------------------------------------------------------------------


def begun() -> SessionOpened:
    return SessionOpened(pen="NW-1", patient="P-1", operator="az-1", protocol="face", library="l v1", zone="cheek",
                         skin="thin", demo=True, checklist={})  # fmt: skip


async def test_what_the_history_missed_is_told_from_the_journal(tmp_path: Path, file: HistoryFile) -> None:
    times = iter(range(100_000))
    journal = Journal(
        tmp_path / "journal.sqlite", station="room-1", utc_now=lambda: datetime(2026, 6, 1, tzinfo=UTC),
        monotonic_ms=lambda: next(times),
    )  # fmt: skip
    for session in ("s1", "s2", "s3"):
        journal.emit(begun(), session=session)
    started = TreatmentStarted(
        source="api", depth_commanded_um=Micrometres(500), rate_commanded_mhz=Millihertz(100_000)
    )
    journal.emit(started, session="s1")
    journal.emit(SessionClosed(outcome="interrupted", reason="died", doses=(DOSE,)), session="s1")
    journal.emit(SessionClosed(outcome="completed", reason="done", doses=()), session="s2")
    await journal.flush()
    file.approve(approval())
    file.opened(opened("s1", answers={"isotretinoin": False}, consent="C-1", approvals=("a1",)))
    assert keep_what_is_recorded(file, journal.reader) == 2  # the third is open
    history = file.patient("P-1")
    assert [visit.session for visit in history.visits] == ["s1", "s2"]
    first = history.visits[0]
    assert (first.outcome, first.zones, first.doses, first.approvals) == ("interrupted", (ZONE,), (DOSE,), ("a1",))
    assert history.last_answers == {"isotretinoin": False}
    assert used(file) == 1
    assert keep_what_is_recorded(file, journal.reader) == 0
    assert file.patient("P-1") == history
    await journal.close()


# In its thread --------------------------------------------------------------------------------------------------------


async def test_the_loop_never_waits_and_a_slow_disk_is_a_trouble(path: Path) -> None:
    memory = SiteHistory(HistoryFile(path), deadline_s=0.1)
    await memory.opened(opened("s1"))
    await memory.closed("s1", closed())
    assert len((await memory.patient("P-1")).visits) == 1
    released = threading.Event()
    threads: list[str] = []

    def slow() -> None:
        threads.append(threading.current_thread().name)
        released.wait(5)

    with pytest.raises(MemoryUnavailable, match=r"no answer within 0\.1 s"):
        await memory._do(slow)
    with pytest.raises(MemoryUnavailable, match="does not answer"):
        await memory.patient("P-1")
    released.set()
    await asyncio.sleep(0.05)
    assert len((await memory.patient("P-1")).visits) == 1
    assert threads[0].startswith("history")
    await memory.close()


async def test_a_session_that_closes_is_known_to_the_next_that_is_prepared(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        await seat.pause()
        await seat.close("finished")
    house.station.end("test")
    await house.task
    kept = HistoryFile(house.settings.history_path)
    (visit,) = kept.patient("P-4711").visits
    kept.close()
    assert (visit.outcome, visit.protocol) == ("completed", "facial-rejuvenation")
    (zone,) = visit.zones
    assert (zone.zone, zone.depth_commanded_um, zone.rate_commanded_mhz) == ("cheek", 500, 100_000)
    assert zone.strokes > 0


async def test_nobodys_history_is_given_out_before_the_last_session_is_in_it(tmp_path: Path, path: Path) -> None:
    times = iter(range(100_000))
    journal = Journal(
        tmp_path / "journal.sqlite", station="room-1", utc_now=lambda: datetime(2026, 6, 1, tzinfo=UTC),
        monotonic_ms=lambda: next(times),
    )  # fmt: skip
    memory = SiteHistory(HistoryFile(path), deadline_s=0.2)
    keeper = HistoryKeeper(memory, journal)
    journal.emit(begun(), session="s1")
    journal.emit(SessionClosed(outcome="completed", reason="done", doses=(DOSE,)), session="s1")
    keeper.closed("s1")
    with pytest.raises(MemoryUnavailable, match="not in the patients' history yet"):
        await memory.patient("P-1")
    keeping = asyncio.create_task(keeper.run())
    assert [visit.session for visit in (await memory.patient("P-1")).visits] == ["s1"]
    keeping.cancel()
    await asyncio.wait({keeping})
    await memory.close()
    await journal.close()
