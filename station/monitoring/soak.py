"""Listens to a pen for a while and counts: how good its line is. Nothing moves; the pen is asked small questions.

What comes from the pen is counted by frames; what goes to it shows only in answers that stay out. So that the line
works both ways as in a treatment, a question goes out twenty times a second: for the outcome of a request that never
was, which every pen answers at once and nothing follows from.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from controller.health.trend import Reading, line
from firmware_bridge.errors import LinkClosed, RequestError, WireError
from firmware_bridge.handshake import open_link
from firmware_bridge.link import REQUEST_S, U32_MAX, Link
from firmware_bridge.snapshot import PenSnapshot

ASK_EVERY_S = 0.05
_LEAST_TICKS = 100
"""Two seconds of STATUS: of fewer, the pace of a clock says nothing."""
_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Soak:
    """What a pen's line did in a while. Gaps are between STATUS frames, by the upper edges of
    :data:`firmware_bridge.line_quality.GAP_EDGES_MS`.

    ``lost`` is an estimate from sequence numbers. ``unanswered`` are questions that had no answer the first time.
    ``clock_ppm`` is how much faster the pen's clock runs than this computer's, ± ``clock_doubt_ppm`` (95 %), None where
    too little was heard. ``ended`` says why it ended early, empty where it did not.
    """

    url: str
    pen: str
    wanted_s: float
    seconds: float
    dead_man_ms: int
    status_period_ms: int
    frames: int
    damaged: int
    lost: int
    asked: int
    unanswered: int
    round_trips_ms: tuple[float, ...]
    gap_counts: tuple[int, ...]
    longest_gap_ms: int
    clock_ppm: float | None
    clock_doubt_ppm: float | None
    ended: str = ""


class _Ear:
    """Hears STATUS, and why the link went."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self.ticks: list[Reading] = []
        self.lost: WireError | None = None

    def status_seen(self, seen: PenSnapshot, _sent_at_ms: int) -> None:
        """A STATUS came."""
        self.ticks.append(Reading(self._monotonic_s() * 1000, seen.pen_time_ms))

    @property
    def rising(self) -> bool:
        """The pen's clock did not come round to 0 meanwhile, as it does every 49 days."""
        return self.ticks[-1].value > self.ticks[0].value

    def line_advisory(self, sentence: str) -> None:
        """Gaps are counted anyway."""

    def link_lost(self, cause: WireError | None) -> None:
        """The link is gone."""
        self.lost = cause


async def soak(
    url: str,
    seconds: float,
    *,
    monotonic_s: Callable[[], float],
    random: Random,
    progress: Callable[[float], None] = lambda _seconds: None,
) -> Soak:
    """Listens for ``seconds``. ``progress`` hears of the seconds done.

    A line that breaks meanwhile ends it early, which is told. Raises WireError when no pen is reached to begin with.
    """
    ear = _Ear(monotonic_s)
    link = await open_link(url, ear, monotonic_ms=lambda: int(monotonic_s() * 1000), random=random)
    began_s, deframer = monotonic_s(), link.deframer
    frames, damaged, lost = deframer.frames, deframer.damaged, deframer.lost
    trips: list[float] = []
    asked = unanswered = 0
    try:
        while ear.lost is None and monotonic_s() - began_s < seconds:
            asked += 1
            asked_s = monotonic_s()
            try:
                await link.outcome(random.randint(1, U32_MAX))
            except LinkClosed:
                asked -= 1
                break
            except RequestError:
                unanswered += 1
            else:
                took_s = monotonic_s() - asked_s
                if took_s < REQUEST_S:
                    trips.append(took_s * 1000)
                else:  # answered only when it was asked again
                    unanswered += 1
            progress(monotonic_s() - began_s)
            with suppress(WireError):
                link.check_fresh()
            await asyncio.sleep(max(0.0, ASK_EVERY_S - (monotonic_s() - asked_s)))
    finally:
        await link.close()
    return _made(link, ear, url, seconds, monotonic_s() - began_s, (frames, damaged, lost), asked, unanswered, trips)


def _made(
    link: Link,
    ear: _Ear,
    url: str,
    wanted_s: float,
    seconds: float,
    before: tuple[int, int, int],
    asked: int,
    unanswered: int,
    trips: list[float],
) -> Soak:
    welcome, deframer = link.welcome, link.deframer
    pace = line(ear.ticks[::5], 1.0) if len(ear.ticks) >= _LEAST_TICKS and ear.rising else None
    return Soak(
        url=url,
        pen="/".join(raw.rstrip(b"\0").decode("ascii", errors="replace") for raw in (welcome.model, welcome.serial)),
        wanted_s=wanted_s,
        seconds=seconds,
        dead_man_ms=welcome.dead_man_ms,
        status_period_ms=welcome.status_period_ms,
        frames=deframer.frames - before[0],
        damaged=deframer.damaged - before[1],
        lost=deframer.lost - before[2],
        asked=asked,
        unanswered=unanswered,
        round_trips_ms=tuple(trips),
        gap_counts=tuple(link.quality.gap_counts),
        longest_gap_ms=link.quality.longest_gap_ms,
        clock_ppm=(pace.per_day - 1) * _PPM if pace is not None else None,
        clock_doubt_ppm=2 * pace.scatter / pace.spread**0.5 * _PPM if pace is not None else None,
        ended=str(ear.lost) if ear.lost is not None else "",
    )
