"""The station's signing key: made on the first run, in a file of its own in the state directory, for its owner alone.

It is never overwritten, and one that is damaged, or that others may read, is refused: whoever can read it can sign a
journal in this station's name. It is not encrypted, because a station starts without anybody at it. It need not be
backed up: a station without its old key makes another, and the record shows the change.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from logger.whole_file import new_whole
from station.errors import StationFailure, Trouble
from station.process.exits import Exit

MAX_KEY_FILE_BYTES = 1_000
"""A key's file has about 120 bytes; one much longer is none."""

_OPEN_TO_OTHERS = 0o077


class StationKeyRefused(StationFailure):
    """The station's key cannot be used; nothing is signed by it, and no station starts on it."""


def station_key(path: Path) -> Ed25519PrivateKey:
    """The key at ``path``, made there when absent. Raises StationKeyRefused."""
    try:
        with suppress(FileNotFoundError):
            return _read(path)
        _make(path)
        return _read(path)
    except OSError as error:
        raise _refused(
            path, f"it cannot be read or made: {error.strerror or error}", "Give this user the place."
        ) from (error)


def public_key_at(path: Path) -> bytes | None:
    """The raw public key of the key at ``path``; None where there is none, or none that may be used. Makes nothing."""
    try:
        return _read(path).public_key().public_bytes_raw()
    except (OSError, StationKeyRefused):
        return None


def _read(path: Path) -> Ed25519PrivateKey:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check(path, os.fstat(descriptor))
        content = os.read(descriptor, MAX_KEY_FILE_BYTES)
    finally:
        os.close(descriptor)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _refused(path, "it is damaged, or no key", _OF_A_BACKUP) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _refused(path, "it is a key of another kind", _OF_A_BACKUP)
    return key


def _check(path: Path, found: os.stat_result) -> None:
    """Raises StationKeyRefused for what is no file, or a file that is not its owner's alone."""
    if not stat.S_ISREG(found.st_mode):
        raise _refused(path, "it is no file", "Move it away; a new key is made then.")
    if os.name != "posix":
        return
    if stat.S_IMODE(found.st_mode) & _OPEN_TO_OTHERS:
        raise _refused(
            path,
            f"others than its owner may use it (mode {stat.S_IMODE(found.st_mode):04o})",
            f"If nobody can have read it: chmod 600 {path}. Else move it away; a new key is made then.",
        )
    if found.st_uid != os.geteuid():
        raise _refused(path, "it belongs to another user", "Run the station as its owner, or move it away.")


_OF_A_BACKUP = "Put a backup in its place, or move it away; a new key is made then, and the record shows the change."


def _make(path: Path) -> None:
    """Makes a key that is whole or not there, and never in place of another."""
    content = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with suppress(FileExistsError):  # another process made one meanwhile: that one counts
        new_whole(path, content)


def _refused(path: Path, what: str, do: str) -> StationKeyRefused:
    return StationKeyRefused(
        Trouble(
            "station_key",
            f"The station's key {path} is not used: {what}.",
            "Without a key nothing of the record is signed, so the station does not start.",
            do,
        ),
        Exit.JOURNAL,
    )
