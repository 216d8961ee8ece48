"""Plays one scenario on a station of its own, from its start to its end."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from proving.scenario.course import Broken, Course, Failure
from proving.scenario.loading import Loaded
from proving.scenario.on_station import StationStage, TerminalPen
from proving.scenario.outcomes import Hear, Outcome, nobody
from station.errors import ClientError
from station.process.awake import take_priority
from station.process.supervise import Supervisor
from station.settings import PenSetting, load_settings

POLL_MS = 100
SLACK_MS = 600
"""In real time everything may come so much later than at full speed: a call, a look, a journal's commit, a busy
machine. What has to be in time to the millisecond is shown at full speed."""


def play_in_real_time(loaded: Loaded, *, hear: Hear = nobody) -> Outcome:
    """Plays a scenario in real time. Raises StationError where no station comes up."""
    with tempfile.TemporaryDirectory(prefix="needlework-") as directory:
        return asyncio.run(_play(loaded, Path(directory), hear))


async def _play(loaded: Loaded, state: Path, hear: Hear) -> Outcome:
    pen = TerminalPen(loaded.scenario, state / "pen")
    if pen.left_out:
        return Outcome(loaded, (), None, 0, skipped=pen.left_out)
    pen.cable.plug()
    living = asyncio.create_task(pen.live.run(), name="simulated pen")
    try:
        settings = load_settings(state_dir=state, stop_port=0, pens=(PenSetting(name="pen", url=pen.endpoint.url),))
        # A client takes a tenth of a second to make; in this thread the pen would stand still meanwhile.
        async with Supervisor(settings, simulate=()) as house, await asyncio.to_thread(house.client) as station:
            stage = StationStage(loaded.scenario, pen, station, house.settings)
            try:
                with _ahead_of_others():
                    return await _through(loaded, stage, hear)
            finally:
                await stage.close()
    finally:
        living.cancel()
        await asyncio.wait({living})
        pen.cable.unplug()


@contextmanager
def _ahead_of_others() -> Iterator[None]:
    """The pen lives in this process: a pen does not wait for a busy computer. Where it is refused, it has to."""
    before = os.getpriority(os.PRIO_PROCESS, 0) if hasattr(os, "getpriority") else 0
    take_priority()
    try:
        yield
    finally:
        with suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


def _with_doubt(outcome: Outcome, stalled_ms: int) -> Outcome:
    """A failure on a computer that let the pen stand still may be the computer's, and is told so."""
    failure = outcome.failure
    if failure is None or not stalled_ms:
        return outcome
    seen = f"{failure.seen} (this computer was so busy that the simulated pen stood still for {stalled_ms} ms)"
    return replace(outcome, failure=replace(failure, seen=seen))


async def _through(loaded: Loaded, stage: StationStage, hear: Hear) -> Outcome:
    course = Course(loaded.scenario, POLL_MS, hear, slack_ms=SLACK_MS)
    failure: Failure | None = None
    try:
        await stage.open()
        going = course.go()
        wanted = next(going, None)
        while wanted is not None:
            answer = await stage.answer(wanted)
            try:
                wanted = going.send(answer)
            except StopIteration:
                break
    except Broken as broken:
        failure = broken.failure
    except (ClientError, TimeoutError) as error:
        failure = Failure(course.index, stage.now_ms, "the station to answer, and its pen to be connected", str(error))
    return _with_doubt(Outcome(loaded, tuple(course.lines), failure, stage.now_ms), stage.stood_still_ms)
