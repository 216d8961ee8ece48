"""A house of real processes that can be killed at any moment: load, broker, recorder, and what lies on its disk."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from logger.journal.entry import Entry
from station.process.orders import Orders
from station.settings import StationSettings
from tests.fixtures_brokers import SITE, STATION, free_port

ROOT = Path(__file__).resolve().parents[2]
RUN_NUMBERS = 1_000_000
"""Each start of the load counts from the next multiple, so that no number is given twice."""


def preload(name: str) -> Path:
    """The library of that name to preload into a child, built from ``tests/c`` when its source is newer."""
    subprocess.run(["make", "--silent", "-C", str(ROOT / "tests" / "c"), "preloads"], check=True, timeout=60)
    return ROOT / "build" / "c" / f"{name}.so"


class Killable(Protocol):
    """A part of a house."""

    async def kill(self) -> None:
        """`kill -9`; dead on return."""

    async def start(self) -> None:
        """Starts it again; not ready on return."""

    async def look(self) -> str | None:
        """What is wrong with it that no blow explains."""


class Part:
    """A process that is killed and started again. What it writes to standard error is kept in its log."""

    def __init__(
        self,
        name: str,
        command: Callable[[], tuple[Sequence[str], str]],
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        hears: Callable[[str], None] = lambda _: None,
        may_end: bool = False,
    ) -> None:
        """``command`` gives the command line and the first line of standard input, each time anew.

        ``may_end``: a part that ends by itself when another is gone, and is started again by whoever watches it.
        """
        self.name = name
        self._command = command
        self._env = {**os.environ, **(env or {})}
        self._log = folder / f"{name}.log"
        self._hears = hears
        self._may_end = may_end
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts it and does not wait until it is ready: it may be killed on its way."""
        argv, first_line = self._command()
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env=self._env,
                start_new_session=True,
            )
        if first_line and self._process.stdin is not None:
            with suppress(ConnectionError):
                self._process.stdin.write(first_line.encode() + b"\n")
                await self._process.stdin.drain()
        self._reading = asyncio.create_task(self._read(self._process), name=f"output of {self.name}")

    async def kill(self) -> None:
        """`kill -9`; gone on return, and everything it had said is heard."""
        process, self._process = self._process, None
        if process is None or self._reading is None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
        await self._reading
        if process.stdin is not None:
            process.stdin.close()

    async def look(self) -> str | None:
        """Starts a part again that may end; what is wrong with one that may not, or None."""
        if self._process is None or self._process.returncode is None:
            return None
        if not self._may_end:
            said = self._log.read_text(errors="replace")[-1500:]
            return f"{self.name} ended by itself with code {self._process.returncode}: {said}"
        await self.kill()
        await self.start()
        return None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return None if self._process is None else self._process.pid

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is not None:
            while line := await process.stdout.readline():
                self._hears(line.decode().strip())


