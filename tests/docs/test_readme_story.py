"""The README's three terminals, played as they are written there: a simulated pen, Mosquitto, and somebody watching."""

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures_brokers import free_port

README = Path(__file__).resolve().parents[2] / "README.md"
READY_WITHIN_S = 40.0
"""Several interpreters start here, on a machine that has other tests to run."""

Start = Callable[..., Coroutine[Any, Any, asyncio.subprocess.Process]]


def written(beginning: str) -> str:
    """The one command in the README's blocks that is this, or else the one that begins like this."""
    commands = re.findall(rf"^{re.escape(beginning)}.*$", README.read_text(encoding="utf-8"), re.MULTILINE)
    (found,) = [command for command in commands if command == beginning] or commands
    return str(found)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a command as a terminal would, with a state directory and a STOP port of its own; ends it with Ctrl-C."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NEEDLEWORK_", "XDG_"))}
    environment |= {"NEEDLEWORK_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path), "NEEDLEWORK_STOP_PORT": "0"}

    async def begin(command: str, *, stderr: int | None = None) -> asyncio.subprocess.Process:
        name, *arguments = shlex.split(command)
        path = str(Path(sys.executable).with_name(name)) if name == "needlework" else shutil.which(name)
        assert path is not None, f"{name} is not installed; `make setup` says what to install"
        process = await asyncio.create_subprocess_exec(
            path,
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
        ends.push_async_callback(interrupt, process)
        return process

    async with AsyncExitStack() as ends:
        yield begin


async def interrupt(process: asyncio.subprocess.Process) -> None:
    """Ctrl-C, and what it still says."""
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await process.communicate()
        except TimeoutError:  # Mosquitto forgets an interrupt that comes in the moment it begins to run
            process.kill()
            await process.communicate()
            raise


async def line_with(process: asyncio.subprocess.Process, stream: asyncio.StreamReader | None, part: str) -> str:
    """The next line that holds ``part``."""
    assert stream is not None
    said: list[str] = []
    async with asyncio.timeout(READY_WITHIN_S):
        while line := (await stream.readline()).decode():
            said.append(line)
            if part in line:
                return line
    raise AssertionError(f"it ended with {process.returncode} and never said {part!r}: {''.join(said)}")


@pytest.mark.system
@pytest.mark.timeout(180)
async def test_a_simulated_pen_with_mosquitto_is_watched_by_mosquitto_sub(start: Start, tmp_path: Path) -> None:
    port = free_port()
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n", encoding="utf-8")
    path = f"{os.environ['PATH']}:/usr/sbin"
    broker = await start(f"{shutil.which('mosquitto', path=path)} -c {settings}", stderr=asyncio.subprocess.PIPE)
    await line_with(broker, broker.stderr, "running")

    pen = await start(written("needlework simulate --pty"))
    ready = json.loads(await line_with(pen, pen.stdout, "{"))

    watcher = await start(written("mosquitto_sub").replace("1883", str(port)))
    station = await start(
        written("needlework run --pen serial:///dev/pts")
        .replace("serial:///dev/pts/4", ready["url"])
        .replace("1883", str(port))
    )
    receipt = await line_with(watcher, watcher.stdout, "/receipt ")
    assert json.loads(receipt.split(" ", 1)[1])["contiguous"] >= 1

    status = await start("needlework status --json")
    told, _ = await status.communicate()
    assert status.returncode == 0
    assert ready["url"] in told.decode()

    treat = await start(written(".venv/bin/needlework treat").removeprefix(".venv/bin/"))
    told, _ = await treat.communicate()
    assert treat.returncode == 0, (
        told.decode()
    )  # its operator, protocol, skin and zone are known: a session is prepared

    stop = await start("needlework stop")
    told, _ = await stop.communicate()
    assert stop.returncode == 0, told.decode()

    station.send_signal(signal.SIGINT)
    async with asyncio.timeout(READY_WITHIN_S):
        told, _ = await station.communicate()
    assert station.returncode == 0, told.decode()

    verify = await start("needlework verify")
    told, _ = await verify.communicate()
    assert verify.returncode == 0, told.decode()
    assert "intact" in told.decode()
