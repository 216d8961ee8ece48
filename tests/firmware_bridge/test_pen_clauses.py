"""The clauses of docs/protocol.md, one by one, on both pens: bare frames out, every answer seen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from struct import Struct
from zlib import crc32

import pytest
from cobs.cobs import encode as cobs_encode

from firmware_bridge.wire.codec import pack, unpack
from firmware_bridge.wire.framing import frame
from firmware_bridge.wire.messages import (
    PROTOCOL_VERSION,
    Arm,
    Armed,
    Disarm,
    Fault,
    Hello,
    PenState,
    Refusal,
    Request,
    Response,
    Setpoint,
    Status,
    Stop,
    Welcome,
)
from firmware_bridge.wire.operations import (
    CALIBRATION_READ,
    CALIBRATION_WRITE,
    CARTRIDGE_CONSUME,
    CARTRIDGE_READ,
    CLEAR_FAULT,
    EVENT_LOG,
    OUTCOME,
    SELF_TEST,
    CalibrationData,
    CartridgeData,
    CartridgeTag,
    FaultMask,
    LogEntries,
    LogPosition,
    OutcomeData,
    OutcomeKey,
)
from tests.hosts import DEPTH_CEILING_UM, DEPTH_UM, RATE_CEILING_MHZ, RATE_MHZ, BareHost, bare, laid_out
from tests.pens import KIND, BenchPen

NONCE = 0x1A2B3C4D
CALIBRATION = CalibrationData(1, b"FIRST".ljust(16, b"\0"), 20_000, 20_300, 1_000_000, 0, 40, 1_000_000)
LOG_ENTRY = Struct("<IIBI")
ENDED_BY_STOP, ENDED_BY_DISARM, ENDED_BY_FAULT, ENDED_BY_HELLO, ENDED_BY_SILENCE = range(5)
STARTED, ARMED_ENTRY, LEASE_ENDED, LATCHED, CLEARED, CALIBRATED, CONSUMED, TESTED, BUTTON, PEDAL = range(1, 11)


@asynccontextmanager
async def met(pen: BenchPen) -> AsyncIterator[tuple[BareHost, Welcome]]:
    """A bare host after the handshake; ends a lease it leaves behind."""
    async with bare(pen.url) as host:
        welcome = await host.shake_hands(NONCE)
        try:
            yield host, welcome
        finally:
            host.send(Stop())


def wish(lease: int, tick: int, status: Status, **changes: int) -> Setpoint:
    """Motor off under this lease, decided on this STATUS, but for what is changed."""
    return Setpoint(lease, tick, 0, 0, 0, status.pen_time_ms)._replace(**changes)


ON = {"motor": 1, "depth_um": DEPTH_UM, "rate_mhz": RATE_MHZ}


async def refusal_of(host: BareHost, *setpoints: Setpoint) -> int:
    """Why the last of these was refused; the first takes another refusal away by being refused LEASE."""
    host.send(Setpoint(1, 1, 0, 0, 0, 0))
    await host.status(lambda status: status.refusal == Refusal.LEASE)
    host.send(*setpoints)
    return (await host.status(lambda status: status.refusal != Refusal.LEASE)).refusal


# W, C ----------------------------------------------------------------------------------------------------------------


async def test_w6_w7_w8_damage_is_dropped_and_longer_payloads_are_read(either_pen: BenchPen) -> None:
    async with bare(either_pen.url) as host:
        assert host.transport is not None
        good = frame(Hello(NONCE, PROTOCOL_VERSION), 7)
        damaged = bytes((good[0], good[1] ^ 1)) + good[2:]
        body = bytes((KIND[Hello], 8)) + NONCE.to_bytes(4, "little") + bytes((PROTOCOL_VERSION, 9, 9, 9))
        longer = cobs_encode(body + crc32(body).to_bytes(4, "little")) + b"\0"
        host.transport.write(b"\0" + damaged + b"\x05\x01\0\0\0" + b"\xaa" * 700 + b"\0" + good[:4])
        assert await host.quiet(Welcome, 0.06)
        host.transport.write(b"\0" + longer)
        assert (await host.next(Welcome)).nonce == NONCE
        await host.status()


async def test_c2_c6_before_hello_a_pen_says_nothing_and_does_nothing(handled_pen: BenchPen) -> None:
    async with bare(handled_pen.url) as host:
        host.send(
            Arm(0, 5, DEPTH_CEILING_UM, RATE_CEILING_MHZ, 0), Request(1, 0, OUTCOME.number, 0, pack(OutcomeKey(1))),
            Setpoint(1, 1, 0, 0, 0, 0), Stop(),
        )  # fmt: skip
        await asyncio.sleep(0.08)
        assert host.received == []
        await host.shake_hands(NONCE)
        assert (await host.status()).refusal == Refusal.NONE, "ignored leaves no trace"


async def test_c1_w9_a_hello_is_answered_as_often_as_it_is_said_and_nonce_0_never(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, welcome):
        again = await host.ask(Hello(NONCE, PROTOCOL_VERSION), Welcome)
        assert again == welcome
        host.send(Hello(0, PROTOCOL_VERSION))
        assert await host.quiet(Welcome, 0.06)
        await host.status()


async def test_c3_another_version_is_answered_and_makes_no_connection(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, _):
        await host.status()
        welcome = await host.shake_hands(NONCE + 1, PROTOCOL_VERSION + 1)
        assert welcome.version == PROTOCOL_VERSION
        host.send(Request(1, NONCE + 1, OUTCOME.number, 0, pack(OutcomeKey(1))))
        host.send(Request(2, NONCE, OUTCOME.number, 0, pack(OutcomeKey(1))))
        host.send(Arm(NONCE, 5, DEPTH_CEILING_UM, RATE_CEILING_MHZ, 0))
        first = len(host.received)
        await asyncio.sleep(0.08)
        assert host.received[first:] == []


async def test_c4_a_hello_ends_the_lease_even_when_it_is_a_late_repeat(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, _):
        armed = await host.arm(11)
        host.send(wish(armed.lease, 1, await host.status(), **ON))
        await host.status(lambda status: status.state == PenState.RUNNING)
        await host.ask(Hello(NONCE, PROTOCOL_VERSION), Welcome)
        status = await host.status()
        assert (status.lease, status.tick, status.faults) == (0, 0, 0)
        assert status.state in {PenState.RETRACTING, PenState.IDLE}
        assert await last_entries(host) == [(LEASE_ENDED, ENDED_BY_HELLO)]


async def test_w5_the_pens_sequence_counts_every_frame(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, _):
        await host.tag()
        await host.status()
        assert host.deframer.lost == 0
        assert host.deframer.damaged == 0


# A -------------------------------------------------------------------------------------------------------------------


async def test_a1_a2_an_arm_is_answered_and_its_repeat_alike(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, _):
        first = await host.arm(21)
        assert first.refusal == Refusal.NONE
        assert first.lease
        assert await host.arm(21) == first
        assert await host.arm(22) == Armed(22, Refusal.ARMED, 0)
        assert await host.arm(21, nonce=NONCE + 1) == Armed(21, Refusal.NONCE, 0)
        host.send(Disarm(first.lease ^ 1))
        host.send(Disarm(0))
        assert (await host.status()).lease == first.lease
        host.send(Disarm(first.lease))
        await host.status(lambda status: status.lease == 0)
        second = await host.arm(21)
        assert second.refusal == Refusal.NONE, "a repeat after the end is a new ARM"
        assert second.lease not in {0, first.lease}


async def test_a2_refusals_of_arm_come_in_the_order_of_the_table(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, welcome):
        for changes, refusal in (
            ({"nonce": NONCE + 1, "depth_ceiling_um": 0}, Refusal.NONCE),
            ({"depth_ceiling_um": 0}, Refusal.RANGE),
            ({"rate_ceiling_mhz": 0}, Refusal.RANGE),
            ({"depth_ceiling_um": welcome.depth_max_um + 1, "cartridge_tag": 1}, Refusal.RANGE),
            ({"rate_ceiling_mhz": welcome.rate_max_mhz + 1}, Refusal.RANGE),
            ({"cartridge_tag": 0}, Refusal.CARTRIDGE),
        ):
            assert await host.arm(31, **changes) == Armed(31, refusal, 0), changes
        assert await host.arm(0) == Armed(0, Refusal.RANGE, 0)
        assert (await host.status()).lease == 0
        odd = await host.arm(32, depth_ceiling_um=DEPTH_UM + 1)
        assert odd.refusal == Refusal.NONE, "a ceiling need not be a whole step"
        assert (await host.arm(33, depth_ceiling_um=0)).refusal == Refusal.ARMED


async def test_a3_a_new_lease_begins_at_tick_0_and_without_a_refusal(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, _):
        host.send(Setpoint(1, 1, 0, 0, 0, 0))
        await host.status(lambda status: status.refusal == Refusal.LEASE)
        armed = await host.arm(41)
        status = await host.status()
        assert (status.lease, status.tick, status.refusal) == (armed.lease, 0, Refusal.NONE)


# S, D ----------------------------------------------------------------------------------------------------------------


async def test_s1_refusals_of_setpoints_come_in_the_order_of_the_table(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, welcome):
        armed = await host.arm(51, depth_ceiling_um=DEPTH_UM, rate_ceiling_mhz=RATE_MHZ)
        lease = armed.lease
        stale = {"seen_pen_time_ms": 1_000_000_000}
        deep, fast = {"depth_um": DEPTH_UM + welcome.depth_step_um}, {"rate_mhz": RATE_MHZ + welcome.rate_step_mhz}
        table = (
            ({"motor": 2, "tick": 1} | stale, Refusal.RANGE),
            ({"tick": 0}, Refusal.RANGE),
            (ON | {"depth_um": DEPTH_UM + 1}, Refusal.RANGE),
            (ON | {"depth_um": welcome.depth_max_um + welcome.depth_step_um}, Refusal.RANGE),
            (ON | {"rate_mhz": RATE_MHZ + 1}, Refusal.RANGE),
            (ON | {"rate_mhz": 0}, Refusal.RANGE),
            *([(ON | {"depth_um": 0}, Refusal.RANGE)] if welcome.depth_min_um else []),
            ({"depth_um": welcome.depth_max_um + welcome.depth_step_um}, Refusal.RANGE),
            ({"tick": 1} | stale, Refusal.OLD_TICK),
            (ON | deep | stale, Refusal.STALE),
            (ON | deep | fast, Refusal.DEPTH_CEILING),
            (deep, Refusal.DEPTH_CEILING),
            (ON | fast, Refusal.RATE_CEILING),
            (fast, Refusal.RATE_CEILING),
        )
        for tick, (changes, refusal) in enumerate(table, start=1):
            status = await host.status()
            bad = wish(lease, tick + 1, status)._replace(**changes)
            assert await refusal_of(host, wish(lease, tick, status), bad) == refusal, changes
            after = await host.status()
            assert (after.tick, after.state, after.lease) == (tick, PenState.ARMED, lease)


async def test_s2_arrival_never_extends_the_deadline_and_d1_falls_due_to_the_millisecond(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, welcome):
        armed = await host.arm(61)
        decided = await host.status()
        for tick in range(1, 40):
            host.send(wish(armed.lease, tick, decided, **ON))
            host.send(wish(armed.lease, tick + 100, decided, seen_pen_time_ms=decided.pen_time_ms + 1000))
            await asyncio.sleep(0.02)
            if any(isinstance(message, Status) and message.faults for message in host.received[-3:]):
                break
        due = decided.pen_time_ms + welcome.dead_man_ms
        seen = [message for message in host.received if isinstance(message, Status)]
        assert max(status.pen_time_ms for status in seen if status.state == PenState.RUNNING) < due
        first = next(status for status in seen if status.faults)
        assert first.faults == Fault.DEAD_MAN
        assert due <= first.pen_time_ms <= due + welcome.status_period_ms
        number_of = {code: at_ms for at_ms, code, _ in await entries(host) if code in {LEASE_ENDED, LATCHED}}
        assert set(number_of.values()) == {due}, "the log has the very millisecond"
        assert sorted(await last_entries(host, 2)) == [(LEASE_ENDED, ENDED_BY_SILENCE), (LATCHED, Fault.DEAD_MAN)]
        await clear(host)


async def test_s2_a_newer_tick_decided_earlier_is_accepted_and_shortens_nothing(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, welcome):
        armed = await host.arm(71)
        earlier = await host.status()
        newest = await host.status(lambda status: status.pen_time_ms - earlier.pen_time_ms >= 60)
        host.send(wish(armed.lease, 1, newest))
        host.send(wish(armed.lease, 2, earlier))
        accepted = await host.status(lambda status: status.tick == 2)
        assert accepted.refusal == Refusal.NONE
        fault = await host.status(lambda status: bool(status.faults))
        assert fault.pen_time_ms >= newest.pen_time_ms + welcome.dead_man_ms
        await clear(host)


# T, F ----------------------------------------------------------------------------------------------------------------


async def test_t1_stop_ends_a_self_test_too(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, _):
        host.send(Request(900, NONCE, SELF_TEST.number, 81, b""))
        testing = await host.status(lambda status: status.state == PenState.SELF_TEST)
        assert testing.lease == 0
        assert (await host.arm(82, cartridge_tag=1)).refusal == Refusal.BUSY
        host.send(Stop())
        answer = await host.next(Response, lambda answer: answer.id == 900)
        assert (answer.refusal, answer.data) == (Refusal.NOT_READY, b"")
        await host.status(lambda status: status.state == PenState.IDLE)
        assert await outcome(host, 81) == Refusal.NOT_READY


async def test_t2_presses_are_counted_in_every_state_and_logged(handled_pen: BenchPen) -> None:
    async with met(handled_pen) as (host, _):
        before = await host.status()
        handled_pen.press_button()
        await host.status(lambda status: status.button_presses == before.button_presses + 1)
        handled_pen.press_pedal()
        after = await host.status(lambda status: status.pedal_presses == before.pedal_presses + 1)
        assert after.state == PenState.IDLE
        assert [code for code, _ in await last_entries(host, 2)] == [BUTTON, PEDAL]


async def test_f_stop_and_hello_clear_no_fault_and_f1_clears_only_what_is_named(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, _):
        await host.arm(91)
        await host.status(lambda status: status.faults == Fault.DEAD_MAN and status.state == PenState.FAULT)
        host.send(Stop())
        await host.ask(Hello(NONCE, PROTOCOL_VERSION), Welcome)
        assert (await host.status()).faults == Fault.DEAD_MAN
        assert (await host.arm(92)).refusal == Refusal.FAULTED
        other = pack(FaultMask(int(Fault.STALL | Fault.RETRACT_FAILED)))
        assert (await host.request(CLEAR_FAULT.number, other, key=93)).refusal == Refusal.NONE
        assert (await host.status()).faults == Fault.DEAD_MAN, "one not named stays latched"
        await clear(host)
        assert (await last_entries(host)) == [(CLEARED, Fault.DEAD_MAN)]


# R -------------------------------------------------------------------------------------------------------------------


async def test_r1_refusals_of_requests_come_in_the_order_of_the_table(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, _):
        write, data = CALIBRATION_WRITE.number, pack(CALIBRATION)
        wrong_tag = pack(CartridgeTag((await host.tag()) ^ 1))
        for answer, refusal in (
            (await host.request(0x7F, nonce=NONCE + 1), Refusal.NONCE),
            (await host.request(0x7F, key=0), Refusal.UNSUPPORTED),
            (await host.request(0x40, key=101), Refusal.UNSUPPORTED),
            (await host.request(write, data), Refusal.RANGE),
            (await host.request(write, data[:-1], key=102), Refusal.RANGE),
            (await host.request(write, laid_out(CALIBRATION._replace(valid=2)), key=103), Refusal.RANGE),
            (await host.request(CARTRIDGE_READ.number, key=104), Refusal.RANGE),
            (await host.request(OUTCOME.number, laid_out(OutcomeKey(0))), Refusal.RANGE),
            (await host.request(OUTCOME.number, pack(OutcomeKey(105))), Refusal.UNKNOWN_KEY),
            (await host.request(CARTRIDGE_CONSUME.number, wrong_tag, key=106), Refusal.CARTRIDGE),
        ):
            assert (answer.refusal, answer.data) == (refusal, b"")
        armed = await host.arm(107)
        assert (await host.request(write, data[:-1], key=108)).refusal == Refusal.RANGE
        assert (await host.request(write, data, key=109)).refusal == Refusal.ARMED
        assert (await host.status()).lease == armed.lease


async def test_r3_a_key_once_used_is_never_executed_again(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, _):
        first = await host.request(CALIBRATION_WRITE.number, pack(CALIBRATION), key=111)
        assert (first.refusal, first.data) == (Refusal.NONE, b"")
        changed = pack(CALIBRATION._replace(due_day=1))
        again = await host.request(CALIBRATION_WRITE.number, changed, key=111)
        assert again.refusal == Refusal.NONE
        read = await host.request(CALIBRATION_READ.number)
        assert unpack(CalibrationData, read.data) == CALIBRATION
        assert (await host.request(CLEAR_FAULT.number, key=111)).refusal == Refusal.NONE, "whatever it names"
        refused = await host.request(CALIBRATION_WRITE.number, b"", key=112)
        assert refused.refusal == Refusal.RANGE
        late = await host.request(CALIBRATION_WRITE.number, changed, key=112)
        assert late.refusal == Refusal.RANGE, "refusals are outcomes and are kept"
        assert await outcome(host, 112) == Refusal.RANGE
        assert (await host.request(CALIBRATION_WRITE.number, changed, key=113, nonce=1)).refusal == Refusal.NONCE
        assert await outcome(host, 113) is None, "but for NONCE"


async def test_r3_sixteen_outcomes_are_kept(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, _):
        for key in range(200, 217):
            await host.request(CLEAR_FAULT.number, pack(FaultMask(0)), key=key)
        assert await outcome(host, 200) is None
        assert [await outcome(host, key) for key in (201, 216)] == [Refusal.NONE, Refusal.NONE]


async def test_r3_r7_a_used_cartridge_outcomes_and_the_log_survive_a_reboot(handled_pen: BenchPen) -> None:
    async with met(handled_pen) as (host, welcome):
        tag = await host.tag()
        assert (await host.request(CARTRIDGE_CONSUME.number, pack(CartridgeTag(tag)), key=121)).refusal == Refusal.NONE
        await host.request(CALIBRATION_WRITE.number, pack(CALIBRATION), key=122)
        await host.arm(123)
        await host.status(lambda status: status.faults == Fault.DEAD_MAN and status.state == PenState.FAULT)
        before = await entries(host)
        handled_pen.reboot()
        async with asyncio.timeout(2):
            while True:
                host.send(Hello(NONCE + 1, PROTOCOL_VERSION))
                await asyncio.sleep(0.03)
                again = [message for message in host.received if isinstance(message, Welcome)][-1]
                if again.boot_id != welcome.boot_id:
                    break
        host.nonce = again.nonce
        cartridge = unpack(CartridgeData, (await host.request(CARTRIDGE_READ.number)).data)
        assert (cartridge.tag, cartridge.used) == (tag, 1)
        read = await host.request(CALIBRATION_READ.number)
        assert unpack(CalibrationData, read.data) == CALIBRATION
        assert await outcome(host, 121) == Refusal.NONE
        assert await entries(host) == [*before, (pytest.approx(0, abs=100), STARTED, 0)]
        assert (await host.status()).pen_time_ms < 2000


async def test_r7_the_log_tells_in_order_what_happened(either_pen: BenchPen) -> None:
    async with met(either_pen) as (host, _):
        newest = (await log(host, 1)).newest
        first = await host.arm(131)
        host.send(Disarm(first.lease))
        await host.status(lambda status: status.lease == 0)
        second = await host.arm(132)
        host.send(Stop())
        await host.status(lambda status: status.lease == 0)
        tag = await host.tag()
        await host.request(CALIBRATION_WRITE.number, pack(CALIBRATION), key=133)
        tested = await host.request(SELF_TEST.number, key=134)
        told = [(code, argument) for _, code, argument in await entries(host, newest + 1)]
        assert told == [
            (ARMED_ENTRY, first.lease), (LEASE_ENDED, ENDED_BY_DISARM), (ARMED_ENTRY, second.lease),
            (LEASE_ENDED, ENDED_BY_STOP), (CALIBRATED, 0), (TESTED, tested.data[0]),
        ]  # fmt: skip
        assert tag


async def log(host: BareHost, first: int) -> LogEntries:
    """A piece of the event log."""
    answer = await host.request(EVENT_LOG.number, pack(LogPosition(first)))
    assert answer.refusal == Refusal.NONE
    return unpack(LogEntries, answer.data)


async def entries(host: BareHost, first: int = 1) -> list[tuple[int, int, int]]:
    """Pen time, code and argument of every entry from ``first`` on; their numbers are in order and without a gap."""
    found: list[tuple[int, int, int, int]] = []
    while piece := (await log(host, first)).entries:
        found += LOG_ENTRY.iter_unpack(piece)
        first = found[-1][0] + 1
    assert all(later[0] == earlier[0] + 1 for earlier, later in pairwise(found))
    return [entry[1:] for entry in found]


async def last_entries(host: BareHost, count: int = 1) -> list[tuple[int, int]]:
    """Code and argument of the last entries."""
    return [(code, argument) for _, code, argument in (await entries(host))[-count:]]


async def outcome(host: BareHost, key: int) -> int | None:
    """What the pen keeps of this key."""
    answer = await host.request(OUTCOME.number, pack(OutcomeKey(key)))
    return unpack(OutcomeData, answer.data).refusal if answer.refusal == Refusal.NONE else None


async def clear(host: BareHost) -> None:
    """Clears what is latched, once the needles are out."""
    status = await host.status(lambda status: status.state == PenState.FAULT)
    answer = await host.request(CLEAR_FAULT.number, pack(FaultMask(status.faults)), key=status.pen_time_ms + 1)
    assert answer.refusal == Refusal.NONE
    await host.status(lambda status: status.state == PenState.IDLE)
