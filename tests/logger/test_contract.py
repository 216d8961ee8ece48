"""The journal reaches the store exactly once, over the embedded broker and over Mosquitto, whatever happens between.

Each test ends with the same comparison: the store holds the journal's entries, all of them, each once, and both chains
are intact.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from logger.entry import GENESIS
from logger.journal import Journal
from logger.messages import (
    AlarmItem,
    AlarmsMessage,
    BatchMessage,
    LiveMessage,
    LivePen,
    ReceiptMessage,
    StatusMessage,
)
from logger.mqtt import Bus, BusMessage, connect
from logger.publisher import Publisher, PublisherSettings
from logger.reconnect import BackoffSettings
from logger.recorder import Recorder
from logger.store import Store
from logger.topics import Topics
from logger.verify import verify_journal, verify_store
from tests.fixtures_brokers import SITE, STATION, BrokerProcess
from tests.logger.conftest import OpenJournal, chain, grouped, opened, safety

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

    def __init__(self, broker: BrokerProcess, journal: Journal, store: Store) -> None:
        self.broker = broker
        self.journal = journal
        self.store = store
        self.alarms: tuple[AlarmItem, ...] = ()
        self.pens: tuple[LivePen, ...] = ()
        self.problems: list[str] = []
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
        async with _running(self.recorder.run()):
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
        )  # fmt: skip
        async with _running(self.publisher.run()):
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
async def _running(coroutine: object) -> AsyncIterator[None]:
    task = asyncio.create_task(coroutine)  # type: ignore[arg-type]
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def house(broker: BrokerProcess, open_journal: OpenJournal, store: Store) -> House:
    """Journal, store and a running broker."""
    return House(broker, open_journal(), store)


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
        async with _running(listen(bus)):
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


async def test_everything_arrives_once_and_live_follows(house: House) -> None:
    await house.emit(700)
    async with house.recording() as recorder, house.publishing() as publisher:
        await house.drained()
        for number in range(20):
            house.journal.emit(safety(number), session="s-2")
        await house.drained()
        assert recorder.counts.entries == 720
        assert (recorder.counts.conflicts, recorder.counts.ignored) == (0, 0)
        assert publisher.state().backlog == 0
        assert publisher.state().problem is None
        assert house.journal.acknowledged == 720
    assert not publisher.state().connected


async def test_the_cursor_is_kept_and_nothing_is_sent_again_after_a_restart(house: House) -> None:
    async with house.recording() as recorder:
        async with house.publishing():
            await house.emit(50)
            await house.drained()
        async with house.publishing():
            await house.emit(5)
            await house.drained()
        assert (recorder.counts.entries, recorder.counts.duplicates) == (55, 0)


async def test_a_recorder_that_comes_late_gets_everything(house: House) -> None:
    await house.emit(100)
    async with house.publishing() as publisher:
        await until(lambda: publisher.state().connected)
        await until(lambda: "No receipt came" in (publisher.state().problem or ""))
        assert house.journal.acknowledged == 0
        async with house.recording():
            await house.drained()
            assert publisher.state().problem is None


async def test_a_broker_that_comes_late_gets_everything(house: House) -> None:
    await house.broker.stop()
    await house.emit(100)
    async with house.publishing() as publisher:
        await until(lambda: "No broker answers" in (publisher.state().problem or ""))
        assert publisher.state().backlog == 100
        assert house.journal.problem() is None
        await house.broker.start()
        async with house.recording():
            await house.drained()


async def test_a_broker_that_restarts_in_the_middle_loses_and_doubles_nothing(house: House) -> None:
    async with house.recording() as recorder, house.publishing(batch_entries=5) as publisher:
        for _restart in range(2):
            await house.emit(200)
            await until(lambda: recorder.counts.entries > 0)
            await house.broker.stop()
            await house.emit(50)
            await until(lambda: not publisher.state().connected)
            await house.broker.start()
        await house.drained()
        assert recorder.counts.entries == 500
        assert recorder.counts.conflicts == 0


async def test_a_recorder_that_restarts_in_the_middle_loses_and_doubles_nothing(house: House) -> None:
    async with house.publishing(batch_entries=5):
        for _restart in range(3):
            async with house.recording() as recorder:
                await house.emit(100)
                await until(lambda recorder=recorder: recorder.counts.entries > 0)  # type: ignore[misc]
            await house.emit(20)
        async with house.recording():
            await house.drained()
    assert house.store.span(STATION).contiguous == 360


async def test_a_store_that_lost_everything_is_filled_again(house: House, tmp_path: Path) -> None:
    await house.emit(60)
    async with house.publishing():
        async with house.recording():
            await house.drained()
        house.store.close()
        house.store = Store.open(tmp_path / "new.db")
        async with house.recording():
            await house.emit(1)
            await until(lambda: house.store.span(STATION).contiguous == 61)
            await house.drained()
    house.store.close()


async def test_duplicates_and_wrong_order_are_settled_by_receipts(house: House) -> None:
    """Batches sent by hand: late ones first, each twice."""
    await house.emit(90)
    entries = list(house.journal.reader.entries())
    batches = [BatchMessage.of(entries[start : start + 30]).payload() for start in (0, 30, 60)]
    receipt = TOPICS.topic("receipt")
    async with house.recording() as recorder, client(house.broker, STATION, receipt) as (bus, heard):
        for index, contiguous, expects in ((2, 0, True), (0, 30, False), (0, 30, False), (2, 30, True), (1, 60, False)):
            await bus.publish(TOPICS.topic("journal"), batches[index], qos=1)
            answer = ReceiptMessage.parse((await hear(heard, lambda message: message.topic == receipt)).payload)
            assert (answer.contiguous, answer.expects) == (contiguous, expects)
            assert answer.hash == (entries[contiguous - 1].hash if contiguous else GENESIS).hex()
        await bus.publish(TOPICS.topic("journal"), batches[2], qos=1)
        answer = ReceiptMessage.parse((await hear(heard, lambda message: message.topic == receipt)).payload)
        assert answer.contiguous == 90
        assert (recorder.counts.entries, recorder.counts.duplicates, recorder.counts.gaps) == (90, 30, 2)
    assert list(house.store.entries(STATION)) == entries


async def test_what_is_no_batch_is_ignored_and_counted(house: House) -> None:
    good = chain(3)
    other = chain(2, station="room-2")
    changed = BatchMessage.of(good).payload().replace(b"number 2", b"number 3")
    unordered = BatchMessage.of([good[0], good[2]]).payload()
    rubbish = [
        b"", b"\xff\xfe", b"[]", b"{}", b"null", b"NaN", b"[" * 5000, changed, unordered,
        BatchMessage.of(other).payload(),  # another station's, on this one's topic
        BatchMessage.of(good).payload().replace(b'"version":1', b'"version":2', 1),
        BatchMessage.of(good).payload().replace(b'"sequence":1', b'"sequence":-1'),
        BatchMessage.of(good).payload().replace(b'"sequence":1', b'"sequence":' + b"9" * 30),
    ]  # fmt: skip
    async with house.recording() as recorder, client(house.broker, "mallory") as (bus, _heard):
        for payload in rubbish:
            await bus.publish(TOPICS.topic("journal"), payload, qos=1)
        await house.emit(40)
        async with house.publishing():
            await house.drained()
        assert recorder.counts.ignored == len(rubbish)
        assert len(house.problems) == len(rubbish)
    assert house.store.stations()[0].contiguous == 40


async def test_conflicting_content_is_refused_kept_beside_and_reported(house: House) -> None:
    await house.emit(20)
    async with house.recording() as recorder, house.publishing() as publisher:
        await house.drained()
        forged = chain(25, salt=" ")
        async with client(house.broker, "mallory", TOPICS.topic("receipt")) as (bus, heard):
            await bus.publish(TOPICS.topic("journal"), BatchMessage.of(forged).payload(), qos=1)
            refused = ReceiptMessage.parse((await hear(heard, lambda _message: True)).payload)
        assert refused.refused is not None
        assert (refused.refused.sequence, refused.contiguous) == (1, 20)
        assert recorder.counts.conflicts == 1
        assert "was refused" in house.problems[0]
        assert [conflict.hash for conflict in house.store.conflicts(STATION)] == [forged[0].hash]
        await until(lambda: "refuses entry 1" in (publisher.state().problem or ""))
        await house.emit(5)
        await house.drained()
        assert publisher.state().problem is None


async def test_forged_and_old_receipts_move_nothing(house: House) -> None:
    await house.emit(30)
    entries = list(house.journal.reader.entries())
    good = {"station": STATION, "recorder": "r-1", "number": 5, "contiguous": 10, "hash": entries[9].hash.hex()}
    async with house.publishing() as publisher, client(house.broker, "mallory") as (bus, _heard):
        await until(lambda: publisher.state().connected)

        async def send(payload: bytes) -> None:
            await bus.publish(TOPICS.topic("receipt"), payload, qos=1)

        for payload in (b"", b"junk", b"{}", b"[]"):
            await send(payload)
        await send(ReceiptMessage(**{**good, "station": "room-2"}).payload())
        await send(ReceiptMessage(**{**good, "contiguous": 12}).payload())
        await until(lambda: "does not have" in (publisher.state().problem or ""))
        assert house.journal.acknowledged == 0
        await send(ReceiptMessage(**good).payload())
        await until(lambda: house.journal.acknowledged == 10)
        await send(ReceiptMessage(**{**good, "number": 4, "contiguous": 5, "hash": entries[4].hash.hex()}).payload())
        await send(ReceiptMessage(**{**good, "number": 6, "contiguous": 31}).payload())
        await until(lambda: "ends at 30" in (publisher.state().problem or ""))
        assert house.journal.acknowledged == 10
        await send(ReceiptMessage(**{**good, "number": 7, "contiguous": 20, "hash": entries[19].hash.hex()}).payload())
        await until(lambda: house.journal.acknowledged == 20)


async def test_a_journal_cut_while_the_station_slept_is_noticed(
    house: House, open_journal: OpenJournal, tmp_path: Path
) -> None:
    await house.emit(20)
    async with house.recording():
        async with house.publishing():
            await house.drained()
        house.journal = open_journal(tmp_path / "replaced.db")
        await house.emit(5)
        async with house.publishing() as publisher:
            await until(lambda: publisher.state().problem is not None)
            assert house.store.span(STATION).contiguous == 20
            assert house.journal.acknowledged == 0
    assert len(list(house.store.entries(STATION))) == 20


async def test_status_is_born_dies_and_takes_its_leave(house: House) -> None:
    status = TOPICS.topic("status")

    def state(message: BusMessage) -> str:
        return StatusMessage.parse(message.payload).state

    async with client(house.broker, "watcher", "needlework/v1/clinic/+/status") as (_bus, heard):
        async with house.publishing() as publisher:
            await hear(heard, lambda message: state(message) == "online")
            run = publisher.state().run
        farewell = await hear(heard, lambda message: state(message) == "offline")
        assert StatusMessage.parse(farewell.payload).reason == "station stopped"
        assert StatusMessage.parse(farewell.payload).run == run
    async with client(house.broker, "watcher", "needlework/v1/clinic/+/status") as (_bus, heard):
        kept = await hear(heard, lambda message: message.topic == status)
        assert kept.retained
        assert state(kept) == "offline"


async def test_a_will_that_fired_late_is_corrected(house: House) -> None:
    async with house.publishing() as publisher, client(house.broker, "mallory", TOPICS.topic("status")) as (bus, heard):
        await until(lambda: publisher.state().connected)
        late = StatusMessage(
            station=STATION, run=publisher.state().run, state="offline", reason="connection lost", software="",
            utc_us=0, sequence=0,
        )  # fmt: skip
        await bus.publish(TOPICS.topic("status"), late.payload(), qos=1, retain=True)
        await hear(heard, lambda message: StatusMessage.parse(message.payload).state == "offline")
        await hear(heard, lambda message: StatusMessage.parse(message.payload).state == "online")


async def test_a_namesake_is_told_of(house: House) -> None:
    async with house.publishing() as publisher, client(house.broker, "mallory") as (bus, _heard):
        await until(lambda: publisher.state().connected)
        other = StatusMessage(
            station=STATION, run="another", state="online", reason="", software="", utc_us=0, sequence=0
        )
        await bus.publish(TOPICS.topic("status"), other.payload(), qos=1, retain=False)
        await until(lambda: "calls itself room-1" in (publisher.state().problem or ""))


async def test_alarms_are_retained_and_live_values_flow(house: House) -> None:
    house.pens = (PEN,)
    async with house.publishing() as publisher:
        async with client(house.broker, "watcher", "needlework/v1/clinic/+/live") as (_bus, heard):
            live = await hear(heard, lambda _message: True)
            assert LiveMessage.parse(live.payload).pens == (PEN,)
            assert not live.retained
        house.alarms = (ALARM,)
        publisher.alarms_changed()
        async with client(house.broker, "watcher", "needlework/v1/clinic/+/alarms") as (_bus, heard):
            found = await hear(heard, lambda message: AlarmsMessage.parse(message.payload).alarms != ())
            assert AlarmsMessage.parse(found.payload).alarms == (ALARM,)
    async with client(house.broker, "watcher", "needlework/v1/clinic/+/alarms") as (_bus, heard):
        assert (await hear(heard, lambda _message: True)).retained


async def test_draining_a_backlog_does_not_hold_up_the_loop(house: House) -> None:
    """A 20 Hz loop beside it: what the loop's thread computes between two ticks stays far below a tick.

    Measured in the thread's own CPU time, which other programs on the machine do not lengthen.
    """
    await house.emit(3000)
    worst_s = 0.0

    async def ticker() -> None:
        nonlocal worst_s
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.002)
            worst_s = max(worst_s, time.thread_time() - before)

    async with house.recording(), house.publishing() as publisher:
        async with _running(ticker()), asyncio.timeout(15):
            await publisher.drained()
        await house.drained()
    assert worst_s < 0.025


async def test_a_session_read_from_store_and_journal_is_the_same(house: House) -> None:
    house.journal.emit(opened(), session="s-7")
    await house.emit(30, session="s-7")
    async with house.recording(), house.publishing():
        await house.drained()
    assert list(house.store.session_entries("s-7")) == list(house.journal.reader.session_entries("s-7"))
    (session,) = house.store.sessions()
    assert (session.station, session.session, session.first, session.last, session.closed) == (
        STATION,
        "s-7",
        1,
        31,
        False,
    )
