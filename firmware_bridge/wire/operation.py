"""What an operation is: part of the message table."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from firmware_bridge.wire.messages import Capability


class Nothing(NamedTuple):
    """No arguments, or no data."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    ``repeatable`` operations are retried under a new id; the others carry a key, are never sent again, and are resolved
    through OUTCOME. ``while_armed``: allowed while a lease lives. ``capability``: what a pen must have, if anything.
    """

    number: int
    name: str
    arguments: type[Any]
    data: type[Any]
    repeatable: bool
    while_armed: bool
    capability: Capability | None
    doc: str
