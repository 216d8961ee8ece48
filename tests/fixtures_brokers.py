"""Brokers that tests run against: the embedded one, and a real Mosquitto as a process of its own.

Both listen on loopback with the same accounts, can be stopped and started again on their port, and are ready when
`start` returns: known from the broker's own words or its open port, never from a sleep.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from logger.brokers.embedded import (
    Account,
    EmbeddedBroker,
    embedded_broker,
    recorder_account,
    station_account,
    watcher_account,
)
from logger.brokers.folder import Asked, OwnCertificate, Written, password_file, write_broker
from logger.bus.broker_url import BrokerUrl
from logger.bus.topics import TOPIC_TABLE, Topics

SITE = "clinic"
STATION = "room-1"
OTHER_STATION = "room-2"
START_DEADLINE_S = 10.0


class BrokerProcess(Protocol):
    """A broker that a test can stop and start. Users: ``room-1``, ``room-2`` (stations), ``recorder``, ``watcher``, and
    ``mallory``, who may publish anywhere."""

    async def start(self) -> None:
        """Starts it; ready on return."""

    async def stop(self) -> None:
        """Stops it; its port is closed on return."""

    def url(self, user: str) -> BrokerUrl:
        """The URL for a user, password included."""


def accounts() -> dict[str, Account]:
    """The accounts of the contract suite."""
    anywhere = frozenset(
        Topics(SITE, station).topic(row.leaf) for station in (STATION, OTHER_STATION) for row in TOPIC_TABLE
    )
    return {
        STATION: station_account(Topics(SITE, STATION)),
        OTHER_STATION: station_account(Topics(SITE, OTHER_STATION)),
        "recorder": recorder_account(SITE, (STATION, OTHER_STATION)),
        "watcher": watcher_account(SITE),
        "mallory": Account("mallory's own", anywhere, anywhere),
    }


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Embedded:
    """The embedded broker, in the test's own loop."""

    def __init__(self, known: Mapping[str, Account]) -> None:
        self._accounts = known
        self._port = 0
        self._stack: contextlib.AsyncExitStack | None = None
        self._broker: EmbeddedBroker | None = None

    async def start(self) -> None:
        self._stack = contextlib.AsyncExitStack()
        self._broker = await self._stack.enter_async_context(embedded_broker(self._accounts, port=self._port))
        self._port = self._broker.port

    async def stop(self) -> None:
        if self._stack is not None:
            await self._stack.aclose()
            self._stack = None

    def url(self, user: str) -> BrokerUrl:
        assert self._broker is not None
        return self._broker.url(user)


