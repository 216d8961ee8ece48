"""The supervisor in virtual time: back-off, chance, generations, silence, and ending in every state."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import LinkStale, PortAbsent, TransportError, WireError
from firmware_bridge.link import Link
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.supervisor import (
    BACKOFF_FIRST_S,
    BACKOFF_MAX_S,
    STEADY_S,
    Supervisor,
    SupervisorState,
    backoff_s,
)
from simulators.endpoints.live import LivePen
from simulators.endpoints.memory import MemoryEndpoint
from simulators.pen import SimulatedPen

pytestmark = pytest.mark.looptime


def now_ms() -> int:
    """The loop's own time: virtual here."""
    return int(asyncio.get_running_loop().time() * 1000)


class Record:
    """A supervisor's listener that writes down what it hears, and when (virtual seconds)."""

    def __init__(self) -> None:
        self.failed_at_s: list[float] = []
        self.up_at_s: list[float] = []
        self.down_at_s: list[float] = []
        self.links: list[Link] = []
        self.generations: list[int] = []
        self.causes: list[WireError | None] = []
        self.errors: list[WireError] = []
        self.seen_under: list[int] = []

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()

    def link_up(self, link: Link, generation: int) -> None:
        self.up_at_s.append(self._now_s())
        self.links.append(link)
        self.generations.append(generation)

    def link_down(self, cause: WireError | None) -> None:
        self.down_at_s.append(self._now_s())
        self.causes.append(cause)

    def connect_failed(self, error: WireError) -> None:
        self.failed_at_s.append(self._now_s())
        self.errors.append(error)

    def status_seen(self, seen: PenSnapshot, sent_at_ms: int) -> None:
        self.seen_under.append(self.generations[-1])

    def line_advisory(self, sentence: str) -> None:
        pass


@asynccontextmanager
async def supervised(url: str, seed: int = 1) -> AsyncIterator[tuple[Supervisor, Record]]:
    """A running supervisor."""
    record = Record()
    supervisor = Supervisor(url, record, monotonic_ms=now_ms, random=Random(seed))
    running = asyncio.create_task(supervisor.run(), name="supervisor")
    try:
        yield supervisor, record
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert supervisor.state is SupervisorState.ENDED
        assert supervisor.link is None


@asynccontextmanager
async def served(name: str) -> AsyncIterator[MemoryEndpoint]:
    """A simulated pen in virtual time."""
    live = LivePen(
        SimulatedPen(rng=Random(1), today=date(2026, 1, 1)),
        clock_ns=lambda: int(asyncio.get_running_loop().time() * 1e9),
    )
    with MemoryEndpoint(live, name) as endpoint:
        task = asyncio.create_task(live.run(), name="simulated pen")
        try:
            yield endpoint
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], object], within_s: float = 30.0) -> None:
    """Waits, in virtual time."""
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.01)


@given(failures=st.integers(0, 10_000), seed=st.integers())
def test_the_pause_is_within_half_and_all_of_a_doubling_ceiling(failures: int, seed: int) -> None:
    ceiling_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(failures, 100))
    assert ceiling_s / 2 <= backoff_s(failures, Random(seed)) <= ceiling_s


async def test_an_absent_pen_is_tried_again_at_growing_pauses_left_to_chance() -> None:
    async with supervised("memory://absent", 1) as (supervisor, one), supervised("memory://absent", 2) as (_, two):
        await asyncio.sleep(60)
        assert supervisor.state is SupervisorState.WAITING
        assert isinstance(supervisor.last_error, PortAbsent)
        assert supervisor.generation == 0
    pauses_s = [later - earlier for earlier, later in pairwise(one.failed_at_s)]
    for number, pause_s in enumerate(pauses_s, start=1):
        ceiling_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**number)
        assert ceiling_s / 2 <= pause_s <= ceiling_s + 0.01
    assert len(pauses_s) >= 60 / BACKOFF_MAX_S
    assert one.failed_at_s[1:4] != two.failed_at_s[1:4], "two hosts do not come back in step"
    assert all(isinstance(error, PortAbsent) for error in one.errors)


