"""A listener of its own on loopback that knows one thing: STOP.

It depends on nothing that can be busy, full or broken: not on the API server, the journal, MQTT or any library, and
it takes no seat and no password. Any program on this machine may stop a pen: stopping is the safe direction, the harm
of a needless STOP is a pause, the harm of a refused one is a needle in skin. For the same reason it is tolerant: STOP
is acted on when the first line is in, whatever follows it, and a pen name nobody knows stops every pen.

What it understands, over HTTP/1.1 as far as that is needed, one request a connection:

    POST /stop            stop every pen             POST /stop/NAME      stop one
    GET  /ping            is STOP within reach?      STOP                 a bare line, for `echo STOP | nc`

A page elsewhere on this machine reaches it by a simple cross-origin POST; nothing here can be read that is secret.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from station.errors import StationTaken, Trouble

REQUEST_MAX_BYTES = 8192
"""Head and body together. A browser's head is about 1 kB; a longer request is cut off, after STOP was acted on."""
REQUEST_DEADLINE_S = 2.0
"""A connection that says nothing more for this long is answered with what is known and closed."""
CONNECTIONS_MAX = 64
"""Beyond it the oldest connection goes, so that connections left idle never keep a STOP out."""

_REASONS = {200: "OK", 204: "No Content", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}
_CORS = (
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Allow-Methods: POST, GET\r\n"
    "Access-Control-Allow-Headers: *\r\n"
    "Access-Control-Allow-Private-Network: true\r\n"
)


class Stoppable(Protocol):
    """A pen as far as STOP is concerned."""

    @property
    def name(self) -> str:
        """The pen's name at this station."""

    def stop(self, source: str) -> None:
        """Writes STOP to the wire before it returns. Never waits."""


def stop_pens(pens: Sequence[Stoppable], wanted: str, source: str) -> tuple[str, ...]:
    """Stops the pen called ``wanted``, or every pen when it is empty or unknown; the names of those stopped.

    An error in one pen keeps no other from being stopped; it is raised when all have been.
    """
    chosen = [pen for pen in pens if pen.name == wanted] or list(pens)
    with ExitStack() as every_one:
        for pen in chosen:
            every_one.callback(pen.stop, source)
    return tuple(pen.name for pen in chosen)


@dataclass(frozen=True, slots=True)
class StopAddress:
    """Where the listener is reached."""

    host: str
    port: int


