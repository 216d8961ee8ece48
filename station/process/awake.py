"""What a station asks of the system: to go before other programs, and not to be put to sleep during a session."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress

from station.monitoring.doctor import WANTED_NICE

START_S = 3.0
"""A system that has not answered by then is taken to have refused."""


def take_priority() -> tuple[str, ...]:
    """Asks for nice ``WANTED_NICE``; a sentence about it where it was refused."""
    if sys.platform == "win32":
        return ()
    try:
        os.setpriority(os.PRIO_PROCESS, 0, WANTED_NICE)
    except OSError as error:
        return (
            f"The system refused priority (nice {WANTED_NICE}: {error.strerror}). A busy computer can make the station "
            "late; the pen then stops by itself. `needlework doctor` names the remedy.",
        )
    return ()


def _command() -> tuple[str, ...]:
    """A program that keeps the computer awake for as long as its standard input is open; empty where there is none."""
    if sys.platform == "linux" and (inhibit := shutil.which("systemd-inhibit")):
        what = ("--what=sleep:idle:handle-lid-switch", "--mode=block")
        return (inhibit, *what, "--who=needlework", "--why=a session is open", "sh", "-c", "echo awake; cat")
    if sys.platform == "darwin" and (caffeinate := shutil.which("caffeinate")):
        return (caffeinate, "-i", "-s", "sh", "-c", "echo awake; cat")
    return ()


class SleepInhibitor:
    """Keeps the computer awake between :meth:`hold` and :meth:`release`. ``caveat`` says why not, when refused."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self.caveat = ""

    @property
    def held(self) -> bool:
        """The system agreed, and still does."""
        return self._process is not None and self._process.returncode is None

    async def hold(self) -> None:
        """Asks the system. Never raises; a refusal is in ``caveat``, and is asked about again the next time."""
        command = _command()
        if self.held:
            return
        self.caveat = "This system has no known way to keep it awake; switch off automatic sleep for treatments."
        if not command:
            return
        refused = "The system does not let the station keep it awake; switch off automatic sleep for treatments."
        process: Process | None = None
        try:
            async with asyncio.timeout(START_S):
                process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
                said = await process.stdout.readline() if process.stdout is not None else b""
        except (OSError, TimeoutError):
            said = b""
        if said.strip() == b"awake":
            self._process, self.caveat = process, ""
            return
        self.caveat = refused
        if process is not None:
            await _end(process)

    async def release(self) -> None:
        """Lets the computer sleep again."""
        process, self._process = self._process, None
        if process is not None:
            await _end(process)


async def _end(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(START_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
