"""What the exit code of a command means. `run` and `record` end with :class:`station.process.exits.Exit`.

0    done
1    the answer is no: refused, damage found, a finding that prevents treating, or STOP reached nobody
2    the command cannot be followed as it was given; for `verify`: it could not be checked
3    no station answers, or no simulated pen at its control socket
130  interrupted by Ctrl-C
"""

from enum import IntEnum


class Code(IntEnum):
    """How a command ended."""

    DONE = 0
    NO = 1
    USAGE = 2
    NO_STATION = 3
    INTERRUPTED = 130
