"""What the exit code of a station's process means; the table in the documentation is this enumeration."""

from enum import IntEnum


class Exit(IntEnum):
    """How a process of the station ended."""

    ORDERLY = 0
    """Asked to end, and everything ended in good order."""
    UNEXPECTED = 1
    """An error nobody foresaw: a fault of the software."""
    SETTINGS = 2
    """The settings cannot be used; the message names the one at fault."""
    TAKEN = 3
    """Another station runs on this state directory, or a port it needs is held."""
    JOURNAL = 4
    """The journal cannot be opened, is seen to be damaged, or accepts no entry: nothing is treated without a record.
    Or the accounts or the patients' history cannot be opened, which is left as it was."""
    PEN = 5
    """A pen named on the command line cannot be used: unknown address, absent, busy, forbidden, or not a pen."""
    PART_FAILED = 6
    """A part of the station failed while running; pens were stopped before the process ended."""
    NOT_CONFIRMED = 7
    """The process ended without the pen's word that its needles are out. Look at the pen."""


WORTH_RESTARTING = frozenset({Exit.UNEXPECTED, Exit.PART_FAILED, Exit.NOT_CONFIRMED})
"""After these a supervisor starts the station again; the others end the same way every time until a person acts."""
