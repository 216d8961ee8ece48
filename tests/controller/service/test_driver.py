"""The driver of service mode on a simulated pen: moves, what breaks them, and silence on purpose."""

import asyncio
import time

import pytest

from controller.errors import ControlRefused
from controller.inspection import read_calibration
from controller.ports import RecordUnavailable
from controller.service.errors import MoveNotFollowed, ServiceEnded
from controller.service.state import Phase
from controller.service_events import ServiceClosed, ServiceMove, ServiceOpened
from firmware_bridge.wire.messages import Fault, PenState
from tests.controller.service.bench import simulated_bench

pytestmark = pytest.mark.looptime(start=time.monotonic)


async def test_a_move_settles_is_measured_and_gets_on_record() -> None:
    async with simulated_bench() as bench:
        async with bench.driver.service("inspection", "tech-1") as series:
            shown = await bench.driver.move(500, 60_000, mean_ms=200)
            assert bench.pen.truth.motor_driven
            assert shown.depth_measured_um == pytest.approx(500, abs=40)
            assert shown.rate_measured_mhz == pytest.approx(60_000, rel=0.05)
            assert shown.statuses > 5
            await bench.driver.motor_off()
            assert bench.pen.truth.needles_out
        opened, *moves, closed = (event for _, event in bench.sink.kept)
        assert isinstance(opened, ServiceOpened)
        assert opened.series == series
        assert [(move.motor, move.depth_commanded_um) for move in moves] == [(True, 500), (False, 0)]
        assert isinstance(closed, ServiceClosed)
        assert closed.because == "done"
        assert bench.pen.truth.lease == 0


async def test_a_pen_without_a_valid_calibration_moves_in_service() -> None:
    async with simulated_bench() as bench:
        bench.pen.firmware.memory.calibration = bench.pen.firmware.memory.calibration._replace(valid=0)
        assert await read_calibration(bench.driver.pen) is None
        async with bench.driver.service("inspection", "tech-1"):
            await bench.driver.move(500, 60_000)
            assert bench.pen.truth.motor_driven


