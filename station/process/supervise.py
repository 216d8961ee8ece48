"""`needlework run`: starts the processes of a station, watches them, and ends them in the right order.

    pen (simulated, where none is named)    ends last: a pen outlives those who drive it
    recorder (with the embedded broker)     the record catches up when it comes back
    station                                 ends first: motor off, needles out, then the rest

What dies is started again, with back-off. A station that ends for a reason that a restart would only meet again (its
settings, a pen that is not there, a damaged journal) ends the whole with its exit code and its own words.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from station.api.client import StationClient
from station.errors import ProcessError, StationError, Trouble
from station.process.child import Child, ChildSpec
from station.process.exits import WORTH_RESTARTING, Exit
from station.process.orders import Orders
from station.process.signals import on_ending_signals
from station.settings import PenSetting, StationSettings

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 10.0
SETTLED_S = 30.0
"""A child that ran this long starts its next back-off from the beginning."""

READY_S = 60.0
"""After a crash in a session of an hour, a station adds up its doses for a quarter of a minute before it is ready."""

PEN, RECORDER, STATION = "simulated pen", "recorder", "station"


class Supervisor:
    """The processes of a station, from ``async with`` to its end.

    ``simulate`` is the command of a simulated pen, used when the settings name none; ``notice`` gets a sentence
    whenever a process ends unasked or is back. Entering raises ProcessError when a process does not come up.
    """

    def __init__(
        self, settings: StationSettings, *, simulate: Sequence[str], notice: Callable[[str], None] | None = None
    ) -> None:
        self._given = settings
        self._simulate = tuple(simulate)
        self._notice = notice or (lambda _: None)
        self._children: dict[str, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._ended: asyncio.Future[ProcessError] | None = None
        self._kept_broker: str | None = None
        self.settings = settings
        """The settings the station runs with: what was given, and the addresses that were chosen for it."""

    def pid(self, name: str) -> int | None:
        """The process id of a child: ``PEN``, ``RECORDER`` or ``STATION``."""
        child = self._children.get(name)
        return None if child is None else child.pid

    def client(self) -> StationClient:
        """A client of the station that runs."""
        return StationClient.of(self.settings)

    async def __aenter__(self) -> Self:
        self._ended = asyncio.get_running_loop().create_future()
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self._stop_all)
            try:
                async with asyncio.TaskGroup() as starting:
                    if not self.settings.pens:
                        starting.create_task(self._start_pen(), name="start the pen")
                    if self.settings.record or not self.settings.broker:
                        starting.create_task(self._start_recorder(), name="start the recorder")
            except ExceptionGroup as group:
                raise group.exceptions[0] from None
            await self._start(STATION)
            self.settings = self.settings.model_copy(update={"wait_for_pens": True})
            undo.pop_all()
        for name in list(self._children):
            self._keepers.append(asyncio.create_task(self._keep(name), name=f"keeper of the {name}"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def ended(self) -> ProcessError:
        """Waits until the whole cannot go on; why."""
        if self._ended is None:
            raise RuntimeError("the supervisor is not running")
        return await asyncio.shield(self._ended)

    async def close(self) -> int:
        """Ends everything: the station first, the pen last. The station's exit code."""
        for keeper in self._keepers:
            keeper.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers)
        self._keepers.clear()
        return await self._stop_all()

    async def _stop_all(self) -> int:
        code: int = Exit.ORDERLY
        for name in (STATION, RECORDER, PEN):
            child = self._children.pop(name, None)
            if child is not None:
                ended = await child.stop()
                code = ended if name == STATION else code
        return code

    def _spec(self, name: str) -> ChildSpec:
        if name == PEN:
            return ChildSpec(PEN, self._simulate, leashed=True, stop_s=3.0)
        if name == RECORDER:
            orders = Orders(part="recorder", settings=self._given.of_recorder_beside(), kept_broker=self._kept_broker)
        else:
            orders = Orders(part="station", settings=self.settings)
        argv = (sys.executable, "-m", "station", name)
        return ChildSpec(name, argv, first_line=orders.model_dump_json(), ready_s=READY_S)

    async def _start(self, name: str) -> dict[str, Any]:
        child = Child(self._spec(name), self.settings.state_dir / "logs")
        self._children[name] = child
        return await child.start()

    async def _start_pen(self) -> None:
        ready = await self._start(PEN)
        pen = PenSetting(name="pen", url=self._steady_url(str(ready["url"])))
        self.settings = self.settings.model_copy(update={"pens": (pen,)})

    async def _start_recorder(self) -> None:
        ready = await self._start(RECORDER)
        if not self._given.broker:
            self._kept_broker = str(ready["broker"])
            self.settings = self.settings.model_copy(update={"broker": (self._kept_broker,)})

    def _steady_url(self, url: str) -> str:
        """An address that stays the same when the simulated pen comes back on another pseudo-terminal."""
        parts = urlsplit(url)
        if parts.scheme != "serial":
            return url
        link = self.settings.runtime_dir / "simulated-pen"
        link.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = link.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(parts.path)
        fresh.replace(link)
        return f"serial://{link}" + (f"?{parts.query}" if parts.query else "")

    async def _keep(self, name: str) -> None:
        """Watches a child and starts it again when it ends."""
        loop = asyncio.get_running_loop()
        wait_s = BACKOFF_FIRST_S
        since_s = loop.time()
        while True:
            code = await self._children[name].wait()
            if name == STATION and code not in WORTH_RESTARTING and code >= 0:
                self._end(ProcessError(_ended_trouble(code, self._children[name].log_path), code))
                return
            if loop.time() - since_s > SETTLED_S:
                wait_s = BACKOFF_FIRST_S
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            self._notice(f"The {name} {how}; it is started again.")
            while True:
                await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))  # noqa: S311  jitter, no secret
                wait_s = min(wait_s * 2, BACKOFF_MAX_S)
                since_s = loop.time()
                try:
                    await (self._start_pen() if name == PEN else self._start(name))
                except ProcessError as error:
                    if name == STATION and error.exit_code not in WORTH_RESTARTING and error.exit_code >= 0:
                        self._end(error)
                        return
                    self._notice(f"The {name} did not come back: {error}")
                else:
                    self._notice(f"The {name} is back.")
                    break

    def _end(self, why: ProcessError) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(why)


