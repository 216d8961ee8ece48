"""A physician's signature under a data file: Ed25519 over the file's digest, in a sidecar beside the file.

What is signed begins with a sentence that is in no other kind of signature, so that none made here can stand for
anything else. A sidecar has one way to be written: every changed byte of it, blanks too, is refused.
"""

import base64
import binascii
import hashlib
import json
from datetime import date
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from controller.datafile import DataModel, Day, Id, Misplaced
from controller.errors import DataError

SIGNED_FOR = b"needlework: a physician answers for this protocol library\x00"
"""Sets these signatures apart from every other use of the same key."""
SIDECAR_MAX_BYTES = 4_000
KEY_PREFIX = "ed25519:"
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64

Licence = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ./_-]{0,47}$")]


def _public_key(text: object) -> object:
    if isinstance(text, str) and text.startswith(KEY_PREFIX):
        try:
            raw = base64.b64decode(text.removeprefix(KEY_PREFIX), validate=True)
            if len(raw) == _KEY_BYTES and public_text(raw) == text:
                return text
        except (binascii.Error, ValueError):
            pass
    raise ValueError(f"not a public key; one is written {KEY_PREFIX} and 44 characters, as `library key` prints it")


PublicKey = Annotated[str, BeforeValidator(_public_key)]


class Physician(DataModel):
    """Whose signature the clinic accepts: licence, public key, and the last day the key holds."""

    licence: Licence
    public_key: PublicKey
    valid_until: Day

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, as a signature names it."""
        return fingerprint(base64.b64decode(self.public_key.removeprefix(KEY_PREFIX)))


class TrustedKeys(DataModel):
    """The physicians whose signatures a clinic accepts, by id. The clinic keeps this file where only it can write."""

    format: Literal["needlework-physicians/1"]
    physicians: dict[Id, Physician] = Field(min_length=1)

    @model_validator(mode="after")
    def _keys_differ(self) -> "TrustedKeys":
        seen: dict[str, str] = {}
        for identity, physician in self.physicians.items():
            if physician.public_key in seen:
                other = seen[physician.public_key]
                raise Misplaced(f"the same key as {other}; each has a key of their own", "physicians", identity)
            seen[physician.public_key] = identity
        return self

    def with_key(self, key: str) -> tuple[str, Physician] | None:
        """Id and entry of the physician whose key has this fingerprint."""
        return next((entry for entry in self.physicians.items() if entry[1].fingerprint == key), None)


class Signature(BaseModel):
    """What a sidecar says: who signed which bytes, when, by which key. ``signer`` is an id, never a name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["needlework-signature/1"] = "needlework-signature/1"
    signer: Id
    licence: Licence
    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    signed_on: Day
    file_bytes: int = Field(ge=0, strict=True)
    file_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    signature: str = Field(default="", pattern=r"^[A-Za-z0-9+/=]{0,88}$")


def digest_of(content: bytes) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def fingerprint(public_key: bytes) -> str:
    """SHA-256 of a raw public key, in hexadecimal: what people compare."""
    return hashlib.sha256(public_key).hexdigest()


def public_text(public_key: bytes) -> str:
    """A raw public key as the physicians' file has it."""
    return KEY_PREFIX + base64.b64encode(public_key).decode("ascii")


def sign(content: bytes, *, key: Ed25519PrivateKey, signer: str, licence: str, on: date) -> Signature:
    """The signature of a file's bytes by a physician's key, dated ``on``."""
    unsigned = Signature(
        signer=signer,
        licence=licence,
        key=fingerprint(key.public_key().public_bytes_raw()),
        signed_on=on,
        file_bytes=len(content),
        file_sha256=digest_of(content),
    )
    made = base64.b64encode(key.sign(_signed_bytes(unsigned))).decode("ascii")
    return unsigned.model_copy(update={"signature": made})


