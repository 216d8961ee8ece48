"""`needlework run` on what it cannot treat with: words with a remedy, the exit code for it, nothing left behind."""

import asyncio
import ctypes
import os
import sys
import time
import tty
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_bridge.wire.framing import DELIMITER, Deframer, frame
from firmware_bridge.wire.messages import PROTOCOL_VERSION, Hello, Message, Welcome
from logger.proof.verify import verify_journal
from station.process.exits import Exit
from station.settings import StationSettings
from tests.station.conftest import OPERATOR, OpenHouse, simulated

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
VERDICT_S = 3.0
STARTING_S = 12.0
"""Several interpreters, on a machine that is busy with other tests."""


def _without_privilege() -> None:
    """A process of root's that may open only what its permissions say, like anybody's."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


async def run(path: Path, url: str) -> tuple[int, str]:
    """`needlework run --pen URL` as a process: its exit code, and what it said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NEEDLEWORK_", "XDG_"))}
    environment |= {"NEEDLEWORK_STATE_DIR": str(path / "state"), "NEEDLEWORK_STOP_PORT": "0", "HOME": str(path)}
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("needlework")),
        *("run", "--pen", url),
        env=environment,
        preexec_fn=_without_privilege,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(STARTING_S + VERDICT_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    return process.returncode or 0, " ".join(said.decode().split())


def refused(result: tuple[int, str], *said: str) -> None:
    code, words = result
    assert code == Exit.PEN, words
    for part in said:
        assert part in words
    assert "Traceback" not in words


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("carrier-pigeon://roof", ("carrier-pigeon", "serial://")),
        ("serial:///dev/needlework-none", ("/dev/needlework-none", "needlework pens")),
    ],
)
async def test_unknown_and_absent(short_path: Path, url: str, said: tuple[str, ...]) -> None:
    refused(await run(short_path, url), *said)
    settings = StationSettings(state_dir=short_path / "state", stop_port=0)
    assert verify_journal(settings.journal_path).verdict == "intact"


async def test_busy_names_who_holds_it(short_path: Path) -> None:
    async with simulated() as (_pen, endpoint):
        holder = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            f"import fcntl, sys; port = open({endpoint.device!r}, 'rb', buffering=0); "
            "fcntl.flock(port, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert holder.stdout is not None
            assert await holder.stdout.readline() == b"held\n"
            refused(await run(short_path, endpoint.url), endpoint.device, str(holder.pid))
        finally:
            await holder.communicate(b"")


async def test_forbidden_says_how_to_be_let_in(short_path: Path) -> None:
    async with simulated() as (_pen, endpoint):
        Path(endpoint.device).chmod(0)
        refused(await run(short_path, endpoint.url), endpoint.device, "usermod -aG")


# Open, and no pen of ours ---------------------------------------------------------------------------------------------


class Thing:
    """Whatever is at the other end of a pseudo-terminal; ``answer`` makes bytes of a HELLO's nonce."""

    def __init__(self, answer: Callable[[int], bytes]) -> None:
        self.heard = b""
        self.times: list[float] = []
        self._answer = answer
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.url = f"serial://{os.ttyname(self._slave)}"

    def __enter__(self) -> "Thing":
        asyncio.get_running_loop().add_reader(self._master, self._readable)
        return self

    def __exit__(self, *_exception: object) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)

    @property
    def messages(self) -> list[Message]:
        return Deframer().feed(self.heard)

    def _readable(self) -> None:
        self.heard += os.read(self._master, 4096)
        self.times.append(time.monotonic())
        hellos = [message for message in self.messages if isinstance(message, Hello)]
        os.write(self._master, self._answer(hellos[-1].nonce if hellos else 0))


def _other_version(nonce: int) -> bytes:
    welcome = Welcome(
        nonce, PROTOCOL_VERSION + 1, 1, b"M", b"S", b"F", 0x7F, 0, 2500, 50, 20_000, 150_000, 1000, 300, 250, 20
    )
    return frame(welcome, 0)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _nonce: b"", "nothing answered"),
        (lambda _nonce: b"start\r\necho:Unknown command\r\nok\r\n" * 20, "not as a pen"),
        (_other_version, f"version {PROTOCOL_VERSION + 1}"),
    ],
    ids=["silence", "a printer", "another version"],
)
async def test_no_pen_of_ours_is_named_and_hears_the_handshake_and_nothing_else(
    short_path: Path, answer: Callable[[int], bytes], said: str
) -> None:
    with Thing(answer) as thing:
        refused(await run(short_path, thing.url), thing.url, said)
    hellos = thing.messages
    assert 1 <= len(hellos) <= 4
    assert thing.heard == DELIMITER + b"".join(frame(hello, number) for number, hello in enumerate(hellos))
    assert all(isinstance(hello, Hello) for hello in hellos)
    assert thing.times[-1] - thing.times[0] < VERDICT_S


async def test_a_pen_another_station_treats_with_is_busy_and_the_treatment_goes_on(
    open_house: OpenHouse, short_path: Path
) -> None:
    """Two ways into one pen: the second station is a process of its own, as it would be."""
    async with open_house() as house, house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        refused(await run(short_path / "2", house.endpoint.url), "is in use by", "One pen has one host")
        assert (await house.client.pen()).view.phase == "treating"
