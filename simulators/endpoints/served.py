"""What an endpoint serves: a pen that lives, a recording that is played, or the line to a pen elsewhere."""

from collections.abc import Callable
from typing import Protocol, TypeVar


class Medium(Protocol):
    """One way in: a plugged-in terminal, or a connection."""

    def received(self, data: bytes) -> None:
        """Bytes came from the host."""

    def detach(self) -> None:
        """The way is gone for good."""


M = TypeVar("M", bound=Medium)
M_co = TypeVar("M_co", bound=Medium, covariant=True)


class Served(Protocol[M_co]):
    """What is at the other end of an endpoint."""

    def attach(self, send: Callable[[bytes], None]) -> M_co:
        """A new medium; ``send`` gets what is to go to the host and must not block."""
