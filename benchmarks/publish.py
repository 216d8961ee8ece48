"""An entry's whole way: journalled with FULL, published, committed with FULL by the recorder, receipted.

The floor is a C program that publishes as many messages of an entry's size to the same broker, a hundred under way at
once, and knows neither disk nor receipt. The peer is what one would write first: each message committed to SQLite and
published with aiomqtt, one after the other, with nobody who stores it at the other end.
"""

import asyncio
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median

import aiomqtt

from benchmarks.measuring import BUILD, ROOT, Effort, alternated, built, median_ratio
from benchmarks.results import Row, at_least
from controller.events import SetpointChanged
from controller.units import Micrometres, Millihertz
from logger.bus.broker_url import BrokerUrl
from logger.bus.messages import BatchMessage
from logger.bus.publisher import Publisher
from logger.bus.topics import Topics
from logger.journal.journal import Journal
from station.process.orders import Orders
from station.process.running import tune_collector
from station.settings import StationSettings

SUBJECT = "publish"
SITE = "bench"
SESSION = "20260101T100000-00000001"
CHANGED = SetpointChanged(depth_commanded_um=Micrometres(500), rate_commanded_mhz=Millihertz(100_000))
WINDOW = 100
START_S = 20.0
_PORT_TRIES_S = 0.02


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """A Mosquitto on loopback for as long as the block lasts; its port."""
    program = shutil.which("mosquitto", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if program is None:
        raise RuntimeError("mosquitto is not installed: `make setup` installs it")
    port = _port()
    user = "user root\n" if os.geteuid() == 0 else ""
    (folder / "mosquitto.conf").write_text(
        f"{user}listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n"
        "log_type none\n"
    )
    process = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(_PORT_TRIES_S)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def recorder(folder: Path, port: int) -> Iterator[None]:
    """The product's recorder as a process of its own, with a store in SQLite."""
    settings = StationSettings(
        site=SITE, station="bench", state_dir=folder, broker=f"mqtt://127.0.0.1:{port}", store=str(folder / "store.db")
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "station", "recorder"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the recorder has no pipes")
        process.stdin.write(Orders(part="recorder", settings=settings).model_dump_json().encode() + b"\n")
        process.stdin.flush()
        if b"ready" not in process.stdout.readline():
            raise RuntimeError("the recorder did not start")
        yield
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(15)


async def _published(path: Path, station: str, port: int, entries: int) -> float:
    """Seconds from the first emit until all are receipted."""
    async with Journal(
        path, station=station, utc_now=lambda: datetime.now(UTC), monotonic_ms=lambda: time.monotonic_ns() // 1_000_000
    ) as journal:
        publisher = Publisher(
            journal=journal,
            topics=Topics(SITE, station),
            broker=BrokerUrl("127.0.0.1", port),
            software="needlework bench",
            utc_now=lambda: datetime.now(UTC),
            random=random.Random(1),
            alarms=lambda: (),
            live=lambda: (),
        )
        running = asyncio.create_task(publisher.run(), name="publisher")
        try:
            # Connected, and the first receipt is here, before the clock starts.
            journal.emit(CHANGED, session=SESSION)
            await journal.flush()
            await publisher.drained()
            began = time.perf_counter()
            for number in range(entries):
                journal.emit(CHANGED, session=SESSION)
                if number % 500 == 499:
                    await asyncio.sleep(0)
            await journal.flush()
            await publisher.drained()
            return time.perf_counter() - began
        finally:
            running.cancel()
            await asyncio.wait({running})


async def _one_by_one(path: Path, port: int, messages: int, payload: bytes) -> float:
    """Seconds for messages that are committed and published one after the other."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE sent (sequence INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    try:
        async with aiomqtt.Client("127.0.0.1", port, identifier="peer") as client:
            began = time.perf_counter()
            for sequence in range(messages):
                connection.execute("INSERT INTO sent VALUES (?, ?)", (sequence, payload))
                await client.publish("bench/peer", payload, qos=1)
            return time.perf_counter() - began
    finally:
        connection.close()


def _entry_bytes(folder: Path) -> int:
    """What one entry takes in a batch."""

    async def one() -> int:
        async with Journal(
            folder / "one.db", station="one", utc_now=lambda: datetime.now(UTC), monotonic_ms=lambda: 1
        ) as journal:
            for _ in range(100):
                journal.emit(CHANGED, session=SESSION)
            await journal.flush()
            return len(BatchMessage.of(journal.reader.read(0, 100)).payload()) // 100

    return asyncio.run(one())


def measure(effort: Effort) -> list[Row]:
    """Entries a second against the floor and the peer."""
    tune_collector()  # as a station does when it is ready
    program = built("publish")
    entries, messages = effort.pick(4_000, 15_000), effort.pick(200, 1_000)
    BUILD.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="publish-", dir=BUILD))
    numbers = count()
    try:
        size = _entry_bytes(folder)
        with mosquitto(folder) as port, recorder(folder, port):

            def ours() -> float:
                number = next(numbers)
                path = folder / f"journal-{number}.db"
                return asyncio.run(_published(path, f"bench-{number}", port, entries)) / entries

            def floor() -> float:
                command = [str(program), str(port), str(entries), str(size), str(WINDOW)]
                done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
                return int(done.stdout) / 1e9 / entries

            def peer() -> float:
                path = folder / f"peer-{next(numbers)}.db"
                return asyncio.run(_one_by_one(path, port, messages, b"x" * size)) / messages

            ours_s, floor_s, peer_s = alternated(effort.pick(3, 7), [ours, floor, peer])
    finally:
        shutil.rmtree(folder)
    return [
        Row(SUBJECT, "an entry committed, published, committed again and receipted", median_ratio(floor_s, ours_s),
            "× its speed", f"a C publisher, window {WINDOW}, same broker, no disk", at_least(0.4)),
        Row(SUBJECT, "the same", median_ratio(peer_s, ours_s), "× its speed",
            "aiomqtt, a commit and a publish for each message, nobody stores", at_least(10)),
        Row(SUBJECT, "entries receipted a second", 1 / median(ours_s), "/s",
            f"C {1 / median(floor_s):.0f}/s, one by one {1 / median(peer_s):.0f}/s"),
    ]  # fmt: skip
