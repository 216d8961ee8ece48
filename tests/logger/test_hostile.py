"""Somebody hostile on the bus, with an account that may write anywhere: refused, counted, told of, and nothing is lost.

On a broker that has the rules of `needlework broker config` nobody has such an account; what is tried here is what
would be left if one had.
"""

import asyncio
import os
import ssl

import psutil
import pytest

from logger.bus.bounds import MAX_PACKET_BYTES, MAX_QUEUED_BYTES
from logger.bus.messages import MAX_PAYLOAD_BYTES, BatchMessage, ReceiptMessage
from logger.bus.topics import TOPIC_TABLE
from logger.journal.entry import GENESIS
from logger.store.conflicts import EVIDENCE_KEPT
from tests.fixtures_brokers import SITE, STATION, BrokerProcess, ClinicBroker, Embedded, Mosquitto
from tests.logger.conftest import HouseAt
from tests.logger.house import TOPICS, House, client, hear, until
from tests.logger.making import chain

pytestmark = pytest.mark.system

RECEIPT, JOURNAL = TOPICS.topic("receipt"), TOPICS.topic("journal")
HUGE_BYTES = 256 * 1024 * 1024 - 64
MIB = 1024 * 1024


def receipt(house: House, contiguous: int, *, recorder: str, number: int, expects: bool = False) -> bytes:
    entries = list(house.journal.reader.entries())
    digest = entries[contiguous - 1].hash if contiguous else GENESIS
    return ReceiptMessage(
        station=STATION, recorder=recorder, number=number, contiguous=contiguous, hash=digest.hex(), expects=expects
    ).payload()  # fmt: skip


async def the_recorders_name(house: House) -> str:
    """What anybody learns who may read receipts."""
    async with client(house.broker, "mallory", RECEIPT) as (_bus, heard):
        await house.emit(1)
        return ReceiptMessage.parse((await hear(heard, lambda _message: True)).payload).recorder


@pytest.mark.parametrize("claimed", [0, 30, 50])
async def test_a_higher_number_under_the_recorders_name_holds_nothing_up(house: House, claimed: int) -> None:
    """Without the remedy the station would take no receipt of the recorder's any more."""
    async with house.recording(), house.publishing() as publisher:
        await house.emit(49)
        recorder = await the_recorders_name(house)
        await house.drained()
        async with client(house.broker, "mallory") as (bus, _heard):
            for number in (2**40, 2**62):
                await bus.publish(RECEIPT, receipt(house, claimed, recorder=recorder, number=number), qos=1)
            await house.emit(50)
            await house.drained()
        assert publisher.state().problem is None
    assert house.store.span(STATION).contiguous == 100


async def test_a_receipt_for_what_no_recorder_has_loses_nothing(house: House) -> None:
    await house.emit(80)
    async with house.publishing() as publisher:
        await until(lambda: publisher.state().connected)
        async with client(house.broker, "mallory") as (bus, _heard):
            await bus.publish(RECEIPT, receipt(house, 80, recorder="mallory", number=1), qos=1)
            await until(lambda: house.journal.acknowledged == 80)
            async with house.recording():  # says at once what it has, which is nothing
                await house.emit(5)
                await until(lambda: house.store.span(STATION).contiguous == 85)
                await house.drained()
        assert publisher.suspicions() == {"receipt_back": 1}
        (notice,) = house.notices
        assert "takes back" in notice
        assert "entries 1 to 80 are sent again" in notice


async def test_a_receipt_that_says_nothing_is_stored_is_counted_and_told_of(house: House) -> None:
    """It needs no hash of an entry, so who may give receipts can always forge it."""
    await house.emit(50)
    async with house.recording() as recorder, house.publishing() as publisher:
        await house.drained()
        async with client(house.broker, "mallory") as (bus, _heard):
            for number in range(1, 6):
                await bus.publish(RECEIPT, receipt(house, 0, recorder=f"m-{number}", number=number), qos=1)
                await until(lambda expected=number: recorder.counts.duplicates >= 50 * expected)  # type: ignore[misc]
                await house.drained()
        assert publisher.suspicions() == {"receipt_back": 5}
        assert len(house.notices) == 3, "of five the first, second and fourth"
        assert publisher.state().problem is None
    assert house.store.span(STATION).contiguous == 50


