"""The second way into a pen that is being treated through the first: asked for by the product, and behind its back."""

import time
from random import Random

import libusb_package
import usb.core
import usb.util
from telling import Failed

from firmware_bridge.errors import PenBusy, PortAbsent, PortBusy
from firmware_bridge.handshake import open_link
from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Busy, Hello

BULK_INTERFACE, BULK_OUT, BULK_IN = 2, 0x02, 0x82
ANSWER_MS = 2_000


class _Nobody:
    """Hears a link that is not expected to come up."""

    def status_seen(self, seen: object, sent_at_ms: int) -> None:
        """See LinkListener."""

    def line_advisory(self, sentence: str) -> None:
        """See LinkListener."""

    def link_lost(self, cause: Exception | None) -> None:
        """See LinkListener."""


async def refused_by_product(url: str) -> str:
    """What a second host is told, who comes by the other way in. Raises Failed when it is let in."""
    try:
        link = await open_link(url, _Nobody(), monotonic_ms=lambda: time.monotonic_ns() // 1_000_000, random=Random(1))
    except (PenBusy, PortBusy, PortAbsent) as refusal:
        return f"{type(refusal).__name__}: {str(refusal).partition('. ')[0]}"
    await link.close()
    raise Failed("it was let in")


def refused_by_pen(pen: str | None) -> str:
    """What the pen of that "model/serial" answers to HELLO on its bulk endpoints, taken past the product. Blocking;
    raises Failed when that is not *busy*."""
    serial = (pen or "").rpartition("/")[2]
    device = usb.core.find(
        backend=libusb_package.get_libusb1_backend(),
        custom_match=lambda device: device.idVendor == 0x1209 and device.serial_number == serial,
    )
    if device is None:
        raise Failed(f"libusb finds no pen with the serial number {serial}")
    try:
        usb.util.claim_interface(device, BULK_INTERFACE)  # this one alone: the serial line keeps its driver
        device.write(BULK_OUT, b"\0" + frame(Hello(77, 1), 0), ANSWER_MS)
        answers = Deframer().feed(bytes(device.read(BULK_IN, 512, ANSWER_MS)))
    finally:
        usb.util.dispose_resources(device)
    if not any(isinstance(answer, Busy) for answer in answers):
        raise Failed(f"it answered {answers}")
    return "BUSY"
