"""The maker of the simulated pens, who signs their firmware. Its key is no secret: anybody can make it from its words.

No pen that is really there accepts it.
"""

from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_bridge.wire.firmware_signature import signed_bytes
from firmware_bridge.wire.service_operations import FirmwareImage

MAKER_WORDS = b"maker of the simulated pens of Needlework: everybody has this key"

SECOND_LINE = b"starts="
"""A simulated image is text. One whose second line is ``starts=no`` hangs as soon as it runs, until the watchdog bites;
everything else runs as the pen did before."""


def maker_key() -> Ed25519PrivateKey:
    """The key that signs for the simulated pens."""
    return Ed25519PrivateKey.from_private_bytes(sha256(MAKER_WORDS).digest())


def maker_public() -> bytes:
    """The half of it that the simulated pens hold, 32 bytes."""
    return maker_key().public_key().public_bytes_raw()


def simulated_image(version: str, *, size: int = 20_000, starts: bool = True) -> bytes:
    """The content of an image for a simulated pen."""
    head = f"simulated firmware {version}\nstarts={'yes' if starts else 'no'}\n".encode()
    return head + bytes(number * 37 % 251 for number in range(max(size - len(head), 0)))


def starts(image: bytes) -> bool:
    """Whether an image runs when it is started."""
    lines = image[:200].split(b"\n")
    return len(lines) < 2 or lines[1] != SECOND_LINE + b"no"


def signed_image(model: str, version: str, number: int, content: bytes) -> FirmwareImage:
    """What FIRMWARE_BEGIN brings for this content, signed by the maker."""
    digest = sha256(content).digest()
    image = FirmwareImage(version.encode("ascii"), number, len(content), b"")
    signature = maker_key().sign(signed_bytes(model.encode("ascii"), image, digest))
    return image._replace(digest_and_signature=digest + signature)