class Mosquitto:
    """A Mosquitto process with a configuration of its own."""

    _run_by: Callable[..., list[str]] = staticmethod(lambda *words: [*words])

    def __init__(self, folder: Path, known: Mapping[str, Account], *, remembers: bool = False) -> None:
        self._accounts = known
        self._port = free_port()
        self._configuration = folder / "mosquitto.conf"
        self._process: asyncio.subprocess.Process | None = None
        self._draining: asyncio.Task[None] | None = None
        memory = f"persistence true\npersistence_location {folder}/\n" if remembers else "persistence false\n"
        passwords, rules = folder / "passwords", folder / "rules"
        passwords.write_text("".join(f"{user}:{account.password}\n" for user, account in known.items()))
        passwords.chmod(0o600)
        subprocess.run([_program("mosquitto_passwd"), "-U", str(passwords)], check=True, timeout=START_DEADLINE_S)
        lines = []
        for user, account in known.items():
            lines.append(f"user {user}")
            lines += [f"topic write {topic}" for topic in sorted(account.publish)]
            lines += [f"topic read {topic}" for topic in sorted(account.subscribe)]
        rules.write_text("\n".join(lines) + "\n")
        user = "user root\n" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
        self._configuration.write_text(
            f"{user}listener {self._port} 127.0.0.1\nallow_anonymous false\n"
            f"password_file {passwords}\nacl_file {rules}\n"
            f"{memory}set_tcp_nodelay true\nlog_dest stderr\n"
        )

    @property
    def pid(self) -> int:
        """The running broker's process."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._run_by(_program("mosquitto"), "-c", str(self._configuration)), stderr=asyncio.subprocess.PIPE
        )
        said: list[str] = []
        stream = self._process.stderr
        assert stream is not None
        async with asyncio.timeout(START_DEADLINE_S):
            while b"running" not in (line := await stream.readline()):
                said.append(line.decode(errors="replace"))
                if not line:
                    pytest.fail("mosquitto ended instead of starting: " + "".join(said))
        self._draining = asyncio.create_task(_drain(stream), name="mosquitto's log")

    async def stop(self) -> None:
        if self._process is not None and self._draining is not None:
            ended = asyncio.create_task(self._process.wait(), name="mosquitto's end")
            async with asyncio.timeout(START_DEADLINE_S):
                while not ended.done():
                    # Told to end in the instant in which it says that it runs, it forgets; so it is told again.
                    self._process.terminate()
                    await asyncio.wait({ended}, timeout=0.5)
                await self._draining
            self._process = None

    async def kill(self) -> None:
        """It dies with no chance to write down what it knows."""
        assert self._process is not None
        assert self._draining is not None
        self._process.kill()
        await self._process.wait()
        await self._draining
        self._process = None

    def url(self, user: str) -> BrokerUrl:
        return BrokerUrl("127.0.0.1", self._port, user, self._accounts[user].password)


class ClinicBroker(Mosquitto):
    """A Mosquitto with the folder that `needlework broker config` writes, on TLS. Users are those of the folder."""

    def __init__(
        self,
        folder: Path,
        stations: Sequence[str],
        *,
        own: OwnCertificate | None = None,
        host: str = "127.0.0.1",
        run_by: Callable[..., list[str]] = lambda *words: [*words],
    ) -> None:
        """``run_by`` makes the command that runs it elsewhere: in a network namespace where ``host`` is."""
        self._host, self._run_by = host, run_by
        self._port = free_port()
        self._process = None
        self._draining = None
        self.folder = folder
        self.add(stations, own=own)

    def add(self, stations: Sequence[str], *, own: OwnCertificate | None = None, renew: Sequence[str] = ()) -> Written:
        """Runs the command's work once, or once more."""
        asked = Asked(
            site=SITE, stations=stations, renew=renew, hosts=[self._host], port=self._port, own=own,
            handed_to=Path("/etc/needlework"), runs_as=None,
        )  # fmt: skip
        written = write_broker(self.folder, asked, datetime.now(UTC))
        self._configuration = written.configuration
        if hasattr(os, "geteuid") and os.geteuid() == 0:  # a temporary folder is not for Mosquitto's own user to enter
            with written.configuration.open("a") as file:
                file.write("user root\n")
        return written

    def twin(self, folder: Path) -> "ClinicBroker":
        """Another broker with the same accounts and the same certificate, on a port of its own."""
        shutil.copytree(self.folder, folder)
        twin = ClinicBroker.__new__(ClinicBroker)
        twin._host, twin._run_by = self._host, self._run_by
        twin._port, twin._process, twin._draining, twin.folder = free_port(), None, None, folder
        twin.add([])
        return twin

    def read_anew(self) -> None:
        """As after another station was added."""
        os.kill(self.pid, signal.SIGHUP)

    def handed(self, user: str) -> Path:
        """What goes to a client's machine."""
        return self.folder / "for" / user

    def url(self, user: str) -> BrokerUrl:
        password = (self.handed(user) / password_file(user)).read_text().strip()
        return BrokerUrl(self._host, self._port, user, password, tls=True, ca_file=str(self.handed(user) / "ca.crt"))


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass


def _program(name: str) -> str:
    """The path of one of Mosquitto's programs. Its absence is a failure: the record's tests mean nothing without it."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail(
            f"{name} is not installed: `apt-get install mosquitto`, or `make setup`, which does that", pytrace=False
        )
    return found


@pytest.fixture
async def embedded() -> AsyncIterator[Embedded]:
    """The embedded broker, running."""
    broker = Embedded(accounts())
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """A Mosquitto, running."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = Mosquitto(folder, accounts())
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def clinic_broker(tmp_path: Path) -> AsyncIterator[ClinicBroker]:
    """A Mosquitto as a clinic has it, running, with accounts for two stations."""
    broker = ClinicBroker(tmp_path / "clinic-broker", [STATION, OTHER_STATION])
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=pytest.mark.system)])
def broker(request: pytest.FixtureRequest) -> BrokerProcess:
    """Each broker in turn, running: what holds over one holds over the other."""
    found: BrokerProcess = request.getfixturevalue(request.param)
    return found
