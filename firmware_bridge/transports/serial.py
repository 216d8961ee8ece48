"""``serial:///dev/ttyACM0``: a serial line, 8 data bits, no parity, 1 stop bit, no flow control.

Options, each with its default:

``baud=115200``
    Line speed. A USB pen (CDC-ACM) ignores it.
``dtr=on``, ``rts=on``
    State of the two control lines while open. *on* is what the system itself sets on opening, and what a CDC-ACM pen
    takes as "a host is there". *off* serves boards that wire them to reset; the short pulse the system gives on opening
    remains. A line without them, such as a pseudo-terminal, ignores both.
``exclusive=on``
    Nobody else may open the port: a file lock, and on real hardware the terminal's exclusive mode too. *off* is for
    a line monitor beside it.

On POSIX pyserial opens and configures, and from then on the event loop reads and writes the descriptor. Where there is
no descriptor to wait for (Windows), the pump carries the same URL: ``serial://COM3``.
"""

import sys
from pathlib import PurePosixPath
from urllib.parse import quote, unquote

from firmware_bridge.errors import UnknownUrl
from firmware_bridge.transports.base import PenUrl, Receiver, Transport
from firmware_bridge.transports.line_settings import LINE_OPTIONS, line_settings
from firmware_bridge.transports.options import require_known


def serial_url(device: str) -> str:
    """The URL of a serial device: ``/dev/ttyACM0`` → ``serial:///dev/ttyACM0``, ``COM3`` → ``serial://COM3``."""
    return f"serial://{quote(device)}"


def serial_device(url: PenUrl) -> str:
    """The device a serial URL names. Raises UnknownUrl, with the probable spelling, when it names none."""
    device = unquote(url.path)
    if url.host and not device.strip("/"):
        return url.host.upper() if url.host.startswith("com") else url.host
    if url.host or not device.strip("/"):
        meant = (
            serial_url(str(PurePosixPath("/", url.host, device.lstrip("/")))) if url.host else "serial:///dev/ttyACM0"
        )
        raise UnknownUrl(f"{url.text}: a serial URL has three slashes before the device, as in {meant}.", url=url.text)
    return device


async def open_serial(url: PenUrl, receiver: Receiver) -> Transport:
    """Opens a serial line.

    Raises UnknownUrl, PortAbsent, PortBusy (naming the holder where the system tells), PortForbidden or PortUnusable.
    """
    require_known(url, LINE_OPTIONS)
    settings = line_settings(url)
    device = serial_device(url)
    if sys.platform == "win32":
        from firmware_bridge.transports.pump import open_pumped_device  # noqa: PLC0415 - the other half of the platform

        return await open_pumped_device(url, device, settings, receiver)
    from firmware_bridge.transports.terminal import open_terminal  # noqa: PLC0415 - termios exists on POSIX only

    return await open_terminal(url, device, settings, receiver)
