"""What a USB device calls itself: vendor, product, serial number, and the URL made of them."""

import re
from dataclasses import dataclass
from urllib.parse import quote

_NUMBER = re.compile(r"[0-9a-fA-F]{4}")


@dataclass(frozen=True, slots=True, order=True)
class UsbId:
    """A USB vendor and product number."""

    vendor: int
    product: int

    def __str__(self) -> str:
        return f"{self.vendor:04x}:{self.product:04x}"


def parse_usb_id(text: str) -> UsbId | None:
    """``1209:0001``, four hexadecimal digits each; None for anything else."""
    vendor, _, product = text.partition(":")
    if _NUMBER.fullmatch(vendor) and _NUMBER.fullmatch(product):
        return UsbId(int(vendor, 16), int(product, 16))
    return None


def usb_url(usb_id: UsbId, serial_number: str | None) -> str:
    """The URL of a pen on USB; without a serial number it means the only one of its kind."""
    return f"usb://{usb_id}" + (f"?serial={quote(serial_number, safe='')}" if serial_number else "")
