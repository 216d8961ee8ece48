"""The embedded broker: amqtt in this process, on loopback, with passwords, for a station that has no broker of its own.

Not for a clinic's network: it listens on 127.0.0.1 alone and forgets everything when it ends, which the record can
stand, because receipts and not the broker say what is stored. What it adds to amqtt is in the comments of
:class:`_LoopbackBroker`.
"""

import asyncio
import hmac
import logging
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from amqtt.broker import Broker
from amqtt.contexts import Action
from amqtt.errors import AMQTTError, BrokerError
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from logger.bus.bounds import MAX_PACKET_BYTES
from logger.bus.broker_url import BrokerUrl
from logger.bus.topics import TOPIC_TABLE, Topics, filter_of
from logger.errors import EmbeddedBrokerError

LOOPBACK = "127.0.0.1"

_PASSWORD_BYTES = 24
_CONNECT_DEADLINE_S = 5.0  # for a client to say who it is; amqtt itself would wait for ever
_SHUTDOWN_S = 3.0

# amqtt logs each packet's fate, and as errors what a client did wrong. What matters to us comes back as an exception.
logging.getLogger("amqtt").setLevel(logging.CRITICAL)
logging.getLogger("transitions").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Account:
    """A client of the broker: its password, and the topics it may publish to and filters it may subscribe to."""

    password: str
    publish: frozenset[str]
    subscribe: frozenset[str]


def station_account(topics: Topics) -> Account:
    """What a station may do: publish what is its own, read its receipts and its own status. With a new password."""
    own = frozenset(topics.topic(row.leaf) for row in TOPIC_TABLE if row.sender == "station")
    return Account(_password(), own, frozenset((topics.topic("receipt"), topics.topic("status"))))


def recorder_account(site: str, stations: Iterable[str]) -> Account:
    """What a recorder may do: read journals, and give receipts to these stations. With a new password."""
    receipts = frozenset(Topics(site, station).topic("receipt") for station in stations)
    return Account(_password(), receipts, frozenset((filter_of(site, "journal"),)))


def watcher_account(site: str) -> Account:
    """What a screen may do: read status, alarms and live values of every station, and publish nothing."""
    return Account(
        _password(),
        frozenset(),
        frozenset((filter_of(site, "status"), filter_of(site, "alarms"), filter_of(site, "live"))),
    )


def _password() -> str:
    return secrets.token_urlsafe(_PASSWORD_BYTES)


class PasswordPlugin(BaseAuthPlugin):  # type: ignore[misc] # amqtt has no types
    """amqtt's question whether a client is who it says. amqtt loads it by its name."""

    @dataclass
    class Config:
        """User → password. They live in this process's memory alone, random and new for each run."""

        passwords: dict[str, str] = field(default_factory=dict)

    async def authenticate(self, *, session: Session) -> bool | None:
        """Compares in constant time, also for a user that does not exist."""
        expected = self.config.passwords.get(session.username or "", "")
        return hmac.compare_digest((session.password or "").encode(), expected.encode()) and bool(expected)


class AccessPlugin(BaseTopicPlugin):  # type: ignore[misc] # amqtt has no types
    """amqtt's question whether a client may use a topic. amqtt loads it by its name."""

    @dataclass
    class Config:
        """User → topics it may publish to, filters it may subscribe to."""

        publish: dict[str, list[str]] = field(default_factory=dict)
        subscribe: dict[str, list[str]] = field(default_factory=dict)

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Allows what the account lists, word for word; what was granted as a filter is then delivered."""
        if session is None:
            return False
        if action is Action.RECEIVE:
            return True  # it reached this session by a filter that was granted
        granted = self.config.publish if action is Action.PUBLISH else self.config.subscribe
        return topic in granted.get(session.username or "", ())


class _BoundedReader:
    """What a client sends, except packets that are longer than any of ours: amqtt would wait for up to 256 MB of them,
    and of clients that have not said who they are, too. Whoever sends one is cut off.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._over = False

    async def readexactly(self, count: int) -> bytes:
        """As of a StreamReader. Raises IncompleteReadError also for a ``count`` beyond ``MAX_PACKET_BYTES``."""
        if self._over or count > MAX_PACKET_BYTES:
            self._over = True  # what was received of it already is not taken for packets
            self._writer.transport.abort()
            raise asyncio.IncompleteReadError(b"", count)
        return await self._reader.readexactly(count)

    def feed_eof(self) -> None:
        """The broker gives the client up."""
        self._reader.feed_eof()