class StopListener:
    """Serves STOP until closed.

    ``stop(pen, source)`` stops the pen of that name, or all when the name is empty, before it returns, and tells the
    names of those stopped; ``names()`` are the pens' names.
    """

    def __init__(self, stop: Callable[[str, str], tuple[str, ...]], names: Callable[[], tuple[str, ...]]) -> None:
        self._stop = stop
        self._names = names
        self._server: asyncio.Server | None = None
        self._open: dict[_Connection, None] = {}

    async def listen(self, port: int, host: str = "127.0.0.1") -> StopAddress:
        """Begins to listen; port 0 takes any free one. Raises StationTaken when the port is held by another program."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Connection(self), host, port)
        except OSError as error:
            raise StationTaken(
                Trouble(
                    "stop_port_taken",
                    f"The STOP listener cannot have {host}:{port}: {error.strerror or error}.",
                    "Without it a pen could not be stopped while the station is busy, so the station does not start.",
                    "End the other program (`needlework doctor` names it), or choose another port: --stop-port, or "
                    "NEEDLEWORK_STOP_PORT.",
                )
            ) from error
        bound = self._server.sockets[0].getsockname()
        return StopAddress(bound[0], bound[1])

    async def close(self) -> None:
        """Stops listening and drops every connection."""
        if self._server is not None:
            self._server.close()
            for connection in list(self._open):
                connection.drop()
            await self._server.wait_closed()
            self._server = None

    def act(self, pen: str, source: str) -> bytes:
        """STOP, and the answer that says what was done."""
        stopped = self._stop(pen, source)
        unknown = bool(pen) and pen not in stopped
        what = "No pen is connected here." if not stopped else "STOP was sent to " + ", ".join(stopped) + "."
        if unknown and stopped:
            what += f" No pen here is called {pen!r}, so every pen was stopped."
        return _answer(200, {"stopped": list(stopped), "what": what})

    def ping(self) -> bytes:
        """The answer that says STOP is within reach."""
        return _answer(200, {"listening": True, "pens": list(self._names())})

    def opened(self, connection: "_Connection") -> None:
        """A connection came; the oldest goes when there are too many."""
        self._open[connection] = None
        if len(self._open) > CONNECTIONS_MAX:
            next(iter(self._open)).drop()

    def closed(self, connection: "_Connection") -> None:
        """A connection went."""
        self._open.pop(connection, None)


class _Connection(asyncio.Protocol):
    """One request and its answer."""

    def __init__(self, listener: StopListener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answer = b""
        self._wants_body = -1
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream transport is needed")
        self._transport = transport
        self._deadline = asyncio.get_running_loop().call_later(REQUEST_DEADLINE_S, self._give_up_waiting)
        self._listener.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._listener.closed(self)

    def data_received(self, data: bytes) -> None:
        room = REQUEST_MAX_BYTES - len(self._received)
        self._received += data[:room]
        if not self._answer and b"\n" in self._received:
            self._take_first_line()
        if self._answer and (len(data) > room or self._complete()):
            self._finish()
        elif len(data) > room:
            self._answer = _answer(400, {"what": "The request is too long and names no STOP."})
            self._finish()

    def eof_received(self) -> bool:
        self._give_up_waiting()
        return False

    def _give_up_waiting(self) -> None:
        """Half a line and then nothing: a STOP without its line end is a STOP all the same."""
        if not self._answer and self._received:
            self._take_first_line()
        self._finish()

    def drop(self) -> None:
        """Ends the connection without an answer."""
        if self._transport is not None:
            self._transport.abort()

    def _take_first_line(self) -> None:
        """Reads the request line and acts at once: what follows can only be in the way."""
        line = bytes(self._received).split(b"\n", 1)[0].strip().decode("latin-1")
        self._answer = self._answer_to(line)

    def _answer_to(self, line: str) -> bytes:
        words = line.split()
        method = words[0].upper() if words else ""
        if method == "STOP":
            self._wants_body = 0
            return self._listener.act(words[1] if len(words) > 1 else "", f"stop:{self._peer()}")
        path, _, _ = (words[1] if len(words) > 1 else "").partition("?")
        parts = [unquote(part) for part in path.split("/") if part]
        if parts[:1] == ["stop"]:
            if method == "OPTIONS":
                return _answer(204, None)
            if method in ("GET", "HEAD"):
                # A link, an image or a browser's guess at the next page must not act.
                return _answer(405, {"what": "STOP is sent by POST /stop; reading a page stops nothing."})
            return self._listener.act("/".join(parts[1:]), f"stop:{self._peer()}")
        if parts == ["ping"]:
            return _answer(204, None) if method == "OPTIONS" else self._listener.ping()
        return _answer(404, {"what": "This listener knows STOP alone: POST /stop, POST /stop/NAME, GET /ping."})

    def _peer(self) -> str:
        peer = self._transport.get_extra_info("peername") if self._transport is not None else None
        return f"{peer[0]}" if peer else "local"

    def _complete(self) -> bool:
        """Head and body are in. Answering earlier would make the system reset the connection and lose the answer."""
        if self._wants_body == 0:
            return True
        head, mark, body = bytes(self._received).partition(b"\r\n\r\n")
        if not mark:
            head, mark, body = bytes(self._received).partition(b"\n\n")
        if not mark:
            return False
        return len(body) >= min(_content_length(head), REQUEST_MAX_BYTES - len(head) - len(mark))

    def _finish(self) -> None:
        """Answers, if there is anything to answer, and closes."""
        if self._transport is not None and not self._transport.is_closing():
            if self._answer:
                self._transport.write(self._answer)
            self._transport.close()


def _content_length(head: bytes) -> int:
    """Bytes of body the head announces; 0 where it says nothing that makes sense."""
    for line in head.split(b"\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            text = value.strip()
            return int(text) if text.isdigit() and len(text) < 10 else 0
    return 0


def _answer(status: int, body: dict[str, object] | None) -> bytes:
    """A whole HTTP/1.1 answer; ``body`` is sent as JSON."""
    content = b"" if body is None else json.dumps(body).encode() + b"\n"
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\n{_CORS}"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + content