def _ended_trouble(code: int, log_path: Path) -> Trouble:
    with suppress(ValueError):
        return Trouble(
            "station_ended",
            f"The station ended: {Exit(code).name.lower().replace('_', ' ')}.",
            "Its pens were stopped, or stopped by themselves.",
            f"What it said is at the end of {log_path}.",
        )
    return Trouble("station_ended", f"The station ended with code {code}.", "", f"See {log_path}.")


async def run(
    settings: StationSettings,
    *,
    simulate: Sequence[str],
    on_ready: Callable[[Supervisor], None],
    notice: Callable[[str], None],
) -> int:
    """Runs a station until a signal asks it to end or it cannot go on; the exit code for the process.

    ``on_ready`` is called once when clients can connect. A trouble is told through ``notice``.
    """
    asked = asyncio.Event()
    with on_ending_signals(lambda _: asked.set()):
        supervisor = Supervisor(settings, simulate=simulate, notice=notice)
        starting = asyncio.create_task(supervisor.__aenter__(), name="start")
        stopping = asyncio.create_task(asked.wait(), name="signal")
        ended: asyncio.Task[ProcessError] | None = None
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                return Exit.ORDERLY
            await starting
            on_ready(supervisor)
            ended = asyncio.create_task(supervisor.ended(), name="ended")
            await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                return await supervisor.close()
            notice(str(await ended))
            return (await ended).exit_code
        except StationError as error:
            notice(str(error))
            return error.exit_code if isinstance(error, ProcessError) else Exit.SETTINGS
        finally:
            for task in (starting, stopping, ended):
                if task is not None:
                    task.cancel()
            await asyncio.wait({task for task in (starting, stopping, ended) if task is not None})
            await supervisor.close()


def run_main(
    settings: StationSettings,
    *,
    simulate: Sequence[str],
    on_ready: Callable[[Supervisor], None],
    notice: Callable[[str], None],
) -> int:
    """:func:`run` in an event loop of its own."""
    return asyncio.run(run(settings, simulate=simulate, on_ready=on_ready, notice=notice))
