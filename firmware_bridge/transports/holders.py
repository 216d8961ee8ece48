"""Who holds a port, as far as Linux's /proc tells this user. Elsewhere nobody is named."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class PortHolder:
    """A process that has a port open."""

    pid: int
    command: str

    def __str__(self) -> str:
        if self.pid == os.getpid():
            return "this program itself"
        return f"process {self.pid} ({self.command})" if self.command else f"process {self.pid}"


def port_holders(path: str) -> list[PortHolder]:
    """The processes that have ``path`` open, the one that locked it first. Empty when none is known.

    Reads names and numbers under /proc; opens nothing of the port. Another user's processes are visible to root only.
    """
    try:
        port = os.stat(path)  # noqa: PTH116 - follows the link, as opening does
    except OSError:
        return []
    lockers = _lockers(port)
    openers = [pid for pid in _pids() if pid not in lockers and _has_open(pid, port)]
    return [PortHolder(pid, _command(pid)) for pid in [*lockers, *openers]]


def _lockers(port: os.stat_result) -> list[int]:
    """Processes that took the flock on the port's inode; a line reads ``1: FLOCK ADVISORY WRITE 812 00:18:3 0 EOF``."""
    inode = f"{os.major(port.st_dev):02x}:{os.minor(port.st_dev):02x}:{port.st_ino}"
    found: list[int] = []
    for line in _read(PROC / "locks").splitlines():
        words = line.split()
        if len(words) > 5 and words[1] == "FLOCK" and words[5] == inode and words[4].isdigit():
            found.append(int(words[4]))
    return list(dict.fromkeys(found))


def _pids() -> list[int]:
    try:
        return sorted(int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    except OSError:
        return []


def _has_open(pid: int, port: os.stat_result) -> bool:
    try:
        entries = list((PROC / str(pid) / "fd").iterdir())
    except OSError:
        return False  # gone meanwhile, or another user's
    for entry in entries:
        try:
            status = entry.stat()
        except OSError:
            continue
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == port.st_rdev:
            return True
    return False


def _command(pid: int) -> str:
    return _read(PROC / str(pid) / "cmdline").replace("\0", " ").strip()[:80]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
