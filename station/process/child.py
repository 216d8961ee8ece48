"""One supervised process: started, waited for until it says it is ready, watched, ended.

What a child and its supervisor say to each other: the child gets its settings as the first line of standard input and
ends in good order when that input ends; it says ``{"ready": NAME, …}`` or ``{"failed": NAME, …}`` as one JSON line on
standard output. Everything it writes to standard error goes to its log file.
"""

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from station.errors import ProcessError, Trouble
from station.process.exits import Exit

LOG_MAX_BYTES = 1_000_000
"""A log file beyond it is set aside once at start, so that logs never fill the disk the journal is on."""
LINE_MAX_BYTES = 65536
KILL_GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to run a child. ``first_line`` goes to its standard input.

    ``leashed`` children do not watch their standard input; on Linux the kernel ends them with their supervisor.
    ``stop_s`` is how long an orderly end may take before it is forced.
    """

    name: str
    argv: tuple[str, ...]
    first_line: str = ""
    leashed: bool = False
    ready_s: float = 15.0
    stop_s: float = 8.0


class Child:
    """A process of ``spec``. Used once: started, and gone when :meth:`stop` or :meth:`wait` returned."""

    def __init__(self, spec: ChildSpec, log_dir: Path) -> None:
        self.spec = spec
        self.log_path = log_dir / f"{spec.name.replace(' ', '-')}.log"
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._said: asyncio.Future[dict[str, Any]] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while there is one."""
        return None if self._process is None else self._process.pid

    async def start(self) -> dict[str, Any]:
        """Starts the process; its ready line. Raises ProcessError, in the child's own words where it left any."""
        self._said = asyncio.get_running_loop().create_future()
        with self._open_log() as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *_leash(self.spec),
                    *self.spec.argv,
                    stdin=DEVNULL if self.spec.leashed else PIPE,
                    stdout=PIPE,
                    stderr=log,
                    limit=LINE_MAX_BYTES,
                    # Ctrl-C in a terminal reaches the whole process group; the order of ending is ours to choose.
                    start_new_session=sys.platform != "win32",
                )
            except OSError as error:
                raise ProcessError(self._trouble(f"could not be started: {error.strerror or error}")) from error
        if self._process.stdin is not None:
            self._process.stdin.write(self.spec.first_line.encode() + b"\n")
        self._reader = asyncio.create_task(self._read_lines(self._process), name=f"output of {self.spec.name}")
        try:
            async with asyncio.timeout(self.spec.ready_s):
                said = await asyncio.shield(self._said)
        except TimeoutError as error:
            await self.stop()
            raise ProcessError(self._trouble(f"was not ready within {self.spec.ready_s:.0f} s")) from error
        except asyncio.CancelledError:
            self._kill()
            raise
        if "failed" in said:
            code = await self.wait()
            raise ProcessError(_own_words(said), code)
        if "ended" in said:
            code = await self.wait()
            raise ProcessError(self._trouble(f"ended with code {code} before it was ready"), code)
        return said

    async def wait(self) -> int:
        """Waits until the process has ended; its exit code, negative the signal that killed it."""
        if self._process is None:
            return Exit.UNEXPECTED
        code = await self._process.wait()
        if self._reader is not None:
            await self._reader
        return code

    async def stop(self) -> int:
        """Ends the process: in good order within ``stop_s``, by force after that. Its exit code."""
        process = self._process
        if process is None:
            return Exit.ORDERLY
        if process.stdin is not None:
            process.stdin.close()  # asks for an orderly end on every system, which a signal does not
        else:
            with suppress(ProcessLookupError):
                process.terminate()
        for end, grace_s in ((process.terminate, self.spec.stop_s), (process.kill, KILL_GRACE_S)):
            try:
                async with asyncio.timeout(grace_s):
                    return await self.wait()
            except TimeoutError:
                with suppress(ProcessLookupError):
                    end()
        return await self.wait()

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _read_lines(self, process: Process) -> None:
        """Takes the child's lines as long as it lives, so that it never blocks on a full pipe."""
        if process.stdout is None or self._said is None:
            return
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:
                continue  # longer than LINE_MAX_BYTES: no line of ours
            if not line:
                break
            if not self._said.done():
                with suppress(ValueError):
                    said = json.loads(line)
                    if isinstance(said, dict) and ("ready" in said or "failed" in said):
                        self._said.set_result(said)
        if not self._said.done():
            self._said.set_result({"ended": self.spec.name})

    def _open_log(self) -> Any:
        for directory in (self.log_path.parent.parent, self.log_path.parent):  # `parents` would make the first for all
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_MAX_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        return os.fdopen(os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")

    def _trouble(self, what: str) -> Trouble:
        return Trouble(
            "process",
            f"The {self.spec.name} {what}.",
            "It is a part of Needlework that has to run.",
            f"What it said is at the end of {self.log_path}.",
        )


def _leash(spec: ChildSpec) -> tuple[str, ...]:
    """What makes the kernel end a child with its supervisor, where there is such a thing."""
    tool = shutil.which("setpriv") if spec.leashed and sys.platform == "linux" else None
    return (tool, "--pdeathsig", "TERM", "--") if tool else ()


def _own_words(said: dict[str, Any]) -> Trouble:
    words = [str(said.get(name, "")) for name in ("code", "what", "means", "do")]
    return Trouble(words[0] or "process", *words[1:])
