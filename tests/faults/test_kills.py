"""`kill -9` at random moments over load, broker, recorder and store; ``python -m tests.faults`` for more of it.

What was killed when is printed with the seed: ``python -m tests.faults --seed N --rounds M`` does the same again.
"""

import pytest

from tests.faults.clinic import played_at_a_clinic
from tests.faults.defects import RECORD_DEFECTS, RecordDefect
from tests.faults.rounds import POWER, played, schedule
from tests.faults.treated import played_under_treatment

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

SEED = 3


async def test_whatever_is_killed_nothing_is_lost_or_stored_twice() -> None:
    tally = await played(SEED, 18, print)
    assert tally.violations == []
    assert (tally.rounds, tally.lost, tally.duplicated) == (18, 0, 0)
    assert tally.durable > 500
    assert set(tally.killed) == {"load", "broker", "recorder", POWER}


async def test_a_clinic_with_its_postgresql_killed_too_loses_nothing() -> None:
    tally = await played_at_a_clinic(SEED, 8, print)
    assert tally.violations == []
    assert (tally.rounds, tally.lost, tally.duplicated) == (8, 0, 0)
    assert set(tally.killed) == {"load", "broker", "recorder", "postmaster", "backend"}


async def test_a_station_killed_under_a_treatment_loses_nothing() -> None:
    tally = await played_under_treatment(SEED, 4, print)
    assert tally.violations == []
    assert (tally.rounds, tally.lost, tally.duplicated) == (4, 0, 0)
    assert set(tally.killed) == {"station", "broker", "recorder"}


@pytest.mark.parametrize("defect", RECORD_DEFECTS, ids=lambda defect: defect.name)
async def test_the_rounds_catch(defect: RecordDefect) -> None:
    planted = (defect.part, defect.name)
    tally = await played(SEED, defect.rounds, print, victims=defect.victims, defect=planted, deadline_s=10)
    assert tally.violations
    assert not any("ended by itself" in violation for violation in tally.violations), "it was not even planted"


def test_a_seed_is_the_same_schedule_each_time() -> None:
    victims = ("load", "broker", "recorder", POWER)
    assert schedule(7, 1, victims) == schedule(7, 1, victims) != schedule(8, 1, victims)
