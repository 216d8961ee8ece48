"""A transport for ports the event loop cannot wait for: one thread reads, one writes.

It carries every URL pyserial knows, by pyserial's own scheme names (``rfc2217://``, ``socket://``, ``loop://``,
``spy://``, ``alt://``, ``cp2110://``, ``hwgrep://``), and every serial port on Windows. The options of ``serial://``
work with all of them, beside pyserial's own; pyserial's switches need a value here (``?ign_set_control=1``), and a
``hwgrep://`` pattern a dot for the colon (``hwgrep://1209.0001``), because the rest of it is read as a URL.

pyserial's ports differ in how they wait, so the pump leaves none of them to wait for long: a read lasts ``POLL_S`` at
most, and a write is a small piece, given only when the port, where it can be asked, has room. Both threads end within a
fraction of a second of being told to, and the one that read closes the port.
"""

import asyncio
import io
import select
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Protocol
from urllib.parse import unquote, urlencode, urlsplit

import serial

from firmware_bridge.errors import PortAbsent, PortBusy, PortUnusable, TransportError, TransportLost
from firmware_bridge.transports.base import READ_BYTES, PenUrl, Receiver, Transport
from firmware_bridge.transports.line_settings import LINE_OPTIONS, LineSettings, line_settings
from firmware_bridge.transports.opening import open_in_thread
from firmware_bridge.transports.options import require_known
from firmware_bridge.transports.promptness import make_prompt
from firmware_bridge.transports.queued import LOSS_REMEDY, QueuedTransport
from firmware_bridge.transports.refusals import error_number, port_refused

POLL_S = 0.05
"""Longest wait inside a port, and so the time in which a thread notices that it is to end."""

PIECE_BYTES = 256
"""Most that is given to a port at once: a frame. A socket that says it has room takes this much without waiting."""

UNDELIVERED_BYTES = 16 * READ_BYTES
"""What may wait between the reading thread and the loop. Beyond it the thread waits and the port's own buffer fills."""

OPEN_DEADLINE_S = 8.0
"""pyserial's RFC 2217 client takes up to 3 s each for the connection's terms and for the line's."""

GRACE_S = 0.2
"""How long a write under way may take to end by itself before the port is closed under it."""

JOIN_S = 5.0
"""The longest any of pyserial's ports holds a writer once it is closed under it (RFC 2217's socket timeout)."""

DRAIN_LOOK_S = 0.005

PORT_ERRORS = (OSError, ValueError, TypeError, AttributeError)
"""What pyserial's ports raise on a line that went or was closed: SerialException is an OSError; a port whose handle
has become None meanwhile raises the others."""

PYSERIAL_OPTIONS: dict[str, tuple[str, ...]] = {
    "alt": ("class",),
    "cp2110": (),
    "hwgrep": (),
    "loop": ("logging",),
    "rfc2217": ("ign_set_control", "logging", "poll_modem", "timeout"),
    "socket": ("logging",),
    "spy": ("all", "color", "file", "raw"),
}
"""pyserial's URL schemes, each with the options it understands (pyserial 3.5, *URL Handlers*)."""

_ON_THE_NETWORK = ("rfc2217", "socket")


class PySerialPort(Protocol):
    """What all of pyserial's ports have."""

    timeout: float | None
    """Longest wait of a read, seconds."""

    @property
    def in_waiting(self) -> int:
        """Bytes that a read would return at once; some say 1 for any number."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes, after ``POLL_S`` at most."""

    def write(self, data: bytes, /) -> int | None:
        """Writes all of ``data``, waiting for room."""

    def fileno(self) -> int:
        """The descriptor, where there is one."""

    def close(self) -> None:
        """Closes the port; network ports take 0.3 s over it."""


