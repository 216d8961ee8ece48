"""Opening a bench: the state directory nobody else holds, its journal, a technician signed in, the pen connected.

It is a process of its own and no station: whoever holds the journal treats or services, never both. Nothing here opens
a file in which a patient is named.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

from controller.calibration.policy import CalibrationPolicy, load_policy
from controller.service.driver import ServiceDriver
from controller.service_events import ServiceClosed
from firmware_bridge.supervisor import Supervisor
from logger.journal.reader import JournalReader
from station.bench.bench import TechnicianBench
from station.bench.record import SigningIn, open_record
from station.clock import StationClock
from station.settings import StationSettings
from station.site.places import make_directories
from station.stop import StopListener

CONNECT_S = 10.0
"""How long a pen that is plugged in may take to answer."""
CLOSED = "the technician's bench was closed"
PEN = "bench"
"""What the pen is called to whoever says STOP: there is one."""


@asynccontextmanager
async def open_bench(
    settings: StationSettings,
    pen: str,
    *,
    technician: str,
    password: str,
    authorises: SigningIn | None = None,
    policy: CalibrationPolicy | None = None,
    attested_off_skin: bool = False,
    connect_within_s: float = CONNECT_S,
    clock: StationClock | None = None,
    chance: Random | None = None,
) -> AsyncIterator[TechnicianBench]:
    """A bench for the pen at a URL, for the length of a block; the motor is off behind it.

    ``authorises`` signs in beside the technician, to answer for the certificates that are issued; else the technician.
    ``policy`` is the clinic's, else that of the settings. ``attested_off_skin`` is the technician's word that the
    pen touches nobody, asked of a pen that does not sense skin. Raises BenchRefused (a station runs on this
    state directory), SignInRefused, NotAllowed (no technician), StationFailure, WireError, ControlRefused, RecordError.
    """
    clock = clock or StationClock()
    chance = chance or random.SystemRandom()
    goes_by = policy if policy is not None else await asyncio.to_thread(load_policy, settings.calibration)
    make_directories(settings)
    async with AsyncExitStack() as last:
        record = await last.enter_async_context(
            open_record(settings, technician, password, "technician", reason=CLOSED, clock=clock, authorises=authorises)
        )
        journal, sink = record.journal, record.sink
        for series in await asyncio.to_thread(_left_open, journal.reader):
            journal.emit(ServiceClosed(series=series, because="interrupted"), session=None)
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
            authorised_by=record.authorised_by,
            driver=driver,
            sink=sink,
            clock=clock,
            state_dir=settings.state_dir,
            attested_off_skin=attested_off_skin,
        )


async def _end(driver: ServiceDriver, tasks: list[asyncio.Task[None]]) -> None:
    """Motor off and confirmed, or its time is up; then the loop and the line."""
    confirmed = await driver.close()
    for task in reversed(tasks):
        task.cancel()
    await asyncio.wait(tasks)
    driver.check_confirmed(confirmed)


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