async def test_receipts_that_cannot_be_are_counted_and_told_of_once_in_a_while(house: House) -> None:
    await house.emit(20)
    async with house.recording(), house.publishing() as publisher:
        await house.drained()
        good = receipt(house, 20, recorder="mallory", number=1)
        async with client(house.broker, "mallory") as (bus, _heard):
            for _ in range(9):
                await bus.publish(RECEIPT, good.replace(b'"hash":"', b'"hash":"0000')[: len(good) + 4], qos=1)
            await bus.publish(RECEIPT, good.replace(b'"room-1"', b'"room-2"'), qos=1)
            await bus.publish(RECEIPT, good.replace(b'"number":1', b'"number":"1"'), qos=1)
            await bus.publish(RECEIPT, good.replace(b'"version":1', b'"version":2'), qos=1)
            wrong = list(house.journal.reader.entries())[18].hash.hex().encode()
            right = list(house.journal.reader.entries())[19].hash.hex().encode()
            await bus.publish(RECEIPT, good.replace(right, wrong), qos=1)
            await until(lambda: publisher.suspicions().get("forged_receipt") == 1)
        assert publisher.suspicions() == {"no_message": 11, "foreign_receipt": 1, "forged_receipt": 1}
        assert len(house.notices) == 6, "of eleven the first, second, fourth and eighth; and one of each other kind"
        assert all("nobody but a recorder may give receipts" in notice for notice in house.notices)
        await house.emit(5)
        await house.drained()
        assert publisher.state().problem is None


async def test_junk_that_the_broker_keeps_is_met_at_every_start_and_does_nothing(house: House) -> None:
    await house.emit(30)
    old = BatchMessage.of(chain(30, salt=" ")).payload()
    async with client(house.broker, "mallory") as (bus, _heard):
        for row in TOPIC_TABLE:
            for junk in (b"\x00\xff", receipt(house, 30, recorder="mallory", number=9), old):
                await bus.publish(TOPICS.topic(row.leaf), junk, qos=1, retain=True)
        await bus.publish(RECEIPT, receipt(house, 30, recorder="mallory", number=9), qos=1, retain=True)
    async with house.recording() as recorder, house.publishing() as publisher:
        await until(lambda: house.store.span(STATION).contiguous == 30)
        await house.drained()
        assert publisher.suspicions()["retained_receipt"] == 1
        assert (recorder.counts.ignored, recorder.counts.conflicts, recorder.counts.duplicates) == (1, 0, 0)


async def test_contradictions_without_end_fill_neither_store_nor_log(house_at: HouseAt, embedded: Embedded) -> None:
    house = house_at(embedded)
    await house.emit(10)
    async with house.recording() as recorder, house.publishing():
        await house.drained()
        async with client(embedded, "mallory") as (bus, _heard):
            for number in range(1, EVIDENCE_KEPT + 30):
                await bus.publish(JOURNAL, BatchMessage.of(chain(1, salt=" " * number)).payload(), qos=1)
            await until(lambda: recorder.counts.conflicts == EVIDENCE_KEPT + 29)
        assert len(house.store.conflicts(STATION)) == EVIDENCE_KEPT
        assert len([problem for problem in house.problems if "was refused" in problem]) < 10
        await house.emit(10)
        await house.drained()


# Messages of 256 MB ---------------------------------------------------------------------------------------------------


def _publish_header(topic: str, length: int) -> bytes:
    """The beginning of a PUBLISH, QoS 0, with a payload of ``length`` bytes."""
    rest = len(topic).to_bytes(2, "big") + topic.encode()
    remaining = len(rest) + length
    digits = bytearray()
    while True:
        remaining, digit = divmod(remaining, 128)
        digits.append(digit | (0x80 if remaining else 0))
        if not remaining:
            return b"\x30" + bytes(digits) + rest


