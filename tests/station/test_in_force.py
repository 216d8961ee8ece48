"""A pen goes by a calibration only while its certificate is there: whenever the program dies, and whatever it is asked
for then."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from controller.calibration.readings import Reading
from controller.calibration.series import WHATS, CalibrationUnderWay, Do, Read, Setups, Stage, Step, What
from controller.errors import ControlRefused
from controller.service_events import (
    AdjustmentWritten,
    CalibrationWritten,
    CertificateIssued,
    PenQuarantined,
    PenRepaired,
)
from firmware_bridge.wire.operations import CalibrationData
from logger.certificate.folder import CertificateFolder
from logger.certificate.number import new_number
from logger.certificate.sealing import open_certificate
from logger.journal.reader import JournalReader
from station.bench.beginning import begin, give_up, resume
from station.bench.certifying import Issued, Parties
from station.bench.stated import calibration_of
from station.bench.work_folder import WorkFolder
from tests.station.calibrating import AIR, INSTRUMENTS, Room, Someone, quick_policy, room

pytestmark = pytest.mark.looptime
FOUND_UM = 170
BRAKED_MHZ = -900
"""As found; the tolerance is 150 µm."""
ON = Parties(due_on="2027-11-26")
FACTORY = "FACTORY-0001"
SEAMS = 9
"""Two writes to the pen, two to the record; the work kept three times and ended, the certificate kept."""


class Killed(BaseException):
    """The program is gone."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    quick_policy(tmp_path)
    return tmp_path


async def calibrated(at: Room, someone: Someone, parties: Parties = ON) -> Issued:
    """The whole way, begun or gone on with."""
    work = under_way(at)
    going = (
        await begin(at.bench, at.settings, INSTRUMENTS, AIR) if work is None
        else await resume(at.bench, at.settings, work)
    )  # fmt: skip
    return await going.run(someone.hands(files=read_elsewhere(going.setups)), parties)


def read_elsewhere(setups: Setups) -> dict[tuple[Stage, What], tuple[Reading, ...]]:
    """Every series, read elsewhere, so that nothing has to move: out of tolerance as found, true as left."""
    found: dict[tuple[Stage, What], tuple[Reading, ...]] = {}
    for stage in ("as_found", "as_left"):
        for what in WHATS:
            plan = setups.plan(what)
            error = BRAKED_MHZ if what == "load" else FOUND_UM if (stage, what) == ("as_found", "depth") else 0
            found[stage, what] = tuple(
                Reading(one.point, one.direction, one.repeat, plan.points[one.point],
                        plan.points[one.point] + error, None)
                for one in plan.places()
            )  # fmt: skip
    return found


def under_way(at: Room) -> CalibrationUnderWay | None:
    return WorkFolder(at.settings).of_pen(at.bench.pen.model, at.bench.pen.serial)


async def killed_before(at: Room, step: Step) -> CalibrationUnderWay:
    """A calibration whose program died before a step."""
    first = at.someone

    def kill(due: Step) -> None:
        if due == step:
            raise Killed

    first.step = kill
    with pytest.raises(Killed):
        await calibrated(at, first)
    work = under_way(at)
    assert work is not None
    return work


def number_of(held: CalibrationData) -> str:
    return held.certificate.decode()


def told(at: Room, kind: type) -> list[Any]:
    """What is in the journal."""
    reader = JournalReader(at.settings.journal_path)
    try:
        return [one.event for one in reader.told_of_pens() if isinstance(one.event, kind)]
    finally:
        reader.close()


def nothing_half(at: Room) -> None:
    """What holds at every moment. A pen in force has its certificate, on the disk and on record, and it states what the
    pen holds; a certificate that states a calibration states what the pen holds, in force or not yet."""
    held, folder = at.pen.memory.calibration, CertificateFolder(at.settings.certificates_path)
    number = number_of(held)
    if held.valid and number != FACTORY:
        assert folder.has(number), "in force without a certificate"
        assert number in {one.number for one in told(at, CertificateIssued)}, "in force, and the record has nothing"
    if folder.has(number):
        opened = open_certificate(folder.read(number)[1], number)
        assert opened.certificate is not None
        stated = calibration_of(opened.certificate.body)
        assert stated is not None
        assert held in (stated, stated._replace(valid=0))


