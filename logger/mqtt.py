"""The one file that knows the MQTT client library (aiomqtt over paho).

MQTT 3.1.1, which every broker speaks. A :class:`Bus` is one connection, used once; reconnecting is its user's business.
Every wait has a deadline. Waiting for the next message has the connection's keep-alive: a broker that answers no ping
for that long is gone.
"""

import asyncio
import logging
import math
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.parse import quote, unquote, urlsplit

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from logger.errors import BrokerRefused, BrokerUnreachable, BrokerUrlError, BusError, BusLost

_T = TypeVar("_T")

DEFAULT_PORT = 1883
MAX_IN_FLIGHT = 20  # Mosquitto's own default; more stalls against it
MAX_QUEUED_INCOMING = (
    1000  # more than any honest sender leaves unread; what is beyond is dropped, and the record sent again
)

_LOG = logging.getLogger("needlework.mqtt")
_LOG.setLevel(logging.CRITICAL)  # what the library has to say comes back as an exception, or is settled by a receipt

# Without it Nagle and delayed acknowledgement together cost 40 ms on each QoS 1 round trip.
_SOCKET_OPTIONS = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
# The library's own deadlines are `asyncio.wait_for`, which before Python 3.12 can swallow a cancellation.
_OUR_DEADLINE = math.inf
_CONNECT_SHARE = 0.6  # of the deadline, for the TCP connection; the rest is for the broker's answer


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """Where a broker is, and as whom we come."""

    host: str
    port: int = DEFAULT_PORT
    username: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``mqtt://[user:password@]host[:port]``; the port is 1883 unless given. Raises BrokerUrlError."""
        example = "Write it as mqtt://host:1883 or mqtt://user:password@host:1883."
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise BrokerUrlError(f"That is not a broker's URL: {error}. {example}") from error
        if parts.scheme != "mqtt":
            raise BrokerUrlError(
                f"A broker's URL begins with mqtt://, this one with {parts.scheme or 'no scheme'!r}. {example}"
            )
        if not parts.hostname or port == 0:
            raise BrokerUrlError(f"The broker's URL names no host, or port 0. {example}")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise BrokerUrlError(f"The broker's URL has something behind the port. {example}")
        if parts.password is not None and not parts.username:
            raise BrokerUrlError(f"The broker's URL has a password and no user. {example}")
        return cls(
            parts.hostname,
            port if port is not None else DEFAULT_PORT,
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password is not None else None,
        )

    def __str__(self) -> str:
        """The URL without its password, for people and logs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.username}@" if self.username else ""
        return f"mqtt://{user}{host}:{self.port}"

    def __repr__(self) -> str:
        return f"BrokerUrl({str(self)!r})"

    def secret_text(self) -> str:
        """The URL with its password, as :meth:`parse` reads it. For handing it to another process, never for a log."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        password = "" if self.password is None else f":{quote(self.password, safe='')}"
        user = f"{quote(self.username, safe='')}{password}@" if self.username else ""
        return f"mqtt://{user}{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained with QoS 1, when this connection ends without a farewell."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class BusMessage:
    """A message that came in."""

    topic: str
    payload: bytes
    retained: bool