def sidecar(signature: Signature) -> bytes:
    """A signature as a sidecar file holds it; the only form that is accepted."""
    return (json.dumps(signature.model_dump(mode="json"), indent=2, sort_keys=True) + "\n").encode("ascii")


def read_sidecar(content: bytes, name: str) -> Signature:
    """What a sidecar says; nothing of it is proved yet. Raises DataError naming ``name``."""
    if len(content) > SIDECAR_MAX_BYTES:
        raise DataError(f"{name}: {len(content)} bytes; a signature has at most {SIDECAR_MAX_BYTES}. {_NOTHING}")
    try:
        signature = Signature.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = " → ".join(str(part) for part in first["loc"]) or "the file as a whole"
        raise DataError(f"{name}: not a signature as `library sign` writes it, at {place}. {_NOTHING}") from error
    if sidecar(signature) != content:
        raise DataError(f"{name}: not written as `library sign` writes it: it was changed after signing. {_NOTHING}")
    return signature


_NOTHING = "Nothing was loaded; get the file and its signature from the physician again."


def verify(
    content: bytes, signature: Signature, trusted: TrustedKeys | None, *, name: str, today: date | None = None
) -> None:
    """Returns when a trusted physician signed exactly these bytes.

    Raises DataError that says which is not so: other bytes, no or another physician's key, a key that no longer held
    on the day of signing (or on ``today``, where that is known), a signature that does not fit its key.
    """
    if len(content) != signature.file_bytes or digest_of(content) != signature.file_sha256:
        raise DataError(f"{name}: it is not what {signature.signer} signed: it was changed after signing. {_NOTHING}")
    if trusted is None:
        raise DataError(
            f"{name}: signed by {signature.signer}, and no physicians' keys are known here to check that by. Name the "
            "clinic's file of them (setting trusted_physicians). Nothing was loaded."
        )
    entry = trusted.with_key(signature.key)
    if entry is None:
        raise DataError(
            f"{name}: signed with the key {signature.key[:16]}…, which is no trusted physician's. It names "
            f"{signature.signer}. Have a physician of the clinic sign it, or add the key after comparing it. "
            "Nothing was loaded."
        )
    identity, physician = entry
    try:
        public = base64.b64decode(physician.public_key.removeprefix(KEY_PREFIX))
        raw = base64.b64decode(signature.signature, validate=True)
        Ed25519PublicKey.from_public_bytes(public).verify(raw, _signed_bytes(signature))
    except (InvalidSignature, ValueError) as error:
        raise DataError(
            f"{name}: the signature does not fit the key of {identity}: the signature, or what it says of signer and "
            f"date, was changed. {_NOTHING}"
        ) from error
    if len(raw) != _SIGNATURE_BYTES or base64.b64encode(raw).decode("ascii") != signature.signature:
        raise DataError(f"{name}: the signature is not written as `library sign` writes it. {_NOTHING}")
    if (signature.signer, signature.licence) != (identity, physician.licence):
        raise DataError(
            f"{name}: signed as {signature.signer}, licence {signature.licence}; by the clinic's file the key is that "
            f"of {identity}, licence {physician.licence}. Sign it again as that. Nothing was loaded."
        )
    for day, what in ((signature.signed_on, "on the day of signing"), (today, "today")):
        if day is not None and day > physician.valid_until:
            raise DataError(
                f"{name}: the key of {identity} held until {physician.valid_until.isoformat()}, not {what} "
                f"({day.isoformat()}). A physician whose key holds has to sign it. Nothing was loaded."
            )
    if today is not None and signature.signed_on > today:
        raise DataError(
            f"{name}: signed on {signature.signed_on.isoformat()}, which is yet to come. Look at this computer's "
            "clock. Nothing was loaded."
        )


def _signed_bytes(signature: Signature) -> bytes:
    said = signature.model_dump(mode="json", exclude={"signature"})
    return SIGNED_FOR + json.dumps(said, sort_keys=True, separators=(",", ":")).encode("ascii")
