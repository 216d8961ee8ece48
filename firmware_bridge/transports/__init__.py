"""Ways to a pen, opened from a URL by :func:`open_transport`."""

from importlib import import_module

from firmware_bridge.transports.base import (
    Opener,
    PenUrl,
    Receiver,
    Transport,
    open_transport,
    parse_url,
    register,
    schemes,
)
from firmware_bridge.transports.memory import open_memory
from firmware_bridge.transports.opening import open_in_thread
from firmware_bridge.transports.pump import PYSERIAL_OPTIONS, open_pumped
from firmware_bridge.transports.serial import open_serial, serial_url
from firmware_bridge.transports.tcp import open_tcp

_IMPORT_DEADLINE_S = 10.0
"""Even from a slow disk it takes a tenth of this."""


async def _open_usb(url: PenUrl, receiver: Receiver) -> Transport:
    """Imports pyusb with the first USB pen and beside the event loop: it takes longer than a tick may be late."""
    module = await open_in_thread(
        "usb", lambda: import_module("firmware_bridge.transports.usb"), lambda _module: None, _IMPORT_DEADLINE_S
    )
    opener: Opener = module.usb_opener(module.UsbHost())
    return await opener(url, receiver)


register("memory", open_memory)
register("serial", open_serial)
register("tcp", open_tcp)
register("usb", _open_usb)
for _scheme in PYSERIAL_OPTIONS:
    register(_scheme, open_pumped)

__all__ = ["PenUrl", "Receiver", "Transport", "open_transport", "parse_url", "register", "schemes", "serial_url"]
