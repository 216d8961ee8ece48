"""Bad luck during a treatment: what becomes of the pen first, then of the session, then of the record."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from firmware_bridge.wire.messages import Fault
from logger.journal.reader import JournalReader
from logger.proof.verify import verify_journal
from station.api.client import SeatClient, StationClient
from station.errors import StationRefused
from station.process.supervise import STATION, Supervisor
from station.settings import StationSettings
from tests.station.conftest import OPERATOR, House, OpenHouse, plan, simulated

pytestmark = pytest.mark.system


async def arm_again(house: House, seat: SeatClient) -> None:
    """One action does not do: cleared, then armed."""
    with pytest.raises(StationRefused):
        await seat.arm()
    await seat.clear_fault()
    assert (await seat.arm()).view.phase == "paused"


async def test_unplugged_mid_treatment_and_plugged_in_again(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        before = await house.until(lambda status: status.view.treated_ms > 300, "treated for a while")
        house.endpoint.unplug()
        lost = await house.until(lambda status: status.view.phase == "interrupted", "the interruption")
        assert [(alarm.alarm, alarm.priority) for alarm in lost.view.alarms] == [("link_lost", "HIGH")]
        assert lost.view.depth_measured_um is None
        await house.pen_until(lambda: house.at_rest, "the pen stopped by itself")
        house.endpoint.plug()
        await house.until(lambda status: status.view.link == "connected", "the pen is back")
        await arm_again(house, seat)
        assert (await house.client.pen()).view.treated_ms >= before.view.treated_ms
        closed = await seat.close()
    assert closed.view.phase == "no_session"


async def test_setpoints_held_up_longer_than_the_dead_man_time_start_nothing(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        house.endpoint.port.line.to_pen.holding = True
        await house.pen_until(
            lambda: house.at_rest and house.pen.truth.rate_hz == 0, "the pen stopped by itself and stands still"
        )
        assert house.pen.truth.faults & Fault.DEAD_MAN
        strokes = house.pen.truth.strokes
        house.endpoint.port.line.to_pen.holding = False
        await house.until(lambda status: status.view.phase == "interrupted", "the interruption")
        assert house.endpoint.port.line.to_pen.idle, "what was held up has come"
        assert house.motor_off
        assert house.pen.truth.strokes == strokes


async def test_a_stop_lost_three_times_is_repeated_until_it_is_confirmed(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        await house.treat(seat)
        house.endpoint.port.line.to_pen.lose(0x08, 3)
        await seat.stop()
        await house.until(lambda status: status.view.phase == "prepared", "STOP is confirmed")
        assert house.at_rest
        assert house.pen.truth.faults == 0


async def test_the_api_on_loopback_asks_for_its_key(open_house: OpenHouse) -> None:
    async with open_house(api="tcp") as house:
        assert (await house.client.pen()).view.link == "connected"
        async with StationClient(house.client.endpoint.model_copy(update={"api_key": "guessed"})) as stranger:
            with pytest.raises(StationRefused) as caught:
                await stranger.status()
        assert caught.value.status == 401


# The station as a process of its own ----------------------------------------------------------------------------------


@asynccontextmanager
async def treating_process(short_path: Path) -> AsyncIterator[tuple[House, SeatClient, psutil.Process]]:
    """A treatment through a station in another process, on a pen in this one."""
    async with simulated() as (pen, endpoint):
        settings = StationSettings(
            state_dir=short_path / "state", stop_port=0, pens=f"pen={endpoint.url}", seat_presence_s=10.0
        )
        async with (
            Supervisor(settings, simulate=(), notice=print) as supervisor,
            supervisor.client() as client,
            client.seat(OPERATOR) as seat,
        ):
            house = House(supervisor.settings, pen, endpoint, None, client, {}, None)  # type: ignore[arg-type]
            await house.treat(seat)
            yield house, seat, psutil.Process(supervisor.pid(STATION) or 0)


@pytest.mark.timeout(60)
async def test_a_station_held_up_for_a_second_finds_its_pen_stopped_and_latched(short_path: Path) -> None:
    async with treating_process(short_path) as (house, seat, process):
        process.send_signal(signal.SIGSTOP)
        try:
            await house.pen_until(lambda: house.at_rest, "the pen stopped by itself", within_s=1.0)
            assert house.pen.truth.faults & Fault.DEAD_MAN
            await asyncio.sleep(1.0)
        finally:
            process.send_signal(signal.SIGCONT)
        held = await house.until(lambda status: status.view.phase == "interrupted", "the interruption")
        assert {alarm.priority for alarm in held.view.alarms} == {"HIGH"}
        assert house.motor_off
        await arm_again(house, seat)


@pytest.mark.timeout(60)
async def test_a_disk_that_takes_nothing_stops_the_treatment_and_starts_none(short_path: Path) -> None:
    async with treating_process(short_path) as (house, seat, process):
        unlimited = process.rlimit(psutil.RLIMIT_FSIZE)
        process.rlimit(psutil.RLIMIT_FSIZE, (0, unlimited[1]))
        full = await house.until(lambda status: status.view.phase == "interrupted", "the controlled stop")
        assert [(alarm.alarm, alarm.priority) for alarm in full.view.alarms] == [("journal_failed", "HIGH")]
        assert full.view.journal_problem
        await house.pen_until(lambda: house.at_rest, "at rest")
        assert house.pen.truth.faults == 0, "stopped in good order, not by the dead-man"
        await seat.clear_fault()
        with pytest.raises(StationRefused) as caught:
            await seat.arm()
        assert caught.value.trouble.because == "journal"
        process.rlimit(psutil.RLIMIT_FSIZE, unlimited)
        await house.until(lambda status: not status.view.journal_problem, "the disk is back")
        assert (await seat.arm()).view.phase == "paused"
        await seat.close()
    reader = JournalReader(house.settings.journal_path)
    types = [entry.type for entry in reader.entries()]
    reader.close()
    assert types.count("session_closed") == 1
    assert types.count("alarm_raised") == 1, "what was emitted while the disk was full is in the journal"
    assert verify_journal(house.settings.journal_path).verdict == "intact"


async def test_a_plan_without_its_checklist_is_not_armed(house: House) -> None:
    async with house.client.seat(OPERATOR) as seat:
        prepared = await seat.prepare(plan(checklist={}))
        assert prepared.view.missing
        with pytest.raises(StationRefused) as caught:
            await seat.arm()
        assert caught.value.trouble.because == "checklist"
