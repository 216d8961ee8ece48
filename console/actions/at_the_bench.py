"""What `needlework calibrate` and `needlework pen accuracy` share: references, air, off skin, what is written."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from rich.text import Text

from console.exits import Code
from console.questions import Questions
from console.render.calibration import due_words, reading_line
from console.trouble import ConsoleError, Told
from controller.calibration.readings import SeriesPlan
from controller.calibration.references import DepthGauge, ReferenceCartridge, Tachometer
from controller.calibration.series import CalibrationUnderWay, Read, What
from controller.calibration.setup import Environment
from logger.errors import ReportExtraMissing
from logger.record.pens import PenName, name_of, open_quarantines
from station.bench import TechnicianBench
from station.bench.beginning import Instruments
from station.bench.certifying import Issued, Parties
from station.bench.parties import read_parties
from station.bench.printing import write_papers
from station.settings import StationSettings
from station.site.pen_records import open_pen_records
from station.site.pens_file import PensFile


@dataclass(frozen=True, slots=True)
class Bench:
    """What stands on the bench: addresses of instruments, references by their ids, the air; None is asked for."""

    gauge: str | None
    tachometer: str | None
    gauge_id: str | None
    tachometer_id: str | None
    cartridge: str | None
    temperature: str | None
    humidity: str | None

    async def air(self, asks: Questions) -> Environment:
        """The air at the bench."""
        temperature = await _number(asks, "temperature", "Air at the bench, °C:", self.temperature)
        return Environment(temperature, await _number(asks, "humidity", "Relative humidity, %:", self.humidity))

    async def air_now(self, asks: Questions, work: CalibrationUnderWay) -> Environment:
        """The air where work goes on: as it last was, unless somebody says otherwise."""
        last = work.air[-1]
        temperature, humidity = f"{last.temperature_dc / 10:.1f}", f"{last.humidity_permille / 10:.1f}"
        return Environment(
            await _number(asks, "temperature", "Air at the bench now, °C:", self.temperature, temperature),
            await _number(asks, "humidity", "Relative humidity now, %:", self.humidity, humidity),
        )


@dataclass(frozen=True, slots=True)
class Paper:
    """Whom the certificate is for; where pages and label go."""

    parties: Path | None
    output: Path


TRIES, BETWEEN_S = 5, 2.0
"""With --yes nobody is asked whether to go on: so often it is tried again by itself, a gauge being plugged in again."""


class Person:
    """Who reads and is asked at a bench: a person at a terminal, or a program."""

    def __init__(self, asks: Questions, plan: Callable[[What], SeriesPlan], *, yes: bool) -> None:
        self._asks = asks
        self._plan = plan
        self._tries = TRIES if yes else None

    async def typed(self, due: Read, problem: str) -> str:
        """Asks for a reading."""
        if problem:
            self._asks.say(Text(problem, "yellow"))
            self._asks.tell("refused", words=problem)
        return await self._asks.ask("reading", due_words(due, self._plan(due.what)))

    async def again(self, why: str) -> bool:
        """Says what went wrong; whether to go on."""
        self._asks.tell("trouble", words=why)
        self._asks.say(Text(why, "bold yellow"))
        if self._tries is None:
            return await self._asks.confirm("again", "Put it right. Go on?", default="yes")
        self._tries -= 1
        await asyncio.sleep(BETWEEN_S)
        return self._tries >= 0

    def read(self, due: Read, shown: int, reference: int) -> None:
        """Tells of a reading."""
        if self._tries is not None:
            self._tries = TRIES
        self._asks.say(reading_line(due, shown, reference, self._plan(due.what)))
        self._asks.tell(
            "reading",
            stage=due.stage,
            what=due.what,
            line=due.line,
            of=due.count,
            direction=due.place.direction,
            shown=shown,
            reference=reference,
        )


def depth_words(cartridge: ReferenceCartridge, gauge: DepthGauge) -> str:
    """What a series of depth needs."""
    return f"{cartridge.name} on; gauge ({gauge.name}) zero on its face, then in peak hold; no load on the needles."


def rate_words(tachometer: Tachometer) -> str:
    """What a series of rate needs."""
    return f"{tachometer.name} on; no load on the needles."


async def _number(asks: Questions, name: str, words: str, said: str | None, default: str | None = None) -> int:
    """A number in tenths: 0.1 °C, ‰."""
    while True:
        text = said if said is not None else await asks.ask(name, words, default=default)
        try:
            value = Decimal(text.replace(",", "."))
            if value.is_finite() and value.adjusted() < 3:  # under 1000; what is larger may not even be compared
                return int((value * 10).to_integral_value())
        except InvalidOperation:
            pass
        if said is not None:
            what = f"--{name} {said!r} is no number."
            raise ConsoleError(Told("usage", what, "Nothing was read and nothing moved.", "Write 21.8."), Code.USAGE)
        asks.say(Text(f"{text!r} is no number. Write 21.8.", "yellow"))


def parties_of(paper: Paper) -> Parties:
    """Raises DataError naming file, line and reason, before anything moves."""
    return Parties() if paper.parties is None else read_parties(paper.parties, datetime.now(UTC).date())


async def instruments_of(asks: Questions, at: TechnicianBench, bench: Bench) -> Instruments:
    """The references, named or chosen."""
    policy = at.policy

    def named(known: dict[str, object]) -> dict[str, str]:
        return {each: f"{getattr(of, 'name', '')}, due {getattr(of, 'due_on', '')}" for each, of in known.items()}

    return Instruments(
        gauge=await asks.choose("gauge_id", "Depth gauge:", named({**policy.depth_gauges}), bench.gauge_id),
        cartridge=await asks.choose(
            "cartridge", "Reference cartridge:", named({**policy.reference_cartridges}), bench.cartridge
        ),
        tachometer=await asks.choose(
            "tachometer_id", "Tachometer:", named({**policy.tachometers}), bench.tachometer_id
        ),
    )


async def off_skin(asks: Questions) -> None:
    """A person says that the pen touches nobody. Raises ConsoleError where they do not."""
    asks.say(Text("The pen's motor will run and its needles will move. Ctrl-C stops it.", "bold red"))
    if not await asks.confirm("off_skin", "Is it in its stand, and does it touch nobody?"):
        raise ConsoleError(
            Told("not_off_skin", "Nothing moved: the pen is not off skin.", "", "Put it into its stand.")
        )


def issued(asks: Questions, made: Issued, paper: Paper, settings: StationSettings) -> int:
    """Writes pages and label, and says what is next. Exit code NO where the pen is left out of tolerance."""
    event = made.event
    files: dict[str, str] = {"certificate": str(made.path)}
    problem = ""
    try:
        paper.output.mkdir(parents=True, exist_ok=True)
        papers = write_papers(made, paper.output, settings.paper)
        files |= {"pages": str(papers.pages), "label": str(papers.label)}
    except ReportExtraMissing as missing:
        problem = str(missing)
    good = event.as_left_in_tolerance
    asks.tell(
        "issued",
        number=event.number,
        certificate_kind=event.kind,
        as_found_in_tolerance=event.as_found_in_tolerance,
        as_left_in_tolerance=good,
        depth_uncertainty_um=int(event.depth_uncertainty_um),
        sha256=event.sha256,
        files=files,
    )
    asks.say(
        Text(""),
        Text.assemble(
            ("Issued: ", "bold"),
            (event.number, "bold green" if good else "bold red"),
            ", in tolerance" if good else ", NOT IN TOLERANCE",
        ),
        *(Text(f"  {name}: {path}") for name, path in files.items()),
        *([Text(problem, "yellow")] if problem else []),
    )
    if event.kind == "calibration":
        for line in what_is_next(settings, name_of(event.pen, event.serial), left_good=good):
            asks.say(Text(line))
    return Code.DONE if good else Code.NO


def what_is_next(settings: StationSettings, pen: PenName, *, left_good: bool) -> tuple[str, ...]:
    """What is still to be done with a pen that was calibrated, in sentences and commands. A quarantine counts whoever
    it is by, on record or as the site last said: a pen found in tolerance may be in one from before. Raises
    RecordError."""
    if not left_good:
        return ("It is not armed anywhere. Repair it (needlework pen repair), then calibrate it again.",)
    with open_pen_records(settings) as records:
        kept_out, unread = open_quarantines(records.told(pen)), records.missing
    if kept_out or PensFile(settings.pens_path).open_quarantines(pen):
        return (
            "It stays in quarantine until a manager or a physician releases it:",
            f"  needlework pen exposed {pen}",
            f"  needlework pen release {pen} --reviewed N --as MANAGER",
            "N is how many sessions they looked through. Stick the label on.",
        )
    if unread:
        return (
            "Stick the label on. Whether another station has put it into quarantine cannot be told now; "
            "`needlework pen history` tells it later.",
        )
    return ("Nothing more is needed: stations arm it by this calibration. Stick the label on.",)
