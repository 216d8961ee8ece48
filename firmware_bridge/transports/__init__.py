"""Ways to a pen, opened from a URL by :func:`open_transport`."""

from firmware_bridge.transports.base import (
    PenUrl,
    Receiver,
    Transport,
    open_transport,
    parse_url,
    register,
    schemes,
)
from firmware_bridge.transports.memory import open_memory
from firmware_bridge.transports.pump import PYSERIAL_OPTIONS, open_pumped
from firmware_bridge.transports.serial import open_serial, serial_url
from firmware_bridge.transports.tcp import open_tcp

register("memory", open_memory)
register("serial", open_serial)
register("tcp", open_tcp)
for _scheme in PYSERIAL_OPTIONS:
    register(_scheme, open_pumped)

__all__ = ["PenUrl", "Receiver", "Transport", "open_transport", "parse_url", "register", "schemes", "serial_url"]
