"""`needlework calibrate`: asks, shows and tells, around what :mod:`station.bench.calibrating` does."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from rich.text import Text

from console.actions.at_the_bench import (
    Bench,
    Paper,
    Person,
    depth_words,
    instruments_of,
    issued,
    off_skin,
    parties_of,
    rate_words,
)
from console.actions.benching import Seat, at_bench
from console.actions.calibrating_files import read_files
from console.exits import Code
from console.questions import Questions
from console.render.calibration import (
    STAGE,
    adjustment_view,
    begun_line,
    budget_view,
    heading,
    quantity,
    results_data,
)
from console.render.certificate import stage_view
from console.screen import err
from console.trouble import ConsoleError, Told
from controller.calibration.series import CalibrationUnderWay, Read, Results, Stage, Step, Table, What, next_step
from logger.certificate.document import Series
from station.bench import TechnicianBench
from station.bench.beginning import begin, give_up, resume
from station.bench.calibrating import Calibrating
from station.bench.certifying import Issued
from station.bench.hands import Hands
from station.bench.reference import reference
from station.bench.work_folder import WorkFolder


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was decided on the command line: whether to adjust (None: ask), series from files."""

    adjust: bool | None
    readings: tuple[str, ...]
    anew: bool
    yes: bool


def decision(text: str) -> bool | None:
    """`yes`, `no` or `ask`. Raises ConsoleError."""
    known = {"yes": True, "no": False, "ask": None}
    if text not in known:
        what = f"--adjust takes yes, no or ask, and not {text!r}."
        raise ConsoleError(Told("usage", what, "Nothing was read and nothing moved."), Code.USAGE)
    return known[text]


def calibrate(seat: Seat, bench: Bench, paper: Paper, wanted: Wanted) -> int:
    """Exit code NO where the pen is left out of tolerance. Raises what the bench raises."""
    asks = Questions(as_json=seat.as_json, yes=wanted.yes)
    parties = parties_of(paper)

    async def work(at: TechnicianBench) -> Issued:
        wizard = _Wizard(asks, seat, wanted, await _under_way(at, seat, bench, asks, anew=wanted.anew))
        files = read_files(wanted.readings, wizard.calibrating.setups)
        async with AsyncExitStack() as lines:
            hands = Hands(
                depth=await lines.enter_async_context(reference(bench.gauge, "depth_um", wizard.typed)),
                rate=await lines.enter_async_context(reference(bench.tachometer, "rate_mhz", wizard.typed)),
                again=wizard.again,
                attended=not wanted.yes,
                prepare=wizard.prepare,
                adjust=wizard.adjust,
                heard=wizard.heard,
                read=wizard.read,
                files=files,
            )
            return await wizard.calibrating.run(hands, parties)

    try:
        made = at_bench(seat, work)
    except BaseException:
        _kept(asks)
        raise
    if made is None:
        _kept(asks)
        return Code.INTERRUPTED
    return issued(asks, made, paper, seat.settings)


def _kept(asks: Questions) -> None:
    if asks.begun:
        err().print(Text("What was read and written so far is kept: the same command goes on from here.", "bold"))


async def _under_way(at: TechnicianBench, seat: Seat, bench: Bench, asks: Questions, *, anew: bool) -> Calibrating:
    """The calibration of this pen that is under way, or a new one."""
    pen, folder = at.pen, WorkFolder(seat.settings)
    asks.tell("pen", model=pen.model, serial=pen.serial, firmware=pen.firmware)
    asks.say(Text.assemble(("Pen: ", "bold"), f"{pen.model}, serial number {pen.serial}, firmware {pen.firmware}"))
    before = await asyncio.to_thread(folder.of_pen, pen.model, pen.serial)
    if before is not None and anew:
        issued_before = await give_up(at, seat.settings, before)
        asks.tell("given_up", series=before.series, certificate=issued_before)
        if issued_before:
            asks.say(Text(f"Certificate {issued_before} of what was begun is issued, and stays.", "bold"))
        before = None
    if before is None:
        found = await instruments_of(asks, at, bench)
        air = await bench.air(asks)
        await off_skin(asks)
        calibrating = await begin(at, seat.settings, found, air)
    else:
        asks.tell("resumed", series=before.series, readings=len(before.readings))
        asks.say(Text("A calibration of this pen is under way: it goes on.", "bold"), begun_line(before))
        await off_skin(asks)
        calibrating = await resume(at, seat.settings, before, await bench.air_now(asks, before))
    asks.tell("begun", series=calibrating.work.series)
    asks.begun = True
    return calibrating


