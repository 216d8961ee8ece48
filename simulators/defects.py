"""Defects of a firmware, planted from outside: what it says wrongly, does not hear, or does not do.

They belong to the pen, not to one boot of its firmware: a reboot mends none of them.
"""

from collections.abc import Callable

from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import Message

Said = Message | bytes | None

Spoil = Callable[[Message], Said]
"""What is said in a message's place: another one, bytes as they stand on the wire, or nothing."""


class Defects:
    """The defects of one pen, none to begin with.

    ``says`` holds by name what changes a message on its way out, applied in the order of planting; ``deaf_to`` by name
    what decides whether a message is not acted upon. ``answer_late_ms`` is by how much answers to requests are late.
    ``no_dead_man``: silence of the host does not stop the motor. ``hung``: the firmware does nothing at all, and its
    outputs stay as they are; ``watchdog_ms`` is after how long of that it is reset, 0 never.
    """

    __slots__ = ("answer_late_ms", "deaf_to", "hung", "no_dead_man", "says", "watchdog_ms")

    def __init__(self) -> None:
        self.says: dict[str, Spoil] = {}
        self.deaf_to: dict[str, Callable[[Message], bool]] = {}
        self.answer_late_ms = 0
        self.no_dead_man = False
        self.hung = False
        self.watchdog_ms = 0

    def said(self, message: Message, sequence: int) -> bytes:
        """The bytes that are sent in the place of ``message``; none where nothing is."""
        said: Said = message
        for spoil in self.says.values():
            if said is None or isinstance(said, bytes):
                break
            said = spoil(said)
        if said is None or isinstance(said, bytes):
            return said or b""
        return frame(said, sequence)

    def misses(self, message: Message) -> bool:
        """Whether the firmware does not act on ``message``."""
        return any(deaf(message) for deaf in self.deaf_to.values())