class Bus:
    """One connection to a broker, made by :func:`connect`."""

    def __init__(self, client: aiomqtt.Client, url: BrokerUrl, deadline_s: float) -> None:
        self._client = client
        self._url = url
        self._deadline_s = deadline_s

    async def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> None:
        """Sends; with QoS 1 returns when the broker has acknowledged, which says nothing of who got it.

        Raises BusLost.
        """
        await self._answer(self._client.publish(topic, payload, qos=qos, retain=retain, timeout=_OUR_DEADLINE))

    async def subscribe(self, topic_filter: str, *, qos: int) -> None:
        """Subscribes. Raises BrokerRefused, BusLost."""
        granted = await self._answer(self._client.subscribe(topic_filter, qos=qos, timeout=_OUR_DEADLINE))
        codes = [getattr(code, "value", code) for code in granted]
        if any(code >= 0x80 for code in codes):
            raise BrokerRefused(
                f"The broker {self._url} does not let {self._url.username or 'an anonymous client'} read "
                f"{topic_filter}. Nothing arrives until it does. Grant it in the broker's access rules."
            )

    async def messages(self) -> AsyncIterator[BusMessage]:
        """What comes in, in the order it came. Raises BusLost when the connection ends."""
        try:
            async for message in self._client.messages:
                payload = message.payload
                if isinstance(payload, str):
                    payload = payload.encode()
                if not isinstance(payload, bytes | bytearray):
                    continue  # the library's type allows numbers, the network does not
                yield BusMessage(str(message.topic), bytes(payload), bool(message.retain))
        except aiomqtt.MqttError as error:
            raise self._lost(error) from error

    async def _answer(self, asked: Coroutine[Any, Any, _T]) -> _T:
        """Waits for the broker's answer, until the deadline or the end of the connection, of which the library's own
        waits take no notice. Raises BusLost.
        """
        waiting = asyncio.create_task(asked, name=f"answer of {self._url}")
        try:
            await asyncio.wait(
                (waiting, self._client._disconnected),  # noqa: SLF001 - the client offers no other way to see a broker that hung up
                timeout=self._deadline_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            if not waiting.done():
                waiting.cancel()
                await asyncio.wait((waiting,))
        if waiting.cancelled():
            raise self._lost("no answer")
        try:
            return waiting.result()
        except aiomqtt.MqttError as error:
            raise self._lost(error) from error

    def _lost(self, cause: object) -> BusLost:
        return BusLost(
            f"The connection to the broker {self._url} is lost: {cause}. The record waits in the "
            "journal and is sent when the broker is back. Check that it runs."
        )


@asynccontextmanager
async def connect(
    url: BrokerUrl, *, client_id: str, deadline_s: float, keepalive_s: int, will: Will | None = None
) -> AsyncIterator[Bus]:
    """A connection with a clean session, closed at the end of the block.

    Raises BrokerUnreachable, BrokerRefused or BusLost, within about ``deadline_s`` seconds.
    """
    client = aiomqtt.Client(
        url.host,
        url.port,
        username=url.username,
        password=url.password,
        identifier=client_id,
        protocol=aiomqtt.ProtocolVersion.V311,
        clean_session=True,
        will=None if will is None else aiomqtt.Will(will.topic, will.payload, qos=1, retain=True),
        timeout=deadline_s * (1 - _CONNECT_SHARE),
        keepalive=keepalive_s,
        max_inflight_messages=MAX_IN_FLIGHT,
        max_queued_incoming_messages=MAX_QUEUED_INCOMING,
        socket_options=_SOCKET_OPTIONS,
        logger=_LOG,
    )
    # The library offers no setting for it, and would wait as long as the keep-alive in a thread nobody can interrupt.
    client._client.connect_timeout = deadline_s * _CONNECT_SHARE  # noqa: SLF001 - no public way
    await _enter(client, url)
    client.timeout = _OUR_DEADLINE
    try:
        yield Bus(client, url, deadline_s)
    finally:
        try:
            with suppress(aiomqtt.MqttError, OSError, TimeoutError):
                async with asyncio.timeout(deadline_s):
                    await client.__aexit__(None, None, None)
        finally:
            _drop(client)


async def _enter(client: aiomqtt.Client, url: BrokerUrl) -> None:
    """Connects.

    Whatever happens, no socket and no thread is left behind: a cancelled connect is waited for, then undone.
    """
    entering = asyncio.create_task(client.__aenter__(), name=f"connect to {url}")
    try:
        await asyncio.shield(entering)
    except asyncio.CancelledError:
        # The thread that connects ends by itself within the connect timeout; a socket it opened has to be closed by us.
        with suppress(aiomqtt.MqttError, OSError, asyncio.CancelledError):
            await entering
        _drop(client)
        raise
    except MqttConnectError as error:
        _drop(client)
        raise BrokerRefused(
            f"The broker {url} does not let us in: {error}. The record waits in the journal. Check the user name and "
            "password in the broker's URL."
        ) from error
    except (aiomqtt.MqttError, OSError) as error:
        _drop(client)
        raise BrokerUnreachable(
            f"No broker answers at {url}: {error}. The record waits in the journal and is sent when the broker is "
            "there. Check that it runs and that the address is right."
        ) from error


def _drop(client: aiomqtt.Client) -> None:
    """Closes the socket of a connection that did not come to be, or ended badly, which the library leaves open.

    And looks at the errors the library keeps in futures that nobody may have awaited: asyncio would report them.
    """
    client._client._sock_close()  # noqa: SLF001 - no public way
    for future in (client._connected, client._disconnected):  # noqa: SLF001 - no public way
        if future.done() and not future.cancelled():
            future.exception()


__all__ = ["BrokerUrl", "Bus", "BusError", "BusMessage", "Will", "connect"]
