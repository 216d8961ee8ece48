"""A treatment in the guest through one way into a pen, with its cable pulled in the middle.

The session driver, its supervisor and the journal are the station's own; the station's API is left out, because its
imports alone take a minute on an emulated processor.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from second_way import refused_by_pen, refused_by_product
from telling import Failed, PenLine, step

from controller.inputs import SetDepth, SetRate, Start
from controller.library import load_library
from controller.plan import SessionPlan
from controller.session import SessionDriver
from controller.site import Site
from controller.state import Phase
from firmware_bridge.supervisor import Supervisor
from logger.journal.journal import Journal
from station.record.seam import JournalSink
from tests.site import Ledger, Memory, Pens, clinic

SOON_S = 12.0
"""For what is done in well under a second on a processor that is not emulated."""

NOTHING_MOVES_S = 1.0
FRESH_MS, SILENT_MS = 200, 10_000


class WallClock:
    """The guest's clocks."""

    def monotonic_ms(self) -> int:
        """See controller.ports.Clock."""
        return time.monotonic_ns() // 1_000_000

    def utc(self) -> datetime:
        """See controller.ports.Clock."""
        return datetime.now(UTC)


class Treatment:
    """A pen on its way in, driven."""

    def __init__(self, line: PenLine, bus_id: str, url: str, journal: Journal) -> None:
        clock = WallClock()
        self.library = load_library()  # takes seconds here, so it is read before anything waits for us
        site = Site(clinic(self.library), memory=Memory(), ledger=Ledger(), pens=Pens())
        self.way = url.partition(":")[0]
        self.bus_id = bus_id
        self.url = url
        self.line = line
        self.pen: str | None = None
        self.driver = SessionDriver(
            url, sink=JournalSink(journal, time.monotonic), clock=clock, random=Random(1), site=site
        )
        self.supervisor = Supervisor(url, self.driver, monotonic_ms=clock.monotonic_ms, random=Random(2))

    async def begin(self) -> None:
        """Opens a session and starts the motor."""
        async with step(f"{self.way}: a treatment runs") as seen:
            await self.until(lambda: self.driver.pen is not None, "the pen was not found")
            library = self.library
            plan = SessionPlan(
                patient="p-0001", operator="demo-physician", protocol="facial-rejuvenation", skin="thick", zone="cheek",
                checklist=dict.fromkeys(library.checklist, True), answers=dict.fromkeys(library.questions, False),
                consent="form 1",
            )  # fmt: skip
            await self.driver.prepare(plan)
            self.pen = self.driver.view().pen
            seen += [f"{self.pen} at {self.url}", await self.run()]

    async def refused(self, other_url: str) -> None:
        """The pen's other way in is not to be had meanwhile."""
        other = other_url.partition(":")[0]
        async with step(f"{self.way}: meanwhile the pen's other way in, {other}, is refused") as seen:
            seen.append(await refused_by_product(other_url))
        if self.way == "serial":
            async with step(f"{self.way}: past the product, the pen itself answers busy") as seen:
                seen.append(await asyncio.to_thread(refused_by_pen, self.pen))
        async with step(f"{self.way}: the treatment was not disturbed") as seen:
            seen.append(await self.runs())

    async def pulled(self) -> None:
        """The cable is pulled in mid-treatment."""
        async with step(f"{self.way}: unplugged in mid-treatment, the pen stops by itself") as seen:
            took = await self.line.ask("pull", self.bus_id)
            seen += [f"motor off after {took['motor_off_ms']} ms", f"needles out after {took['needles_out_ms']} ms"]
            if took["needles_out_ms"] is None:
                raise Failed(seen[-1])
        async with step(f"{self.way}: unplugged, the session is interrupted and says why") as seen:
            await self.until(lambda: self.driver.pen is None, "the loss was not noticed")
            await self.until(lambda: self.driver.state.phase is Phase.INTERRUPTED, "it was not interrupted")
            view = self.driver.view()
            seen += [view.interruption, *(f"alarm {alarm.alarm}" for alarm in view.alarms)]

    async def plugged(self, attach: Callable[[str], Awaitable[None]]) -> None:
        """The cable goes in again."""
        async with step(f"{self.way}: plugged in again, the same pen is found and nothing moves") as seen:
            await attach(self.bus_id)
            began_s = time.monotonic()
            await self.until(lambda: self.driver.pen is not None, "it was not found again")
            seen.append(f"{self.driver.view().pen} after {time.monotonic() - began_s:.1f} s")
            await asyncio.sleep(NOTHING_MOVES_S)
            truth = await self.line.ask("truth", self.bus_id)
            if truth["motor_driven"] or self.driver.state.phase is not Phase.INTERRUPTED:
                raise Failed(f"it started by itself: {truth}")
            if self.driver.view().pen != self.pen:
                raise Failed(f"it was {self.pen} before")

    async def end(self) -> None:
        """A person clears and arms; the rest is treated, and the session closed."""
        async with step(f"{self.way}: cleared and armed by a person, it goes on and is closed") as seen:
            await self.driver.clear("a person")
            seen.append(await self.run())
            await self.driver.close("completed", "")
            truth = await self.truly(lambda truth: truth["needles_out"], "the needles are not out at the end")
            seen.append(f"{truth['strokes']} strokes in all")

    async def run(self) -> str:
        """Arms, sets and starts, as a person does. Returns what is seen of it."""
        await self.until(lambda: (self.driver.view().status_age_ms or SILENT_MS) < FRESH_MS, "the pen says nothing")
        await self.driver.arm("a person")
        await self.driver.ask(SetDepth(depth_um=500))
        await self.driver.ask(SetRate(rate_mhz=100_000))
        await self.driver.ask(Start(source="a person"))
        return await self.runs()

    async def runs(self) -> str:
        """The motor turns, really, and the host sees strokes. Raises Failed."""
        before = self.driver.view().strokes or 0
        await self.until(lambda: (self.driver.view().strokes or 0) > before, "no stroke was seen")
        truth = await self.truly(lambda truth: truth["motor_driven"], "the motor does not run")
        return f"{truth['rate_hz']:.0f} Hz, {self.driver.view().strokes} strokes seen"

    async def until(self, holds: Callable[[], bool], otherwise: str) -> None:
        """Waits until something holds of the driver. Raises Failed."""
        deadline_s = time.monotonic() + SOON_S
        while not holds():
            if time.monotonic() > deadline_s:
                view = self.driver.view()
                raise Failed(f"{otherwise}; {view.phase}, {view.link} ({view.link_problem})")
            await asyncio.sleep(0.02)

    async def truly(self, holds: Callable[[dict[str, Any]], bool], otherwise: str) -> dict[str, Any]:
        """Waits until something holds of the pen itself. Raises Failed."""
        deadline_s = time.monotonic() + SOON_S
        while not holds(truth := await self.line.ask("truth", self.bus_id)):
            if time.monotonic() > deadline_s:
                raise Failed(f"{otherwise}; really, {truth}")
            await asyncio.sleep(0.05)
        return truth


async def treat_through(
    line: PenLine, bus_id: str, url: str, other_url: str, attach: Callable[[str], Awaitable[None]]
) -> None:
    """Treats through ``url``; the pen's other way in is ``other_url``. Raises what went wrong, after it was told."""
    async with _journal() as journal:
        treatment = Treatment(line, bus_id, url, journal)
        tasks = [
            asyncio.create_task(treatment.driver.run(), name="20 Hz"),
            asyncio.create_task(treatment.supervisor.run(), name="connected"),
        ]
        try:
            await treatment.begin()
            await treatment.refused(other_url)
            await treatment.pulled()
            await treatment.plugged(attach)
            await treatment.end()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


@asynccontextmanager
async def _journal() -> AsyncIterator[Journal]:
    with TemporaryDirectory(prefix="nw") as folder:
        clock = WallClock()
        path = Path(folder) / "journal.sqlite"
        journal = Journal(path, station="guest", utc_now=clock.utc, monotonic_ms=clock.monotonic_ms)
        try:
            yield journal
        finally:
            await journal.close()
