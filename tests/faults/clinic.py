"""A clinic's house: the store is a PostgreSQL server, whose postmaster and backends are killed with the rest."""

import asyncio
import os
import random
import signal
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from tests.faults.house import LoadHouse
from tests.faults.rounds import Rounds, Tally, in_turn
from tests.fixtures_postgres import PostgresServer, _served

ROUNDS_A_HOUSE = 5


class Postmaster:
    """The server, killed as a whole. Its backends see it and end by themselves."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    async def kill(self) -> None:
        """See Killable."""
        if (process := _process(self._server)) is not None:
            children = process.children()
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(psutil.wait_procs, [process, *children], 10)

    async def start(self) -> None:
        """See Killable: starts while the rest goes on."""
        await asyncio.to_thread(self._server.start)

    async def look(self) -> str | None:
        """Nothing that the others would not show."""


class Backend:
    """One process of the server's that serves the recorder; the server starts the others anew by itself."""

    def __init__(self, server: PostgresServer, chance: random.Random) -> None:
        self._server = server
        self._chance = chance

    async def kill(self) -> None:
        """See Killable. Nobody is killed where nobody is connected."""
        process = _process(self._server)
        serving = [] if process is None else [child for child in process.children() if _serves(child)]
        if serving:
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(serving).pid, signal.SIGKILL)

    async def start(self) -> None:
        """The server's own affair."""

    async def look(self) -> str | None:
        """Nothing that the others would not show."""


def _pid(server: PostgresServer) -> int:
    return int((server._data / "postmaster.pid").read_text().split()[0])


def _process(server: PostgresServer) -> psutil.Process | None:
    try:
        return psutil.Process(_pid(server))
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def _serves(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "postgres: recorder " in " ".join(process.cmdline())
    return False


async def played_at_a_clinic(seed: int, rounds: int, tell: Callable[[str], None]) -> Tally:
    """So many rounds, a new database for every five of them; ends at a violation.

    The server does not wait for the disk: what is killed here leaves the system's memory alone, and after each crash
    the server would sync every file it has.
    """
    whole = Tally()
    with contextmanager(_served)(durable=False) as server:
        for first in range(0, rounds, ROUNDS_A_HOUSE):
            with TemporaryDirectory(prefix="needlework-kill-") as folder:
                house = LoadHouse(Path(folder), seed + first, store=server.url(server.new_database()))
                house.parts |= {"postmaster": Postmaster(server), "backend": Backend(server, random.Random(seed))}
                playing = Rounds(house, seed, tell, victims=tuple(house.parts))
                async with house.running():
                    await in_turn(playing, range(first, min(first + ROUNDS_A_HOUSE, rounds)))
            whole.add(playing.tally)
            if whole.violations:
                break
    return whole
