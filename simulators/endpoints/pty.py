"""A simulated pen behind a pseudo-terminal: for a host it is a serial port like any other."""

import asyncio
import errno
import fcntl
import os
import struct
import tty
from collections import deque
from pathlib import Path
from typing import Generic, Self

from simulators.endpoints.served import M, Served
from simulators.errors import EndpointError

READ_BYTES = 4096

HELD_PIECES = 8
"""What waits for a host that does not read; older pieces are dropped, as by a device whose buffer is full, so that the
answer to a new HELLO is among those that stay."""

TERMINALS = "/dev/pts/"

_ALL_OF_IT = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
"""As Linux has ``struct flock``."""


class PtyEndpoint(Generic[M]):
    """A pseudo-terminal with a pen at its other end, plugged in by :meth:`plug` and out by :meth:`unplug`.

    ``link``: a symbolic link kept on the terminal's device, a path that stays the same from one plugging to the next.
    A context manager plugs and unplugs. Belongs to the running event loop's thread.
    """

    def __init__(self, live: Served[M], *, link: Path | None = None) -> None:
        self._live = live
        self._link = link
        self._master = -1
        self._slave = -1
        self._held: deque[bytes] = deque()
        self._port: M | None = None
        self.device = ""
        self.dropped_bytes = 0

    @property
    def path(self) -> str:
        """What a host opens: the link where there is one, else the device."""
        return str(self._link) if self._link is not None else self.device

    @property
    def url(self) -> str:
        """The pen's URL for a host of this product."""
        return f"serial://{self.path}"

    @property
    def plugged(self) -> bool:
        """The terminal is there."""
        return self._port is not None

    @property
    def port(self) -> M:
        """The medium of the present plugging; its ``line`` can be made bad. Raises EndpointError when unplugged."""
        if self._port is None:
            raise EndpointError("The simulated pen is not plugged in; plug it in first.")
        return self._port

    def plug(self) -> None:
        """Makes the terminal.

        Raises EndpointError when it is plugged in already, the system has no terminal left, or a file or the link of
        another pen that lives is in the link's place.
        """
        if self._port is not None:
            raise EndpointError(f"The simulated pen is plugged in already, as {self.path}.")
        try:
            self._master, self._slave = os.openpty()
        except OSError as error:
            raise EndpointError(
                f"The system gives no pseudo-terminal: {error.strerror}. Serve the pen on TCP."
            ) from error
        try:
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self.device = os.ttyname(self._slave)
            self._place_link()
            _hold(self._slave)  # after the link: an old one may name this terminal
        except (OSError, EndpointError):
            self._close_descriptors()
            raise
        self._port = self._live.attach(self._send)
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def unplug(self) -> None:
        """Takes the terminal away: a host that has it open sees a hang-up. The pen goes on by itself."""
        if self._port is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        self._port.detach()
        self._port = None
        self._held.clear()
        if self._link is not None and self._link.is_symlink() and str(self._link.readlink()) == self.device:
            self._link.unlink()
        self._close_descriptors()

    def __enter__(self) -> Self:
        self.plug()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.unplug()

    def _place_link(self) -> None:
        link = self._link
        if link is None:
            return
        if link.exists() and not link.is_symlink():
            raise EndpointError(
                f"{link} is a file, not a link: the simulated pen does not overwrite it. Remove it first."
            )
        if link.is_symlink() and _served(str(link.readlink())):
            raise EndpointError(
                f"{link} is the link of another simulated pen, which is served. It was left alone; name another path, "
                "or remove it where nobody uses it any more."
            )
        beside = link.with_name(f".{link.name}.{os.getpid()}")
        beside.unlink(missing_ok=True)
        try:
            beside.symlink_to(self.device)
            beside.replace(link)
        except OSError as error:
            raise EndpointError(f"{link} cannot be made: {error.strerror}. Name a place you may write to.") from error

    def _close_descriptors(self) -> None:
        # The slave is held open beside the master's: without it, a master whose host has gone reports EIO for ever.
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def _readable(self) -> None:
        try:
            data = os.read(self._master, READ_BYTES)
        except BlockingIOError:
            return
        if data and self._port is not None:
            self._port.received(data)

    def _send(self, data: bytes) -> None:
        self._held.append(data)
        if len(self._held) > HELD_PIECES:
            self.dropped_bytes += len(self._held.popleft())
        if len(self._held) == 1:
            self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._held:
            try:
                count = os.write(self._master, self._held[0])
            except BlockingIOError:
                count = 0
            if count < len(self._held[0]):
                self._held[0] = self._held[0][count:]
                loop.add_writer(self._master, self._flush)
                return
            self._held.popleft()
        loop.remove_writer(self._master)


def _hold(descriptor: int) -> None:
    """Locks the terminal until this descriptor is closed; nothing where the system has no such lock. Raises OSError
    when another has it."""
    if hasattr(fcntl, "F_OFD_SETLK"):
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _ALL_OF_IT)


def _served(device: str) -> bool:
    """Whether an endpoint serves this terminal: it holds a lock on it that ends with its process, however that ends.
    What hosts lock (``flock``) is another matter. A terminal that may not be looked at is somebody's."""
    if not device.startswith(TERMINALS):
        return False
    try:
        probe = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        return error.errno not in {errno.ENOENT, errno.ENXIO, errno.EIO}
    try:
        _hold(probe)
    except OSError:
        return True
    finally:
        os.close(probe)
    return False
