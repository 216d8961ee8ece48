"""What every transport's life has in common: bytes that wait, a loss told once, a close with an end.

A transport goes one way: open, gone, told. *Gone* is decided once, by whoever sees it first (this side's ``abort``, a
failed read, a failed write); then the handle is released; then the receiver is told, from the event loop and never from
inside one of its own calls to ``write``.
"""

import asyncio
from abc import ABC, abstractmethod

from firmware_bridge.errors import TransportError, TransportLost
from firmware_bridge.transports.base import Receiver
from firmware_bridge.transports.outbox import UNSENT_LIMIT_BYTES, Outbox

LOSS_REMEDY = "A running pen stops by itself within its dead-man time."
"""What every loss means for the person under the needle, said in each message."""


class QueuedTransport(ABC):
    """Base of the transports: life cycle and outbox; the sending is the subclass's."""

    def __init__(self, url: str, receiver: Receiver, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self._receiver = receiver
        self._loop = loop
        self._outbox = Outbox()
        self._gone = False
        self._cause: TransportError | None = None
        self._emptied = asyncio.Event()
        self._told = asyncio.Event()

    @property
    @abstractmethod
    def unsent_bytes(self) -> int:
        """Bytes accepted by ``write`` that have not left for the line yet, as far as can be known."""

    @abstractmethod
    def write(self, data: bytes, *, urgent: bool = False) -> None:
        """Sends ``data`` now if the port takes it, else as soon as it does; never blocks."""

    @abstractmethod
    async def _drain(self) -> None:
        """Returns when nothing is unsent, or the transport is gone."""

    @abstractmethod
    def _release(self) -> None:
        """Lets go of the handle, or begins to; sees to it that ``_tell`` is called on the loop once it is released."""

    async def close(self, drain_s: float = 0.2) -> None:
        """Lets unsent bytes leave for at most ``drain_s`` seconds, then aborts.

        Returns when the handle is released and the receiver has been told.
        """
        try:
            async with asyncio.timeout(drain_s):
                await self._drain()
        except TimeoutError:
            pass  # the peer does not read; what is left is dropped, as promised
        finally:
            self.abort()
        await self._told.wait()

    def abort(self) -> None:
        """Drops unsent bytes and releases the handle."""
        self._lose(None)

    def _lose(self, cause: TransportError | None) -> None:
        if self._gone:
            return
        self._gone = True
        self._cause = cause
        self._release()
        self._emptied.set()

    def _overfull(self) -> bool:
        """Whether more waits than a line to a pen can ever have waiting; the transport is then lost."""
        if self._outbox.size <= UNSENT_LIMIT_BYTES:
            return False
        self._lose(
            TransportLost(
                f"{self.url}: more than {UNSENT_LIMIT_BYTES} bytes wait for a pen that takes none. {LOSS_REMEDY} "
                "Check the pen and its cable, then connect again.",
                url=self.url,
            )
        )
        return True

    def _tell(self) -> None:
        try:
            self._receiver.transport_lost(self._cause)
        finally:
            self._told.set()
