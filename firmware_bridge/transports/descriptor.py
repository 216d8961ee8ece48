"""A transport over a POSIX file descriptor on the event loop: serial lines and sockets alike.

``write`` tries the descriptor at once, so that STOP is on its way before the caller goes on; bytes come straight from
the reader callback. Nothing polls, with one exception: the kernel tells nobody when its own output queue runs empty,
so ``close`` looks every few milliseconds, for as long as it may.
"""

import asyncio
import os
from typing import Protocol

from firmware_bridge.errors import TransportLost
from firmware_bridge.transports.base import READ_BYTES, Receiver
from firmware_bridge.transports.queued import LOSS_REMEDY, QueuedTransport

DRAIN_LOOK_S = 0.002
"""How often ``close`` looks at the kernel's output queue: 23 bytes at 115 200 baud."""

BURST_BYTES = 16 * READ_BYTES
"""Most that leaves in one go, so that a peer that reads as fast as we write does not hold up the loop."""


class Handle(Protocol):
    """An open non-blocking descriptor and what differs between its kinds."""

    fd: int
    hang_up: str
    """What an end of the bytes means here, as the start of a sentence."""

    def queued_bytes(self) -> int:
        """Bytes in the kernel that have not left for the line; 0 where that cannot be known."""

    def drop_queued(self) -> None:
        """Makes the kernel forget what has not left, so that closing neither waits for it nor sends it."""

    def close(self) -> None:
        """Releases the descriptor."""


class DescriptorTransport(QueuedTransport):
    """See :class:`firmware_bridge.transports.base.Transport`. Owns the handle from here on."""

    def __init__(self, handle: Handle, url: str, receiver: Receiver, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(url, receiver, loop)
        self._handle = handle
        self._fd = handle.fd
        self._data_received = receiver.data_received
        loop.add_reader(self._fd, self._readable)

    @property
    def unsent_bytes(self) -> int:
        """Bytes waiting here and in the kernel's output queue; a pseudo-terminal's queue always reads 0."""
        return 0 if self._gone else self._outbox.size + self._handle.queued_bytes()

    def write(self, data: bytes, *, urgent: bool = False) -> None:
        """Sends ``data`` now if the port takes it, else as soon as it does; never blocks."""
        if self._gone:
            return
        outbox = self._outbox
        if outbox.size:
            outbox.push(data, urgent=urgent)
            self._overfull()
            return
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._failed(error)
            return
        if sent != len(data):
            if sent:
                outbox.begin(memoryview(data)[sent:])
            else:
                outbox.push(data, urgent=urgent)
            if not self._overfull():
                self._loop.add_writer(self._fd, self._writable)

    async def _drain(self) -> None:
        while self._outbox.size and not self._gone:
            self._emptied.clear()
            await self._emptied.wait()
        while not self._gone and self._handle.queued_bytes():
            await asyncio.sleep(DRAIN_LOOK_S)

    def _release(self) -> None:
        self._outbox.clear()
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        if self._handle.queued_bytes():
            self._handle.drop_queued()
        self._handle.close()
        self._loop.call_soon(self._tell)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._failed(error)
            return
        if data:
            self._data_received(data)
        else:
            # A line that hung up is readable for ever and has nothing to read: leaving it on the loop would spin.
            self._lose(TransportLost(self._loss(self._handle.hang_up), url=self.url))

    def _writable(self) -> None:
        outbox = self._outbox
        burst = 0
        try:
            while outbox.size and burst < BURST_BYTES:
                sent = os.write(self._fd, outbox.head())
                outbox.sent(sent)
                burst += sent
        except BlockingIOError:
            return
        except OSError as error:
            self._failed(error)
            return
        if not outbox.size:
            self._loop.remove_writer(self._fd)
            self._emptied.set()

    def _failed(self, error: OSError) -> None:
        lost = TransportLost(self._loss(f"{self._handle.hang_up} ({error.strerror or error})"), url=self.url)
        lost.__cause__ = error
        self._lose(lost)

    def _loss(self, what: str) -> str:
        return f"{self.url}: {what}. {LOSS_REMEDY} Plug it in or start it again, then connect again."