def _connect(user: str, password: str) -> bytes:
    texts = [b"hostile", user.encode(), password.encode()]
    body = b"\x00\x04MQTT\x04\xc2\x00\x3c" + b"".join(len(text).to_bytes(2, "big") + text for text in texts)
    return b"\x10" + bytes([len(body)]) + body


async def send_huge(broker: BrokerProcess, user: str, topic: str) -> bool:
    """Sends a message of 256 MB; whether the broker took all of it."""
    url = broker.url(user)
    tls = ssl.create_default_context(cafile=url.ca_file) if url.tls else None
    reader, writer = await asyncio.open_connection(url.host, url.port, ssl=tls)
    try:
        writer.write(_connect(user, url.password or ""))
        assert (await reader.readexactly(4))[3] == 0
        writer.write(_publish_header(topic, HUGE_BYTES))
        for _ in range(HUGE_BYTES // MIB):
            writer.write(bytes(MIB))
            await writer.drain()
        writer.write(bytes(HUGE_BYTES % MIB))
        writer.write(b"\xc0\x00")  # a ping, whose answer says that all before it was taken
        await writer.drain()
        return await reader.read(2) == b"\xd0\x00"
    except ConnectionError:
        return False
    finally:
        writer.transport.abort()


def rss_mib(pid: int) -> int:
    return int(psutil.Process(pid).memory_info().rss) // MIB


async def test_a_broker_without_a_limit_passes_256_mb_on_and_neither_recorder_nor_station_keeps_them(
    mosquitto: Mosquitto, house_at: HouseAt
) -> None:
    house = house_at(mosquitto)
    async with house.recording() as recorder, house.publishing() as publisher:
        await house.emit(20)
        await house.drained()
        before = rss_mib(os.getpid())
        for topic in (JOURNAL, RECEIPT):
            assert await send_huge(mosquitto, "mallory", topic)
        await until(lambda: recorder.counts.ignored == 1 and publisher.suspicions().get("no_message") == 1)
        assert rss_mib(os.getpid()) - before < 4 * MAX_PACKET_BYTES // MIB + MAX_QUEUED_BYTES // MIB
        await house.emit(20)
        await house.drained()
        assert recorder.counts.connections == publisher.counts.connections == 1, "nobody was thrown out by it"


async def test_the_clinics_broker_cuts_256_mb_off_before_it_has_them(clinic_broker: ClinicBroker) -> None:
    before = rss_mib(clinic_broker.pid)
    assert not await send_huge(clinic_broker, f"station-{STATION}", JOURNAL)
    assert rss_mib(clinic_broker.pid) - before < 2 * MAX_PACKET_BYTES // MIB
    longest = b"x" * MAX_PAYLOAD_BYTES
    async with (
        client(clinic_broker, "recorder", f"needlework/v1/{SITE}/+/journal") as (_recorder, heard),
        client(clinic_broker, f"station-{STATION}") as (station, _),
    ):
        await station.publish(JOURNAL, longest, qos=1)
        assert (await hear(heard, lambda _message: True)).payload == longest, "what may be sent still passes"


@pytest.mark.parametrize("known", [True, False])
async def test_the_embedded_broker_cuts_256_mb_off_before_it_has_them(embedded: Embedded, known: bool) -> None:
    before = rss_mib(os.getpid())
    if known:
        assert not await send_huge(embedded, STATION, JOURNAL)
    else:
        _reader, writer = await asyncio.open_connection("127.0.0.1", embedded.url(STATION).port)
        writer.write(b"\x10\xff\xff\xff\x7f" + b"\x00\x04MQTT\x04\xc2\x00\x3c" + b"\xff\xff" * 1000)
        writer.transport.abort()
        await asyncio.sleep(0)
    assert rss_mib(os.getpid()) - before < 4 * MAX_PACKET_BYTES // MIB
    async with client(embedded, STATION, RECEIPT) as (_station, heard), client(embedded, "recorder") as (recorder, _):
        await recorder.publish(RECEIPT, b"still here", qos=1)
        assert (await hear(heard, lambda _message: True)).payload == b"still here"
