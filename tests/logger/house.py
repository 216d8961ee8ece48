"""A station's publisher and a recorder that a test starts and stops, and clients that watch or meddle."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from logger.bus.messages import AlarmItem, LivePen
from logger.bus.mqtt import Bus, BusMessage, connect
from logger.bus.publisher import Publisher, PublisherSettings
from logger.bus.reconnect import BackoffSettings
from logger.bus.recorder import Recorder
from logger.bus.topics import Topics
from logger.journal.journal import Journal
from logger.proof.verify import verify_journal, verify_store
from logger.store.store import Store
from tests.fixtures_brokers import SITE, STATION, BrokerProcess
from tests.logger.making import grouped

QUICK = BackoffSettings(first_s=0.02, max_s=0.2)
TOPICS = Topics(SITE, STATION)
ALARM = AlarmItem(
    pen="pen-1", alarm="stall", priority="HIGH", sentence="The motor stalled.", active=True, acknowledged=False
)
PEN = LivePen(
    pen="pen-1", session="s-1", state="running", zone="cheek", depth_commanded_um=500, depth_set_um=500,
    depth_measured_um=480, rate_commanded_mhz=100_000, rate_set_mhz=100_000, rate_measured_mhz=99_000,
    battery_permille=800, on_skin=True, alarms=1,
)  # fmt: skip


class House:
    """A station's publisher and a recorder that a test starts and stops, and what they said."""

    def __init__(self, broker: BrokerProcess, journal: Journal, store: Store, place: str) -> None:
        self.broker = broker
        self.place = place
        self.journal = journal
        self.store = store
        self.alarms: tuple[AlarmItem, ...] = ()
        self.pens: tuple[LivePen, ...] = ()
        self.problems: list[str] = []
        self.notices: list[str] = []
        self.recorder: Recorder
        self.publisher: Publisher

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[Recorder]:
        """A recorder, subscribed when the block begins."""
        ready = asyncio.Event()
        self.recorder = Recorder(
            broker=self.broker.url("recorder"), site=SITE, store=self.store, utc_now=lambda: datetime.now(UTC),
            random=random.Random(), on_ready=ready.set, on_problem=self.problems.append, backoff=QUICK,
        )  # fmt: skip
        async with running(self.recorder.run()):
            async with asyncio.timeout(10):
                await ready.wait()
            yield self.recorder

    @asynccontextmanager
    async def publishing(self, **settings: float) -> AsyncIterator[Publisher]:
        """A publisher; it may or may not be connected yet."""
        chosen = {"receipt_timeout_s": 0.4, "receipt_timeout_max_s": 0.8, "live_period_s": 0.02, **settings}
        self.publisher = Publisher(
            journal=self.journal, topics=TOPICS, broker=self.broker.url(STATION), software="needlework test",
            utc_now=lambda: datetime.now(UTC), random=random.Random(), alarms=lambda: self.alarms,
            live=lambda: self.pens, settings=PublisherSettings(backoff=QUICK, **chosen),  # type: ignore[arg-type]
            on_notice=self.notices.append,
        )  # fmt: skip
        async with running(self.publisher.run()):
            yield self.publisher

    async def emit(self, count: int, session: str | None = "s-1") -> None:
        """Journals ``count`` events and waits until they are on the disk."""
        for number in range(count):
            self.journal.emit(grouped(number), session=session)
        await self.journal.flush()

    async def drained(self) -> None:
        """Waits until everything journalled is receipted, and compares both ends."""
        await self.journal.flush()
        async with asyncio.timeout(15):
            await self.publisher.drained()
        assert list(self.store.entries(STATION)) == list(self.journal.reader.entries())
        assert verify_store(self.store, STATION).verdict == "intact"
        result = verify_journal(self.journal.path, store=self.store)
        assert (result.verdict, result.not_yet_stored) == ("intact", 0)


@asynccontextmanager
async def running(coroutine: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(coroutine)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def client(
    broker: BrokerProcess, user: str, *filters: str
) -> AsyncIterator[tuple[Bus, "asyncio.Queue[BusMessage]"]]:
    """A client of the broker beside the two, and the queue of what it hears."""
    heard: asyncio.Queue[BusMessage] = asyncio.Queue()

    async def listen(bus: Bus) -> None:
        async for message in bus.messages():
            heard.put_nowait(message)

    async with connect(
        broker.url(user), client_id=f"test-{random.getrandbits(32)}", deadline_s=5, keepalive_s=15
    ) as bus:
        for wanted in filters:
            await bus.subscribe(wanted, qos=1)
        async with running(listen(bus)):
            yield bus, heard


async def hear(heard: "asyncio.Queue[BusMessage]", wanted: Callable[[BusMessage], bool]) -> BusMessage:
    """The next message that is wanted."""
    async with asyncio.timeout(10):
        while not wanted(message := await heard.get()):
            pass
    return message


async def until(condition: Callable[[], bool]) -> None:
    """Waits until something becomes true that nothing announces."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)
