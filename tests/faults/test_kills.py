"""`kill -9` at random moments over load, broker, recorder and store; ``python -m tests.faults`` for more of it.

What was killed when is printed with the seed: ``python -m tests.faults --seed N --rounds M`` does the same again.
"""

from pathlib import Path

import pytest

from tests.faults.defects import RECORD_DEFECTS, RecordDefect
from tests.faults.rounds import POWER, Rounds, in_turn, played, schedule
from tests.faults.treated import treated_house
from tests.station.conftest import short_path

__all__ = ["short_path"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

SEED = 3


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_is_killed_nothing_is_lost_or_stored_twice(seed: int) -> None:
    tally = await played(seed, 10, print)
    assert tally.violations == []
    assert (tally.rounds, tally.lost, tally.duplicated) == (10, 0, 0)
    assert tally.durable > 500
    assert set(tally.killed) == {"load", "broker", "recorder", POWER}


async def test_a_station_killed_under_a_treatment_loses_nothing(short_path: Path) -> None:
    async with treated_house(short_path) as house:
        playing = Rounds(house, SEED, print, victims=tuple(house.parts), deadline_s=60)
        await in_turn(playing, range(3))
    tally = playing.tally
    assert tally.violations == []
    assert (tally.rounds, tally.lost, tally.duplicated) == (3, 0, 0)
    assert tally.killed["station"] >= 1
    assert house.treatments >= 3


@pytest.mark.parametrize("defect", RECORD_DEFECTS, ids=lambda defect: defect.name)
async def test_the_rounds_catch(defect: RecordDefect) -> None:
    planted = (defect.part, defect.name)
    tally = await played(SEED, defect.rounds, print, victims=defect.victims, defect=planted)
    assert tally.violations


def test_a_seed_is_the_same_schedule_each_time() -> None:
    victims = ("load", "broker", "recorder", POWER)
    assert schedule(7, 1, victims) == schedule(7, 1, victims) != schedule(8, 1, victims)