class _LoopbackBroker(Broker):  # type: ignore[misc] # amqtt has no types
    """amqtt's broker with four faults worked around."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._open: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    @property
    def port(self) -> int:
        """The port it listens on."""
        server = self._servers["default"].instance
        return int(server.sockets[0].getsockname()[1])

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """A client came. amqtt keeps no list of connections: one that never says who it is outlives the broker."""
        task = asyncio.current_task()
        if task is None:
            raise EmbeddedBrokerError("a connection of the embedded broker has no task")
        self._open[task] = writer
        try:
            await super().stream_connected(_BoundedReader(reader, writer), writer, listener_name)
        finally:
            # Not waited for: amqtt cancels tasks that wait on the same future, and so would look like our own
            # cancellation.
            writer.close()
            del self._open[task]

    async def _initialize_client_session(self, *arguments: Any) -> Any:
        """The client says who it is, within a deadline."""
        try:
            async with asyncio.timeout(_CONNECT_DEADLINE_S):
                return await super()._initialize_client_session(*arguments)
        except TimeoutError as error:
            raise AMQTTError("no CONNECT within the deadline") from error

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        """Retained messages go to a session for its own subscriptions only.

        amqtt calls this for every filter of every session when a client connects, and so hands out retained messages
        that the client never asked for and may not read.
        """
        if any(subscriber is session for subscriber, _qos in self._subscriptions.get(subscription[0], ())):
            await super()._publish_retained_messages_for_subscription(subscription, session)

    async def stop(self) -> None:
        """Ends within a few seconds, and leaves no connection and no task.

        Connections go first: amqtt's own shutdown writes to them a last time, and waits for ever for one that is going.
        """
        for server in self._servers.values():
            server.instance.close()
        for writer in self._open.values():
            writer.transport.abort()  # its reader sees the end, and its task ends by itself
        await _ended(set(self._open))
        try:
            async with asyncio.timeout(_SHUTDOWN_S):
                await self.shutdown()
        except TimeoutError:
            await _ended({task for task in (self._broadcast_task, self._session_monitor_task) if task is not None})
        await asyncio.sleep(0)  # closed transports release their sockets in the loop's next round


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    """Waits for tasks that are on their way, and cancels those that take too long."""
    if tasks:
        _, tasks = await asyncio.wait(tasks, timeout=_SHUTDOWN_S)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_SHUTDOWN_S)


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """A running broker: where it is, and as whom one may come."""

    port: int
    accounts: Mapping[str, Account]

    def url(self, user: str) -> BrokerUrl:
        """The URL for ``user``, password included. Raises KeyError for a user without an account."""
        return BrokerUrl(LOOPBACK, self.port, user, self.accounts[user].password)


@asynccontextmanager
async def embedded_broker(accounts: Mapping[str, Account], *, port: int = 0) -> AsyncIterator[EmbeddedBroker]:
    """Runs a broker on loopback for the block; port 0 takes a free one.

    Raises EmbeddedBrokerError when it cannot start.
    """
    plugins = {
        f"{__name__}.{PasswordPlugin.__name__}": {
            "passwords": {user: account.password for user, account in accounts.items()}
        },
        f"{__name__}.{AccessPlugin.__name__}": {
            "publish": {user: sorted(account.publish) for user, account in accounts.items()},
            "subscribe": {user: sorted(account.subscribe) for user, account in accounts.items()},
        },
    }
    broker = _LoopbackBroker(
        {"listeners": {"default": {"type": "tcp", "bind": f"{LOOPBACK}:{port}"}}, "plugins": plugins}
    )
    try:
        await broker.start()
    except (AMQTTError, BrokerError) as error:
        raise EmbeddedBrokerError(
            f"The embedded broker cannot listen on {LOOPBACK}:{port}: {error}. The record waits in the journal. End "
            "what uses the port, or name a broker with --broker."
        ) from error
    try:
        yield EmbeddedBroker(broker.port, dict(accounts))
    finally:
        await broker.stop()