async def test_moves_go_on_over_the_end_of_a_lease_with_an_off_skin_proof_for_each() -> None:
    async with simulated_bench() as bench:
        limits = bench.driver.state.limits
        async with bench.driver.service("inspection", "tech-1"):
            await bench.driver.move(500, 60_000)
            first = bench.pen.truth.lease
            await asyncio.sleep((limits.lease_ms - 4_000) / 1000)
            await bench.driver.move(1000, 60_000)
            assert bench.pen.truth.lease not in (0, first)
            for _ in range(limits.lease_ms // 1000):
                await asyncio.sleep(1)
                bench.driver.touch()
            assert bench.driver.state.phase is Phase.OPEN
            assert not bench.pen.truth.motor_driven
            assert bench.pen.truth.faults == Fault(0)
        assert len(bench.of(ServiceMove)) == 2


async def test_skin_ends_it_and_the_motor_is_off() -> None:
    async with simulated_bench() as bench:

        async def work() -> None:
            async with bench.driver.service("inspection", "tech-1"):
                await bench.driver.move(500, 60_000)
                bench.pen.hold_on("cheek", touching=True)
                await bench.driver.move(500, 60_000, mean_ms=1000)

        with pytest.raises(ServiceEnded) as ended:
            await work()
        assert ended.value.because == "on_skin"
        await bench.until(lambda: bench.pen.truth.needles_out)
        assert not bench.pen.truth.motor_driven
        assert [event.because for event in bench.of(ServiceClosed)] == ["on_skin"]
        with pytest.raises(ControlRefused, match="skin"):
            await bench.driver.open("inspection", "tech-1")


async def test_nobody_there_ends_it() -> None:
    async with simulated_bench() as bench:

        async def work() -> None:
            async with bench.driver.service("inspection", "tech-1"):
                await bench.driver.move(500, 60_000)
                await asyncio.sleep(bench.driver.state.limits.idle_time_out_ms / 1000 + 1)

        with pytest.raises(ServiceEnded) as ended:
            await work()
        assert ended.value.because == "time_out"
        assert not bench.pen.truth.motor_driven


async def test_stop_from_elsewhere_breaks_a_move_off() -> None:
    async with simulated_bench() as bench:
        asyncio.get_running_loop().call_later(3.0, bench.driver.stop, "somebody")
        with pytest.raises(ServiceEnded) as ended:
            async with bench.driver.service("inspection", "tech-1"):
                await bench.driver.move(500, 60_000, mean_ms=5000)
        assert ended.value.because == "stopped"
        assert not bench.pen.truth.motor_driven


async def test_what_breaks_the_block_off_stops_the_motor_at_once() -> None:
    async with simulated_bench() as bench:

        async def work() -> None:
            async with bench.driver.service("inspection", "tech-1"):
                await bench.driver.move(500, 60_000, mean_ms=5000)

        task = asyncio.create_task(work())
        await bench.until(lambda: bench.pen.truth.motor_driven)
        task.cancel()
        await asyncio.wait({task})
        await bench.until(lambda: not bench.pen.truth.motor_driven, 0.1)
        assert [event.because for event in bench.of(ServiceClosed)] == ["stopped"]
        assert len(bench.of(ServiceMove)) == 1


async def test_the_pens_button_turns_the_motor_off_and_service_stays_open() -> None:
    async with simulated_bench() as bench, bench.driver.service("inspection", "tech-1"):
        await bench.driver.move(500, 60_000)
        bench.pen.press_button()
        with pytest.raises(MoveNotFollowed, match="button"):
            await bench.driver.move(500, 60_000, mean_ms=500)
        assert not bench.pen.truth.motor_driven
        await bench.driver.move(500, 60_000)
        assert bench.pen.truth.motor_driven


async def test_silence_on_purpose_the_pen_stops_by_itself() -> None:
    async with simulated_bench() as bench:
        async with bench.driver.service("self_test", "tech-1"):
            await bench.driver.move(500, 60_000)
            seen = (await bench.driver.fall_silent()).seen
            assert seen[0].state is PenState.RUNNING
            assert seen[-1].needles_out
            assert not bench.pen.truth.motor_driven
            assert bench.pen.truth.faults == Fault.DEAD_MAN
            await bench.driver.clear_faults()
            await bench.driver.move(500, 60_000)
        assert [event.because for event in bench.of(ServiceClosed)] == ["done"]


async def test_a_cable_pulled_is_told_and_the_pen_that_comes_back_can_go_on() -> None:
    async with simulated_bench() as bench:

        async def work() -> None:
            async with bench.driver.service("inspection", "tech-1"):
                await bench.driver.move(500, 60_000)
                bench.endpoint.unplug()
                await bench.until(lambda: bench.driver.pen is None)
                await bench.driver.move(500, 60_000)

        with pytest.raises(ServiceEnded) as ended:
            await work()
        assert ended.value.because == "pen_lost"
        await bench.until(lambda: not bench.pen.truth.motor_driven, 0.5)
        await bench.until(lambda: bench.driver.pen is not None, 10)
        await asyncio.sleep(0.5)
        await bench.driver.clear_faults()
        async with bench.driver.service("inspection", "tech-1"):
            await bench.driver.move(500, 60_000)


async def test_a_restarted_pen_is_not_mixed_with_what_was_before() -> None:
    async with simulated_bench() as bench:
        bench.driver.take_again()
        bench.pen.reboot()
        await bench.until(lambda: bench.driver.pen is None, 5)
        await bench.until(lambda: bench.driver.state.seen is not None, 10)
        with pytest.raises(ControlRefused, match="restarted"):
            await bench.driver.open("inspection", "tech-1")
        with pytest.raises(ControlRefused, match="restarted"):
            await bench.driver.raw()
        bench.driver.take_again()
        async with bench.driver.service("inspection", "tech-1"):
            raw = await bench.driver.raw()
            assert raw.supply_mv > 5000


async def test_no_record_no_lease() -> None:
    async with simulated_bench() as bench:
        bench.sink.fails_to_flush = True
        with pytest.raises(RecordUnavailable):
            await bench.driver.open("inspection", "tech-1")
        bench.sink.fails_to_flush = False
        assert bench.driver.state.phase is not Phase.OPEN
        assert bench.pen.truth.lease == 0


async def test_a_move_longer_than_a_lease_is_refused_before_anything_moves() -> None:
    async with simulated_bench() as bench, bench.driver.service("inspection", "tech-1"):
        with pytest.raises(ControlRefused, match="lease"):
            await bench.driver.move(500, 60_000, mean_ms=bench.driver.state.limits.lease_ms)
        assert not bench.pen.truth.motor_driven


async def test_nothing_moves_before_service_mode_is_open() -> None:
    async with simulated_bench() as bench:
        with pytest.raises(ControlRefused, match="not open"):
            await bench.driver.move(500, 60_000)
        assert bench.pen.driven_at_ms == -1


async def test_a_reading_that_came_after_the_motor_went_off_is_told_from_one_before() -> None:
    async with simulated_bench() as bench, bench.driver.service("inspection", "tech-1"):
        await bench.driver.move(500, 60_000, hold_ms=1_000)
        bench.driver.check_moving()
        bench.pen.press_button()
        with pytest.raises(MoveNotFollowed, match="move again"):
            await bench.driver.observe(1_000)
        with pytest.raises(MoveNotFollowed, match="move again"):
            bench.driver.check_moving()


async def test_a_pen_that_gives_no_lease_is_told_with_a_hint() -> None:
    async with simulated_bench() as bench, bench.driver.service("inspection", "tech-1"):
        bench.pen.faults.drain_battery(0.01)
        with pytest.raises(ControlRefused, match="charge it") as refused:
            await bench.driver.move(500, 60_000)
        assert refused.value.because == "pen_not_ready"


async def test_a_stop_while_a_lease_is_asked_for_leaves_none_behind() -> None:
    async with simulated_bench() as bench:
        await bench.driver.open("inspection", "tech-1")
        bench.pen.firmware.defects.answer_late_ms = 100
        moving = asyncio.create_task(bench.driver.move(500, 60_000))
        await bench.until(lambda: bench.driver.state.phase is Phase.ARMING)
        bench.driver.stop("somebody")
        await asyncio.wait({moving})
        assert isinstance(moving.exception(), ControlRefused | ServiceEnded)
        await bench.until(lambda: bench.driver.state.phase is Phase.CLOSED)
        assert bench.pen.truth.lease == 0
        assert bench.driver.pen.lease == 0
        assert not bench.pen.truth.motor_driven


async def test_a_host_that_is_held_up_finds_a_pen_at_rest() -> None:
    async with simulated_bench() as bench:
        await bench.driver.open("inspection", "tech-1")
        await bench.driver.move(500, 60_000)
        told = bench.driver.pen.send_setpoint
        bench.driver.pen.send_setpoint = lambda **_whole: False  # nothing leaves, as when the loop hangs
        await bench.until(lambda: not bench.pen.truth.motor_driven, 0.5)
        bench.driver.pen.send_setpoint = told
        await asyncio.sleep(0.1)
        with pytest.raises(ServiceEnded, match="DEAD_MAN"):
            bench.driver.check_moving()
        await bench.until(lambda: bench.pen.truth.needles_out)
