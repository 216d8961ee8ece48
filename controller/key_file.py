"""A physician's private key in a file that only its owner can read, under a passphrase where one is given.

The form is PKCS#8 in PEM, as other tools read and write it.
"""

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from controller.datafile import read_bounded
from controller.errors import DataError

OWNER_ONLY = 0o600


class PassphraseNeeded(DataError):
    """The key is under a passphrase and none was given."""


def make_key_file(path: Path, passphrase: bytes | None) -> Ed25519PrivateKey:
    """A new private key, written to a new file. Raises DataError where there is a file, or none can be made."""
    key = Ed25519PrivateKey.generate()
    under: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, under)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except FileExistsError as error:
        raise DataError(f"{path}: is there already, and a key is never overwritten. Name another file.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be made: {str(error.strerror).lower()}. No key was made.") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(written)
        file.flush()
        os.fsync(file.fileno())
    return key


def read_key_file(path: Path, passphrase: bytes | None) -> Ed25519PrivateKey:
    """The private key in a file.

    Raises PassphraseNeeded, or DataError for a file that others can read, another passphrase, or what is no such key.
    """
    content = read_bounded(path)
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise DataError(
            f"{path}: others than its owner can read this private key, so it proves nothing. If nobody has copied it, "
            f"`chmod 600 {path}`; otherwise make a new key and have the clinic take the old one out of its file."
        )
    try:
        key = load_pem_private_key(content, passphrase)
    except TypeError as error:
        if passphrase is None:
            raise PassphraseNeeded(f"{path}: this key is under a passphrase, and none was given.") from error
        raise DataError(f"{path}: this key is under no passphrase; give none.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        what = "another passphrase, or no" if passphrase else "no"
        raise DataError(f"{path}: {what} private key as `library key` writes it. Nothing was signed.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise DataError(f"{path}: a private key of another kind; `library key` makes the right one (Ed25519).")
    return key
