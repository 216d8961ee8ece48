"""The embedded broker: loopback, passwords, each client on its own topics, and an end that leaves nothing behind."""

import asyncio
import socket
from contextlib import suppress

import pytest

from logger.brokers.embedded import embedded_broker
from logger.bus.mqtt import BrokerUrl, connect
from logger.bus.topics import Topics
from logger.errors import BrokerRefused, BrokerUnreachable, BusError, EmbeddedBrokerError
from tests.fixtures_brokers import OTHER_STATION, SITE, STATION, BrokerProcess, Embedded, accounts, free_port
from tests.logger.house import client, hear

MINE, THEIRS = Topics(SITE, STATION), Topics(SITE, OTHER_STATION)


async def _try(url: BrokerUrl) -> None:
    async with connect(url, client_id="somebody", deadline_s=5, keepalive_s=15):
        pass


async def test_only_who_knows_a_password_comes_in(broker: BrokerProcess) -> None:
    known = broker.url(STATION)
    await _try(known)
    for user, password in ((STATION, "wrong"), (STATION, ""), ("nobody", known.password), (None, None)):
        with pytest.raises(BrokerRefused, match="does not let us in"):
            await _try(BrokerUrl(known.host, known.port, user, password))


async def test_a_station_publishes_only_what_is_its_own(broker: BrokerProcess) -> None:
    async with (
        client(broker, "mallory", MINE.topic("journal"), THEIRS.topic("journal"), MINE.topic("receipt")) as (
            _spy,
            heard,
        ),
        client(broker, STATION) as (bus, _),
    ):
        for topic in (THEIRS.topic("journal"), MINE.topic("receipt"), THEIRS.topic("receipt")):
            await bus.publish(topic, b"not mine to say", qos=1)
        await bus.publish(MINE.topic("journal"), b"mine", qos=1)
        assert (await hear(heard, lambda _message: True)).payload == b"mine"


async def test_a_filter_beyond_an_account_is_refused(embedded: Embedded) -> None:
    for wanted in ("#", "needlework/v1/clinic/+/journal", THEIRS.topic("receipt")):
        async with client(embedded, STATION) as (bus, _heard):
            with pytest.raises(BrokerRefused, match="does not let room-1 read"):
                await bus.subscribe(wanted, qos=1)


async def test_retained_messages_reach_only_those_who_subscribed(broker: BrokerProcess) -> None:
    """amqtt gives every retained message that anybody's filter matches to each client that connects."""
    async with client(broker, STATION) as (bus, _heard):
        await bus.publish(MINE.topic("status"), b"kept", qos=1, retain=True)
    async with (
        client(broker, "watcher", "needlework/v1/clinic/+/status") as (_watching, watched),
        client(broker, OTHER_STATION, THEIRS.topic("receipt")) as (other, heard),
        client(broker, "recorder") as (recorder, _),
    ):
        assert (await hear(watched, lambda _message: True)).payload == b"kept"
        await recorder.publish(THEIRS.topic("receipt"), b"for room-2", qos=1)
        first = await hear(heard, lambda _message: True)
        assert (first.topic, first.payload) == (THEIRS.topic("receipt"), b"for room-2")
        await other.publish(THEIRS.topic("live"), b"", qos=0)


async def test_it_listens_on_loopback_alone(embedded: Embedded) -> None:
    assert embedded.url(STATION).host == "127.0.0.1"
    with socket.socket() as other_address:  # free on every other address, so it is not bound there
        other_address.bind(("127.0.0.2", embedded.url(STATION).port))


async def test_a_client_that_says_nothing_does_not_hold_up_the_end() -> None:
    async with asyncio.timeout(10):
        async with embedded_broker(accounts()) as broker:
            reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", broker.port)
            other_writer.write(b"\x10\xff\xff\xff\x7fgarbage")
            await other_writer.drain()
        for left_reader, left_writer in ((reader, writer), (other_reader, other_writer)):
            with suppress(ConnectionError):  # a reset, where the broker had not read everything
                assert await left_reader.read() == b""
            left_writer.close()
            with suppress(ConnectionError):
                await left_writer.wait_closed()


async def test_a_taken_port_is_told_with_what_to_do() -> None:
    async with embedded_broker(accounts()) as broker:
        with pytest.raises(EmbeddedBrokerError, match=f"cannot listen on 127.0.0.1:{broker.port}"):
            async with embedded_broker(accounts(), port=broker.port):
                pass


async def test_nobody_there_is_told_at_once() -> None:
    async with asyncio.timeout(5):
        with pytest.raises(BrokerUnreachable, match="No broker answers"):
            await _try(BrokerUrl("127.0.0.1", free_port()))


async def test_a_listener_that_is_no_broker_is_given_up_within_the_deadline() -> None:
    said = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        said.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(5):
        with pytest.raises(BrokerUnreachable):
            async with connect(BrokerUrl("127.0.0.1", port), client_id="x", deadline_s=0.5, keepalive_s=15):
                pass
        await said.wait()
    server.close()
    await server.wait_closed()


async def test_a_cancelled_connect_leaves_nothing_behind() -> None:
    met = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def attempt() -> None:
        async with connect(BrokerUrl("127.0.0.1", port), client_id="x", deadline_s=1, keepalive_s=15):
            pass

    task = asyncio.create_task(attempt())
    await met.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.close()
    await server.wait_closed()


async def test_a_broker_that_ends_is_noticed_at_once(broker: BrokerProcess) -> None:
    async with connect(broker.url(STATION), client_id="x", deadline_s=5, keepalive_s=15) as bus:
        await broker.stop()
        async with asyncio.timeout(5):
            with pytest.raises(BusError, match="is lost"):
                async for _message in bus.messages():
                    pass
            with pytest.raises(BusError):
                await bus.publish(MINE.topic("live"), b"", qos=1)