@dataclass
class Seams:
    """Where something outside the program has changed: after each write to the disk, the record and the pen."""

    at: Room
    die_at: int
    passed: int = 0

    def seam(self) -> None:
        if not self.die_at:  # what is on its way to a death was looked at when nobody died
            nothing_half(self.at)
        self.passed += 1
        if self.passed == self.die_at:
            raise Killed

    def around(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """The same, with a seam after it; what only asks the pen has none."""

        async def acting(*given: Any, **named: Any) -> Any:
            done = await act(*given, **named)
            if not (given and getattr(given[0], "repeatable", False)):
                self.seam()
            return done

        def at_once(*given: Any, **named: Any) -> Any:
            done = act(*given, **named)
            self.seam()
            return done

        return acting if asyncio.iscoroutinefunction(act) else at_once


@contextmanager
def dying(at: Room, die_at: int) -> Iterator[Seams]:
    """The program dies at one of the seams; 0 is at none."""
    seams = Seams(at, die_at)
    with pytest.MonkeyPatch.context() as patch:
        for place, name in ((at.bench.driver, "request"), (at.bench, "record"), (WorkFolder, "keep"),
                            (WorkFolder, "end"), (CertificateFolder, "keep")):  # fmt: skip
            patch.setattr(place, name, seams.around(getattr(place, name)))
        yield seams


def another(at: Room, work: CalibrationUnderWay, number: int) -> CalibrationUnderWay:
    """The same work as if it were another, kept: with an id and a number of its own, so that no two are mixed up."""
    drawn = new_number("calibration", date(2026, 11, 26), (number << 5).to_bytes)
    mine = work.model_copy(update={"series": f"{work.series[:-4]}{number:04}", "number": drawn})
    WorkFolder(at.settings).keep(mine)
    return mine


async def test_at_no_moment_is_a_pen_in_force_without_its_certificate(place: Path) -> None:
    """The program dies at every seam; then the work is given up, and, as if it had not been, gone on with."""
    async with room(place, journalled=True) as at:
        work = await killed_before(at, Do("calibrate"))
        before, folder = at.pen.memory.calibration, WorkFolder(at.settings)
        folder.end(work)
        seams = die_at = 0
        while die_at <= seams:
            at.pen.memory.calibration = before
            mine = another(at, work, die_at)
            with dying(at, die_at) as passing, suppress(Killed):
                await calibrated(at, at.someone)
            seams = max(seams, passing.passed)
            left, held = under_way(at), at.pen.memory.calibration
            if left is not None:
                stays = await give_up(at.bench, at.settings, left)
                assert under_way(at) is None
                assert bool(stays) == CertificateFolder(at.settings.certificates_path).has(mine.number)
                assert not stays or stays in {one.number for one in told(at, CertificateIssued)}
                nothing_half(at)
                folder.keep(left)
                at.pen.memory.calibration = held
                await calibrated(at, at.someone)
            nothing_half(at)
            held = at.pen.memory.calibration
            assert (held.valid, number_of(held)) == (1, mine.number), die_at
            for kind in (CalibrationWritten, CertificateIssued):
                assert len([one for one in told(at, kind) if one.series == mine.series]) == 1, (die_at, kind)
            die_at += 1
        assert seams == SEAMS


async def test_given_up_after_the_files_were_brought_back_from_before_the_pen_is_in_force_no_more(place: Path) -> None:
    async with room(place, journalled=True) as at:
        before = await killed_before(at, Do("issue"))
        await calibrated(at, at.someone)
        assert at.pen.memory.calibration.valid
        shutil.rmtree(at.settings.certificates_path)
        WorkFolder(at.settings).keep(before)
        with pytest.raises(ControlRefused) as refused:
            await calibrated(at, at.someone)
        assert refused.value.because == "calibration_changed"
        assert await give_up(at.bench, at.settings, before) == ""
        assert at.pen.memory.calibration.valid == 0


async def test_another_due_date_before_the_certificate_is_signed_goes_into_both(place: Path) -> None:
    async with room(place, journalled=True) as at:
        await killed_before(at, Do("issue"))
        made = await calibrated(at, at.someone, Parties(due_on="2027-05-26"))
        stated = calibration_of(made.sealed.certificate.body)
        assert made.event.due_on == "2027-05-26"
        assert at.pen.memory.calibration == stated
        (written,) = told(at, CalibrationWritten)
        assert written.due_on == "2027-05-26"


async def test_once_it_is_signed_the_pen_gets_what_it_says_whatever_was_asked_for_since(place: Path) -> None:
    async with room(place, journalled=True) as at:
        await killed_before(at, Do("put_in_force"))
        assert at.pen.memory.calibration.valid == 0
        made = await calibrated(at, at.someone, Parties())
        assert made.event.due_on == ON.due_on
        assert at.pen.memory.calibration == calibration_of(made.sealed.certificate.body)


@pytest.mark.parametrize("step", ["issue", "put_in_force"])
async def test_what_another_bench_gave_the_pen_meanwhile_is_not_written_over(place: Path, step: Any) -> None:
    async with room(place, journalled=True) as at:
        work = await killed_before(at, Do(step))
        other = at.pen.memory.calibration._replace(valid=1, certificate=b"C261127-0000000R")
        at.pen.memory.calibration = other
        with pytest.raises(ControlRefused) as refused:
            await calibrated(at, at.someone)
        assert refused.value.because == "calibration_changed"
        assert at.pen.memory.calibration == other
        assert CertificateFolder(at.settings.certificates_path).has(work.number) == (step == "put_in_force")
        await give_up(at.bench, at.settings, work)
        assert at.pen.memory.calibration == other, "what is given up is this work's alone"


@pytest.mark.parametrize("step", ["calibrate", "put_in_force"])
async def test_another_table_than_the_one_measured_with_is_noticed(place: Path, step: Any) -> None:
    async with room(place, journalled=True) as at:
        await killed_before(at, Do(step))
        table = at.pen.memory.adjustment
        at.pen.memory.adjustment = replace(table, number=table.number + 1)
        with pytest.raises(ControlRefused) as refused:
            await calibrated(at, at.someone)
        assert refused.value.because == "adjustment_changed"
        assert at.pen.memory.calibration.valid == 0


@pytest.mark.parametrize(
    "undone",
    [
        PenQuarantined(quarantine="q-1", pen="NW-2/NW2-000001", serial="NW2-000001", because="shock", by="kim",
                       certificate="", last_in_tolerance="", since=None, errors=()),
        PenRepaired(pen="NW-2/NW2-000001", serial="NW2-000001", what="opened", ends_calibration=True, by="kim",
                    on="2026-11-26"),
    ],
    ids=["quarantined", "opened"],
)  # fmt: skip
async def test_what_was_done_to_the_pen_since_its_certificate_keeps_it_out_of_force(place: Path, undone: Any) -> None:
    async with room(place, journalled=True) as at:
        await killed_before(at, Do("put_in_force"))
        await at.bench.record(undone)
        with pytest.raises(ControlRefused) as refused:
            await calibrated(at, at.someone)
        assert refused.value.because == "undone_since"
        assert at.pen.memory.calibration.valid == 0


async def test_a_pen_that_fell_since_its_certificate_is_not_put_into_force(place: Path) -> None:
    async with room(place, journalled=True) as at:
        await killed_before(at, Do("put_in_force"))
        for _ in range(3):
            at.pen.knock(50)
        with pytest.raises(ControlRefused) as refused:
            await calibrated(at, at.someone)
        assert refused.value.because == "undone_since"
        assert "knock" in refused.value.sentence


async def test_a_write_is_told_of_once_though_the_program_died_before_the_work_knew(place: Path) -> None:
    async with room(place, journalled=True) as at:
        first, record = at.someone, at.bench.record

        async def dies(*events: Any) -> None:
            await record(*events)
            if any(isinstance(each, AdjustmentWritten) for each in events):
                raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(at.bench, "record", dies)
            with pytest.raises(Killed):
                await calibrated(at, first)
        work = under_way(at)
        assert work is not None
        assert not work.adjusted

        second = at.someone

        def kill(due: Step) -> None:
            if isinstance(due, Read):
                raise Killed

        second.step = kill
        with pytest.raises(Killed):
            await calibrated(at, second)
        assert len(told(at, AdjustmentWritten)) == 1
