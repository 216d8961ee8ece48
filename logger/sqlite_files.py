"""Making and opening the SQLite files of journal and store: who may read them, and how to read without a trace."""

import os
from contextlib import suppress
from pathlib import Path


def create_private(path: Path) -> None:
    """Makes the file where there is none, for its owner alone; SQLite gives the files beside it the same mode."""
    with suppress(OSError):  # there already, or SQLite says in its own words why it cannot be
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def read_only_uri(path: Path) -> str:
    """How to open a database without writing anything, beside it or into it.

    A plain read-only connection makes the files of the write-ahead log where there are none, and fails where it may
    not. Whoever has the database open has made them; without them the file stands still and is taken as it is. Should
    a writer come meanwhile, what it writes goes to its log first: this reader goes on seeing the file as it was.
    """
    path = path.resolve()
    log = path.with_name(path.name + "-wal")
    try:
        in_use = log.stat().st_size > 0 or os.access(path.parent, os.W_OK)
    except OSError:
        in_use = False
    return f"{path.as_uri()}?mode=ro" + ("" if in_use else "&immutable=1")
