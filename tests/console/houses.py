"""A station that really runs, with a simulated pen behind a pseudo-terminal, and the command line beside it."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from controller.library import load_library

NEEDLEWORK = str(Path(sys.executable).with_name("needlework"))
CONFIRMED = tuple(load_library().checklist)
TREAT = ("treat", "--operator", "demo-master-aesthetician")
PREPARE = (*TREAT, "--protocol", "facial-rejuvenation", "--skin", "thin", "--zone", "forehead", "--consent", "folder 7",
           *(word for item in CONFIRMED for word in ("--confirmed", item)))  # fmt: skip
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("NEEDLEWORK_")}


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command as a process with pipes; ended hard if the test did not end it."""
    process = subprocess.Popen(
        [NEEDLEWORK, *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=15)
        if process.poll() is None:
            process.kill()
            process.communicate()


def answers_in(directory: Path, **more: object) -> tuple[str, str]:
    """The option that names a file in which no question applies."""
    path = directory / "answers.json"
    path.write_text(json.dumps({"answers": dict.fromkeys(load_library().questions, "no"), **more}))
    return "--answers", str(path)


class House:
    """A running station and the command line beside it."""

    def __init__(self, process: subprocess.Popen[str], state: Path) -> None:
        self.process = process
        self.state = state
        assert process.stdout is not None
        self.ready = json.loads(process.stdout.readline())
        self.prepare = (*PREPARE, *answers_in(state))

    def call(self, *arguments: str, lines: str = "") -> subprocess.CompletedProcess[str]:
        """Another command on the same station."""
        done = subprocess.run(
            [NEEDLEWORK, *arguments, "--state", str(self.state)],
            env=ENVIRONMENT, input=lines, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def closed_record(self) -> dict[str, Any]:
        """The newest session as it is shown, once its end has reached the store."""
        until_s = time.monotonic() + 15.0
        while True:
            record: dict[str, Any] = json.loads(self.call("sessions", "show", "last", "--json").stdout)
            if record["outcome"] != "open":
                return record
            assert time.monotonic() < until_s, "the session's end never reached the store"

    def end(self, number: signal.Signals) -> int:
        """Asks the station to end as a terminal or a service manager would; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


@contextmanager
def pen_at(link: Path, model: str = "NW-1") -> Iterator[subprocess.Popen[str]]:
    """A simulated pen of its own process, whose cartridge SIGUSR1 exchanges."""
    with running("simulate", "--pty", "--link", str(link), "--model", model) as pen:
        assert pen.stdout is not None
        assert json.loads(pen.stdout.readline())
        yield pen


class Terminal:
    """A command on a pseudo-terminal of 100 by 30, as a person has it in front of them."""

    def __init__(self, *arguments: str) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:  # pragma: no cover  the child
            os.environ.update(TERM="xterm-256color", COLUMNS="100", LINES="30")
            os.execv(NEEDLEWORK, [NEEDLEWORK, *arguments])
        self.seen = ""

    def until(self, wanted: str, seconds: float = 15.0) -> None:
        """Reads until something is on the screen; what was there before does not count again."""
        deadline = time.monotonic() + seconds
        while wanted not in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.seen):
            left = deadline - time.monotonic()
            assert left > 0, f"{wanted!r} never came:\n{self.seen[-3000:]}"
            if select.select([self._fd], [], [], left)[0]:
                with suppress(OSError):  # the other end closed: what was seen is all there is
                    self.seen += os.read(self._fd, 65536).decode(errors="replace")
        self.seen = ""

    def type(self, keys: str) -> None:
        """Presses keys."""
        os.write(self._fd, keys.encode())

    def end(self) -> int:
        """Waits for the end; the exit code."""
        while True:
            try:
                if not os.read(self._fd, 65536):
                    break
            except OSError:
                break
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
