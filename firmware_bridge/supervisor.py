"""Keeps a pen connected: opens a link, waits until it is lost, backs off, opens the next.

A state machine of its own, with named states, so that neither the link nor the treatment knows about reconnecting.
Each link has a generation number; what was said to an old one never reaches a new one. A lost lease is never renewed
here: a person re-arms.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Protocol

from firmware_bridge.errors import WireError
from firmware_bridge.handshake import open_link
from firmware_bridge.link import Link
from firmware_bridge.port import Tap
from firmware_bridge.snapshot import PenSnapshot

BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 8.0  # a practitioner who plugs the pen back in waits no longer than this
STEADY_S = 5.0  # a link that lived this long was a good one: the next back-off begins small again
WATCH_S = 0.1  # how often silence is looked for; well under the shortest dead-man time × 3


class SupervisorState(Enum):
    """What the supervisor is doing."""

    NEW = "not started"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting before the next try"
    ENDED = "ended"


class SupervisorListener(Protocol):
    """Who hears of the pen coming and going. Called on the loop's thread; must not block."""

    def link_up(self, link: Link, generation: int) -> None:
        """A new link is ready."""

    def link_down(self, cause: WireError | None) -> None:
        """The link that was up is gone."""

    def connect_failed(self, error: WireError) -> None:
        """A try to connect failed; another follows."""

    def status_seen(self, seen: PenSnapshot, sent_at_ms: int) -> None:
        """A STATUS of the present link, sent at that time of the host's monotonic clock."""

    def line_advisory(self, sentence: str) -> None:
        """Something about the line worth knowing."""


def backoff_s(failures: int, random: Random) -> float:
    """The pause before the next try: doubled with every failure, capped, with half of it left to chance.

    Chance keeps sixteen pens behind one hub from coming back in the same millisecond.
    """
    ceiling_s: float = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(failures, 10))
    return ceiling_s * (0.5 + 0.5 * random.random())


class Supervisor:
    """One pen by its URL, for as long as :meth:`run` runs."""

    def __init__(
        self,
        url: str,
        listener: SupervisorListener,
        *,
        monotonic_ms: Callable[[], int],
        random: Random,
        tap: Tap | None = None,
    ) -> None:
        self.url = url
        self.state = SupervisorState.NEW
        self.link: Link | None = None
        self.generation = 0
        self.failures = 0
        self.last_error: WireError | None = None
        self._listener = listener
        self._monotonic_ms = monotonic_ms
        self._random = random
        self._tap = tap
        self._lost: asyncio.Event = asyncio.Event()
        self._down_cause: WireError | None = None

    async def run(self) -> None:
        """Connects and reconnects until cancelled; then closes the link and passes the cancellation on."""
        try:
            while True:
                if await self._connect():
                    lived_ms = await self._watch()
                    self.failures = 0 if lived_ms >= STEADY_S * 1000 else self.failures + 1
                else:
                    self.failures += 1
                self.state = SupervisorState.WAITING
                await asyncio.sleep(backoff_s(self.failures, self._random))
        finally:
            self.state = SupervisorState.ENDED
            link, self.link = self.link, None
            if link is not None:
                await link.close()

    async def _connect(self) -> bool:
        self.state = SupervisorState.CONNECTING
        self._lost.clear()
        try:
            link = await open_link(self.url, self, monotonic_ms=self._monotonic_ms, random=self._random, tap=self._tap)
        except WireError as error:
            self.last_error = error
            self._listener.connect_failed(error)
            return False
        self.generation += 1
        self.link = link
        self.last_error = None
        self.state = SupervisorState.CONNECTED
        self._listener.link_up(link, self.generation)
        return True

    async def _watch(self) -> int:
        """Waits until the link is lost. Returns how long it lived, in ms."""
        up_at_ms = self._monotonic_ms()
        while not self._lost.is_set():
            try:
                async with asyncio.timeout(WATCH_S):
                    await self._lost.wait()
            except TimeoutError:
                if self.link is not None:
                    self.link.check_fresh()
        self.link = None
        self._listener.link_down(self._down_cause)
        return self._monotonic_ms() - up_at_ms

    # LinkListener ----------------------------------------------------------------------------------------------------

    def status_seen(self, seen: PenSnapshot, sent_at_ms: int) -> None:
        """Passes a STATUS on."""
        self._listener.status_seen(seen, sent_at_ms)

    def line_advisory(self, sentence: str) -> None:
        """Passes an advisory on."""
        self._listener.line_advisory(sentence)

    def link_lost(self, cause: WireError | None) -> None:
        """The present link went."""
        self._down_cause = cause
        self.last_error = cause
        self._lost.set()