class _Wizard(Person):
    """A person, or a program, at one calibration."""

    def __init__(self, asks: Questions, seat: Seat, wanted: Wanted, calibrating: Calibrating) -> None:
        super().__init__(asks, calibrating.setups.plan, yes=wanted.yes)
        self.calibrating = calibrating
        self._pen = f"{calibrating.work.pen}/{calibrating.work.serial}"
        self._seat = seat
        self._wanted = wanted
        self._headed: tuple[Stage, What] | None = None
        self._left_out = 0

    async def prepare(self, stage: Stage, what: What) -> None:
        """Says what a series needs."""
        setups = self.calibrating.setups
        load = setups.rate.load
        words = {
            "depth": depth_words(setups.depth.cartridge, setups.depth.gauge),
            "rate": rate_words(setups.rate.tachometer),
            "load": f"Put the load on: {load.name if load else ''}.",
        }
        step = next_step(self.calibrating.work, setups)
        if isinstance(step, Read):
            self._head(step)
        if self.calibrating.left_out > self._left_out:
            lost, self._left_out = self.calibrating.left_out - self._left_out, self.calibrating.left_out
            self._asks.say(Text(f"The pen was restarted: {lost} readings of this series are left out.", "bold yellow"))
            self._asks.tell("left_out", readings=lost)
        await self._asks.ready(f"prepare_{what}", words[what])

    async def adjust(self, found: Results, before: Table, wanted: Table) -> bool:
        """Shows what an adjustment would do, and asks."""
        self._asks.say(Text(""), adjustment_view(found, before, wanted))
        self._asks.tell("preview", before=before.model_dump(mode="json"), wanted=wanted.model_dump(mode="json"))
        if self._wanted.adjust is not None:
            return self._wanted.adjust
        default = "no" if found.in_tolerance else "yes"
        return await self._asks.confirm("adjust", "Write this table to the pen?", default=default)

    async def heard(self, work: CalibrationUnderWay, step: Step) -> None:
        """Shows where the work is."""
        asks = self._asks
        if isinstance(step, Read):
            return
        match step.name:
            case "quarantine":
                await self._verdict(last=False)
                asks.say(
                    Text("Out of tolerance as found. The pen is put into quarantine, at every station of the site.",
                         "bold red"),
                    Text("Its calibration is ended in its own memory. Sessions held with it: needlework pen exposed "
                         f"{self._pen}"),
                )  # fmt: skip
                asks.tell("quarantined", pen=self._pen)
            case "decide" if not work.quarantined:
                await self._verdict(last=False)
            case "adjust":
                asks.say(Text("Writing the table, and reading it back …"))
            case "calibrate":
                await self._verdict(last=True)
                asks.say(Text("Writing the calibration, not in force yet, and reading it back …"))
            case "issue" if not work.calibrated:
                await self._verdict(last=True)
            case "put_in_force":
                asks.say(Text(f"Certificate {work.number} is issued. Putting its calibration into force …"))
        asks.tell("step", name=step.name)

    def _head(self, due: Read) -> None:
        if self._headed != (due.stage, due.what):
            self._headed = (due.stage, due.what)
            self._asks.say(heading(STAGE[due.stage], due, self.calibrating.setups.plan(due.what)))

    async def _verdict(self, *, last: bool) -> None:
        series = await self.calibrating.series()
        self._asks.tell("results", results=results_data(series))
        for each in series:
            self._asks.say(Text(""), *stage_view(each, each.last, self._asks.console.width, test=False, only=False))
            for droop in each.droop if last or len(each.stages) == 1 else ():
                self._asks.say(Text(_droop(each, droop.droop_ppm, droop.set_mhz, droop.verdict), "dim"))
        statement = series[0].last.statement
        if last and statement is not None:
            self._asks.say(Text(""), budget_view("Depth of any one setting", statement.budget), Text(""))


def _droop(series: Series, droop_ppm: int, set_mhz: int, verdict: str) -> str:
    return f"Under the load, set {quantity('rate', set_mhz)}: {droop_ppm / 10_000:.1f} % slower, {verdict}"
