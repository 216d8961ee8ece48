"""Plays a scenario in real time: a whole station with its processes, and a simulated pen behind a pseudo-terminal.

What a person does goes through the station's API, as from a page; hands and faults are at the pen, which lives in this
process, so motor and needles are known as they really are. What the record holds is read from the station's journal.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from controller.errors import ControlRefused
from controller.events import Event, SessionClosed
from controller.transitions import fault_names
from controller.units import MHZ_PER_HZ, UM_PER_MM
from logger.journal.reader import JournalReader
from logger.journal.reading import READER
from proving.scenario.conditions import Seen
from proving.scenario.course import Answer, Look, Refusal, Take, Until, Wanted
from proving.scenario.hands import Hands, left_out, mended, pen_of
from proving.scenario.model import (
    Acknowledge,
    Act,
    AnyStep,
    Approve,
    Ask,
    Close,
    Confirm,
    FaultStep,
    Hand,
    Mend,
    Move,
    PutOn,
    Scenario,
    Set,
    Silence,
    StopAsked,
    TakeSeat,
    Zone,
)
from proving.scenario.plan import asked
from simulators.endpoints.live import LivePen, Port
from simulators.endpoints.pty import PtyEndpoint
from simulators.faults.catalogue import fault_named
from simulators.faults.injector import Injector
from simulators.faults.parts import LinePart, Parts
from station.api.client import SeatClient, StationClient
from station.errors import StationRefused
from station.settings import StationSettings

PATIENT = "demo-0scen1"
SETTLE_S = 20.0
"""The most a station may take to have connected to its pen."""
SETTLED_LOOKS = 10
LOOK_S = 0.05
PAUSE_AUDIO_MAX_S = 120


class TerminalCable:
    """The plug of a pen behind a pseudo-terminal; what is wrong with its line is wrong with the next plugging too."""

    def __init__(self, endpoint: PtyEndpoint[Port], lines: LinePart) -> None:
        self._endpoint = endpoint
        self._lines = lines
        self._in = False

    def unplug(self) -> None:
        """Out: the station sees a hang-up."""
        if self._in:
            self._in = False
            self._lines.leave(self._endpoint.port.line)
            self._endpoint.unplug()

    def plug(self) -> None:
        """In again."""
        if not self._in:
            self._in = True
            self._endpoint.plug()
            self._lines.join(self._endpoint.port.line)


@dataclass(slots=True)
class TerminalPen:
    """A simulated pen that lives in real time, its terminal at ``link``, with what can be done to it."""

    scenario: Scenario
    link: Path
    endpoint: PtyEndpoint[Port] = field(init=False)
    live: LivePen = field(init=False)
    cable: TerminalCable = field(init=False)
    faults: Injector = field(init=False)
    hands: Hands = field(init=False)

    def __post_init__(self) -> None:
        scenario = self.scenario
        random = Random(f"scenario {scenario.name}/{scenario.seed}")
        pen = pen_of(scenario.setting, random=random, today=datetime.now(UTC).date())
        self.live = LivePen(pen)
        self.endpoint = PtyEndpoint(self.live, link=self.link)
        lines = LinePart(lambda: self.live.now_ms)
        self.cable = TerminalCable(self.endpoint, lines)
        self.faults = Injector(Parts(pen, lines=lines, plug=self.cable), seed=scenario.seed)
        self.hands = Hands(pen)

    @property
    def left_out(self) -> str:
        """Why the scenario cannot be played in real time, "" when it can."""
        if any(isinstance(step, Approve) for step in self.scenario.steps):
            return "a physician approves at the chair, which no page and no call of the station does"
        return left_out(self.scenario, self.faults)


class StationStage:
    """A station with a pen at a terminal: answers what a course asks."""

    def __init__(self, scenario: Scenario, pen: TerminalPen, station: StationClient, settings: StationSettings) -> None:
        self._scenario = scenario
        self._pen = pen
        self._station = station
        self._journal = JournalReader(settings.journal_path)
        self._seats = AsyncExitStack()
        self._seat: SeatClient | None = None
        self._events: list[Event] = []
        self._read = 0
        self._mark = 0
        self._began_s = 0.0
        self._stalled_ms = 0
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def now_ms(self) -> int:
        """Time of the story."""
        return round((asyncio.get_running_loop().time() - self._began_s) * 1000)

    async def open(self) -> None:
        """Waits for the pen to be connected, and takes the seat; the story begins."""
        await self._sit(self._scenario.setting.operator)
        good = 0
        async with asyncio.timeout(SETTLE_S):
            while good < SETTLED_LOOKS:  # a link that is about to be given up is connected, too
                view = (await self._station.pen()).view
                good = good + 1 if view.link == "connected" and view.motor_on is not None else 0
                await asyncio.sleep(LOOK_S)
        self._began_s = asyncio.get_running_loop().time()
        self._stalled_ms = self._pen.live.stalled_ms

    @property
    def stood_still_ms(self) -> int:
        """For how long in the story the pen did not live, because this computer was busy elsewhere."""
        return self._pen.live.stalled_ms - self._stalled_ms

    async def close(self) -> None:
        """Nobody sits there any more, and nothing more goes wrong."""
        for timer in self._timers:
            timer.cancel()
        await self._seats.aclose()
        self._journal.close()

    async def answer(self, wanted: Wanted) -> Answer:
        """Does what a course wants."""
        match wanted:
            case Until(at_ms=at_ms):
                await asyncio.sleep(max(at_ms - self.now_ms, 0) / 1000)
                return None
            case Look(record=record):
                return await self.seen(record=record)
            case Take(step=step):
                self._read_journal()
                self._mark = len(self._events)
                return await self._take(step)

    async def seen(self, *, record: bool) -> Seen:
        """What is so now: what the station shows, what its record holds if asked, what the pen really does."""
        view = (await self._station.pen()).view
        if record:
            self._read_journal()
        pen = self._pen.live.pen
        self._pen.live.catch_up()
        plant, limit = pen.plant, view.depth_limit
        closed = next((event for event in reversed(self._events) if isinstance(event, SessionClosed)), None)
        faults = fault_names(pen.firmware.faults)
        return Seen(
            now_ms=self.now_ms,
            phase=view.phase,
            link_up=view.link == "connected",
            session_open=view.session is not None,
            outcome=closed.outcome if closed is not None else None,
            zone=view.zone or "",
            alarms=tuple(alarm.alarm for alarm in view.alarms),
            pen_faults=tuple(faults.split(", ")) if faults else (),
            motor_driven=plant.driven,
            needles_out=plant.needles_home,
            depth_commanded_um=view.depth_commanded_um,
            depth_measured_um=view.depth_measured_um,
            depth_true_um=round(plant.protrusion_um),
            rate_commanded_mhz=view.rate_commanded_mhz,
            rate_measured_mhz=view.rate_measured_mhz,
            rate_true_mhz=round(plant.rate_hz * 1000),
            depth_limit_um=limit.effective if limit is not None else None,
            limited_by=limit.limited_by if limit is not None else "",
            treated_ms=sum(dose.treated_ms for dose in view.doses if dose.zone == view.zone),
            strokes=view.strokes,
            events=tuple(self._events[self._mark :]),
        )

    def _read_journal(self) -> None:
        for entry in self._journal.entries(self._read):
            self._read = entry.sequence
            if entry.type != "input_chunk":
                self._events.append(READER.read(entry.type, entry.version, entry.body))

    # What a person does -----------------------------------------------------------------------------------------------

    async def _sit(self, operator: str) -> None:
        await self._seats.aclose()
        self._seat = await self._seats.enter_async_context(self._station.seat(operator))

    async def _take(self, step: AnyStep) -> Refusal | None:
        match step:
            case Act():
                try:
                    await self._act(step)
                except StationRefused as refused:
                    return Refusal(refused.trouble.because or refused.trouble.code, refused.trouble.what)
                except ControlRefused as refused:
                    return Refusal(refused.because, refused.sentence)
            case Hand() | PutOn() | Move():
                self._pen.live.catch_up()
                return self._pen.hands.do(step)
            case FaultStep():
                self._fault(step)
            case Mend():
                self._pen.live.catch_up()
                return mended(self._pen.faults, step.mend)
            case _:
                raise TypeError(f"nobody knows how to do {step!r}")
        return None

    async def _act(self, step: Act) -> None:  # noqa: PLR0912 - one line an action
        match step:
            case StopAsked():
                await self._station.stop()
                return
            case TakeSeat():
                await self._sit(step.operator or self._scenario.setting.operator)
                return
            case Ask(do="leave-seat"):
                await self._seats.aclose()
                self._seat = None
                return
            case _:
                pass
        seat = self._seat
        if seat is None:
            raise ControlRefused("seat", "Nobody has the pen's operating seat, so nobody can ask for anything there.")
        match step:
            case Ask():
                await self._ask(seat, step)
            case Confirm():
                points = step.points or (await self._station.pen()).view.missing
                await seat.confirm(*points)
            case Set():
                if step.rate_mhz is not None:
                    await seat.set_rate(str(step.rate_mhz / MHZ_PER_HZ))
                if step.depth_um is not None:
                    await seat.set_depth(str(step.depth_um / UM_PER_MM), override=step.reason or "")
            case Zone():
                await seat.declare_zone(step.zone)
                self._pen.hands.go_to(step.zone)
            case Acknowledge():
                active = (await self._station.pen()).view.alarms
                for name in [alarm.alarm for alarm in active] if step.alarm == "all" else [step.alarm]:
                    await seat.acknowledge(name)
            case Close():
                await seat.close(step.reason, step.outcome)
            case Silence():
                await seat.pause_audio(min(step.for_ms // 1000, PAUSE_AUDIO_MAX_S))
            case _:
                raise TypeError(f"nobody knows how to ask for {step!r}")

    async def _ask(self, seat: SeatClient, step: Ask) -> None:
        setting = self._scenario.setting
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "prepare": lambda: seat.prepare(asked(setting, patient=PATIENT)),
            "arm": seat.arm,
            "start": seat.start,
            "pause": seat.pause,
            "clear": seat.clear_fault,
            "exchange-cartridge": seat.exchange_cartridge,
            "attest": seat.attest,
        }
        await calls[step.do]()

    # What else happens ------------------------------------------------------------------------------------------------

    def _fault(self, step: FaultStep) -> None:
        loop, pen = asyncio.get_running_loop(), self._pen

        def begin() -> None:
            pen.live.catch_up()
            pen.faults.inject(step.fault, **fault_named(step.fault).checked(step.parameters))

        if step.in_ms:
            self._timers.append(loop.call_later(step.in_ms / 1000, begin))
        else:
            begin()
        if step.for_ms is not None:
            after_s = (step.in_ms + step.for_ms) / 1000
            self._timers.append(loop.call_later(after_s, pen.faults.clear, step.fault))
