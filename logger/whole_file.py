"""A file that is whole or not there, and its owner's alone from its first byte on."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def replace_whole(path: Path, content: bytes) -> None:
    """Puts ``content`` in place of whatever is at ``path``, onto the disk. Raises OSError; nothing is changed then."""
    _place(path, content, lambda beside: beside.replace(path))


def new_whole(path: Path, content: bytes) -> None:
    """Makes a file that was not there, onto the disk. Raises OSError; FileExistsError, and leaves what is there."""
    _place(path, content, lambda beside: os.link(beside, path))


def _place(path: Path, content: bytes, place: Callable[[Path], object]) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        _fill(beside, content, place)
    except OSError as error:  # of the file that was asked for; nobody knows the one beside it
        raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from error
    _sync_folder(path.parent)


def _fill(beside: Path, content: bytes, place: Callable[[Path], object]) -> None:
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        place(beside)
    finally:
        with suppress(FileNotFoundError):  # it is in its place
            beside.unlink()


def _sync_folder(folder: Path) -> None:
    """The name onto the disk too."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
