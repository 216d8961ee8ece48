"""The recorder into SQLite and PostgreSQL, against a subscriber that gives receipts and discards everything.

Each takes the same journal from the same publisher over the same Mosquitto, by turns, all of them processes of their
own; both databases wait for the disk. What an entry costs in a store of a million is held against a store of ten
thousand, both grown before and appended to by turns.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.children.feeder import STATION
from benchmarks.measuring import BUILD, Effort, alternated, child_command, median_ratio, running
from benchmarks.results import Goal, Row, at_least, at_most
from controller.events import SetpointChanged
from controller.units import Micrometres, Millihertz
from logger.journal.entry import GENESIS, Entry, entry_hash
from logger.journal.journal import Journal
from logger.store.store import Store
from tests.fixtures_postgres import PostgresServer

SUBJECT = "ingest"
SESSION = "20260101T100000-00000001"
CHANGED = SetpointChanged(depth_commanded_um=Micrometres(500), rate_commanded_mhz=Millihertz(100_000))
START_S = 20.0
BATCH = 200
"""Entries that a publisher sends together."""


@contextmanager
def _mosquitto(folder: Path) -> Iterator[str]:
    """A Mosquitto on loopback; its URL."""
    program = shutil.which("mosquitto", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if program is None:
        raise RuntimeError("mosquitto is not installed: `make setup` installs it")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    user = "user root\n" if os.geteuid() == 0 else ""
    settings = folder / "mosquitto.conf"
    settings.write_text(
        f"{user}listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n"
    )
    process = subprocess.Popen([program, "-c", str(settings)], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def _postgresql() -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory(prefix="needlework-pg-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder), durable=True)
        try:
            server.start()
            yield server
        finally:
            server.stop("immediate")


async def _journal(path: Path, entries: int) -> None:
    """A journal with so many entries, none handed over."""
    async with Journal(
        path, station=STATION, utc_now=lambda: datetime.now(UTC), monotonic_ms=lambda: time.monotonic_ns() // 1_000_000
    ) as journal:
        for number in range(entries):
            journal.emit(CHANGED, session=SESSION)
            if number % 500 == 499:
                await journal.flush()


def _taken(journal: Path, copy: Path, place: str, broker: str) -> float:
    """Seconds in which a taker has taken, and confirmed, all of a journal."""
    shutil.copyfile(journal, copy)
    with running(child_command("taker"), first_line=f"{place}\n{broker}") as taker:
        taker.read()
        with running(child_command("feeder", copy), first_line=broker) as feeder:
            return float(feeder.read()["took_s"])


def _compared(effort: Effort, folder: Path, server: PostgresServer) -> list[Row]:
    entries = effort.pick(4_000, 40_000)
    journal, numbers = folder / "journal.sqlite", count()
    asyncio.run(_journal(journal, entries))
    with _mosquitto(folder) as broker:

        def side(place: Callable[[int], str]) -> Callable[[], float]:
            def taken() -> float:
                number = next(numbers)
                return _taken(journal, folder / f"copy-{number}.sqlite", place(number), broker)

            return taken

        discarded, in_file, in_database = alternated(
            effort.pick(2, 7),
            [
                side(lambda _: "discard"),
                side(lambda number: str(folder / f"store-{number}.db")),
                side(lambda _: server.url(server.new_database())),
            ],
        )
    against = "the same publisher, journal and broker; receipts, nothing stored"
    each = [entries / median(taken) for taken in (discarded, in_file, in_database)]
    rows = [
        Row(SUBJECT, f"ingest to {kind}", median_ratio(discarded, taken), "× a discarding one", against, at_least(0.8))
        for kind, taken in (("SQLite", in_file), ("PostgreSQL", in_database))
    ]
    said = f"discarding {each[0]:,.0f}, PostgreSQL {each[2]:,.0f}"
    return [*rows, Row(SUBJECT, "ingest to SQLite, receipted", each[1], "entries/s", said)]


class _Growing:
    """A store of one station, and how much it has."""

    def __init__(self, place: str) -> None:
        self.store = Store.open(place)
        self._last = (0, GENESIS)
        self._body = CHANGED.model_dump_json().encode()

    def grow(self, entries: int) -> float:
        """Seconds for so many more, in batches as a publisher sends them, each committed."""
        took = 0.0
        for _ in range(entries // BATCH):
            batch = [self._next() for _ in range(BATCH)]
            began = time.perf_counter()
            self.store.append(batch, seen_utc_us=0)
            took += time.perf_counter() - began
        return took

    def _next(self) -> Entry:
        sequence, previous = self._last[0] + 1, self._last[1]
        # A session has some thousands of entries: the index over sessions grows as it does in a clinic.
        session = f"{SESSION}-{sequence // 5_000:06d}"
        fields = (sequence, sequence * 1_000, sequence, session, CHANGED.type, CHANGED.version, self._body)
        digest = entry_hash(STATION.encode(), previous, *fields)
        self._last = (sequence, digest)
        return Entry(STATION, *fields, previous, digest)


def _grown(effort: Effort, folder: Path, server: PostgresServer) -> list[Row]:
    small, large = effort.pick(1_000, 10_000), effort.pick(5_000, 1_000_000)
    rows = []
    for kind in ("SQLite", "PostgreSQL"):
        stores = []
        for size in (small, large):
            file = str(folder / f"grown-{size}.db")
            stores.append(_Growing(file if kind == "SQLite" else server.url(server.new_database())))
            stores[-1].grow(size)
        # Seven rounds of 2 000 make the small one no more than a little larger.
        rounds, more = effort.pick(3, 7), effort.pick(1_000, 2_000)
        few, many = alternated(rounds, [lambda: stores[0].grow(more), lambda: stores[1].grow(more)])  # noqa: B023 called in this turn
        for grown in stores:
            grown.store.close()
        name = f"an entry into {kind} of {large:,} entries".replace(",", " ")
        goal: Goal = at_most(1.2)
        against = f"of {small:,} entries, {median(few) / more * 1e6:.1f} µs".replace(",", " ")
        rows.append(Row(SUBJECT, name, median_ratio(many, few), "× its cost", against, goal))
    return rows


def measure(effort: Effort) -> list[Row]:
    """Ratios, of entries a second and of what one costs."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ingest-", dir=BUILD)))
        server = stack.enter_context(_postgresql())
        return _compared(effort, folder, server) + _grown(effort, folder, server)
