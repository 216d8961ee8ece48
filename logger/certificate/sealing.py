"""A certificate as a signed file, and back.

The file is JSON, laid out for people in one way only:

    body        what the certificate says, see `document`; without names
    private     what stays at the site; absent where it was withheld
    public_key  the raw Ed25519 key of the station that issued it, 32 bytes in hexadecimal
    signature   64 bytes in hexadecimal

What is signed is, with nothing between: :data:`SIGNED_FOR`, then the body in its canonical spelling (RFC 8785). The
body holds the SHA-256 of the canonical private part, whose salt keeps names from being guessed; so leaving the private
part away leaves the signature sound. The public key shows only that its holder signed this: whose it is, is told by a
key that was noted elsewhere, or by a journal in which the station announced it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError

from logger.certificate.canonical import canonical, laid_out, read_laid_out
from logger.certificate.document import FORMAT, Body, Certificate, Private
from logger.errors import CertificateRefused
from logger.proof.checkpoints import key_id

SIGNED_FOR: Final = b"needlework: this certificate\x00v1"
"""Sets these signatures apart from every other use of a station's key."""
SALT_BYTES: Final = 16
_BEGINS: Final = "needlework-certificate/"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A certificate's file: its bytes, their SHA-256, and what it says."""

    content: bytes
    certificate: Certificate

    @property
    def sha256(self) -> str:
        """Of the file, in hexadecimal."""
        return sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose signature fits: what it says, and which key signed it.

    ``certificate`` is None of a later version's file: its signature is sound, and what it says is not known here.
    """

    certificate: Certificate | None
    format: str
    key_id: str
    sha256: str


def new_salt(random_bytes: Callable[[int], bytes]) -> str:
    """A salt for a private part."""
    return random_bytes(SALT_BYTES).hex()


def private_sha256(private: Private) -> str:
    """What a body says of its private part."""
    return sha256(canonical(private.model_dump(mode="json"))).hexdigest()


def seal(body: Body, private: Private, key: Ed25519PrivateKey) -> Sealed:
    """Signs a certificate. Raises ValueError for a private part that is not the one the body speaks of."""
    if private_sha256(private) != body.private_sha256:
        raise ValueError("the body speaks of another private part")
    said = body.model_dump(mode="json")
    content = laid_out(
        {
            "body": said,
            "private": private.model_dump(mode="json"),
            "public_key": key.public_key().public_bytes_raw().hex(),
            "signature": key.sign(SIGNED_FOR + canonical(said)).hex(),
        }
    )
    return Sealed(content, Certificate(body=body, private=private))


def withheld(content: bytes, name: str) -> bytes:
    """The same file without what stays at the site; its signature stays sound. Raises CertificateRefused."""
    document = read_laid_out(content, name)
    open_certificate(content, name)
    return laid_out({part: value for part, value in document.items() if part != "private"})


def open_certificate(content: bytes, name: str) -> Opened:
    """Reads a certificate's file and checks that it is whole: as it was signed, and laid out as it was.

    Raises CertificateRefused: *not_ours* for another kind of file, *changed* for one that was edited.
    """
    document = read_laid_out(content, name)
    body, private, public_key, signature = _parts(document, name)
    written_as = body.get("format")
    if not isinstance(written_as, str) or not written_as.startswith(_BEGINS):
        raise CertificateRefused("not_ours", f"{name}: it is no certificate of ours.")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, SIGNED_FOR + canonical(body))
    except (InvalidSignature, ValueError) as error:
        raise CertificateRefused(
            "changed", f"{name}: its signature does not fit what it says: it was changed after it was issued."
        ) from error
    if private is not None and sha256(canonical(private)).hexdigest() != body.get("private_sha256"):
        raise CertificateRefused(
            "changed",
            f"{name}: what it says of customer, laboratory, people or remarks was changed after it was issued.",
        )
    reader = READERS.get(written_as)
    certificate = None if reader is None else reader(body, private, name)
    return Opened(certificate, written_as, key_id(public_key), sha256(content).hexdigest())


def _parts(document: Any, name: str) -> tuple[dict[str, Any], dict[str, Any] | None, bytes, bytes]:
    if not isinstance(document, dict) or set(document) - {"private"} != {"body", "public_key", "signature"}:
        raise CertificateRefused("not_ours", f"{name}: it is no certificate of ours.")
    body, private = document["body"], document.get("private")
    public_key, signature = (_raw(document[part], size) for part, size in (("public_key", 32), ("signature", 64)))
    if not isinstance(body, dict) or not isinstance(document.get("private", {}), dict):
        raise CertificateRefused("not_ours", f"{name}: it is no certificate of ours.")
    if public_key is None or signature is None:
        raise CertificateRefused("changed", f"{name}: its key or its signature is none any more.")
    return body, private, public_key, signature


def _raw(text: Any, size: int) -> bytes | None:
    try:
        raw = bytes.fromhex(text)
    except (TypeError, ValueError):
        return None
    return raw if len(raw) == size and raw.hex() == text else None


def _read_v1(body: dict[str, Any], private: dict[str, Any] | None, name: str) -> Certificate:
    try:
        return Certificate(
            body=Body.model_validate_json(json.dumps(body)),
            private=None if private is None else Private.model_validate_json(json.dumps(private)),
        )
    except ValidationError as error:
        where = " → ".join(str(part) for part in error.errors(include_url=False)[0]["loc"])
        raise CertificateRefused(
            "not_ours", f"{name}: it was signed as it is, and says what no certificate says, at {where}."
        ) from error


READERS: Final[dict[str, Callable[[dict[str, Any], dict[str, Any] | None, str], Certificate]]] = {FORMAT: _read_v1}
"""One reader for every version that was ever issued; each gives the document of today."""
