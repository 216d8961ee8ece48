"""A firmware image in a file: what a maker hands out, signed, for one model of pen.

The file is a head of 152 bytes, numbers little-endian, and the image::

    0    8    89 'N' 'W' 'F' 'W' 0D 0A 01    (hexadecimal and ASCII; a transfer that changes line ends breaks it)
    8   24    model, as WELCOME says it, padded with zero bytes
    32  16    version, as WELCOME will say it
    48   4    number: counts versions up
    52   4    size of the image, bytes
    56  32    SHA-256 of the image
    88  64    Ed25519 signature by the maker, over what docs/protocol.md says of FIRMWARE_BEGIN
    152       the image

The head goes to the pen as it is, and the pen alone decides: it holds its maker's key. Here the SHA-256 is checked, so
that a broken file is found before minutes are spent on sending it.
"""

import struct
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from controller.errors import DataError
from firmware_bridge.wire.firmware_signature import signed_bytes
from firmware_bridge.wire.service_operations import FirmwareImage

MAGIC = b"\x89NWFW\r\n\x01"
_HEAD = struct.Struct("<8s24s16sII32s64s")
SIZE_MAX = 16 * 1024 * 1024
"""A controller's memory is a tenth of this; more is a mistake."""
MODEL_BYTES, VERSION_BYTES = 24, 16
NUMBER_MAX = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class FirmwareFile:
    """An image and what is said of it. ``digest`` is its SHA-256, ``signature`` the maker's, 64 bytes."""

    model: str
    version: str
    number: int
    content: bytes
    digest: bytes
    signature: bytes

    @property
    def announced(self) -> FirmwareImage:
        """What FIRMWARE_BEGIN brings."""
        return FirmwareImage(self.version.encode("ascii"), self.number, len(self.content), self.digest + self.signature)

    def signed_by(self, public: bytes) -> bool:
        """Whether the key with this public half (32 bytes) signed it."""
        signed = signed_bytes(self.model.encode("ascii"), self.announced, self.digest)
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(self.signature, signed)
        except InvalidSignature:
            return False
        return True

    def as_bytes(self) -> bytes:
        """The file."""
        model, version = self.model.encode("ascii"), self.version.encode("ascii")
        head = _HEAD.pack(MAGIC, model, version, self.number, len(self.content), self.digest, self.signature)
        return head + self.content


def sign_firmware(
    model: str, version: str, number: int, content: bytes, key: Ed25519PrivateKey, *, source: str = "firmware"
) -> FirmwareFile:
    """An image as its maker hands it out. Raises DataError for what no pen can be told."""
    problem = _problem(model, version, number, len(content))
    if problem:
        raise DataError(f"{source}: {problem}. Nothing was signed.")
    unsigned = FirmwareFile(model, version, number, content, sha256(content).digest(), bytes(64))
    signature = key.sign(signed_bytes(model.encode("ascii"), unsigned.announced, unsigned.digest))
    return FirmwareFile(model, version, number, content, unsigned.digest, signature)


def parse_firmware(raw: bytes, source: str) -> FirmwareFile:
    """The firmware in a file. Raises DataError for what is none, or is broken."""
    if len(raw) < _HEAD.size or not raw.startswith(MAGIC):
        raise DataError(
            f"{source}: is no firmware for a pen. Take the file as its maker hands it out; nothing was sent."
        )
    _, model, version, number, size, digest, signature = _HEAD.unpack_from(raw)
    content = raw[_HEAD.size :]
    if size != len(content):
        raise DataError(
            f"{source}: holds {len(content)} bytes of an image of {size}: it was cut, or something was added. Fetch it "
            "again; nothing was sent."
        )
    if sha256(content).digest() != digest:
        raise DataError(f"{source}: the image is not the one that its head names. Fetch it again; nothing was sent.")
    try:
        names = [field.rstrip(b"\0").decode("ascii") for field in (model, version)]
    except UnicodeDecodeError as error:
        raise DataError(f"{source}: model or version is no ASCII. Fetch it again; nothing was sent.") from error
    problem = _problem(names[0], names[1], number, size)
    if problem:
        raise DataError(f"{source}: {problem}. No maker signs that; fetch it again. Nothing was sent.")
    return FirmwareFile(names[0], names[1], number, content, digest, signature)


def _problem(model: str, version: str, number: int, size: int) -> str:
    """What no firmware says of itself, empty where there is nothing. What is not printable would write on a screen."""
    for what, text, most in (("model", model, MODEL_BYTES), ("version", version, VERSION_BYTES)):
        if not text.isascii() or not text.isprintable() or not 0 < len(text) <= most:
            return f"{what} {text!r} is not 1 to {most} printable characters of ASCII"
    if not 0 < number <= NUMBER_MAX:
        return f"number {number} is not 1 to {NUMBER_MAX}"
    if not 0 < size <= SIZE_MAX:
        return f"an image has 1 to {SIZE_MAX} bytes, this one {size}"
    return ""


def read_image(path: Path) -> bytes:
    """What is to be signed; of a file larger than any image no more is read than shows it. Raises OSError."""
    with path.open("rb") as file:
        return file.read(SIZE_MAX + 1)


def read_firmware(path: Path) -> FirmwareFile:
    """The firmware in the file at ``path``. Raises DataError, OSError."""
    with path.open("rb") as file:
        raw = file.read(SIZE_MAX + _HEAD.size + 1)
    if len(raw) > SIZE_MAX + _HEAD.size:
        raise DataError(
            f"{path}: is larger than any firmware. Take the file as its maker hands it out; nothing was sent."
        )
    return parse_firmware(raw, str(path))
