"""The self-test by parts, on simulated pens that are in order and on others."""

import asyncio
import time
from dataclasses import replace

import pytest

from controller.calibration.policy import load_policy
from controller.service.part_tests import PARTS
from controller.service.self_test import SelfTest
from controller.service_events import PartTest, ServiceClosed
from tests.controller.service.bench import NW_2, Bench, simulated_bench

pytestmark = pytest.mark.looptime(start=time.monotonic)
LIMITS = load_policy().self_test


async def parts_of(bench: Bench, *, hands: bool = False) -> dict[str, PartTest]:
    """Every part, by name."""

    def touch() -> None:
        bench.pen.hold_on("cheek", touching=True)
        asyncio.get_running_loop().call_later(0.5, lambda: bench.pen.hold_on("air", touching=False))

    def ask(words: str) -> None:
        if "finger" in words:
            asyncio.get_running_loop().call_later(0.5, touch)
            return
        press = bench.pen.press_pedal if "pedal" in words else bench.pen.press_button
        asyncio.get_running_loop().call_later(0.5, press)

    async with asyncio.timeout(60):
        await bench.driver.open("self_test", "tech-1")
        found = await SelfTest(bench.driver, LIMITS, ask=ask if hands else None).run()
        await bench.driver.close()
    assert [part.part for part in found] == list(PARTS)
    return {part.part: part for part in found}


async def test_a_pen_in_order_passes_every_part() -> None:
    async with simulated_bench() as bench:
        found = await parts_of(bench, hands=True)
        assert {name: part.sentence for name, part in found.items() if part.outcome != "passed"} == {}
        silent = found["dead-man: motor off"]
        assert NW_2.dead_man_ms <= silent.measured <= NW_2.dead_man_ms + LIMITS.dead_man_slack_ms
        assert found["encoder"].measured < LIMITS.encoder_within_ppm
        assert [event.because for event in bench.of(ServiceClosed)] == ["done"]
        assert not bench.pen.truth.faults


async def test_without_hands_button_and_pedal_are_not_tested() -> None:
    async with simulated_bench() as bench:
        found = await parts_of(bench)
        assert {found[name].outcome for name in ("button", "pedal", "contact")} == {"not_tested"}


async def test_a_pen_that_does_not_stop_by_itself_fails_and_is_stopped() -> None:
    async with simulated_bench() as bench:
        bench.pen.firmware.defects.no_dead_man = True
        found = await parts_of(bench, hands=True)
        assert found["dead-man: motor off"].outcome == "failed"
        assert "did not stop by itself" in found["dead-man: motor off"].sentence
        assert not bench.pen.truth.motor_driven
        assert [event.because for event in bench.of(ServiceClosed)] == ["fault"]
        assert {found[name].outcome for name in ("button", "pedal", "log")} == {"not_tested"}


async def test_a_contact_sensor_that_never_says_skin_fails() -> None:
    async with simulated_bench() as bench:
        bench.pen.plant.contact_stuck = False
        found = await parts_of(bench, hands=True)
        assert found["contact"].outcome == "failed"
        assert found["button"].outcome == "passed"


async def test_a_pen_that_is_slow_to_stop_by_itself_fails() -> None:
    async with simulated_bench() as bench:
        late_ms = LIMITS.dead_man_slack_ms + 40
        slow = replace(bench.pen.firmware.model, dead_man_ms=NW_2.dead_man_ms + late_ms)
        bench.pen.firmware._lease._model = slow  # it says one thing in WELCOME and does another
        found = await parts_of(bench)
        assert found["dead-man: motor off"].outcome == "failed"
        assert found["dead-man: motor off"].measured > NW_2.dead_man_ms + LIMITS.dead_man_slack_ms


async def test_a_motor_that_does_not_turn_fails_and_the_rest_is_not_tested() -> None:
    async with simulated_bench() as bench:
        bench.pen.faults.jam_motor(True)
        found = await parts_of(bench)
        assert found["retract"].outcome == "failed"
        assert found["dead-man: motor off"].outcome == "not_tested"
        assert not bench.pen.truth.motor_driven


async def test_needles_that_do_not_come_out_fail() -> None:
    async with simulated_bench() as bench:
        await bench.driver.open("self_test", "tech-1")
        await bench.driver.move(1000, 60_000)
        bench.pen.faults.stick_depth(True)
        found = await SelfTest(bench.driver, LIMITS).run()
        assert {part.part: part.outcome for part in found}["retract"] == "failed"


async def test_an_empty_battery_fails() -> None:
    async with simulated_bench() as bench:
        bench.pen.faults.drain_battery(0.1)
        found = await parts_of(bench)
        assert found["battery"].outcome == "failed"
        assert found["battery"].measured < LIMITS.battery_at_least_permille


async def test_a_depth_sensor_that_drifted_fails_the_end_stops() -> None:
    async with simulated_bench() as bench:
        bench.pen.faults.drift_depth_sensor(140.0)
        found = await parts_of(bench)
        assert found["end stops"].outcome == "failed"
        assert found["end stops"].measured > LIMITS.end_stop_within_um
