"""Encryption for what stays at a site: AES-256-GCM, in small pieces and in whole files. Randomness is a parameter.

A piece is nonce, ciphertext and tag, bound to a ``label``: moved to another place it does not open. A file has a line
of JSON in front that says how its key is had: from a key of the site (HKDF with a salt of its own), or from a
passphrase (Argon2id). That line is authenticated with the rest.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from station.site.key import KEY_BYTES, SiteKey

NONCE_BYTES = 12
SALT_BYTES = 16
HEADER_MAX_BYTES = 1000
FILE_MAX_BYTES = 1 << 30
"""What is sealed is in memory once whole; a site's private files are a few megabytes."""
MAGIC = "needlework-sealed/1"

# Argon2id, RFC 9106's second recommendation: a quarter of a second here, and 64 MiB for each guess.
_TIME_COST, _MEMORY_KIB, _LANES = 3, 65536, 4

RandomBytes = Callable[[int], bytes]
"""As :func:`os.urandom`."""


class CannotOpen(Exception):
    """It was changed, is something else, or its key is another one. The sentence says which where it can be known."""


def seal(key: bytes, content: bytes, label: str, random_bytes: RandomBytes) -> bytes:
    """A piece. One key seals few pieces (far below 2³²), so random nonces do not meet."""
    nonce = random_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, label.encode())


def unseal(key: bytes, sealed: bytes, label: str) -> bytes:
    """What is in a piece. Raises CannotOpen."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], label.encode())
    except (InvalidTag, ValueError) as error:
        raise CannotOpen("it was changed, or sealed with another key") from error


def seal_file(content: bytes, kind: str, under: SiteKey | str, random_bytes: RandomBytes) -> bytes:
    """A file's bytes, under a key of the site or a passphrase. ``kind`` says what is in it, readable without a key."""
    salt = random_bytes(SALT_BYTES)
    header: dict[str, Any] = {"format": MAGIC, "kind": kind, "salt": salt.hex()}
    if isinstance(under, SiteKey):
        header["key"] = under.name
        key = _of_site_key(under, salt)
    else:
        header |= {"argon2id": [_TIME_COST, _MEMORY_KIB, _LANES]}
        key = _of_passphrase(under, salt)
    line = json.dumps(header, separators=(",", ":"))
    return line.encode() + b"\n" + seal(key, content, line, random_bytes)


def file_kind(sealed: bytes) -> tuple[str, str | None]:
    """What is in a sealed file, and the name of the site key it is under; None: a passphrase. Raises CannotOpen."""
    header, _ = _parts(sealed)
    key = header.get("key")
    return str(header.get("kind")), None if key is None else str(key)


def open_file(sealed: bytes, kind: str, *, keys: Iterable[SiteKey] = (), passphrase: str = "") -> bytes:
    """What is in a sealed file, by one of the site's keys or by the passphrase. Raises CannotOpen."""
    header, content = _parts(sealed)
    if header.get("kind") != kind:
        raise CannotOpen(f"it is a file of another kind ({header.get('kind')})")
    line = sealed.split(b"\n", 1)[0].decode()
    try:
        salt = bytes.fromhex(header["salt"])
        if "key" in header:
            found = next((key for key in keys if key.name == header["key"]), None)
            if found is None:
                raise CannotOpen(f"it is under the site key {header['key']}, which is not here")
            return unseal(_of_site_key(found, salt), content, line)
        if header.get("argon2id") != [_TIME_COST, _MEMORY_KIB, _LANES]:
            raise CannotOpen("another version of the product made it")
        return unseal(_of_passphrase(passphrase, salt), content, line)
    except (KeyError, TypeError, ValueError) as error:
        raise CannotOpen("it is not whole") from error


def _parts(sealed: bytes) -> tuple[dict[str, Any], bytes]:
    line, mark, _ = sealed[: HEADER_MAX_BYTES + 1].partition(b"\n")
    try:
        header = json.loads(line) if mark else None
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("format") != MAGIC:
        raise CannotOpen("it is no file that this product sealed")
    return header, sealed[len(line) + 1 :]


def _of_site_key(key: SiteKey, salt: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt, b"needlework file").derive(key.secret)


def _of_passphrase(passphrase: str, salt: bytes) -> bytes:
    secret = " ".join(passphrase.split()).encode()
    if not secret:
        raise CannotOpen("it is under a passphrase, and none was given")
    return hash_secret_raw(hashlib.sha256(secret).digest(), salt, _TIME_COST, _MEMORY_KIB, _LANES, KEY_BYTES, Type.ID)
