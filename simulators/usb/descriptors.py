"""What a simulated pen says of itself on USB: its descriptors, byte for byte.

One full-speed device with two ways in: a serial line (CDC-ACM, interfaces 0 and 1), for systems that have a driver for
it, and a bare pair of bulk endpoints (interface 2, vendor-specific), for hosts that bring libusb.

Sources: Universal Serial Bus Specification 2.0, chapter 9 (standard descriptors); *Interface Association Descriptor*
ECN; USB CDC 1.2, tables 15 and 16, and its PSTN subclass 1.2, tables 3 and 4 (functional descriptors).
"""

import struct
from dataclasses import dataclass

VENDOR_ID = 0x1209
PRODUCT_ID = 0x0001
"""The number pid.codes keeps for trials, as :data:`firmware_bridge.discovery.PEN_USB_IDS` looks for it."""

RELEASE_BCD = 0x0100

PACKET_BYTES = 64
"""Largest packet of a full-speed bulk or control endpoint (USB 2.0, 5.5.3 and 5.8.3)."""

NOTIFY_PACKET_BYTES = 16
NOTIFY_INTERVAL_MS = 10

CONFIGURATION = 1
CDC_CONTROL_INTERFACE, CDC_DATA_INTERFACE, BULK_INTERFACE = range(3)
INTERFACE_COUNT = 3

CDC_OUT, CDC_IN, CDC_NOTIFY = 0x01, 0x81, 0x83
BULK_OUT, BULK_IN = 0x02, 0x82

ENDPOINTS_OF_INTERFACE = {
    CDC_CONTROL_INTERFACE: (CDC_NOTIFY,),
    CDC_DATA_INTERFACE: (CDC_IN, CDC_OUT),
    BULK_INTERFACE: (BULK_IN, BULK_OUT),
}

DEVICE, CONFIGURATION_TYPE, STRING, INTERFACE, ENDPOINT = 1, 2, 3, 4, 5
"""Descriptor types (USB 2.0, table 9-5)."""
_ASSOCIATION, _CS_INTERFACE = 11, 0x24

_BULK_TRANSFER, _INTERRUPT_TRANSFER = 2, 3
_SELF_POWERED = 0xC0
"""Bit 7 is always set; bit 6: the pen lives on its own battery. No remote wake-up: a sleeping host wakes no pen."""
_CURRENT_2MA = 50
"""100 mA: what a battery pen may draw for charging before a host grants more."""

_ENGLISH = 0x0409
_MANUFACTURER, _PRODUCT, _SERIAL, _CDC_NAME, _BULK_NAME = range(1, 6)


@dataclass(frozen=True, slots=True)
class UsbIdentity:
    """What one device is called. ``serial`` tells several pens of one model apart."""

    product: str
    serial: str
    manufacturer: str = "Needlework"
    vendor_id: int = VENDOR_ID
    product_id: int = PRODUCT_ID


def device_descriptor(identity: UsbIdentity) -> bytes:
    """The device descriptor, 18 bytes. Its class says that functions are told apart by association descriptors."""
    return struct.pack(
        "<BBHBBBBHHHBBBB",
        18, DEVICE, 0x0200, 0xEF, 2, 1, PACKET_BYTES,
        identity.vendor_id, identity.product_id, RELEASE_BCD, _MANUFACTURER, _PRODUCT, _SERIAL, 1,
    )  # fmt: skip


def configuration_descriptor() -> bytes:
    """The configuration with all that belongs to it, in the order hosts expect."""
    body = b"".join(
        (
            struct.pack("<BBBBBBBB", 8, _ASSOCIATION, CDC_CONTROL_INTERFACE, 2, 0x02, 0x02, 0x01, _CDC_NAME),
            _interface(CDC_CONTROL_INTERFACE, 1, (0x02, 0x02, 0x01), _CDC_NAME),
            bytes((5, _CS_INTERFACE, 0x00, 0x10, 0x01)),  # header: CDC 1.10
            bytes((5, _CS_INTERFACE, 0x01, 0x00, CDC_DATA_INTERFACE)),  # call management: none
            bytes((4, _CS_INTERFACE, 0x02, 0x02)),  # ACM: line coding, control line state and serial state; no break
            bytes((5, _CS_INTERFACE, 0x06, CDC_CONTROL_INTERFACE, CDC_DATA_INTERFACE)),  # union
            _endpoint(CDC_NOTIFY, _INTERRUPT_TRANSFER, NOTIFY_PACKET_BYTES, NOTIFY_INTERVAL_MS),
            _interface(CDC_DATA_INTERFACE, 2, (0x0A, 0x00, 0x00), 0),
            _endpoint(CDC_IN, _BULK_TRANSFER, PACKET_BYTES, 0),
            _endpoint(CDC_OUT, _BULK_TRANSFER, PACKET_BYTES, 0),
            _interface(BULK_INTERFACE, 2, (0xFF, 0x00, 0x00), _BULK_NAME),
            _endpoint(BULK_IN, _BULK_TRANSFER, PACKET_BYTES, 0),
            _endpoint(BULK_OUT, _BULK_TRANSFER, PACKET_BYTES, 0),
        )
    )
    head = struct.pack(
        "<BBHBBBBB",
        9, CONFIGURATION_TYPE, 9 + len(body), INTERFACE_COUNT, CONFIGURATION, 0, _SELF_POWERED, _CURRENT_2MA,
    )  # fmt: skip
    return head + body


def string_descriptor(identity: UsbIdentity, index: int) -> bytes | None:
    """String ``index``, 0 being the list of languages; None where there is none."""
    if index == 0:
        return struct.pack("<BBH", 4, STRING, _ENGLISH)
    text = {
        _MANUFACTURER: identity.manufacturer,
        _PRODUCT: identity.product,
        _SERIAL: identity.serial,
        _CDC_NAME: "Pen, serial line",
        _BULK_NAME: "Pen, bulk",
    }.get(index)
    if text is None:
        return None
    encoded = text.encode("utf-16-le")[:252]  # a descriptor's length is one byte, its header two
    return bytes((2 + len(encoded), STRING)) + encoded


def _interface(number: int, endpoints: int, kind: tuple[int, int, int], name: int) -> bytes:
    return struct.pack("<BBBBBBBBB", 9, INTERFACE, number, 0, endpoints, *kind, name)


def _endpoint(address: int, transfer: int, packet_bytes: int, interval_ms: int) -> bytes:
    return struct.pack("<BBBBHB", 7, ENDPOINT, address, transfer, packet_bytes, interval_ms)
