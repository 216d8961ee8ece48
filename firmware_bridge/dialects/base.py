"""What an adapter is: it turns our messages into another protocol's bytes, and its bytes into our messages.

An adapter has no I/O and no clock. It cannot give a pen what its protocol lacks, and must not pretend to: capabilities
it reports are those the pen can keep when the host dies. ``cannot`` says clause by clause what is lost.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from firmware_bridge.wire.messages import Message


class Said(NamedTuple):
    """What an adapter sends: bytes to the pen, messages to the host."""

    to_pen: bytes = b""
    to_host: tuple[Message, ...] = ()


NOTHING = Said()


class Dialect(Protocol):
    """One connection through an adapter; a new one for each opening of the port. All times are the host's, in ms."""

    name: str
    """The prefix of its URLs: ``name+serial://…``."""

    tick_ms: int
    """How often :meth:`tick` is called."""

    cannot: Mapping[str, str]
    """Clauses of the protocol that no pen of this dialect can keep, each with what its protocol lacks."""

    of_the_adapter: frozenset[str]
    """Clauses that the adapter keeps in the pen's place: they say nothing about the pen."""

    def host_said(self, message: Message, now_ms: int) -> Said:
        """A good message from the host."""

    def pen_said(self, data: bytes, now_ms: int) -> Said:
        """Bytes from the pen, in any pieces. Never raises, whatever the bytes."""

    def tick(self, now_ms: int) -> Said:
        """Time passed."""
