"""A smaller campaign with the real driver, supervisor and link, on an event loop whose time is virtual.

The line is :mod:`firmware_bridge.transports.memory`, the pen lives in the loop's time, and what motor and needles do is
looked at every 5 ms. The truth is the plant's again; people, faults and their times come from a seed.
"""

import asyncio
from collections import deque
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from controller.errors import ControlRefused
from controller.events import Event, InputChunk
from controller.inputs import DeclareZone, Pause, SetDepth, SetRate, Start
from controller.library import load_library
from controller.machine import step
from controller.plan import SessionPlan
from controller.recording import replayed
from controller.session import SessionDriver
from controller.site import Site
from controller.state import MachineState
from firmware_bridge.supervisor import Supervisor
from proving.oracle import Calibrated, Oracle
from proving.plans import plan_of
from proving.stories import ZONES
from simulators.endpoints.live import LivePen
from simulators.endpoints.memory import MemoryEndpoint
from simulators.pen import SimulatedPen
from tests.site import Ledger, Memory, Pens, clinic

pytestmark = [pytest.mark.looptime, pytest.mark.unhurried]

TODAY = date(2026, 1, 1)
BEGAN = datetime(2026, 1, 1, 9, tzinfo=UTC)
OPERATOR, SKIN = "demo-master-aesthetician", "thick"
LOOK_S = 0.005
SLACK_MS = 10
"""Time between a look and the next, and of the pen's own turn in the loop."""


class LoopClock:
    """The loop's time as the station's clocks."""

    def __init__(self) -> None:
        self.stepped = timedelta()

    def monotonic_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    def utc(self) -> datetime:
        return BEGAN + self.stepped + timedelta(milliseconds=self.monotonic_ms())


class Sink:
    """Takes events; its disk can be made to fail."""

    def __init__(self) -> None:
        self.events: list[tuple[str | None, Event]] = []
        self.broken: str | None = None

    def emit(self, event: Event, *, session: str | None) -> None:
        self.events.append((session, event))

    async def flush(self) -> None:
        await asyncio.sleep(0.002)

    def problem(self) -> str | None:
        return self.broken

    def fill_permille(self) -> int:
        return 0


