"""One writer for one journal: a lock held on a file beside it for as long as the journal is open.

A lock of the operating system, not a file's mere presence: it ends with the process however that ends, so nobody has to
tidy up after a crash.
"""

import os
import sys
from pathlib import Path

from logger.errors import JournalBusy, JournalUnusable

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_PID_OFFSET = 16  # Windows bars readers from the locked byte, which is the first; the process id stands behind it


class Ownership:
    """The lock, held from construction to :meth:`release`.

    Raises JournalBusy when another process holds it, JournalUnusable when the lock file cannot be made.
    """

    def __init__(self, journal: Path) -> None:
        path = journal.with_name(journal.name + ".lock")
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise JournalUnusable(
                f"The journal {journal} cannot be opened for writing: {error.strerror}. Nothing can be recorded, so no "
                f"treatment may start. Check that the folder exists and that this user may write in it."
            ) from error
        try:
            _lock(self._descriptor)
        except OSError as error:
            owner = _owner(self._descriptor)
            os.close(self._descriptor)
            who = f"process {owner}" if owner is not None else "another process"
            raise JournalBusy(
                f"The journal {journal} is being written by {who}: a station already runs here. One journal has one "
                f"writer, or its order would be lost. Stop that station, or give this one a journal of its own.",
                owner_pid=owner,
            ) from error
        os.lseek(self._descriptor, _PID_OFFSET, os.SEEK_SET)
        os.write(self._descriptor, f"{os.getpid():<20}".encode())

    def release(self) -> None:
        """Give the journal up. Safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _owner(descriptor: int) -> int | None:
    """The process id its holder wrote, or None."""
    try:
        os.lseek(descriptor, _PID_OFFSET, os.SEEK_SET)
        return int(os.read(descriptor, 20))
    except (OSError, ValueError):
        return None
