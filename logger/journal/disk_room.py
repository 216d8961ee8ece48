"""How much room a folder's disk has, looked at by a thread of its own.

The system's answer may be a long time coming, from a network folder or a disk that dies, and whoever asks here must not
wait for it: the loop that ticks the pens, and answers STOP, asks twice a second.
"""

import shutil
import threading
import time
from pathlib import Path

LOOK_S = 0.5
SILENT_AFTER_S = 5.0
"""An answer this old is none: a busy machine keeps a thread waiting for a second, a disk that hangs for ever."""


class DiskSilent(OSError):
    """The disk has not answered for ``SILENT_AFTER_S``."""


class DiskRoom:
    """Looks at once, then every ``LOOK_S`` until :meth:`close`."""

    def __init__(self, folder: Path) -> None:
        """The first look is the caller's own, and may take as long as the disk does."""
        self._folder = folder
        self._ended = threading.Event()
        self._look()
        self._thread = threading.Thread(target=self._run, name="disk-room", daemon=True)
        self._thread.start()

    def free_bytes(self) -> int:
        """Free bytes at the last look. Raises OSError, as it was given then; DiskSilent when that is too long ago."""
        found, looked_s = self._found
        if time.monotonic() - looked_s > SILENT_AFTER_S:
            raise DiskSilent(None, f"the disk has not answered for {SILENT_AFTER_S:.0f} s")
        if isinstance(found, OSError):
            raise found
        return found

    def close(self, wait_s: float) -> None:
        """Ends the thread; one that hangs in the system is left to it after ``wait_s``. Safe to call twice."""
        self._ended.set()
        self._thread.join(wait_s)

    def _look(self) -> None:
        found: int | OSError
        try:
            found = shutil.disk_usage(self._folder).free
        except OSError as error:
            found = error
        self._found = (found, time.monotonic())

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            self._look()
