"""What a station tells of a patient: the course to everybody at the machine, answers about health only from a seat."""

import asyncio

import pytest

from controller.library import load_library
from station.errors import StationRefused
from tests.station.conftest import OPERATOR, House, OpenHouse, plan, simulated

pytestmark = pytest.mark.system


async def test_a_new_patient_is_known_by_nothing_but_a_first_session(house: House) -> None:
    told = await house.client.patient("P-4711")
    assert (told.visits, told.approvals, told.last_answers, told.interrupted) == ((), (), None, None)
    assert {state.number for state in told.course.values()} == {1}


async def test_answers_are_told_from_a_seat_and_to_nobody_else(house: House) -> None:
    answers = dict.fromkeys(load_library().questions, False)
    async with house.client.seat(OPERATOR) as seat:
        await seat.prepare(plan())
        await seat.close()
        told = await seat.patient("P-4711")
        assert told.last_answers == answers
    (visit,) = (await house.client.patient("P-4711")).visits
    assert visit.outcome == "completed"
    assert (await house.client.patient("P-4711")).last_answers is None
    with pytest.raises(StationRefused) as refused:
        await house.client.patient("P-4711", headers={"Needlework-Seat": "made-up"})
    assert refused.value.trouble.code == "seat_lost"


@pytest.mark.parametrize("name", ["x", "Jane Doe", "../../etc", "ä" * 8])
async def test_what_is_no_pseudonym_is_refused(house: House, name: str) -> None:
    with pytest.raises(StationRefused) as refused:
        await house.client.patient(name)
    assert refused.value.status in {404, 422}
    assert name not in str(refused.value)


async def test_alarms_are_kept_quiet_for_two_minutes_at_most(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await seat.prepare(plan())
        assert 0 < (await seat.pause_audio(90)).view.audio_paused_ms <= 90_000
        with pytest.raises(StationRefused):
            await seat.pause_audio(121)


async def test_a_patient_has_one_session_open_at_a_time_whatever_pens_there_are(open_house: OpenHouse) -> None:
    async with (
        simulated() as (_, one),
        simulated() as (_, two),
        open_house(pens=f"one={one.url},two={two.url}") as house,
        house.client.seat(OPERATOR, "one") as first,
        house.client.seat(OPERATOR, "two") as second,
    ):
        both = await asyncio.gather(first.prepare(plan()), second.prepare(plan()), return_exceptions=True)
        (refused,) = [answer for answer in both if isinstance(answer, StationRefused)]
        assert refused.trouble.because == "patient_elsewhere"
        other = second if isinstance(both[1], StationRefused) else first
        with pytest.raises(StationRefused, match="is open on"):
            await other.prepare(plan())
        await other.prepare(plan(patient="P-4712"))
