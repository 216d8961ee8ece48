"""One pen, asked a few things without being moved: no lease is taken, and it is let go at once."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from controller.inputs import PenFacts
from controller.inspection import pen_facts
from firmware_bridge.errors import WireError
from firmware_bridge.handshake import open_link
from firmware_bridge.link import Link
from firmware_bridge.snapshot import PenSnapshot
from station.clock import StationClock


class _Nobody:
    """Hears what a pen says of itself, and does nothing about it."""

    def status_seen(self, seen: PenSnapshot, sent_at_ms: int) -> None:
        """See firmware_bridge.link."""

    def line_advisory(self, sentence: str) -> None:
        """See firmware_bridge.link."""

    def link_lost(self, cause: WireError | None) -> None:
        """See firmware_bridge.link."""


@asynccontextmanager
async def asked_pen(url: str) -> AsyncIterator[tuple[Link, PenFacts]]:
    """The pen at a URL and what it says of itself, for the length of a block. Raises WireError."""
    clock = StationClock()
    link = await open_link(url, _Nobody(), monotonic_ms=clock.monotonic_ms, random=random.SystemRandom())
    try:
        yield link, pen_facts(link.welcome)
    finally:
        await link.close()
