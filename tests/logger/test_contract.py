"""The journal reaches the store exactly once, over the embedded broker and over Mosquitto, whatever happens between.

Each test ends with the same comparison: the store holds the journal's entries, all of them, each once, and both chains
are intact.
"""

import asyncio
import random
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from logger.bus.messages import BatchMessage, ReceiptMessage
from logger.journal.entry import GENESIS, first_hash
from logger.store.store import Store
from tests.fixtures_brokers import SITE, STATION
from tests.logger.conftest import OpenJournal
from tests.logger.house import TOPICS, House, client, hear, running, until
from tests.logger.making import chain, opened, safety

pytestmark = pytest.mark.system  # brokers and journals in real time


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


async def test_what_was_journalled_before_a_station_was_brought_up_to_date_arrives_too(
    house: House, open_journal: OpenJournal
) -> None:
    await house.emit(30)
    await house.journal.close()
    hashed_the_first_way(house.journal.path)
    house.journal = open_journal()
    await house.emit(10)
    assert [entry.content() is None for entry in house.journal.reader.entries()] == [True] * 30 + [False] * 10
    async with house.recording() as recorder, house.publishing():
        await house.drained()
        assert recorder.counts.entries == 40


def hashed_the_first_way(path: Path) -> None:
    """Makes a journal's entries those of a station of the first version."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        previous = GENESIS
        columns = "sequence, utc_us, monotonic_ms, session, type, version, body"
        for row in connection.execute(f"SELECT {columns} FROM entries ORDER BY sequence").fetchall():
            digest = first_hash(STATION.encode(), previous, *row)
            connection.execute(
                "UPDATE entries SET previous = ?, hash = ? WHERE sequence = ?", (previous, digest, row[0])
            )
            previous = digest
        connection.execute("UPDATE about SET format = 1")


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
        assert len(house.problems) == 4, "the first, second, fourth and eighth: a flood of rubbish floods no log"
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
        async with running(ticker()), asyncio.timeout(15):
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


RECORDER = """
import asyncio, random, sys
from datetime import UTC, datetime
from logger.bus.mqtt import BrokerUrl
from logger.bus.recorder import run_recorder
from logger.store.store import Store

asyncio.run(run_recorder(
    broker=BrokerUrl.parse(sys.stdin.readline().strip()), site=sys.argv[1], store=Store.open(sys.argv[2]),
    utc_now=lambda: datetime.now(UTC), random=random.Random(), on_ready=lambda: print("ready", flush=True),
))
"""


async def test_a_recorder_killed_at_any_moment_loses_and_doubles_nothing(house: House) -> None:
    """In a process of its own, killed with no warning while batches come in."""
    moments = random.Random(4)
    async with house.publishing(batch_entries=3):
        for _round in range(3):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", RECORDER, SITE, house.place,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(house.broker.url("recorder").secret_text().encode() + b"\n")
            process.stdin.close()
            before = house.journal.acknowledged
            async with asyncio.timeout(10):
                assert await process.stdout.readline() == b"ready\n"
            await house.emit(150)
            wanted = before + moments.randint(1, 100)
            await until(lambda wanted=wanted: house.journal.acknowledged >= wanted)  # type: ignore[misc]
            process.kill()
            await process.wait()
            assert house.store.span(STATION).contiguous >= house.journal.acknowledged
        async with house.recording():
            await house.drained()
    assert house.store.span(STATION).contiguous == 450
