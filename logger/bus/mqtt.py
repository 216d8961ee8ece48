"""The one file that knows the MQTT client library (aiomqtt over paho).

MQTT 3.1.1, which every broker speaks. A :class:`Bus` is one connection, used once; reconnecting is its user's business.
Every wait has a deadline. Waiting for the next message has the connection's keep-alive: a broker that answers no ping
for that long is gone.
"""

import asyncio
import logging
import math
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from logger.bus.bounds import BoundedQueue, bound_packets
from logger.bus.broker_url import BrokerUrl
from logger.errors import BrokerRefused, BrokerUnreachable, BrokerUntrusted, BusError, BusLost

_T = TypeVar("_T")

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

    async def bunches(self, most: int) -> AsyncIterator[list[BusMessage]]:
        """What comes in, as many at a time as are there, ``most`` at most. Raises BusLost when the connection ends."""
        messages = self.messages()
        async for first in messages:
            bunch = [first]
            while len(bunch) < most and len(self._client.messages):
                bunch.append(await anext(messages))
            yield bunch

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

    Raises BrokerUnreachable, BrokerUntrusted, BrokerRefused or BusLost, within about ``deadline_s`` seconds.
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
        queue_type=BoundedQueue,
        tls_context=_tls_context(url),
        socket_options=_SOCKET_OPTIONS,
        logger=_LOG,
    )
    # The library offers no setting for it, and would wait as long as the keep-alive in a thread nobody can interrupt.
    client._client.connect_timeout = deadline_s * _CONNECT_SHARE  # noqa: SLF001 - no public way
    bound_packets(client)
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
            f"The broker {url} does not let us in: {error}. The record waits in the journal. Check the user name, "
            "and the password or the file it is read from."
        ) from error
    except (aiomqtt.MqttError, OSError) as error:
        _drop(client)
        raise _not_reached(url, error) from error


def _in_words(error: BaseException) -> str:
    """The system's reason without its number."""
    return (getattr(error, "strerror", None) or str(error)).lower()


def _not_reached(url: BrokerUrl, error: Exception) -> BusError:
    """Why there is no connection, with the remedy for this reason."""
    cause = error.__context__ or error  # the library raises its own error in place of the socket's
    waits = "The record waits in the journal and is sent when that is put right."
    if isinstance(cause, ssl.SSLCertVerificationError):
        vouched = f"the CA file {url.ca_file}" if url.ca_file else "this system's certificate authorities"
        return BrokerUntrusted(
            f"The broker {url} is not who it should be by {vouched}: {cause.verify_message}. Nothing was said to it, "
            f"no password either. {waits} Name the CA that signed the broker's certificate in broker_ca_file, and the "
            "broker by a name that stands in the certificate."
        )
    if isinstance(cause, ssl.SSLError | ConnectionResetError) and url.tls:
        return BrokerUnreachable(
            f"At {url} nobody speaks TLS as we do: {cause}. {waits} Check the port (8883 is usual for mqtts://), and "
            "that the broker has a certificate."
        )
    hint = "" if url.tls else " If it asks for TLS, write mqtts:// and its port."
    return BrokerUnreachable(
        f"No broker answers at {url}: {_in_words(cause) or error}. The record waits in the journal and is sent when "
        f"the broker is there. Check that it runs and that the address is right.{hint}"
    )


def _tls_context(url: BrokerUrl) -> ssl.SSLContext | None:
    """Who has to have signed the broker's certificate. Raises BrokerUntrusted where the CA file is of no use."""
    if not url.tls:
        return None
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and host's name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if url.ca_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(url.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise BrokerUntrusted(
            f"The CA file {url.ca_file} cannot be used: {error.strerror or error}. Without it {url} cannot be told "
            "from an impostor, so nothing is sent; the record waits in the journal. Correct broker_ca_file: a PEM file "
            "that this user may read."
        ) from error
    return context


class _Context(ssl.SSLContext):
    """Shakes hands as soon as it wraps: it then closes the socket itself when that fails, as the library does not."""

    def wrap_socket(self, sock: socket.socket, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, *arguments, **{**options, "do_handshake_on_connect": True})


def _drop(client: aiomqtt.Client) -> None:
    """Closes the socket of a connection that did not come to be, or ended badly, which the library leaves open.

    And looks at the errors the library keeps in futures that nobody may have awaited: asyncio would report them.
    """
    client._client._sock_close()  # noqa: SLF001 - no public way
    for future in (client._connected, client._disconnected):  # noqa: SLF001 - no public way
        if future.done() and not future.cancelled():
            future.exception()


__all__ = ["BrokerUrl", "Bus", "BusError", "BusMessage", "Will", "connect"]
