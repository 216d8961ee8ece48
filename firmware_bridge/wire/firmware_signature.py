"""What a maker's signature under a firmware image is over. Part of the wire protocol: pens check it, makers make it."""

import struct

from firmware_bridge.wire.service_operations import FirmwareImage

SIGNED_WORDS = b"needlework firmware 1"
_SIGNED = struct.Struct("<24s16sII")


def signed_bytes(model: bytes, image: FirmwareImage, sha256: bytes) -> bytes:
    """The words, model text[24], firmware text[16], number u32, size u32 (little-endian) and the image's SHA-256."""
    return SIGNED_WORDS + _SIGNED.pack(model, image.firmware, image.number, image.size) + sha256