class Disk:
    """The folder the parts write to, of which what was not synced can be taken away; ``env`` is for who writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.env = {"LD_PRELOAD": str(preload("powercut")), "POWERCUT": str(folder) + os.sep}

    def cut(self) -> None:
        """Leaves of each database what was synced. Everybody who writes is dead."""
        for path in self._folder.glob("*.db*"):
            if path.name.endswith(".synced"):
                continue
            synced = path.with_name(path.name + ".synced")
            if synced.exists():
                shutil.copyfile(synced, path)
            elif re.search(r"\.db(-wal|-shm|-journal)?$", path.name):
                path.unlink()


class Said:
    """What the load said: of each of its runs the highest number that the journal called durable."""

    def __init__(self) -> None:
        self.runs = 0
        self.durable: dict[int, int] = {}
        self.flushes_ms: list[float] = []

    def first(self) -> int:
        """The first number of a new run."""
        self.runs += 1
        return self.runs * RUN_NUMBERS

    def hear(self, line: str) -> None:
        """A line of the load's."""
        number, _, took_ms = line.partition(" ")
        if number.isdigit():
            self.durable[int(number) // RUN_NUMBERS] = int(number)
            self.flushes_ms.append(float(took_ms))


class LoadHouse:
    """Load → Mosquitto → recorder → store, each a process."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        store: str | None = None,
        power_cut: bool = False,
        defect: tuple[str, str] = ("", ""),
        broker_keeps: str = "persistence false\n",
    ) -> None:
        """``store`` is a path or a URL, None for SQLite in the folder. ``defect`` is a part's name and what is planted
        in it. ``broker_keeps`` are the lines of Mosquitto's configuration about its memory.
        """
        self.disk = Disk(folder) if power_cut else None
        env = {} if self.disk is None else self.disk.env
        self.journal_path = folder / "journal.db"
        self.store_place = store or str(folder / "store.db")
        self.said = Said()
        port = free_port()
        self.broker_url = f"mqtt://127.0.0.1:{port}"
        settings = StationSettings(
            site=SITE, station=STATION, state_dir=folder, broker=self.broker_url, store=self.store_place, stop_port=0
        )
        orders = Orders(part="recorder", settings=settings).model_dump_json()
        part, planted = defect

        def load() -> tuple[Sequence[str], str]:
            first = self.said.first()
            given: dict[str, object] = {"journal": str(self.journal_path), "broker": self.broker_url, "first": first}
            given["seed"] = seed * 1000 + first
            return _child("load", planted if part == "load" else ""), json.dumps(given)

        def recorder() -> tuple[Sequence[str], str]:
            if part == "recorder":
                return _child("recorder", planted), orders
            return (sys.executable, "-m", "station", "recorder"), orders

        self.parts: dict[str, Killable] = {
            "broker": mosquitto(folder, port, broker_keeps),
            "recorder": Part("recorder", recorder, folder, env=env, may_end=store is not None),
            "load": Part("load", load, folder, env=env, hears=self.said.hear),
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator["LoadHouse"]:
        """Its own parts run until the block ends; then none does."""
        own = [part for part in self.parts.values() if isinstance(part, Part)]
        try:
            for part in own:
                await part.start()
            yield self
        finally:
            for part in own:
                await part.kill()

    def at_work(self) -> bool:
        """The newest run of the load has something on the disk."""
        return self.said.runs in self.said.durable

    def trouble(self) -> str:
        """Nothing the load would know of."""
        return ""

    def promised(self) -> Mapping[int, int]:
        """Of each run the highest number that is durable."""
        return dict(self.said.durable)

    def counted(self, promised: Mapping[int, int], stored: Sequence[Entry]) -> tuple[int, int, int]:
        """Promised, lost and duplicated. A hole in what was not promised is a loss too: order is part of the record."""
        found: dict[int, list[int]] = defaultdict(list)
        for entry in stored:
            if match := re.search(rb"number (\d+)", entry.body):
                found[int(match[1]) // RUN_NUMBERS].append(int(match[1]))
        durable = lost = 0
        for run, last in promised.items():
            wanted = range(run * RUN_NUMBERS, last + 1)
            durable += len(wanted)
            lost += len(set(wanted) - set(found[run]))
        lost += sum(later > before + 1 for run in found.values() for before, later in pairwise(run))
        every = [number for run in found.values() for number in run]
        return durable, lost, len(every) - len(set(every))


def mosquitto(folder: Path, port: int, keeps: str = "persistence false\n") -> Part:
    """A broker on loopback that lets everybody in, and remembers nothing unless told otherwise."""
    configuration = folder / "mosquitto.conf"
    user = "user root\n" if os.geteuid() == 0 else ""
    configuration.write_text(f"{user}listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n{keeps}")
    return Part("broker", lambda: ((_program("mosquitto"), "-c", str(configuration)), ""), folder)


def _child(part: str, defect: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.faults.child", part, defect)


def _program(name: str) -> str:
    found = shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError(f"{name} is not installed: `apt-get install mosquitto`, or `make setup`, which does that")
    return found
