"""A visit through the station's own door: what is told before it, who approves in it, who signs it, who takes it up."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from controller.events import Event, InputChunk
from controller.machine import step
from controller.recording import replayed
from controller.state import MachineState
from logger.journal.reader import JournalReader
from simulators.personality import day_number
from station.api.models import ApproveAsked
from station.errors import StationRefused
from tests.station.conftest import OPERATOR, House, OpenHouse, as_decided, plan

pytestmark = pytest.mark.system

AESTHETICIAN, PHYSICIAN = "demo-aesthetician", "demo-physician"
TODAY = datetime.now(UTC).date()


def events_of(house: House, session: str) -> list[Event]:
    reader = JournalReader(house.settings.journal_path)
    try:
        return [entry.event() for entry in reader.session_entries(session)]
    finally:
        reader.close()


async def closed_session(house: House) -> str:
    """A whole treatment by the operator; its session."""
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        session = (await house.client.pen()).view.session or ""
        await seat.close("finished")
    return session


# Before ---------------------------------------------------------------------------------------------------------------


async def test_what_matters_tomorrow_is_told_before_the_first_patient_and_is_no_alarm(open_house: OpenHouse) -> None:
    async with open_house() as house:
        house.pen.memory.calibration = house.pen.memory.calibration._replace(
            due_day=day_number(TODAY + timedelta(days=10))
        )
        house.pen.reboot()  # so that the station connects anew
        async with asyncio.timeout(8):
            while not [one for one in (await house.client.status()).start_of_day if one.about == "calibration"]:
                await asyncio.sleep(0.05)
        status = await house.client.status()
        told = {one.about: one.sentence for one in status.start_of_day}
        assert "in 9 days" in told["calibration"]
        assert "serves demonstrations only" in told["library"]
        assert status.pens[0].view.alarms == ()


# In it ----------------------------------------------------------------------------------------------------------------


def chair(patient: str, depth_mm: str) -> ApproveAsked:
    return ApproveAsked(patient=patient, zones=("cheek",), depth_max_mm=depth_mm, sessions=1, until=TODAY)


async def test_an_approval_at_the_chair_counts_at_once_and_never_under_a_running_motor(house: House) -> None:
    async with (
        house.client.seat(AESTHETICIAN) as seat,
        house.client.signed_in(PHYSICIAN, "") as physician,
    ):
        asked = plan(operator=AESTHETICIAN)
        await seat.prepare(asked)
        await seat.arm()
        with pytest.raises(StationRefused) as caught:
            await seat.set_depth("0.60")
        assert caught.value.trouble.because == "operator"
        await seat.set_depth("0.50")
        await seat.set_rate(100)
        await seat.start()
        with pytest.raises(StationRefused) as caught:
            await physician.approve(chair(asked.patient, "0.70"))
        assert caught.value.trouble.because == "phase_treating"
        await seat.pause()
        await physician.approve(chair(asked.patient, "0.70"))
        await house.until(lambda status: status.view.phase == "prepared", "disarmed: the pen holds the old ceiling")
        await seat.arm()
        now = await seat.set_depth("0.60")
        assert now.view.depth_commanded_um == 600
        session = now.view.session or ""
        await seat.close("finished")
    types = [event.type for event in events_of(house, session)]
    assert types.count("approval_given") == 1
    assert types.count("approval_used") == 1


async def test_the_cartridge_is_replaced_through_the_station_and_both_are_in_the_ledger(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        await seat.pause()
        await seat.exchange_cartridge()
        await house.until(lambda status: status.view.phase == "prepared", "disarmed for the exchange")
        house.pen.remove_cartridge()
        fresh = house.pen.insert_cartridge()
        armed = await seat.arm()
        assert armed.view.cartridge is not None
        assert armed.view.cartridge.serial == fresh.serial
        assert armed.view.doses[0].strokes > 0
        await seat.close("finished")
        again = plan(patient="P-4712")
        prepared = await seat.prepare(again)
        row = next(row for row in prepared.view.readiness if row.check == "cartridge")
        assert row.because == "cartridge_used"


# After ----------------------------------------------------------------------------------------------------------------


async def test_a_session_is_signed_by_two_each_for_their_part(house: House) -> None:
    session = await closed_session(house)
    async with (
        house.client.signed_in(OPERATOR, "") as operator,
        house.client.signed_in(PHYSICIAN, "") as physician,
    ):
        with pytest.raises(StationRefused) as caught:
            await physician.sign(session, "reviewed")
        assert caught.value.trouble.because == "sign_not_performed_yet"
        signed = await operator.sign(session, "performed")
        assert (signed.by, signed.meaning) == (OPERATOR, "performed")
        both = await asyncio.gather(
            physician.sign(session, "reviewed"), physician.sign(session, "reviewed"), return_exceptions=True
        )
        assert sorted(type(one).__name__ for one in both) == ["Signed", "StationRefused"]
        with pytest.raises(StationRefused) as caught:
            await operator.sign("20260101T000000-nothing", "performed")
        assert caught.value.trouble.because == "sign_unknown_session"
    types = [event.type for event in events_of(house, session)]
    assert types[-2:] == ["session_signed", "session_signed"]


async def test_what_the_journal_holds_replays_to_the_same_decisions(house: House) -> None:
    session = await closed_session(house)
    async with asyncio.timeout(5):
        while not isinstance((kept := events_of(house, session))[-1], InputChunk):  # committed a moment after the end
            await asyncio.sleep(0.05)
    state, told = MachineState(), list[Event]()
    for given, now_ms in replayed(event for event in kept if isinstance(event, InputChunk)):
        made = step(state, given, now_ms)
        state = made.state
        told.extend(made.events)
    live = [as_decided(event) for event in kept if not isinstance(event, InputChunk)]
    assert [event for event in told if event.type != "pen_connected"] == live