class PumpedTransport(QueuedTransport):
    """See :class:`firmware_bridge.transports.base.Transport`. Owns the open port from here on."""

    def __init__(self, port: PySerialPort, url: str, receiver: Receiver, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(url, receiver, loop)
        self._port = port
        self._native = port if isinstance(port, serial.Serial) else None
        self._fd = _descriptor(port)
        if self._fd is not None:
            port.timeout = 0  # the waiting is done here, so that a read takes all there is and not byte by byte
        self._state = threading.Condition()
        """Guards the outbox and the four below, which both threads and the loop touch."""
        self._stopping = False
        self._writing = 0
        self._undelivered = 0
        self._writer = threading.Thread(target=self._write_loop, name=f"write {url}", daemon=True)
        self._reader = threading.Thread(target=self._read_loop, name=f"read {url}", daemon=True)
        self._writer.start()
        self._reader.start()

    @property
    def unsent_bytes(self) -> int:
        """Bytes waiting here, in the writing thread and, for a real serial port, in the driver."""
        if self._gone:
            return 0
        queued = 0
        if self._native is not None:
            with suppress(*PORT_ERRORS):
                queued = self._native.out_waiting
        with self._state:
            return self._outbox.size + self._writing + queued

    def write(self, data: bytes, *, urgent: bool = False) -> None:
        """Hands ``data`` to the writing thread; never blocks."""
        if self._gone:
            return
        with self._state:
            self._outbox.push(data, urgent=urgent)
            self._state.notify_all()
        self._overfull()

    async def _drain(self) -> None:
        while not self._gone and self.unsent_bytes:
            await asyncio.sleep(DRAIN_LOOK_S)

    def _release(self) -> None:
        with self._state:
            self._stopping = True
            self._outbox.clear()
            self._state.notify_all()
        if self._native is not None:
            with suppress(*PORT_ERRORS):
                self._native.cancel_read()
                self._native.cancel_write()

    def _read_loop(self) -> None:
        try:
            while not self._stopping:
                self._read_what_is_there()
        except Exception as error:  # noqa: BLE001 - see _report
            self._report(error)
        self._close_port()

    def _read_what_is_there(self) -> None:
        if self._fd is not None:
            if select.select([self._fd], [], [], POLL_S)[0] and (data := self._port.read(READ_BYTES)):
                self._hand_over(data)
            return
        data = self._port.read(1)
        try:
            while data and len(data) < READ_BYTES and not self._stopping and (more := self._port.in_waiting):
                data += self._port.read(min(more, READ_BYTES - len(data)))
        finally:  # the line may break after its last words
            if data:
                self._hand_over(data)

    def _hand_over(self, data: bytes) -> None:
        with self._state:
            while self._undelivered > UNDELIVERED_BYTES and not self._stopping:
                self._state.wait()
            self._undelivered += len(data)
        with suppress(RuntimeError):  # the loop is closed: nobody is left to read
            self._loop.call_soon_threadsafe(self._deliver, data)

    def _deliver(self, data: bytes) -> None:
        with self._state:
            self._undelivered -= len(data)
            self._state.notify_all()
        if not self._gone:
            self._receiver.data_received(data)

    def _write_loop(self) -> None:
        try:
            while True:
                with self._state:
                    while not self._outbox.size and not self._stopping:
                        self._state.wait()
                # Which piece leaves is decided when there is room for it: STOP may have come meanwhile.
                while not self._stopping and not self._has_room():
                    pass
                with self._state:
                    if self._stopping:
                        return
                    piece = bytes(self._outbox.head()[:PIECE_BYTES])
                    self._outbox.sent(len(piece))
                    self._writing = len(piece)
                self._port.write(piece)
                self._writing = 0
        except Exception as error:  # noqa: BLE001 - see _report
            self._report(error)

    def _has_room(self) -> bool:
        """Waits for room, for POLL_S at most; a port that cannot be asked is taken at its word that it waits itself."""
        return self._fd is None or bool(select.select([], [self._fd], [], POLL_S)[1])

    def _report(self, error: Exception) -> None:
        """The line failed, in one of the threads; the loop decides whether that is news.

        Whatever a port raises ends up here: a thread that died of something unforeseen would leave a line that neither
        works nor is lost. (pyserial 3.5's ``alt`` class PosixPollSerial raises NameError when a read times out.)
        """
        lost = TransportLost(
            f"{self.url}: the line to the pen broke: {error}. {LOSS_REMEDY} "
            "Plug it in or start it again, then connect again.",
            url=self.url,
        )
        lost.__cause__ = error
        try:
            self._loop.call_soon_threadsafe(self._lose, lost)
        except RuntimeError:  # the loop is closed: nobody decides any more
            with self._state:
                self._stopping = True
                self._state.notify_all()

    def _close_port(self) -> None:
        """Last act of the reading thread: ends the writing one, closes the port, has the receiver told."""
        with self._state:
            while not self._stopping:
                self._state.wait()
        patience = time.monotonic() + GRACE_S
        while self._writer.is_alive() and time.monotonic() < patience:
            with suppress(*PORT_ERRORS):
                if waiting := self._port.in_waiting:
                    self._port.read(waiting)  # loop:// writes into what it reads: its writer waits for us
            self._writer.join(0.001)
        _close(self._port)
        self._writer.join(JOIN_S)
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tell)


