"""The session driver with a supervisor and a simulated pen over a real pseudo-terminal, in one process."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.cartridges import CartridgeUse, Unreachable
from controller.errors import ControlRefused
from controller.events import (
    CartridgeSnapshot,
    ClockStepped,
    Event,
    Examined,
    InputChunk,
    PenArmed,
    Refused,
    SessionClosed,
)
from controller.inputs import Acknowledge, Attest, Pause, SetDepth
from controller.library import load_library
from controller.machine import step
from controller.recording import replayed
from controller.state import MachineState
from firmware_bridge.wire.operations import CARTRIDGE_CONSUME, Operation
from tests.controller.house import House

RESPONSE_FRAME, ARMED_FRAME = 0x0B, 0x05


async def test_a_treatment_is_recorded_and_replays_to_the_same_decisions(house: House) -> None:
    await house.treat()
    await asyncio.sleep(0.3)
    with contextlib.suppress(ControlRefused):
        await house.driver.ask(SetDepth(depth_um=5000))
    house.pen.press_button()
    await house.until(lambda h: h.driver.view().phase == "paused")
    await house.driver.close("completed", "done")
    assert house.driver.view().phase == "no_session"
    assert house.pen.truth.needles_out
    assert house.sink.of(SessionClosed)[0].doses[0].treated_ms >= 200
    state, events = MachineState(), list[Event]()
    for given, now_ms in replayed(house.sink.of(InputChunk)):
        made = step(state, given, now_ms)
        state = made.state
        events.extend(made.events)
    live = [event for session, event in house.sink.kept if session and not isinstance(event, InputChunk)]
    assert [event for event in events if event.type != "pen_connected"] == live


@pytest.mark.parametrize("seated", ["", "demo-physician"])
async def test_a_session_prepared_with_any_seat_replays_to_the_same_events(house: House, seated: str) -> None:
    house.driver.seated(seated)
    await house.prepare()
    await house.driver.close("stopped", "x")
    state, events = MachineState(), list[Event]()
    for given, now_ms in replayed(house.sink.of(InputChunk)):
        made = step(state, given, now_ms)
        state = made.state
        events.extend(made.events)
    live = [event for session, event in house.sink.kept if session and not isinstance(event, InputChunk)]
    assert [event for event in events if event.type != "pen_connected"] == live


async def test_stop_is_on_the_wire_when_the_call_returns(house: House) -> None:
    await house.treat()
    house.driver.stop("test")
    assert house.driver.pen is not None
    await house.until(lambda h: not h.pen.truth.motor_driven, 0.2)
    await house.until(lambda h: h.driver.view().phase == "prepared")
    assert house.pen.truth.faults == 0


async def test_unplugged_in_mid_treatment_two_actions_rearm(house: House) -> None:
    await house.treat()
    house.endpoint.unplug()
    await house.until(lambda h: h.driver.view().phase == "interrupted")
    assert [alarm.alarm for alarm in house.driver.view().alarms] == ["link_lost"]
    await house.until(lambda h: h.pen.truth.needles_out and not h.pen.truth.motor_driven)
    with pytest.raises(ControlRefused, match="not connected"):
        await house.driver.clear("me")


async def test_shutdown_leaves_motor_off_needles_out_and_a_closed_session(house: House) -> None:
    await house.treat()
    await house.driver.shutdown("the station is being stopped")
    assert not house.pen.truth.motor_driven
    assert house.pen.truth.needles_out
    assert house.pen.truth.faults == 0
    closed = house.sink.of(SessionClosed)[0]
    assert (closed.outcome, closed.reason) == ("interrupted", "the station is being stopped")


async def test_a_disk_that_fails_stops_the_treatment_and_starts_none(house: House) -> None:
    await house.treat()
    house.sink.broken = "No space left on the disk."
    await house.until(lambda h: h.driver.view().phase == "interrupted")
    assert [alarm.alarm for alarm in house.driver.view().alarms] == ["journal_failed"]
    assert not house.pen.truth.motor_driven
    assert house.pen.truth.faults == 0


async def test_no_arming_when_the_record_does_not_reach_the_disk(house: House) -> None:
    await house.prepare()
    house.sink.fails_to_flush = True
    with pytest.raises(ControlRefused, match="The disk is full"):
        await house.driver.arm("test")
    assert house.driver.view().phase == "prepared"
    assert house.pen.truth.lease == 0
    assert house.pen.cartridge is not None
    assert not house.pen.cartridge.used


async def test_an_unanswered_consumption_is_resolved_by_asking_and_never_sent_again(house: House) -> None:
    await house.prepare()

    async def lose_the_next_answer(flushes: int) -> None:
        if flushes == 2:  # the intent is on the disk, the request goes out next
            house.endpoint.port.line.to_host.lose(RESPONSE_FRAME, 1)

    house.sink.on_flush = lose_the_next_answer
    await house.driver.arm("test")
    assert house.driver.view().phase == "paused"
    assert house.endpoint.port.line.to_host.lost_bytes > 0
    assert house.pen.cartridge is not None
    assert house.pen.cartridge.used


async def test_a_consumption_nobody_answers_for_is_told_as_uncertain_until_the_cartridge_is_read_anew(
    house: House,
) -> None:
    await house.prepare()

    async def lose_every_answer(flushes: int) -> None:
        if flushes == 2:
            house.endpoint.port.line.to_host.lose(RESPONSE_FRAME, 4)  # to the request, and to three times OUTCOME

    house.sink.on_flush = lose_every_answer
    with pytest.raises(ControlRefused):
        await house.driver.arm("test")
    assert [(alarm.alarm, alarm.priority) for alarm in house.driver.view().alarms] == [("uncertain_command", "MEDIUM")]
    await house.driver.arm("test")
    assert house.driver.view().phase == "paused"
    await house.driver.ask(Acknowledge(alarm="uncertain_command", by="me"))
    await house.until(lambda h: not h.driver.view().alarms)


async def test_stop_while_arming_leaves_no_lease(house: House) -> None:
    await house.prepare()

    async def press_stop(flushes: int) -> None:
        if flushes == 2:
            house.driver.stop("test")

    house.sink.on_flush = press_stop
    with pytest.raises(ControlRefused):
        await house.driver.arm("test")
    await house.until(lambda h: h.driver.view().phase == "prepared" and h.pen.truth.lease == 0)
    assert house.driver.state.lease == 0


async def test_a_lost_answer_to_arm_leaves_no_lease(house: House) -> None:
    await house.prepare()
    house.endpoint.port.line.to_host.lose(ARMED_FRAME, 1)
    with pytest.raises(ControlRefused, match="not armed"):
        await house.driver.arm("test")
    await house.until(lambda h: h.pen.truth.lease == 0)
    assert house.driver.view().phase == "prepared"


@pytest.mark.parametrize("moment", ["disk", "cartridge"])
async def test_stop_while_arming_asks_for_no_lease_any_more(house: House, moment: str) -> None:
    await house.prepare()
    pen = house.driver.pen
    assert pen is not None
    request, armings = pen.request, list[int]()

    async def stopped() -> None:
        house.driver.stop("test")
        await house.until(lambda h: h.driver.view().phase == "prepared")

    async def at_the_disk(flushes: int) -> None:
        if flushes == 2:
            await stopped()

    async def at_the_cartridge(operation: Operation, arguments: object = None) -> object:
        if operation is CARTRIDGE_CONSUME:
            await stopped()
        return await request(operation, arguments)

    async def counted(**_ceilings: int) -> int:
        armings.append(1)
        return 0

    pen.arm = counted  # type: ignore[method-assign]
    if moment == "disk":
        house.sink.on_flush = at_the_disk
    else:
        pen.request = at_the_cartridge  # type: ignore[method-assign]
    with pytest.raises(ControlRefused, match="stopped while it was being armed"):
        await house.driver.arm("test")
    assert armings == []
    assert house.pen.cartridge is not None
    assert house.pen.cartridge.used is (moment == "cartridge")


async def test_a_pen_just_plugged_in_is_heard_before_its_faults_are_judged(house: House) -> None:
    await house.treat()
    house.pen.faults.latch_internal()
    await house.until(lambda h: h.driver.view().phase == "interrupted")
    house.driver.state = replace(house.driver.state, seen=None)  # as it is until the first STATUS
    await house.driver.clear("me")
    assert house.driver.view().phase == "prepared"
    assert house.pen.truth.faults == 0


async def test_what_was_read_for_one_attempt_to_arm_is_not_taken_for_the_next(house: House) -> None:
    await house.prepare()
    stopped, disk_answers = asyncio.Event(), asyncio.Event()

    async def slow_disk(flushes: int) -> None:
        if flushes == 1:
            house.driver.stop("test")
            stopped.set()
            await disk_answers.wait()

    house.sink.on_flush = slow_disk
    first = asyncio.create_task(house.driver.arm("first"), name="first")
    await stopped.wait()
    await house.until(lambda h: h.driver.view().phase == "prepared")
    second = asyncio.create_task(house.driver.arm("second"), name="second")
    await asyncio.sleep(0)
    assert house.driver.view().phase == "prepared", "the second waits for the end of the first"
    disk_answers.set()
    with pytest.raises(ControlRefused):
        await first
    assert (await second).phase == "paused"
    assert house.pen.truth.lease == house.driver.state.lease != 0


async def test_no_arming_again_with_a_cartridge_in_use_when_the_disk_has_failed_meanwhile(house: House) -> None:
    await house.treat()
    house.driver.stop("test")
    await house.until(lambda h: h.driver.view().phase == "prepared")
    house.sink.fails_to_flush = True
    with pytest.raises(ControlRefused, match="The disk is full"):
        await house.driver.arm("test")
    assert house.pen.truth.lease == 0


async def test_a_session_asked_for_twice_loses_nothing_of_the_first_ones_record(house: House) -> None:
    await house.prepare()
    await house.driver.arm("test")
    with pytest.raises(ControlRefused, match="A session is open"):
        await house.prepare()
    await house.driver.close("completed", "done")
    inputs = [given for given, _ in replayed(house.sink.of(InputChunk))]
    types = [getattr(given, "type", "") for given in inputs]
    assert types.count("prepare") == 2
    assert types.index("prepare") < types.index("lease_granted") < types.index("close")
    state = MachineState()
    for given, now_ms in replayed(house.sink.of(InputChunk)):
        state = step(state, given, now_ms).state
    assert state.session is None


# Before arming --------------------------------------------------------------------------------------------------------


async def test_preparing_reads_the_pen_and_shows_the_whole_table(house: House) -> None:
    view = await house.prepare()
    assert {row.outcome for row in view.readiness} == {"passes", "note"}
    assert view.next_step == "Arm the pen."
    assert view.session in house.memory.told
    tested = [event for event in house.sink.of(Examined) if event.self_test_passed is not None]
    assert len(tested) == 1
    await house.driver.arm("test")
    assert house.driver.state.inspected_at_ms, "the self-test of a moment ago speaks for this arming, too"


async def test_a_cartridge_is_claimed_at_the_site_after_the_journal_has_it_and_before_the_lease(house: House) -> None:
    await house.prepare()
    house.sink.fails_to_flush = True
    with pytest.raises(ControlRefused):
        await house.driver.arm("test")
    assert house.ledger.claims == 0
    house.sink.fails_to_flush = False
    await house.driver.arm("test")
    cartridge = house.driver.state.cartridge
    assert cartridge is not None
    assert house.ledger.uses == {cartridge.serial: house.driver.state.session}
    assert cartridge.unused == "verified"


async def test_a_cartridge_that_another_station_used_is_found_in_the_ledger(house: House) -> None:
    assert house.pen.cartridge is not None
    house.ledger.uses[house.pen.cartridge.serial] = "another session"
    view = await house.prepare()
    assert next(row for row in view.readiness if row.check == "cartridge").because == "cartridge_used"
    with pytest.raises(ControlRefused, match="used before"):
        await house.driver.arm("test")


async def test_two_stations_at_one_cartridge_in_the_same_moment(house: House) -> None:
    await house.prepare()
    looked_up = house.ledger.cartridge

    async def then_the_other_is_quicker(cartridge: CartridgeSnapshot) -> CartridgeUse:
        use = await looked_up(cartridge)
        house.ledger.uses[cartridge.serial] = "another session"
        return use

    house.ledger.cartridge = then_the_other_is_quicker  # type: ignore[method-assign]
    with pytest.raises(ControlRefused, match="has just used"):
        await house.driver.arm("test")
    assert house.driver.view().phase == "prepared"
    assert house.pen.truth.lease == 0
    assert house.pen.cartridge is not None
    assert not house.pen.cartridge.used


async def test_an_unreachable_ledger_asks_for_the_operators_word_and_the_record_says_so(house: House) -> None:
    async def silent(cartridge: CartridgeSnapshot) -> CartridgeUse:
        return Unreachable(problem="the site's database does not answer")

    house.ledger.cartridge = silent  # type: ignore[method-assign]
    await house.prepare()
    with pytest.raises(ControlRefused, match="database does not answer"):
        await house.driver.arm("test")
    await house.driver.ask(Attest(source="test"))
    await house.driver.arm("test")
    assert house.sink.of(PenArmed)[0].cartridge.unused == "attested"


async def test_a_refused_plan_is_a_near_miss_in_the_record_that_tells_no_answer(house: House) -> None:
    library = load_library()
    hard = next(name for name, asked in library.questions.items() if asked.severity == "hard")
    with pytest.raises(ControlRefused, match="is not treated"):
        await house.prepare(answers=dict.fromkeys(library.questions, False) | {hard: True})
    kept = [event for _, event in house.sink.kept if isinstance(event, Refused)]
    assert [event.because for event in kept] == ["contraindicated"]
    assert hard not in kept[0].model_dump_json()


async def test_a_site_that_cannot_remember_opens_no_session(house: House) -> None:
    house.memory.broken = True
    with pytest.raises(ControlRefused, match="No session was opened"):
        await house.prepare()
    assert house.driver.view().phase == "no_session"


@pytest.mark.parametrize("hours", [-3, 3])
async def test_a_clock_that_is_set_in_mid_treatment_disturbs_nothing(house: House, hours: int) -> None:
    await house.treat()
    house.clock.set_by = timedelta(hours=hours)
    await house.until(lambda h: h.sink.of(ClockStepped))
    await asyncio.sleep(0.2)
    assert house.pen.truth.motor_driven
    assert round(house.sink.of(ClockStepped)[0].by_ms / 3_600_000) == hours
    assert len(house.sink.of(ClockStepped)) == 1


async def test_a_cartridge_is_replaced_over_a_real_line(house: House) -> None:
    await house.treat()
    await house.driver.ask(Pause(source="test"))
    await house.driver.exchange_cartridge("", "test")
    await house.until(lambda h: h.driver.view().phase == "prepared")
    house.pen.remove_cartridge()
    fresh = house.pen.insert_cartridge()
    await house.until(lambda h: h.driver.state.seen is not None and h.driver.state.seen.cartridge_present)
    await house.driver.arm("test")
    assert [armed.cartridge.serial for armed in house.sink.of(PenArmed)][-1] == fresh.serial
    assert len(house.ledger.uses) == 2


async def test_garbage_from_a_scanner_is_refused_and_changes_nothing(house: House) -> None:
    await house.prepare()
    with pytest.raises(ControlRefused) as caught:
        await house.driver.exchange_cartridge("\x00ÿgarbage]]", "test")
    assert caught.value.because == "cartridge_code"
    await house.driver.close("stopped", "x")
    with pytest.raises(ControlRefused) as caught:
        await house.prepare(cartridge_code="(01)nonsense")
    assert caught.value.because == "cartridge_code"


async def test_a_disk_that_fills_is_told_before_it_is_full(house: House) -> None:
    await house.treat()
    house.sink.full = 950
    await house.until(lambda h: h.driver.view().alarms)
    assert [(alarm.alarm, alarm.priority) for alarm in house.driver.view().alarms] == [
        ("journal_nearly_full", "MEDIUM")
    ]
    assert house.driver.view().phase == "treating"