class Room:
    """A pen, a driver, an operator and whoever breaks things, for one story."""

    def __init__(self, seed: int) -> None:
        loop = asyncio.get_running_loop()
        self.random = Random(seed)
        self.pen = SimulatedPen(rng=Random(seed), today=TODAY)
        self.live = LivePen(self.pen, clock_ns=lambda: int(loop.time() * 1e9))
        self.endpoint = MemoryEndpoint(self.live, f"campaign-{seed}")
        self.clock, self.sink = LoopClock(), Sink()
        self.driver = SessionDriver(
            self.endpoint.url, sink=self.sink, clock=self.clock, random=Random(seed + 1),
            site=Site(
                clinic(), memory=Memory(), ledger=Ledger(), pens=Pens()
            ),
        )  # fmt: skip
        self.supervisor = Supervisor(
            self.endpoint.url, self.driver, monotonic_ms=self.clock.monotonic_ms, random=Random(seed + 2)
        )
        plan = plan_of("NW-1", OPERATOR, SKIN, "cheek", checked=True)
        self.oracle = Oracle(plan, self.pen.model, Calibrated(1_000_000, 0, 50, 0))
        self.zone, self.overridden_um = "cheek", 0
        self.limits: deque[tuple[int, int]] = deque([(0, 0)])
        self.stopped_at_ms: int | None = None
        self.silent_since_ms: int | None = None
        self.motor_on_ms = 0

    # What holds

    async def watch(self) -> None:
        """Looks for ever at what motor and needles do."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look(self.clock.monotonic_ms())

    def look(self, now_ms: int) -> None:
        model, truth = self.pen.model, self.pen.truth
        window_ms = model.dead_man_ms + model.retract_ms + SLACK_MS
        while len(self.limits) > 1 and self.limits[1][0] <= now_ms - window_ms:
            self.limits.popleft()
        if not truth.motor_driven:
            return
        self.motor_on_ms += int(LOOK_S * 1000)
        deepest = max(limit for _, limit in self.limits)
        assert truth.protrusion_um <= deepest + 10, f"invariant 1: {truth.protrusion_um} µm, at most {deepest} µm"
        assert truth.lease, "invariant 2: driven without a lease"
        assert self.pen.cartridge is not None, "invariant 2: driven without a cartridge"
        for since_ms, what in ((self.silent_since_ms, "3: silence"), (self.stopped_at_ms, "4: STOP")):
            if since_ms is not None:
                late_ms = now_ms - since_ms
                assert late_ms <= model.dead_man_ms + SLACK_MS, f"invariant {what}: driven {late_ms} ms later"

    def limits_changed(self) -> None:
        limit_um = self.oracle.depth_um(
            self.zone, overridden_um=self.overridden_um, approved_um=0, rate_mhz=0, needle_um=1500
        )
        self.limits.append((self.clock.monotonic_ms(), limit_um))

    # What people do

    async def operate(self) -> None:
        """Anything, and mostly what comes next."""
        while True:
            await asyncio.sleep(self.random.uniform(0.02, 1.2))
            with suppress(ControlRefused):
                await self.one_act()

    async def one_act(self) -> None:
        random, driver = self.random, self.driver
        match random.choice(["on"] * 14 + ["pause", "stop", "close", "zone", "depth", "button", "cartridge", "clear"]):
            case "on":
                await self.go_on()
            case "pause":
                await driver.ask(Pause(source="test"))
            case "stop":
                driver.stop("test")
                self.stopped_at_ms = self.clock.monotonic_ms() if self.pen.truth.motor_driven else None
            case "close":
                await driver.close("completed", "test")
            case "zone":
                zone = random.choice(ZONES)
                await driver.ask(DeclareZone(zone=zone))
                self.zone, self.overridden_um = zone, 0
                self.limits_changed()
            case "depth":
                await self.set_depth(random.randrange(0, 2600), random.choice(("", "", "scar-tissue")))
            case "button":
                self.pen.press_button()
            case "cartridge":
                self.pen.remove_cartridge()
                await asyncio.sleep(random.uniform(0.1, 1.0))
                self.pen.insert_cartridge()
            case _:
                await driver.clear("test")

    async def set_depth(self, depth_um: int, override: str) -> None:
        await self.driver.ask(SetDepth(depth_um=depth_um, override=override))
        if override:
            self.overridden_um = depth_um
        self.limits_changed()

    async def go_on(self) -> None:
        driver = self.driver
        match driver.state.phase:
            case "no_session":
                if driver.state.alarms.active:
                    await driver.clear("test")
                if self.pen.cartridge is None or self.pen.cartridge.used:
                    self.pen.insert_cartridge()
                await driver.prepare(
                    SessionPlan(
                        patient="p-0001", operator=OPERATOR, protocol="facial-rejuvenation", skin=SKIN, zone="cheek",
                        checklist=dict.fromkeys(load_library().checklist, True),
                        answers=dict.fromkeys(load_library().questions, False), consent="form 1",
                    )
                )  # fmt: skip
                self.zone, self.overridden_um = "cheek", 0
            case "prepared":
                await driver.arm("test")
                self.overridden_um = 0
                self.limits_changed()
            case "paused":
                with suppress(ControlRefused):
                    await driver.ask(SetRate(rate_mhz=self.random.randrange(20, 111) * 1000))
                    await self.set_depth(self.random.choice((250, 500, 700, 1000)), "")
                await driver.ask(Start(source="test"))
                self.stopped_at_ms = None
            case "interrupted":
                await driver.clear("test")

    # What goes wrong

    async def trouble(self) -> None:
        """Breaks something, mends it, waits, for ever."""
        while True:
            await asyncio.sleep(self.random.uniform(0.5, 6.0))
            await self.one_trouble()

    async def one_trouble(self) -> None:
        random = self.random
        lines = [port.line for port in self.endpoint.ports]
        kind = random.choice(["deaf", "mute", "late", "held", "noise", "unplug", "reboot", "jam", "disk", "clock"])
        match kind:
            case "deaf" | "held":
                for line in lines:
                    setattr(line.to_pen, "dropping" if kind == "deaf" else "holding", True)
                self.silent_since_ms = self.clock.monotonic_ms()
            case "mute":
                for line in lines:
                    line.to_host.dropping = True
            case "late":
                for line in lines:
                    line.to_host.delay_ms = random.randrange(1, 350)
            case "noise":
                for line in lines:
                    line.to_pen.fate = line.to_host.fate = lambda data: ((0, data),) if random.random() < 0.7 else ()
            case "unplug":
                self.endpoint.unplug()
            case "reboot":
                self.pen.reboot()
            case "jam":
                self.pen.faults.jam_motor(True)
            case "disk":
                self.sink.broken = "the disk is full"
            case _:
                self.clock.stepped += timedelta(hours=random.choice((-30, -1, 1, 30)))
        await asyncio.sleep(random.uniform(0.05, 1.5))
        self.silent_since_ms = None
        self.pen.faults.jam_motor(False)
        self.sink.broken = None
        for line in lines:
            line.to_pen.dropping = line.to_pen.holding = line.to_host.dropping = False
            line.to_host.delay_ms = 0
            line.to_pen.fate = line.to_host.fate = None

    async def play(self, seconds: float) -> None:
        """Plays for so much virtual time; what does not hold is raised."""
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
            for name, run in (
                ("pen", self.live.run), ("driver", self.driver.run), ("supervisor", self.supervisor.run),
                ("watch", self.watch), ("operator", self.operate), ("trouble", self.trouble),
            ):  # fmt: skip
                tasks.create_task(run(), name=name)

    def replays(self) -> int:
        """Every session's journalled inputs come to the journalled phases again; returns how many sessions."""
        sessions = {session for session, _ in self.sink.events if session is not None}
        for session in sessions:
            chunks = [event for of, event in self.sink.events if of == session and isinstance(event, InputChunk)]
            state, told = MachineState(), []
            for given, now_ms in replayed(chunks):
                made = step(state, given, now_ms)
                state = made.state
                told += [event.type for event in made.events]
            lived = [
                event.type for of, event in self.sink.events if of == session and not isinstance(event, InputChunk)
            ]
            lived = [kind for kind in lived if kind != "link_advisory"]
            # The chunk begun last may not be full yet when a story is cut off.
            assert told[1:][: len(lived)] == lived[: len(told) - 1] or told[: len(lived)] == lived[: len(told)]
        return len(sessions)


async def story(seed: int, seconds: float) -> Room:
    room = Room(seed)
    with room.endpoint, suppress(TimeoutError):
        await room.play(seconds)
    return room


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_in_half_a_minute(seed: int) -> None:
    room = await story(seed, 30.0)
    assert room.motor_on_ms > 0
    assert room.replays() > 0


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 110))
async def test_whatever_happens_in_ten_minutes(seed: int) -> None:
    room = await story(seed, 600.0)
    assert room.motor_on_ms > 10_000
    assert room.replays() > 0


async def test_the_watch_sees_a_pen_that_does_not_stop() -> None:
    room = Room(1)
    room.limits.append((0, 500))
    room.pen.plant.drive(500.0, 90.0)
    room.pen.firmware._lease.lease = 7  # the pen believes in a lease that nobody gave
    room.stopped_at_ms = 0
    room.look(300)
    with pytest.raises(AssertionError, match="invariant 4"):
        room.look(500)
    room.endpoint.close()
