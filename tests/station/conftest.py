"""A station in this process with a simulated pen behind it: real parts, a real Unix socket, no other process."""

import asyncio
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.events import Event, SessionClosed
from controller.library import load_library
from controller.plan import SessionPlan
from firmware_bridge.wire.messages import PenState
from simulators.endpoints.live import LivePen
from simulators.endpoints.pty import PtyEndpoint
from simulators.pen import SimulatedPen
from station.api.client import SeatClient, StationClient
from station.api.models import PenStatus
from station.errors import StationRefused
from station.process.exits import Exit
from station.service import Station
from station.settings import StationSettings

OPERATOR = "demo-aesthetician"

SIMULATE = (
    sys.executable,
    "-c",
    "import asyncio, json; from simulators.serve import serve; "
    "asyncio.run(serve(lambda told: print(json.dumps({'ready': 'pen', **told}), flush=True)))",
)
"""A simulated pen as a process of its own."""


def plan(**changes: Any) -> SessionPlan:
    """A session of the example library, everything confirmed."""
    library = load_library()
    protocol = "facial-rejuvenation"
    given = {
        "patient": "P-4711",
        "operator": OPERATOR,
        "protocol": protocol,
        "skin": library.protocols[protocol].skins[0],
        "zone": "cheek",
        "checklist": dict.fromkeys(library.checklist, True),
        "answers": dict.fromkeys(library.questions, False),
        "consent": "form 1",
    }
    return SessionPlan.model_validate({**given, **changes})


async def armed(seat: SeatClient) -> None:
    """Arms; again, as the station says, where this machine stood still so long that nothing was heard of the pen."""
    for _ in range(3):
        try:
            await seat.arm()
        except StationRefused as refused:
            if refused.trouble.because != "no_pen":
                raise
            await asyncio.sleep(0.5)
        else:
            return
    await seat.arm()


@dataclass
class House:
    """A running station, its pen, and a client."""

    settings: StationSettings
    pen: SimulatedPen
    endpoint: PtyEndpoint
    station: Station
    client: StationClient
    announced: dict[str, Any]
    task: asyncio.Task[Exit]
    clients: list[StationClient] = field(default_factory=list)

    @property
    def stop_url(self) -> str:
        return f"http://127.0.0.1:{self.announced['stop_port']}/stop"

    def raw(self) -> httpx.AsyncClient:
        """HTTP without our client's manners."""
        return httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(self.settings.api_socket)), base_url="http://station"
        )

    async def treat(self, seat: SeatClient) -> None:
        """From nothing to needles in skin."""
        await seat.prepare(plan())
        await armed(seat)
        await seat.set_depth("0.50")
        await seat.set_rate(100)
        await seat.start()
        await self.until(lambda status: bool(status.view.strokes), "needles move")

    async def until(self, holds: Callable[[PenStatus], bool], what: str, within_s: float = 6.0) -> PenStatus:
        """The first status in a live view for which ``holds``."""
        last: PenStatus | None = None
        try:
            async with asyncio.timeout(within_s):
                async for status in self.client.live(hz=10):
                    last = status
                    if holds(status):
                        return status
        except TimeoutError:
            pass
        pytest.fail(f"never came: {what}; last seen {last}")

    @property
    def motor_off(self) -> bool:
        return not self.pen.truth.motor_driven

    @property
    def at_rest(self) -> bool:
        truth = self.pen.truth
        return not truth.motor_driven and truth.needles_out and truth.state in (PenState.IDLE, PenState.FAULT)

    @property
    def at_rest_armed(self) -> bool:
        truth = self.pen.truth
        return truth.state is PenState.ARMED and truth.needles_out and truth.rate_hz == 0

    async def pen_until(self, holds: Callable[[], bool], what: str, within_s: float = 3.0) -> None:
        """Waits until something is true of the pen itself."""
        try:
            async with asyncio.timeout(within_s):
                while not holds():
                    await asyncio.sleep(0.002)
        except TimeoutError:
            pytest.fail(f"never came: {what}; the pen is {self.pen.truth}")


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory with a path short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="nw") as directory:
        yield Path(directory)


@asynccontextmanager
async def simulated(link: Path | None = None) -> AsyncIterator[tuple[SimulatedPen, PtyEndpoint]]:
    """A simulated pen behind a pseudo-terminal, living in this loop; ``link`` is where it is found again."""
    pen = SimulatedPen(rng=random.Random(1), today=datetime.now(UTC).date())
    live = LivePen(pen)
    with PtyEndpoint(live, link=link) as endpoint:
        living = asyncio.create_task(live.run(), name="simulated pen")
        try:
            yield pen, endpoint
        finally:
            living.cancel()
            await asyncio.wait({living})


OpenHouse = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def open_house(short_path: Path) -> OpenHouse:
    """Starts a station with a pen: ``async with open_house(**settings) as house``."""

    @asynccontextmanager
    async def open_(**changes: Any) -> AsyncIterator[House]:
        async with AsyncExitStack() as undo:
            pen, endpoint = await undo.enter_async_context(simulated(short_path / "pen"))
            given = {"state_dir": short_path / "state", "stop_port": 0, "pens": f"pen={endpoint.url}", **changes}
            settings = StationSettings(**given)
            ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            station = Station(settings, ready.set_result)
            task = asyncio.create_task(station.run(), name="station")
            undo.push_async_callback(_ended, station, task)
            await asyncio.wait({ready, task}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            client = await undo.enter_async_context(StationClient.of(settings))
            yield House(settings, pen, endpoint, station, client, ready.result(), task)

    return open_


async def _ended(station: Station, task: asyncio.Task[Exit]) -> None:
    station.end("the test is over")
    await asyncio.wait({task})


@pytest.fixture
async def house(open_house: OpenHouse) -> AsyncIterator[House]:
    """A station with a pen, as it comes."""
    async with open_house() as opened:
        yield opened


def as_decided(event: Event) -> Event:
    """An event as the machine made it: how many entries a session has is the journal's own word."""
    return event.model_copy(update={"entries": None}) if isinstance(event, SessionClosed) else event
