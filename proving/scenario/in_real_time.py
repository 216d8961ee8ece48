"""Plays one scenario on a station of its own, from its start to its end."""

import asyncio
import tempfile
from pathlib import Path

from proving.scenario.course import Broken, Course, Failure
from proving.scenario.loading import Loaded
from proving.scenario.on_station import Bench, StationStage, not_in_real_time
from proving.scenario.playing import Hear, Outcome, nobody
from station.process.supervise import Supervisor
from station.settings import PenSetting, load_settings

POLL_MS = 50
SLACK_MS = 600
"""In real time everything may come so much later than at full speed: a call, a look, a journal's commit, a busy
machine. What has to be in time to the millisecond is shown at full speed."""


def play_in_real_time(loaded: Loaded, *, hear: Hear = nobody) -> Outcome:
    """Plays a scenario in real time. Raises StationError where no station comes up."""
    why_not = not_in_real_time(loaded.scenario)
    if why_not:
        return Outcome(loaded, (), None, 0, skipped=why_not)
    with tempfile.TemporaryDirectory(prefix="needlework-") as directory:
        return asyncio.run(_play(loaded, Path(directory), hear))


async def _play(loaded: Loaded, state: Path, hear: Hear) -> Outcome:
    bench = Bench(loaded.scenario, state / "pen")
    bench.cable.plug()
    living = asyncio.create_task(bench.live.run(), name="simulated pen")
    try:
        settings = load_settings(state_dir=state, stop_port=0, pens=(PenSetting(name="pen", url=bench.endpoint.url),))
        async with Supervisor(settings, simulate=()) as house, house.client() as station:
            stage = StationStage(loaded.scenario, bench, station, house.settings)
            try:
                return await _through(loaded, stage, hear)
            finally:
                await stage.close()
    finally:
        living.cancel()
        await asyncio.wait({living})
        bench.cable.unplug()


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
    return Outcome(loaded, tuple(course.lines), failure, stage.now_ms)
