"""`needlework pen accuracy`: depth and rate, set against measured, and the report."""

from contextlib import AsyncExitStack

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
from console.exits import Code
from console.questions import Questions
from console.render.calibration import heading, results_data
from console.render.certificate import stage_view
from controller.calibration.series import Read, Results, Stage, Table, What
from station.bench import TechnicianBench
from station.bench.accuracy_testing import AccuracyTest
from station.bench.certifying import Issued
from station.bench.hands import Hands
from station.bench.reference import reference


def accuracy(seat: Seat, bench: Bench, paper: Paper, *, yes: bool) -> int:
    """Exit code NO where depth or rate did not pass. Raises what the bench raises."""
    asks = Questions(as_json=seat.as_json, yes=yes)
    parties = parties_of(paper)

    async def work(at: TechnicianBench) -> Issued:
        asks.tell("pen", model=at.pen.model, serial=at.pen.serial, firmware=at.pen.firmware)
        asks.say(Text(f"Pen: {at.pen.model}, serial number {at.pen.serial}, firmware {at.pen.firmware}"))
        found = await instruments_of(asks, at, bench)
        test = AccuracyTest(at, seat.settings, found, await bench.air(asks))
        await off_skin(asks)
        person = _Tester(asks, test, yes=yes)
        async with AsyncExitStack() as lines:
            hands = Hands(
                depth=await lines.enter_async_context(reference(bench.gauge, "depth_um", person.typed)),
                rate=await lines.enter_async_context(reference(bench.tachometer, "rate_mhz", person.typed)),
                again=person.again,
                attended=not yes,
                prepare=person.prepare,
                adjust=_never,
                read=person.read,
            )
            return await test.run(hands, parties)

    made = at_bench(seat, work)
    if made is None:
        return Code.INTERRUPTED
    results = made.sealed.certificate.body.results
    asks.tell("results", results=results_data(results))
    for each in results:
        asks.say(Text(""), *stage_view(each, each.last, asks.console.width, test=True))
    return issued(asks, made, paper, seat.settings)


async def _never(_found: Results, _before: Table, _wanted: Table) -> bool:
    """An accuracy test changes nothing."""
    return False


class _Tester(Person):
    def __init__(self, asks: Questions, test: AccuracyTest, *, yes: bool) -> None:
        super().__init__(asks, test.plan, yes=yes)
        self._test = test

    async def prepare(self, stage: Stage, what: What) -> None:
        """Says what a series needs."""
        plan, setup = self._test.plan(what), self._test.setup
        self._asks.say(heading("Accuracy", Read(stage, what, next(plan.places()), 1, plan.readings), plan))
        words = depth_words(setup.cartridge, setup.gauge) if what == "depth" else rate_words(setup.tachometer)
        await self._asks.ready(f"prepare_{what}", words)