def _connection(port: PySerialPort) -> socket.socket | None:
    """The socket of pyserial's network ports, for which pyserial has no public name."""
    connection = getattr(port, "_socket", None)
    return connection if isinstance(connection, socket.socket) else None


def _close(port: PySerialPort) -> None:
    # pyserial 3.5 shuts its sockets down before it closes them and forgets them unclosed when the first fails, as it
    # does on every connection that the other side has reset.
    connection = _connection(port)
    with suppress(*PORT_ERRORS):
        port.close()
    if connection is not None:
        connection.close()


def _descriptor(port: PySerialPort) -> int | None:
    """What ``select`` can ask whether the port has room; None for a port that has no such thing."""
    try:
        return int(port.fileno())
    except (OSError, AttributeError, io.UnsupportedOperation):
        return None


async def open_pumped(url: PenUrl, receiver: Receiver) -> Transport:
    """Opens one of pyserial's URLs. Raises PortAbsent, PortBusy, PortForbidden or PortUnusable."""
    require_known(url, (*LINE_OPTIONS, *PYSERIAL_OPTIONS[url.scheme]))
    theirs = urlencode({name: value for name, value in url.options.items() if name not in LINE_OPTIONS}, safe="/")
    device = url.text.partition("?")[0] + (f"?{theirs}" if theirs else "")
    return await open_pumped_device(url, device, line_settings(url), receiver)


async def open_pumped_device(url: PenUrl, device: str, settings: LineSettings, receiver: Receiver) -> Transport:
    """Opens ``device``, a port's name or one of pyserial's URLs, behind the pump. Raises as :func:`open_pumped`."""
    try:
        port = await open_in_thread(device, lambda: _open(url, device, settings), _close, OPEN_DEADLINE_S)
    except TimeoutError as error:
        raise PortUnusable(
            f"{url.text}: it did not open within {OPEN_DEADLINE_S} s. "
            "Check the pen and what stands between, then try again.",
            url=url.text,
        ) from error
    return PumpedTransport(port, url.text, receiver, asyncio.get_running_loop())


def _open(url: PenUrl, device: str, settings: LineSettings) -> PySerialPort:
    """Opens and configures, blocking; runs in a thread."""
    try:
        port = serial.serial_for_url(device, do_not_open=True, baudrate=settings.baud, timeout=POLL_S)
        port.dtr = settings.dtr
        port.rts = settings.rts
        if settings.exclusive and sys.platform != "win32":  # Windows knows no other way to open a port
            port.exclusive = True
        port.open()
        connection = _connection(port)
        if connection is not None:
            with suppress(OSError):  # it is lost already, and the reading thread will say so
                make_prompt(connection)
    except (*PORT_ERRORS, LookupError) as error:  # LookupError: an option's value that pyserial has no entry for
        raise _refused(url, error) from error
    return port


def _refused(url: PenUrl, error: Exception) -> TransportError:
    number = error_number(error)
    if sys.platform == "win32" and "PermissionError" in str(error):
        return PortBusy(
            f"{url.text}: it is in use by another program. Close that program, then connect again.", url=url.text
        )
    if sys.platform == "win32" and "FileNotFoundError" in str(error):
        return PortAbsent(
            f"{url.text}: there is no such port. Plug the pen in; `needlework pens` lists what is plugged in.",
            url=url.text,
        )
    if number is None:
        return PortUnusable(
            f"{url.text}: it cannot be opened: {error}. Correct the address or its options.", url=url.text
        )
    if url.scheme in _ON_THE_NETWORK:
        return PortAbsent(
            f"{url.text}: nothing answers there: {error}. Start the pen or the serial server, or correct the address.",
            url=url.text,
        )
    return port_refused(url.text, unquote(f"{urlsplit(url.text).netloc}{url.path}"), error)
