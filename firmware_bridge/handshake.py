"""Opens a port and finds out whether a pen of our version is on it.

Until the nonce of this connection comes back in WELCOME every byte received is stale and discarded, and nothing but
HELLO is sent: what is on the port may be no pen at all.
"""

import asyncio
from collections.abc import Callable
from random import Random

from firmware_bridge.errors import LinkClosed, NotAPen, PenBusy, ProtocolVersionError, TransportError, TransportLost
from firmware_bridge.link import U32_MAX, Link, LinkListener
from firmware_bridge.port import Port, Tap
from firmware_bridge.transports.base import open_transport
from firmware_bridge.wire.codec import range_problem
from firmware_bridge.wire.framing import DELIMITER
from firmware_bridge.wire.messages import PROTOCOL_VERSION, Busy, Hello, Message, Welcome

HELLO_EVERY_S = 0.5  # twice a pen's allowed answer time
HELLO_TIMES = 4  # with the above: a verdict within 2 s of opening the port


async def open_link(
    url: str,
    listener: LinkListener,
    *,
    monotonic_ms: Callable[[], int],
    random: Random,
    tap: Tap | None = None,
) -> Link:
    """Opens the port and shakes hands. Nothing but HELLO is sent before a pen of our version answered.

    Raises a TransportError (see :func:`open_transport`); NotAPen, ProtocolVersionError or PenBusy, within 3 s.
    """
    port = Port(monotonic_ms, tap)
    loop = asyncio.get_running_loop()
    nonce = random.randint(1, U32_MAX)
    verdict: asyncio.Future[Message] = loop.create_future()

    def on_message(message: Message) -> None:
        if isinstance(message, Welcome | Busy) and message.nonce == nonce and not verdict.done():
            verdict.set_result(message)

    def on_lost(cause: TransportError | None) -> None:
        if not verdict.done():
            verdict.set_exception(cause or LinkClosed(f"{url}: closed during the handshake.", url=url))

    port.on_message, port.on_lost = on_message, on_lost
    transport = await open_transport(url, port)
    port.transport = transport
    try:
        answer = await _shake_hands(port, verdict, nonce, url)
        welcome = _check_welcome(answer, url)
        _check_there(port, url)
        link = Link(transport, port, welcome, nonce, listener, random)
        port.on_message, port.on_lost = link.message_received, link.transport_lost
    except BaseException:
        port.on_lost = lambda _cause: None
        verdict.cancel()
        transport.abort()
        raise
    else:
        return link


async def _shake_hands(port: Port, verdict: "asyncio.Future[Message]", nonce: int, url: str) -> Message:
    port.write(DELIMITER)
    for _ in range(HELLO_TIMES):
        port.send(Hello(nonce, PROTOCOL_VERSION))
        done, _pending = await asyncio.wait((verdict,), timeout=HELLO_EVERY_S)
        if done:
            return verdict.result()
    if port.bytes_received == 0:
        raise NotAPen(
            f"{url}: nothing answered within {HELLO_EVERY_S * HELLO_TIMES:.0f} s. Either no pen is on this port, it is "
            "switched off, or the speed differs (`?baud=`). `needlework pens` lists what is plugged in.",
            url=url,
        )
    raise NotAPen(
        f"{url}: what is on this port answers, but not as a pen ({port.bytes_received} bytes, no WELCOME). Nothing but "
        "the handshake was sent to it. Check the port with `needlework pens`, and the speed (`?baud=`).",
        url=url,
    )


def _check_there(port: Port, url: str) -> None:
    """Raises TransportLost when the port went between the pen's answer and now: nobody was listening for that."""
    if port.transport is None:
        raise TransportLost(f"{url}: the port went just after the pen had answered. Check the cable.", url=url)


def _check_welcome(answer: Message, url: str) -> Welcome:
    if isinstance(answer, Busy):
        raise PenBusy(
            f"{url}: another host is treating with this pen. Close the treatment there, then connect again.", url=url
        )
    if not isinstance(answer, Welcome):
        raise NotAPen(f"{url}: {type(answer).__name__} is no answer to HELLO.", url=url)
    if answer.version != PROTOCOL_VERSION:
        raise ProtocolVersionError(
            f"{url}: this pen speaks protocol version {answer.version}, this software version {PROTOCOL_VERSION}. "
            "Nothing but the handshake was sent. Update whichever is older.",
            url=url,
            pen_version=answer.version,
        )
    problem = range_problem(answer)
    if problem is not None:
        raise NotAPen(f"{url}: the pen introduces itself with nonsense ({problem}); it is not used.", url=url)
    return answer
