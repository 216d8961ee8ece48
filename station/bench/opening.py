"""Opening a bench: the state directory nobody else holds, its journal, a technician signed in, the pen connected.

It is a process of its own and no station: whoever holds the journal treats or services, never both. Nothing here opens
a file in which a patient is named.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib.metadata import version
from random import Random

from controller.calibration.policy import CalibrationPolicy, load_policy
from controller.events import StationStopped
from controller.operators import load_operators
from controller.service.driver import ServiceDriver
from controller.service_events import ServiceClosed
from firmware_bridge.supervisor import Supervisor
from logger.errors import JournalBusy, RecordError
from logger.journal.journal import Journal
from logger.journal.reader import JournalReader
from station.bench.bench import TechnicianBench
from station.clock import StationClock
from station.errors import BenchRefused, Trouble
from station.people.accounts import Accounts
from station.people.people import People
from station.people.sign_ins import SignIns
from station.record.checkpointing import Checkpoints
from station.record.seam import JournalSink, begin_record, ended_in_order
from station.settings import StationSettings
from station.site.places import make_directories, new_token
from station.stop import StopListener

CONNECT_S = 10.0
"""How long a pen that is plugged in may take to answer."""
PEN = "bench"
"""What the pen is called to whoever says STOP: there is one."""


@asynccontextmanager
async def open_bench(
    settings: StationSettings,
    pen: str,
    *,
    technician: str,
    password: str,
    policy: CalibrationPolicy | None = None,
    attested_off_skin: bool = False,
    connect_within_s: float = CONNECT_S,
    clock: StationClock | None = None,
    chance: Random | None = None,
) -> AsyncIterator[TechnicianBench]:
    """A bench for the pen at a URL, for the length of a block; the motor is off behind it.

    ``policy`` is the clinic's, the example shipped without one. ``attested_off_skin`` is the technician's word that the
    pen touches nobody, asked of a pen that does not sense skin. Raises BenchRefused (a station runs on this
    state directory), SignInRefused, NotAllowed (no technician), StationFailure, WireError, ControlRefused, RecordError.
    """
    clock = clock or StationClock()
    chance = chance or random.SystemRandom()
    goes_by = policy if policy is not None else await asyncio.to_thread(load_policy)
    make_directories(settings)
    async with AsyncExitStack() as last:
        journal = _journal(settings, clock)
        last.push_async_callback(journal.close)
        await _verified(settings, journal)
        checkpoints = await asyncio.to_thread(Checkpoints.of, journal, settings.station_key_path)
        await begin_record(journal, f"needlework {version('needlework')}", clock.utc(), site=settings.site)
        last.push_async_callback(_end_record, journal, checkpoints)
        await checkpoints.begin()
        people = await _people(settings, journal, clock)
        last.push_async_callback(people.close)
        await people.begin()
        people.signed_in((await people.sign_in(technician, password)).token, "technician")
        for series in await asyncio.to_thread(_left_open, journal.reader):
            journal.emit(ServiceClosed(series=series, because="interrupted"), session=None)
        sink = JournalSink(journal, clock.monotonic_s)
        driver = ServiceDriver(pen, sink=sink, clock=clock, random=chance, limits=goes_by.service)
        supervisor = Supervisor(pen, driver, monotonic_ms=clock.monotonic_ms, random=chance)

        def stop(_pen: str, source: str) -> tuple[str, ...]:
            driver.stop(source)
            return (PEN,)

        listener = StopListener(stop, lambda: (PEN,))
        await listener.listen(settings.stop_port)
        last.push_async_callback(listener.close)
        tasks = [
            asyncio.create_task(run(), name=name)
            for name, run in (("bench: service loop", driver.run), ("bench: connection", supervisor.run))
        ]
        last.push_async_callback(_end, driver, tasks)
        facts = await driver.connected(connect_within_s)
        driver.take_again()
        yield TechnicianBench(
            pen=facts,
            policy=goes_by,
            technician=technician,
            driver=driver,
            sink=sink,
            clock=clock,
            state_dir=settings.state_dir,
            attested_off_skin=attested_off_skin,
        )


async def _end(driver: ServiceDriver, tasks: list[asyncio.Task[None]]) -> None:
    """Motor off and confirmed, or its time is up; then the loop and the line."""
    await driver.close()
    for task in reversed(tasks):
        task.cancel()
    await asyncio.wait(tasks)


def _journal(settings: StationSettings, clock: StationClock) -> Journal:
    try:
        return Journal(
            settings.journal_path, station=settings.station, utc_now=clock.utc, monotonic_ms=clock.monotonic_ms
        )
    except JournalBusy as error:
        raise BenchRefused(
            Trouble(
                "station_runs",
                f"A station runs on {settings.state_dir}, or another bench does.",
                "Whoever holds the record treats or services, never both; nothing moved.",
                "End the station (Ctrl-C, or `systemctl stop needlework`), then try again. It goes on where it was.",
            )
        ) from error


async def _people(settings: StationSettings, journal: Journal, clock: StationClock) -> People:
    operators = load_operators(settings.operators)
    return People(
        await asyncio.to_thread(Accounts, settings.accounts_path),
        SignIns(settings.sign_in_idle_s, new_token),
        operators,
        journal=journal,
        clock=clock,
        mode=settings.mode,
    )


async def _verified(settings: StationSettings, journal: Journal) -> None:
    """What was not ended in order is looked at before anything is added to it."""
    if await asyncio.to_thread(ended_in_order, journal.reader):
        return
    from logger.proof.verify import verify_journal  # noqa: PLC0415  with it comes the store: 0.2 s that few need

    result = await asyncio.to_thread(verify_journal, settings.journal_path)
    if result.verdict != "intact":
        raise BenchRefused(
            Trouble(
                "journal_damaged",
                result.sentence(),
                "Nothing is added to a journal that does not verify: what is in it is evidence.",
                f"Keep {settings.journal_path} as it is, and use another state directory (--state).",
            )
        )


def _left_open(reader: JournalReader) -> list[str]:
    """Pieces of work in service mode whose program died in them, oldest first."""
    opened: dict[str, None] = {}
    for entry in reader.entries_of(("service_opened", "service_closed")):
        series = str(json.loads(entry.body)["series"])
        if entry.type == "service_opened":
            opened[series] = None
        else:
            opened.pop(series, None)
    return list(opened)


async def _end_record(journal: Journal, checkpoints: Checkpoints) -> None:
    journal.emit(StationStopped(reason="the technician's bench was closed"), session=None)
    await journal.flush()
    with suppress(RecordError):  # the record is on the disk; unsigned, its last entries are told as such
        await checkpoints.now()