async def test_a_pen_that_appears_is_found_within_the_longest_pause() -> None:
    async with supervised("memory://late") as (supervisor, record):
        await asyncio.sleep(30)
        began_s = asyncio.get_running_loop().time()
        async with served("late"):
            await until(lambda: supervisor.state is SupervisorState.CONNECTED)
            assert record.up_at_s[0] - began_s <= BACKOFF_MAX_S + 0.1
            assert supervisor.last_error is None


async def test_every_connection_is_a_new_generation_and_its_status_comes_after_it_is_up() -> None:
    async with served("cable") as endpoint, supervised("memory://cable") as (supervisor, record):
        for number in (1, 2, 3):
            await until(lambda: supervisor.state is SupervisorState.CONNECTED)
            await asyncio.sleep(0.2)
            assert record.generations == list(range(1, number + 1))
            assert record.seen_under[-1] == number
            assert supervisor.link is record.links[-1]
            endpoint.unplug()
            await until(lambda count=number: len(record.causes) == count)
            assert supervisor.link is None
        assert all(isinstance(cause, TransportError) for cause in record.causes)
        assert len({id(link) for link in record.links}) == 3, "a link is used once"


async def test_links_that_last_begin_the_back_off_anew_and_short_ones_do_not() -> None:
    async with served("wobbly") as endpoint, supervised("memory://wobbly") as (supervisor, record):
        for _ in range(5):
            await until(lambda: supervisor.state is SupervisorState.CONNECTED)
            endpoint.unplug()
            await until(lambda: supervisor.state is SupervisorState.WAITING)
        assert supervisor.failures == 5, "a plug that wobbles is not tried ever faster"
        await until(lambda: supervisor.state is SupervisorState.CONNECTED)
        await asyncio.sleep(STEADY_S + 0.5)
        endpoint.unplug()
        await until(lambda: supervisor.state is SupervisorState.WAITING)
        assert supervisor.failures == 0
        lost_at_s = record.down_at_s[-1]
        await until(lambda: supervisor.state is SupervisorState.CONNECTED)
        assert record.up_at_s[-1] - lost_at_s <= BACKOFF_FIRST_S + 0.1


async def test_a_pen_that_falls_silent_is_given_up_after_three_dead_man_times_and_told_once() -> None:
    async with served("mute") as endpoint, supervised("memory://mute") as (supervisor, record):
        await until(lambda: supervisor.state is SupervisorState.CONNECTED)
        await asyncio.sleep(0.5)
        assert supervisor.link is not None
        dead_man_s = supervisor.link.welcome.dead_man_ms / 1000
        for port in endpoint.ports:
            port.line.to_host.dropping = True
        silent_at_s = asyncio.get_running_loop().time()
        await until(lambda: record.causes)
        assert isinstance(record.causes[0], LinkStale)
        assert 3 * dead_man_s - 0.05 <= record.down_at_s[0] - silent_at_s <= 3 * dead_man_s + 0.2
        await until(lambda: supervisor.state is SupervisorState.CONNECTED)
        await asyncio.sleep(5)
        assert len(record.causes) == 1
        assert record.generations == [1, 2]


async def test_a_restarted_pen_is_met_again_without_its_lease() -> None:
    async with served("restart") as endpoint, supervised("memory://restart") as (supervisor, record):
        await until(lambda: supervisor.state is SupervisorState.CONNECTED)
        first = record.links[0]
        cartridge = endpoint._live.pen.cartridge
        assert cartridge is not None
        await first.arm(depth_ceiling_um=500, rate_ceiling_mhz=100_000, cartridge_tag=cartridge.tag)
        endpoint._live.pen.reboot()
        await until(lambda: len(record.links) == 2)
        assert record.links[1].welcome.boot_id != first.welcome.boot_id
        assert first.lease == record.links[1].lease == 0


async def test_it_ends_when_cancelled_in_every_state() -> None:
    async with supervised("memory://nowhere") as (supervisor, _):
        await until(lambda: supervisor.state is SupervisorState.WAITING)
    async with served("ending") as endpoint:
        async with supervised("memory://ending") as (supervisor, record):
            await until(lambda: supervisor.state is SupervisorState.CONNECTED)
            assert len(endpoint.ports) == 1
        assert not record.causes, "a loss it asked for is no loss"
        await until(lambda: not endpoint.ports)
        async with supervised("memory://ending") as (supervisor, _):
            await asyncio.sleep(0)
            assert supervisor.state is SupervisorState.CONNECTING
        await until(lambda: not endpoint.ports)
