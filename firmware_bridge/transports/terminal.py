"""A POSIX terminal as a pen's line: opened and configured by pyserial, then a bare descriptor on the event loop."""

import asyncio
import fcntl
import os
import struct
import sys
import termios
from contextlib import suppress

import serial

from firmware_bridge.errors import PortUnusable
from firmware_bridge.transports.base import PenUrl, Receiver, Transport
from firmware_bridge.transports.descriptor import DescriptorTransport
from firmware_bridge.transports.line_settings import LineSettings
from firmware_bridge.transports.opening import open_in_thread
from firmware_bridge.transports.refusals import port_busy, port_refused

OPEN_DEADLINE_S = 2.5
"""An open takes milliseconds; a driver that has not answered by then has a device that will not. A person who named a
wrong port is told so within three seconds, handshake and all."""

_PTY_MAJORS = range(136, 144)
"""Device numbers of Linux pseudo-terminals, by the kernel's list of devices."""
_TIOCGEXCL = 0x80045440
"""Linux: tells whether a terminal is in exclusive mode. The termios module has no name for it."""


class TerminalHandle:
    """See :class:`firmware_bridge.transports.descriptor.Handle`."""

    hang_up = "the line hung up: unplugged, or the pen was switched off"

    def __init__(self, fd: int, *, exclusive: bool) -> None:
        self.fd = fd
        self._exclusive = exclusive

    def queued_bytes(self) -> int:
        """Bytes in the driver's output queue; a pseudo-terminal's driver always says 0, an unplugged one too."""
        try:
            return int(struct.unpack("i", fcntl.ioctl(self.fd, termios.TIOCOUTQ, b"\0\0\0\0"))[0])
        except OSError:
            return 0

    def drop_queued(self) -> None:
        """Empties the output queue: the kernel's close waits for it, on a line held up by as much as half a minute."""
        with suppress(termios.error):
            termios.tcflush(self.fd, termios.TCOFLUSH)

    def close(self) -> None:
        """Leaves exclusive mode, which would outlast us where another process has the line open, and closes."""
        if self._exclusive:
            with suppress(OSError):
                fcntl.ioctl(self.fd, termios.TIOCNXCL)
        with suppress(OSError):  # a driver may answer that the device is gone; the descriptor is released all the same
            os.close(self.fd)


async def open_terminal(url: PenUrl, device: str, settings: LineSettings, receiver: Receiver) -> Transport:
    """Opens ``device``. Raises PortAbsent, PortBusy, PortForbidden or PortUnusable."""
    try:
        handle = await open_in_thread(
            device, lambda: _open(url.text, device, settings), TerminalHandle.close, OPEN_DEADLINE_S
        )
    except TimeoutError as error:
        raise PortUnusable(
            f"{url.text}: {device} did not open within {OPEN_DEADLINE_S} s: its driver does not answer. "
            "Unplug the pen and plug it in again.",
            url=url.text,
        ) from error
    return DescriptorTransport(handle, url.text, receiver, asyncio.get_running_loop())


def _open(url: str, device: str, settings: LineSettings) -> TerminalHandle:
    """Opens and configures, blocking; runs in a thread."""
    port = serial.Serial()
    port.port = device
    port.exclusive = True if settings.exclusive else None
    port.dtr = settings.dtr
    port.rts = settings.rts
    try:
        port.baudrate = settings.baud
        port.open()
    except (OSError, ValueError, OverflowError, termios.error) as error:
        raise port_refused(url, device, error) from error
    fd = -1
    try:
        # pyserial keeps five descriptors for its own waiting; the line needs one. Lock and settings stay with the copy.
        fd = os.dup(port.fileno())
        with suppress(ValueError, OSError, NotImplementedError):
            # An FTDI adapter otherwise sits on received bytes for 16 ms; what is no such adapter refuses, rightly.
            port.set_low_latency_mode(True)
        return _configured(url, device, fd, exclusive=settings.exclusive)
    except BaseException:
        if fd >= 0:
            os.close(fd)
        raise
    finally:
        port.close()


def _configured(url: str, device: str, fd: int, *, exclusive: bool) -> TerminalHandle:
    try:
        os.set_blocking(fd, False)
        attributes = termios.tcgetattr(fd)
        # pyserial sets VMIN to 0, and then "nothing there" and "hung up" both read as b"". With 1 only the latter does.
        attributes[6][termios.VMIN] = 1
        attributes[6][termios.VTIME] = 0
        termios.tcsetattr(fd, termios.TCSANOW, attributes)
        if exclusive:
            exclusive = _take_exclusive(url, device, fd)
    except (OSError, termios.error) as error:
        raise port_refused(url, device, error) from error
    return TerminalHandle(fd, exclusive=exclusive)


def _take_exclusive(url: str, device: str, fd: int) -> bool:
    """Puts the terminal into exclusive mode and says whether it is in it.

    Not a pseudo-terminal: whoever made it normally keeps it open, and then the mode outlasts a killed process and locks
    out its successor. The file lock, which pyserial has taken by now, ends with the process and serves there alone.
    """
    if os.major(os.fstat(fd).st_rdev) in _PTY_MAJORS and sys.platform == "linux":
        return False
    if sys.platform == "linux" and _is_exclusive(fd):
        # Root is let in all the same; the holder does not expect company.
        raise port_busy(url, device)
    fcntl.ioctl(fd, termios.TIOCEXCL)
    return True


def _is_exclusive(fd: int) -> bool:
    with suppress(OSError):
        return bool(struct.unpack("i", fcntl.ioctl(fd, _TIOCGEXCL, b"\0\0\0\0"))[0])
    return False
