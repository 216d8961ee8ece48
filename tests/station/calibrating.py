"""A bench at which a pen is calibrated in virtual time, with instruments that see what it truly does."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any

from controller.calibration.policy import CalibrationPolicy, load_policy
from controller.calibration.series import CalibrationUnderWay, Read, Results, Source, Stage, Step, Table, What
from controller.calibration.setup import Environment
from controller.events import Event
from logger.journal.journal import Journal
from logger.proof.checkpoints import announcement
from logger.record.pens import PEN_TYPES
from simulators.pen import SimulatedPen
from station.bench.beginning import Instruments
from station.bench.bench import TechnicianBench
from station.bench.hands import Hands
from station.record.station_key import station_key
from station.settings import StationSettings
from tests.controller.house import MemorySink
from tests.controller.service.bench import Bench, LoopClock, simulated_bench

AIR = Environment(temperature_dc=218, humidity_permille=410)
INSTRUMENTS = Instruments("bench-gauge", "master-16", "bench-tachometer")
SHIPPED = Path(__file__).parents[2] / "controller" / "data" / "calibration.yaml"


def quick_policy(place: Path, **changes: str) -> Path:
    """The policy shipped, with few points, few repeats and short times; ``changes`` are texts for other texts."""
    made, text = place / "calibration.yaml", SHIPPED.read_text(encoding="utf-8")
    pairs = {
        r"points_mm: \[0\.25, 0\.50, 0\.75, 1\.00, 1\.50, 2\.00\]": "points_mm: [0.50, 1.00, 1.50]",
        r"points_hz: \[40, 80, 120, 150\]": "points_hz: [80, 100, 120]",
        r"(?m)^    load_points_hz: .*$": "    load_points_hz: [80]",
        r"depth_points_mm: .*": "depth_points_mm: [0.50, 1.00]",
        r"rate_points_hz: .*": "rate_points_hz: [80, 120]",
        r"(?m)^    repeats: [35] .*$": "    repeats: 2",
        r"(?m)^    repeats: 5$": "    repeats: 3",
        r"(?m)^    settle_s: .*$": "    settle_s: 0.2",
        r"(?m)^  (off_skin_s|settle_s): .*$": r"  \1: 0.3",
        r"(?m)^  idle_time_out_s: .*$": "  idle_time_out_s: 6",
        **changes,
    }
    for old, new in pairs.items():
        text, found = re.subn(old, new, text)
        assert found, old
    made.write_text(text, encoding="utf-8")
    return made


class Eye:
    """An instrument that sees what the pen truly does; ``wrong`` may say or raise something else."""

    source: Source = "gauge"
    hold_ms = 0

    def __init__(self, pen: SimulatedPen, wrong: Callable[[Read, int], int] = lambda _due, value: value) -> None:
        self._pen = pen
        self._wrong = wrong

    async def read(self, due: Read) -> int:
        truth = self._pen.truth
        value = round(truth.protrusion_um) if due.what == "depth" else round(truth.rate_hz * 1000)
        return self._wrong(due, value)


@dataclass
class Someone:
    """Whoever is at the bench: what they were told, and what they say; ``forgets`` to put the load on."""

    pen: SimulatedPen
    agrees: bool = True
    adjusts: bool = True
    forgets: bool = False
    wrong: Callable[[Read, int], int] = lambda _due, value: value
    step: Callable[[Step], None] = lambda _step: None
    puts_right: Callable[[], None] = lambda: None
    troubles: list[str] = field(default_factory=list)
    prepared: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    readings: int = 0

    def hands(self, **more: Any) -> Hands:
        eye = Eye(self.pen, self.wrong)
        return Hands(depth=eye, rate=eye, again=self.again, prepare=self.prepare, adjust=self.adjust,
                     heard=self.heard, read=self.read, **more)  # fmt: skip

    async def again(self, why: str) -> bool:
        self.troubles.append(why)
        self.puts_right()
        return self.agrees and len(self.troubles) < 20

    async def prepare(self, stage: Stage, what: What) -> None:
        self.prepared.append(f"{stage} {what}")
        if not (self.forgets and what == "load"):
            self.put_on(what)

    def put_on(self, what: What) -> None:
        self.pen.hold_on("test-pad" if what == "load" else "air", touching=None if what == "load" else False)

    async def adjust(self, _found: Results, _before: Table, _wanted: Table) -> bool:
        return self.adjusts

    async def heard(self, _work: CalibrationUnderWay, step: Step) -> None:
        self.steps.append(step)
        self.step(step)

    def read(self, _due: Read, _shown: int, _reference: int) -> None:
        self.readings += 1


class Recorded:
    """What is told of pens goes into the journal too, in a loop of its own: the disk's time is no virtual one."""

    def __init__(self, memory: MemorySink, settings: StationSettings, clock: LoopClock) -> None:
        self._memory = memory
        self._settings = settings
        self._clock = clock
        self._waiting: list[Event] = []

    def emit(self, event: Event, *, session: str | None) -> None:
        self._memory.emit(event, session=session)
        if event.type in PEN_TYPES:
            self._waiting.append(event)

    async def flush(self) -> None:
        now, self._waiting, events = self._clock.utc(), [], self._waiting
        if events:
            written = Thread(target=asyncio.run, args=(self._journal(now, events),))
            written.start()
            written.join()

    async def _journal(self, now: datetime, events: list[Event]) -> None:
        async with Journal(self._settings.journal_path, station=self._settings.station, utc_now=lambda: now,
                           monotonic_ms=lambda: 0) as journal:  # fmt: skip
            for event in events:
                journal.emit(event, session=None)
            await journal.flush()

    def problem(self) -> str | None:
        return self._memory.problem()

    def fill_permille(self) -> int:
        return self._memory.fill_permille()


@dataclass
class Room:
    """A bench and the state directory it is open on."""

    bench: TechnicianBench
    settings: StationSettings
    simulated: Bench

    @property
    def pen(self) -> SimulatedPen:
        return self.simulated.pen

    @property
    def someone(self) -> Someone:
        return Someone(self.pen)


@asynccontextmanager
async def room(
    place: Path, policy: CalibrationPolicy | None = None, *, journalled: bool = False, **pen: Any
) -> AsyncIterator[Room]:
    """A technician at a simulated pen. What they put on record is in memory, and a journal is there to be read: with
    the station's key alone, or with what is told of pens where it is ``journalled``."""
    settings = StationSettings(state_dir=place, stop_port=0, calibration=place / "calibration.yaml")
    goes_by = policy or load_policy(settings.calibration)
    clock = LoopClock()
    if not settings.journal_path.exists():
        journal = Journal(settings.journal_path, station=settings.station, utc_now=clock.utc,
                          monotonic_ms=clock.monotonic_ms)  # fmt: skip
        journal.emit(announcement(station_key(settings.station_key_path)), session=None)
        await journal.close()
    async with simulated_bench(limits=goes_by.service, **pen) as simulated:
        simulated.driver.take_again()
        pinned = simulated.driver.state.pinned
        assert pinned is not None
        bench = TechnicianBench(
            pen=pinned,
            policy=goes_by,
            technician="tech-1",
            authorised_by="head-1",
            driver=simulated.driver,
            sink=Recorded(simulated.sink, settings, clock) if journalled else simulated.sink,
            clock=clock,
            state_dir=place,
            attested_off_skin=False,
        )
        yield Room(bench, settings, simulated)
