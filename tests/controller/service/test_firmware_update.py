"""Firmware over the wire to a simulated NW-2, with everything that can fail failing.

It ends in the new version confirmed or in what was there, it is on record which, and the same command again goes on.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.errors import ControlRefused
from controller.inputs import PenFacts
from controller.service import firmware_update
from controller.service.firmware_file import FirmwareFile, sign_firmware
from controller.service.firmware_steps import Next
from controller.service.firmware_update import (
    AWAY_S,
    FirmwareNotUpdated,
    UpdateProgress,
    firmware_state,
)
from controller.service_events import FirmwareChanged
from firmware_bridge.errors import RequestRefused
from firmware_bridge.refusals import not_done
from firmware_bridge.wire.messages import Fault
from firmware_bridge.wire.operation import Operation
from firmware_bridge.wire.service_operations import FIRMWARE_APPLY, FIRMWARE_BEGIN, FIRMWARE_CONFIRM
from simulators.faults.injector import Injector
from simulators.faults.parts import Parts
from simulators.maker import maker_key, simulated_image
from simulators.nonvolatile import WRITE_STEPS
from simulators.pen import WATCHDOG_MS
from simulators.personality import model_named
from tests.controller.service.bench import NW_2, Bench, simulated_bench

pytestmark = pytest.mark.looptime(start=time.monotonic)

SIZE = 20 * 192 + 7
STEPS = range(len(WRITE_STEPS))
ALLOWED = ("sim 1.0", "sim 2.0", "sim 2.1")


def signed(version: str = "sim 2.0", number: int = 200, *, size: int = SIZE, starts: bool = True) -> FirmwareFile:
    return sign_firmware("NW-2", version, number, simulated_image(version, size=size, starts=starts), maker_key())


NEW = signed()


async def update(
    bench: Bench,
    file: FirmwareFile = NEW,
    told: Callable[[UpdateProgress], None] = lambda _progress: None,
    *,
    older: bool = False,
) -> FirmwareChanged:
    async def record(event: FirmwareChanged) -> None:
        bench.sink.emit(event, session=None)
        await bench.sink.flush()

    async with asyncio.timeout(300):
        return await firmware_update.update_firmware(
            bench.driver, file, allowed=ALLOWED, series="s-1", by="tech-1", record=record, told=told, older=older
        )


async def not_updated(bench: Bench, file: FirmwareFile = NEW, **changes: Callable) -> FirmwareNotUpdated:
    with pytest.raises(FirmwareNotUpdated) as caught:
        await update(bench, file, **changes)
    recorded = bench.of(FirmwareChanged)[-1]
    assert (recorded.outcome, recorded.because) == (caught.value.outcome, caught.value.because)
    return caught.value


def once(doing: Next, act: Callable[[], object], *, from_byte: int = 0) -> Callable[[UpdateProgress], None]:
    """Does something the first time that the update is about to do this, with so much sent."""
    done: list[bool] = []

    def told(progress: UpdateProgress) -> None:
        if not done and progress.doing is doing and progress.sent >= from_byte:
            done.append(True)
            act()

    return told


def runs(bench: Bench) -> tuple[bytes, bytes]:
    store = bench.pen.memory.firmware
    return store.running.version, store.confirmed.version


OLD, UPDATED = (b"sim 1.0", b"sim 1.0"), (b"sim 2.0", b"sim 2.0")


async def test_from_the_first_byte_to_confirmed() -> None:
    async with simulated_bench() as bench:
        seen: list[UpdateProgress] = []
        changed = await update(bench, told=seen.append)
        assert runs(bench) == UPDATED
        assert bench.of(FirmwareChanged) == [changed]
        assert (changed.pen, changed.serial, changed.by, changed.series) == ("NW-2", NW_2.serial, "tech-1", "s-1")
        assert (changed.was, changed.wanted, changed.outcome, changed.because) == (
            "sim 1.0",
            "sim 2.0",
            "confirmed",
            "",
        )
        order = list(dict.fromkeys(progress.doing for progress in seen))
        assert order == [Next.BEGIN, Next.SEND, Next.APPLY, Next.CONFIRM, Next.DONE]
        sent = [progress.sent for progress in seen if progress.doing is Next.SEND]
        assert sent == sorted(sent)
        assert sent[-1] == SIZE
        assert bench.driver.state.pen.firmware == "sim 2.0"
        assert bench.pen.memory.firmware.confirmed.image == NEW.content
        assert (await firmware_state(bench.driver)).running_number == 200
        assert not bench.pen.truth.motor_driven


async def test_a_pen_that_runs_it_already_is_sent_nothing() -> None:
    async with simulated_bench() as bench:
        await update(bench)
        seen: list[UpdateProgress] = []
        changed = await update(bench, told=seen.append)
        assert [progress.doing for progress in seen] == [Next.DONE]
        assert (changed.was, changed.outcome) == ("sim 2.0", "confirmed")


@pytest.mark.parametrize(
    ("doing", "from_byte", "step"),
    [
        *(
            (doing, at, step)
            for doing, at in ((Next.BEGIN, 0), (Next.SEND, 7 * 192), (Next.APPLY, 0))
            for step in STEPS
        ),
        (Next.SEND, 0, 3),
        (Next.SEND, SIZE - 7, 4),
    ],
)
async def test_a_supply_that_fails_in_a_write_is_no_more_than_a_pause(doing: Next, from_byte: int, step: int) -> None:
    async with simulated_bench() as bench:
        cut = once(doing, lambda: setattr(bench.pen.memory, "cut_at", step), from_byte=from_byte)
        boot = bench.pen.firmware.boot_id
        changed = await update(bench, told=cut)
        assert changed.outcome == "confirmed"
        assert runs(bench) == UPDATED
        assert bench.pen.firmware.boot_id != boot


@pytest.mark.parametrize("step", STEPS)
async def test_a_supply_that_fails_in_confirming_leaves_one_or_the_other_and_says_which(step: int) -> None:
    async with simulated_bench() as bench:
        cut = once(Next.CONFIRM, lambda: setattr(bench.pen.memory, "cut_at", step))
        if step == len(WRITE_STEPS) - 1:
            assert (await update(bench, told=cut)).outcome == "confirmed"
            assert runs(bench) == UPDATED
            return
        error = await not_updated(bench, told=cut)
        assert (error.outcome, error.because) == ("rolled_back", "did_not_last")
        assert runs(bench) == OLD
        await update(bench)
        assert runs(bench) == UPDATED


async def test_what_is_here_after_a_restart_is_not_sent_again() -> None:
    async with simulated_bench() as bench:
        seen: list[int] = []
        reboot = once(Next.SEND, bench.pen.reboot, from_byte=10 * 192)

        def told(progress: UpdateProgress) -> None:
            if progress.doing is Next.SEND:
                seen.append(progress.sent)
            reboot(progress)

        await update(bench, told=told)
        assert runs(bench) == UPDATED
        assert min(seen[seen.index(10 * 192) + 1 :]) >= 10 * 192


async def test_a_cable_pulled_in_mid_image_is_put_back() -> None:
    async with simulated_bench() as bench:
        await update(bench, told=once(Next.SEND, bench.endpoint.unplug, from_byte=5 * 192))
        assert runs(bench) == UPDATED


@pytest.mark.parametrize(("doing", "from_byte"), [(Next.SEND, 6 * 192), (Next.APPLY, 0), (Next.CONFIRM, 0)])
async def test_a_program_that_dies_is_started_again_and_goes_on(doing: Next, from_byte: int) -> None:
    async with simulated_bench() as bench:
        first = asyncio.create_task(
            update(
                bench, told=once(doing, lambda: asyncio.get_running_loop().call_soon(first.cancel), from_byte=from_byte)
            )
        )
        with pytest.raises(asyncio.CancelledError):
            await first
        assert [(event.outcome, event.because) for event in bench.of(FirmwareChanged)] == [
            ("broken_off", "interrupted")
        ]
        sent: list[int] = []
        await update(bench, told=lambda progress: sent.append(progress.sent))
        assert runs(bench) == UPDATED
        if doing is Next.SEND:
            assert min(sent[:2]) >= from_byte


async def test_a_trial_that_nobody_confirms_is_given_up_by_the_pen() -> None:
    async with simulated_bench() as bench:
        first = asyncio.create_task(
            update(bench, told=once(Next.CONFIRM, lambda: asyncio.get_running_loop().call_soon(first.cancel)))
        )
        await asyncio.gather(first, return_exceptions=True)
        assert runs(bench) == (b"sim 2.0", b"sim 1.0")
        bench.pen.reboot()
        assert runs(bench) == OLD
        await update(bench)
        assert runs(bench) == UPDATED


async def test_another_version_on_trial_is_rolled_back_first() -> None:
    async with simulated_bench() as bench:
        other = signed("sim 2.1", 210)
        first = asyncio.create_task(
            update(bench, other, once(Next.CONFIRM, lambda: asyncio.get_running_loop().call_soon(first.cancel)))
        )
        await asyncio.gather(first, return_exceptions=True)
        seen: list[Next] = []
        await update(bench, told=lambda progress: seen.append(progress.doing))
        assert seen[0] is Next.ROLL_BACK
        assert runs(bench) == UPDATED


async def test_firmware_that_hangs_ends_in_what_was_there() -> None:
    async with simulated_bench() as bench:
        error = await not_updated(bench, signed(starts=False))
        assert (error.outcome, error.because) == ("rolled_back", "did_not_last")
        assert "by itself" in error.sentence
        assert runs(bench) == OLD
        assert WATCHDOG_MS < AWAY_S * 1000


async def test_firmware_that_fails_the_self_test_is_rolled_back() -> None:
    async with simulated_bench() as bench:
        error = await not_updated(
            bench, told=once(Next.CONFIRM, lambda: setattr(bench.pen.plant, "depth_sensor_dead", True))
        )
        assert (error.outcome, error.because) == ("rolled_back", "trial")
        assert runs(bench) == OLD


async def test_firmware_that_reports_a_fault_is_rolled_back() -> None:
    async with simulated_bench() as bench:

        def break_it() -> None:
            bench.pen.firmware.latch(Fault.INTERNAL)

        original = bench.driver.request

        async def slowly(operation: Operation, arguments: object = None) -> object:
            answer = await original(operation, arguments)
            if bench.pen.memory.firmware.on_trial:
                break_it()
                await asyncio.sleep(0.1)  # it is reported with the next status
            return answer

        bench.driver.request = slowly
        error = await not_updated(bench)
        assert (error.outcome, error.because) == ("rolled_back", "trial")
        assert "INTERNAL" in error.sentence
        assert runs(bench) == OLD


async def test_damage_on_the_line_and_in_the_memory_are_told_apart() -> None:
    async with simulated_bench() as bench:
        spoil = once(Next.APPLY, lambda: bench.pen.memory.firmware.spoil(100))
        error = await not_updated(bench, told=spoil)
        assert (error.outcome, error.because) == ("refused", "not_accepted")
        assert "not whole" in error.sentence
        assert runs(bench) == OLD


@pytest.mark.parametrize("fault", ["firmware_no_answer", "firmware_wrong_answer", "firmware_late_answer"])
@pytest.mark.parametrize("doing", [Next.BEGIN, Next.SEND, Next.APPLY, Next.CONFIRM])
async def test_an_answer_that_does_not_come_is_no_reason_to_ask_twice(fault: str, doing: Next) -> None:
    async with simulated_bench() as bench:
        injector = Injector(Parts(bench.pen), seed=1)
        asked: list[str] = []
        original = bench.driver.request

        async def counted(operation: Operation, arguments: object = None) -> object:
            asked.append(operation.name)
            return await original(operation, arguments)

        bench.driver.request = counted
        loop = asyncio.get_running_loop()

        def begin() -> None:
            active = injector.inject(fault)
            loop.call_later(4.0, active.clear)

        changed = await update(bench, told=once(doing, begin))
        assert changed.outcome == "confirmed"
        assert runs(bench) == UPDATED
        for operation in (FIRMWARE_BEGIN, FIRMWARE_APPLY, FIRMWARE_CONFIRM):
            assert asked.count(operation.name) == 1


async def test_another_pen_in_its_place_is_given_nothing_of_it() -> None:
    async with simulated_bench() as bench:
        error = await not_updated(bench, told=once(Next.SEND, lambda: bench.pen.swap("NW2-0666"), from_byte=5 * 192))
        assert (error.outcome, error.because) == ("broken_off", "pen_swapped")
        assert bench.pen.memory.firmware.staged is None
        assert bench.of(FirmwareChanged)[-1].serial == NW_2.serial


async def test_a_pen_that_stays_away_is_said_to_be_so() -> None:
    async with simulated_bench() as bench:
        error = await not_updated(bench, told=once(Next.SEND, bench.pen.switch_off, from_byte=5 * 192))
        assert (error.outcome, error.because) == ("broken_off", "pen_lost")
        bench.pen.switch_on()
        await update(bench)
        assert runs(bench) == UPDATED


@pytest.mark.parametrize(
    ("file", "because", "sentence"),
    [
        (replace(NEW, model="NW-9"), "model", "is for NW-9"),
        (signed("sim 3.0", 300), "not_allowed", "sim 1.0, sim 2.0, sim 2.1"),
        (signed("sim 2.0", 89), "too_old", "none under 90"),
        (signed(size=NW_2.firmware_size_max + 1), "not_accepted", "too large"),
        (
            sign_firmware("NW-2", "sim 2.0", 200, NEW.content, Ed25519PrivateKey.from_private_bytes(bytes(32))),
            "not_accepted",
            "not signed by its maker",
        ),
        (replace(NEW, version="sim 2.1"), "not_accepted", "not signed by its maker"),
        (replace(NEW, digest=bytes(32)), "not_accepted", "not whole"),
    ],
    ids=["model", "policy", "minimum", "size", "another-key", "another-version", "another-content"],
)
async def test_what_is_refused_leaves_the_pen_as_it_was(file: FirmwareFile, because: str, sentence: str) -> None:
    async with simulated_bench() as bench:
        error = await not_updated(bench, file)
        assert (error.outcome, error.because) == ("refused", because)
        assert sentence in error.sentence
        assert runs(bench) == OLD


async def test_a_battery_a_needle_and_a_fault_forbid_it_now() -> None:
    async with simulated_bench() as bench:
        plant = bench.pen.plant
        full_c = plant.charge_c
        plant.charge_c = full_c * 0.2
        await bench.until(lambda: (bench.driver.state.seen.battery_permille or 0) < 300)
        error = await not_updated(bench)
        assert (error.outcome, error.because) == ("refused", "battery")
        assert "30 %" in error.sentence
        plant.charge_c = full_c
        bench.pen.firmware.latch(Fault.INGRESS)
        await bench.until(lambda: bool(bench.driver.state.seen.faults))
        assert (await not_updated(bench)).because == "pen_fault"
        assert bench.pen.memory.firmware.staged is None


async def test_a_battery_that_runs_down_breaks_it_off_and_what_was_sent_stays() -> None:
    async with simulated_bench() as bench:
        plant = bench.pen.plant
        full_c = plant.charge_c

        def drain() -> None:
            plant.charge_c = full_c * 0.2

        error = await not_updated(bench, signed(size=100 * 192), told=once(Next.SEND, drain))
        assert error.outcome == "broken_off"
        assert bench.pen.memory.firmware.received > 0
        plant.charge_c = full_c
        await bench.until(lambda: (bench.driver.state.seen.battery_permille or 0) > 900)
        await update(bench, signed(size=100 * 192))
        assert runs(bench) == UPDATED


async def test_an_armed_pen_is_not_updated() -> None:
    async with simulated_bench() as bench, bench.driver.service("inspection", "tech-1"):
        await bench.driver.move(500, 60_000)
        error = await not_updated(bench)
        assert error.outcome in {"refused", "broken_off"}
        assert bench.pen.memory.firmware.staged is None


async def test_an_older_version_is_given_only_on_purpose() -> None:
    async with simulated_bench() as bench:
        await update(bench)
        old = signed("sim 1.0", 100)
        error = await not_updated(bench, old)
        assert (error.outcome, error.because) == ("refused", "older")
        assert "--older" in error.sentence
        assert runs(bench) == UPDATED
        assert (await update(bench, old, older=True)).outcome == "confirmed"
        assert runs(bench) == OLD


async def test_what_a_damaged_head_announced_does_not_stand_in_the_way_of_the_right_file() -> None:
    async with simulated_bench() as bench:
        damaged = replace(NEW, signature=bytes(64))
        assert (await not_updated(bench, damaged)).because == "not_accepted"
        assert bench.pen.memory.firmware.received == SIZE
        assert (await update(bench)).outcome == "confirmed"
        assert runs(bench) == UPDATED


async def test_what_says_that_it_is_another_version_is_not_confirmed() -> None:
    async with simulated_bench() as bench:
        original = bench.driver.connected

        async def says(within_s: float) -> PenFacts:
            facts = await original(within_s)
            return facts.model_copy(update={"firmware": "sim 1.9"}) if bench.pen.memory.firmware.on_trial else facts

        bench.driver.connected = says
        error = await not_updated(bench)
        assert (error.outcome, error.because) == ("rolled_back", "trial")
        assert "says that it runs 'sim 1.9'" in error.sentence
        assert runs(bench) == OLD


async def test_a_trial_that_cannot_be_confirmed_now_is_told_as_a_trial() -> None:
    async with simulated_bench() as bench:
        original = bench.driver.request

        async def refused(operation: Operation, arguments: object = None) -> object:
            if operation is FIRMWARE_CONFIRM:
                raise not_done("serial:///x", operation, 200)  # a reason that this table does not know
            return await original(operation, arguments)

        bench.driver.request = refused
        error = await not_updated(bench)
        assert error.outcome == "broken_off"
        assert "runs on trial, unconfirmed: the pen's next start goes back to sim 1.0" in error.sentence
        bench.driver.request = original
        await update(bench)
        assert runs(bench) == UPDATED


async def test_nobody_is_treated_by_firmware_on_trial() -> None:
    async with simulated_bench() as bench:
        first = asyncio.create_task(
            update(bench, told=once(Next.CONFIRM, lambda: asyncio.get_running_loop().call_soon(first.cancel)))
        )
        await asyncio.gather(first, return_exceptions=True)
        await asyncio.sleep(0.5)  # the self-test that was asked for is over
        tag = bench.pen.firmware.cartridge.tag
        armed = {"depth_ceiling_um": 500, "rate_ceiling_mhz": 60_000, "cartridge_tag": tag}
        with pytest.raises(RequestRefused, match="firmware that was not confirmed"):
            await bench.driver.pen.arm(**armed)
        await update(bench)
        assert await bench.driver.pen.arm(**armed)


async def test_a_pen_without_such_is_told_so() -> None:
    async with simulated_bench(replace(model_named("NW-1"), self_test_ms=200)) as bench:
        assert (await not_updated(bench)).because == "unsupported"
        with pytest.raises(ControlRefused, match="maker's service"):
            await firmware_state(bench.driver)
