"""Files that people take away: whole or not there, for their owner alone, never written over unasked."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from logger.errors import ExportError


@contextmanager
def whole_files(paths: Sequence[Path], *, force: bool) -> Iterator[dict[Path, Path]]:
    """Inside, each path stands for a file beside it that is being written; at the end all take their places.

    Whatever goes wrong, an interruption too, leaves no part of a file behind and what was there before as it was.
    Raises ExportError for a file that is there already (unless ``force``) or cannot be written; the disk's own words
    are its cause.
    """
    if not force:
        check_free(paths)
    parts = {path: path.with_name(f".{path.name}.{os.getpid()}.part") for path in paths}
    with ExitStack() as undo:
        try:
            for path in paths:
                if not path.parent.is_dir():
                    path.parent.mkdir(mode=0o700)
                    undo.callback(_remove_empty, path.parent)
            for part in parts.values():
                undo.callback(_remove, part)
                make_private(part)
            yield parts
            for part in parts.values():
                _sync(part)
            for path, part in parts.items():
                part.replace(path)
        except OSError as error:
            where = str(paths[0].parent if len(paths) > 1 else paths[0])
            raise ExportError(
                f"The export could not be written to {where}: {(error.strerror or str(error)).lower()}. Nothing of it "
                "was left there, and the record is as it was. Make room or name another place, and export again."
            ) from error


def check_free(paths: Sequence[Path]) -> None:
    """Raises ExportError when one of the files is there already."""
    there = next((path for path in paths if path.exists() or path.is_symlink()), None)
    if there is not None:
        raise ExportError(
            f"{there} is there already. Nothing was written. Name another place, or write over it with --force."
        )


def write_whole(path: Path, write: Callable[[IO[bytes]], object], *, force: bool) -> None:
    """Writes one file. Raises ExportError."""
    with whole_files([path], force=force) as parts, parts[path].open("wb") as file:
        write(file)


def make_private(path: Path) -> None:
    """Makes an empty file for its owner alone. Raises OSError, also where there is one."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _sync(path: Path) -> None:
    """Onto the disk, and for its owner alone, whoever wrote it."""
    with path.open("rb") as file:
        os.fchmod(file.fileno(), 0o600)
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    """The folder that was made for the files; it stays where they came to be in it."""
    with suppress(OSError):
        folder.rmdir()
