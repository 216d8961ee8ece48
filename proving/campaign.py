"""Simulated hours of treatment, line, faults and operators, made from a seed, under the invariants.

Stories are numbered; each is played by itself, so that any number of processes share them and the outcome is the same.
"""

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context

from proving.coverage import Coverage
from proving.playing import AFTERWARDS_MS, Played, play
from proving.shrinking import Shrinker
from proving.stories import Story, story
from proving.violations import Violation

CHUNK = 12
MS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Found:
    """A violation: the story it came from, and the shortest that still shows it."""

    story: Story
    violation: Violation
    short: Story
    short_violation: Violation
    plays: int


@dataclass(slots=True)
class Report:
    """What a campaign came to. ``cpu_s`` is processor time over all processes, shrinking left out."""

    seed: int
    coverage: Coverage = field(default_factory=Coverage)
    found: Found | None = None
    cpu_s: float = 0.0

    @property
    def times_life(self) -> float:
        """Simulated seconds for each second of one processor."""
        return self.coverage.simulated_ms / 1000 / self.cpu_s if self.cpu_s else 0.0


def played(stories: list[Story]) -> tuple[Coverage, Played | None, float]:
    """Plays stories until one ends in a violation: coverage, that story, processor seconds."""
    from time import process_time  # noqa: PLC0415 - the one place in proving that measures

    coverage = Coverage()
    # What was loaded stays; what stories leave behind, some megabytes each, is collected before the next few begin.
    gc.collect()
    gc.freeze()
    gc.disable()
    began_s = process_time()
    try:
        for one in stories:
            done = play(one)
            coverage.add(done.coverage)
            if done.violation is not None:
                return coverage, done, process_time() - began_s
        return coverage, None, process_time() - began_s
    finally:
        gc.enable()
        gc.unfreeze()


def chunks(seed: int, simulated_ms: int) -> Iterator[list[Story]]:
    """The stories of a campaign, a few at a time, until they come to so much simulated time."""
    index = 0
    while simulated_ms > 0:
        some: list[Story] = []
        while len(some) < CHUNK and simulated_ms > 0:
            some.append(story(seed, index))
            simulated_ms -= some[-1].length_ms + AFTERWARDS_MS
            index += 1
        yield some


def shrunk(done: Played, violation: Violation) -> Found:
    """A violation with its shortest story."""
    shrinker = Shrinker(done.story, violation)
    short = shrinker.shrink()
    return Found(done.story, violation, short, shrinker.violation, shrinker.plays)


def run(seed: int, hours: float, *, jobs: int = 1, progress: Callable[[Report], None] = lambda _report: None) -> Report:
    """Plays ``hours`` of simulated time, or to the first violation; ``progress`` hears every few stories."""
    report = Report(seed)
    work = chunks(seed, round(hours * MS_PER_HOUR))
    failed: list[Played] = []

    def take(coverage: Coverage, done: Played | None, cpu_s: float) -> None:
        report.coverage.add(coverage)
        report.cpu_s += cpu_s
        if done is not None:
            failed.append(done)
        progress(report)

    if jobs == 1:
        for some in work:
            take(*played(some))
            if failed:
                break
    else:
        _shared(work, jobs, take, failed)
    if failed:
        first = min(failed, key=lambda done: done.story.index)
        if first.violation is not None:
            report.found = shrunk(first, first.violation)
    return report


def _shared(
    work: Iterator[list[Story]],
    jobs: int,
    take: Callable[[Coverage, Played | None, float], None],
    failed: list[Played],
) -> None:
    """Shares the work among processes; after a violation nothing new is begun."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        pending: set[Future[tuple[Coverage, Played | None, float]]] = set()
        more = True
        while more or pending:
            while more and len(pending) < 2 * jobs:
                some = next(work, None)
                more = some is not None and not failed
                if some is not None and more:
                    pending.add(pool.submit(played, some))
            if not pending:
                break
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for one in done:
                take(*one.result())
            more = more and not failed
