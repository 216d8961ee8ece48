"""A whole house under load: pens, recorder with its broker, and the real station, each a process; treatments running.

The pens' process has the station's priority: a pen is another computer, which does not starve because this one does.

What is asked of the station goes through its API, as people and programs do it. One more pen than is treated is there,
connected and sending its status: the one that STOP is tried on.
"""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measuring import BUILD, Child, LoadLost, as_the_station, child_command, product_command, running
from controller.library import load_library
from controller.plan import SessionPlan
from controller.units import UM_PER_MM
from station.api.client import SeatClient, StationClient
from station.process.orders import Orders
from station.settings import PenSetting, StationSettings

OPERATOR = "demo-aesthetician"
PROTOCOL = "facial-rejuvenation"
SPARE = "spare"
DEPTH_UM = 500
MOVES_ON_AT = 0.8
WATCHED = 2
"""Live views open beside the treatments, as a room with two screens has."""


@dataclass
class House:
    """A running house. ``heard`` is what the station's ears took down, there once the house has ended."""

    settings: StationSettings
    station: Child
    heard: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)

    def station_process(self) -> psutil.Process:
        """The station as the system sees it."""
        return psutil.Process(self.station.pid)


def _zones() -> list[tuple[str, float]]:
    """The zones in which the depth is an ordinary one, the longest first, and the seconds after which each is left:
    before its budget ends, where treating would pause."""
    protocol = load_library().protocols[PROTOCOL]
    skin = protocol.skins[0]
    budgets = {
        name: (zone.dwell_hard_ms or 0) / 1000
        for name, zone in protocol.zones.items()
        if zone.soft_um[skin] >= DEPTH_UM
    }
    return [(name, MOVES_ON_AT * budgets[name]) for name in sorted(budgets, key=lambda name: -budgets[name])]


def _plan(number: int) -> SessionPlan:
    library = load_library()
    return SessionPlan(
        patient=f"P-BENCH-{number}",
        operator=OPERATOR,
        protocol=PROTOCOL,
        skin=library.protocols[PROTOCOL].skins[0],
        zone=_zones()[0][0],
        checklist=dict.fromkeys(library.checklist, True),
        answers=dict.fromkeys(library.questions, False),
        consent="form 1",
    )


@contextmanager
def state_folder() -> Iterator[Path]:
    """A folder for a station's state: a real disk under it, and a path short enough for a socket. Gone afterwards."""
    BUILD.mkdir(parents=True, exist_ok=True)
    state = Path(tempfile.mkdtemp(prefix="house-", dir=BUILD))
    short = Path(tempfile.mkdtemp(prefix="nw-"))
    try:
        (short / "s").symlink_to(state)
        yield short / "s"
    finally:
        shutil.rmtree(short)
        shutil.rmtree(state)


@asynccontextmanager
async def house(treated: int) -> AsyncIterator[House]:
    """``treated`` pens under treatment at 50 Hz of status, one more beside them, until the block ends."""
    async with AsyncExitStack() as stack:
        state = stack.enter_context(state_folder())
        pens = stack.enter_context(running(child_command("pens", treated + 1), preexec_fn=as_the_station))
        urls = pens.read()["urls"]
        settings = StationSettings(
            site="bench",
            station="bench",
            state_dir=state,
            stop_port=0,
            pens=tuple(
                PenSetting(name=SPARE if number == treated else f"pen{number}", url=url)
                for number, url in enumerate(urls)
            ),
        )
        orders = Orders(part="recorder", settings=settings).model_dump_json()
        recorder = stack.enter_context(running(product_command("station", "recorder"), orders))
        settings = settings.model_copy(update={"broker": (recorder.read()["broker"],)})
        heard = state / "heard.json"
        station = Child(child_command("observed_station", heard), settings.model_dump_json())
        inside = House(settings, station)
        try:
            station.read()
            async with AsyncExitStack() as rooms:
                client = await rooms.enter_async_context(StationClient.of(settings))
                moving = await _treat(rooms, client, treated)
                yield inside
                async with moving:
                    await _check_treating(client, treated)
        finally:
            await asyncio.to_thread(station.end)
        inside.heard = json.loads(heard.read_text(encoding="utf-8"))


async def _check_treating(client: StationClient, treated: int) -> None:
    """A load that was not there measured nothing. Raises LoadLost when a pen is no longer under treatment."""
    pens = [pen for pen in (await client.status()).pens if pen.name != SPARE]
    resting = [pen.view for pen in pens if pen.view.phase != "treating"]
    if resting:
        alarms = "; ".join(alarm.sentence for alarm in resting[0].alarms)
        raise LoadLost(
            f"{len(resting)} of {treated} pens are no longer under treatment, so these figures mean nothing. The first "
            f"is {resting[0].phase}: {alarms}"
        )


async def _treat(rooms: AsyncExitStack, client: StationClient, treated: int) -> asyncio.Lock:
    """Brings every pen but the spare one under treatment, seats held, two live views open, each going from zone to
    zone. Returns what is held while one of them changes zone, so that nobody takes it for one that has ended."""
    moving = asyncio.Lock()

    async def begin(number: int) -> SeatClient:
        seat = await rooms.enter_async_context(client.seat(OPERATOR, f"pen{number}"))
        await seat.prepare(_plan(number))
        await seat.arm()
        await seat.set_depth(DEPTH_UM / UM_PER_MM)
        await seat.set_rate(100)
        await seat.start()
        return seat

    for number in range(treated):
        seat = await begin(number)
        moves = asyncio.create_task(_move_on(seat, moving), name=f"the hand of pen{number}")
        rooms.push_async_callback(_ended, moves)
    for number in range(min(WATCHED, treated)):
        watching = asyncio.create_task(_watch(client, f"pen{number}"), name=f"live view of pen{number}")
        rooms.push_async_callback(_ended, watching)
    return moving


async def _move_on(seat: SeatClient, moving: asyncio.Lock) -> None:
    """Goes from zone to zone as an operator does, until the protocol's time in all of them is over."""
    zones = _zones()
    await asyncio.sleep(zones[0][1])
    for zone, seconds in zones[1:]:
        async with moving:
            await seat.pause()
            await seat.declare_zone(zone)
            await seat.set_depth(DEPTH_UM / UM_PER_MM)
            await seat.start()
        await asyncio.sleep(seconds)


async def _watch(client: StationClient, pen: str) -> None:
    async for _ in client.live(pen, hz=5):
        pass


async def _ended(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.wait({task})
