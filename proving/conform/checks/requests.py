"""R: requests, keys, outcomes, self-test and event log. CLEAR_FAULT of no fault is what harms nothing: most use it."""

import asyncio

from firmware_bridge.wire.codec import pack, unpack
from firmware_bridge.wire.messages import (
    OUTCOMES_KEPT,
    PROTOCOL_VERSION,
    Capability,
    Disarm,
    Fault,
    Hello,
    PenState,
    Refusal,
    Response,
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
    OPERATIONS,
    OUTCOME,
    SELF_TEST,
    CalibrationData,
    CartridgeData,
    CartridgeTag,
    FaultMask,
    Nothing,
    OutcomeData,
    OutcomeKey,
    SelfTestData,
)
from proving.conform.bench import Bench
from proving.conform.checks.faults import dead_man
from proving.conform.checks.log import (
    ARMED,
    BY_DISARM,
    BY_STOP,
    CALIBRATED,
    LEASE_ENDED,
    STARTED,
    TESTED,
    log_from,
    log_piece,
    newest_entry,
)
from proving.conform.host import laid_out
from proving.conform.suite import Suite
from proving.conform.verdicts import NotTried, expect, name_of, told

SUITE = Suite()

ANSWER_MS, SELF_TEST_MS = 500, 2000
NO_FAULT = pack(FaultMask(0))


def _shown(answer: Response) -> str:
    return f"{name_of(Refusal, answer.refusal)} with {len(answer.data)} bytes of data"


async def refused(
    bench: Bench, refusal: Refusal, why: str, operation: int, arguments: bytes = b"", **more: int
) -> None:
    """This REQUEST is refused so, without data."""
    answer = await bench.host.request(operation, arguments, **more)
    good = (answer.refusal, answer.data) == (refusal, b"")
    expect(good, f"{refusal.name} without data ({why})", _shown(answer))


async def outcome(bench: Bench, key: int) -> int | None:
    """What the pen keeps of this key."""
    answer = await bench.host.request(OUTCOME.number, pack(OutcomeKey(key)))
    if answer.refusal == Refusal.UNKNOWN_KEY:
        return None
    expect(answer.refusal == Refusal.NONE, "OUTCOME answered", _shown(answer))
    data = unpack(OutcomeData, answer.data)
    expect(data.key == key, f"the outcome of key {key}", data)
    return data.refusal


@SUITE.check("R1", "NONCE, UNSUPPORTED, RANGE and the operation's own, in this order")
async def refusals_in_order(bench: Bench) -> None:
    key = bench.number
    await refused(bench, Refusal.NONCE, "another nonce, an unknown operation", 0x7F, nonce=bench.host.nonce ^ 1)
    await refused(bench, Refusal.UNSUPPORTED, "an unknown operation", 0x7F)
    await refused(bench, Refusal.UNSUPPORTED, "an unknown operation, with a key", 0x7F, key=key())
    if not bench.has(Capability.SERVICE):
        await refused(bench, Refusal.UNSUPPORTED, "an operation of service", 0x40, key=key())
    await refused(bench, Refusal.RANGE, "not repeatable, and no key", CLEAR_FAULT.number, NO_FAULT)
    await refused(bench, Refusal.RANGE, "repeatable, and a key", OUTCOME.number, pack(OutcomeKey(1)), key=key())
    await refused(bench, Refusal.RANGE, "arguments too short", CLEAR_FAULT.number, NO_FAULT[:1], key=key())
    await refused(bench, Refusal.RANGE, "arguments too short", OUTCOME.number, b"\x01\x02\x03")
    await refused(bench, Refusal.RANGE, "OUTCOME of key 0", OUTCOME.number, laid_out(OutcomeKey(0)))
    await refused(bench, Refusal.UNKNOWN_KEY, "a key never used", OUTCOME.number, pack(OutcomeKey(key())))
    for operation in OPERATIONS:
        if operation.capability is not None and not bench.has(operation.capability):
            used = 0 if operation.repeatable else key()
            await refused(bench, Refusal.UNSUPPORTED, f"no {operation.capability.name}", operation.number, key=used)


@SUITE.check("R1", "ARMED for what may not be done while a lease lives, after RANGE")
async def refused_while_armed(bench: Bench) -> None:
    lease = (await bench.armed()).lease
    async with bench.driving(lease):
        number, key = CLEAR_FAULT.number, bench.number
        await refused(bench, Refusal.RANGE, "arguments too short, a lease lives", number, b"\x01", key=key())
        await refused(bench, Refusal.ARMED, "a lease lives", number, NO_FAULT, key=key())
        answer = await bench.host.request(OUTCOME.number, pack(OutcomeKey(key())))
        expect(answer.refusal == Refusal.UNKNOWN_KEY, "OUTCOME answered while a lease lives", _shown(answer))
        status = await bench.host.status()
        expect(status.lease == lease, "the lease alive", status)


@SUITE.check("R1", "RANGE for a calibration out of range, CARTRIDGE for another's tag", writes=True)
async def refused_before_anything_is_written(bench: Bench) -> None:
    bench.needs(Capability.CALIBRATION_STORED, Capability.CARTRIDGE_IDENTIFIED)
    host, number = bench.host, CALIBRATION_WRITE.number
    kept = await host.request(CALIBRATION_READ.number)
    calibration = unpack(CalibrationData, kept.data)
    wrong = laid_out(calibration._replace(valid=2))
    await refused(bench, Refusal.RANGE, "valid is 2", number, wrong, key=bench.number())
    await refused(bench, Refusal.RANGE, "a byte too few", number, kept.data[:-1], key=bench.number())
    tag = unpack(CartridgeData, (await host.request(CARTRIDGE_READ.number)).data).tag
    other = pack(CartridgeTag(tag ^ 1 or 2))
    await refused(bench, Refusal.CARTRIDGE, "another's tag", CARTRIDGE_CONSUME.number, other, key=bench.number())
    after = await host.request(CALIBRATION_READ.number)
    if after.data != kept.data:
        await host.request(number, kept.data, key=bench.number())
    expect(after.data == kept.data, "the calibration untouched", unpack(CalibrationData, after.data))


@SUITE.check("R2", "answered within 500 ms, by the id asked", best_of=3)
async def answered_in_time(bench: Bench) -> None:
    host, loop = bench.host, asyncio.get_running_loop()
    for operation in OPERATIONS:
        if not operation.repeatable or (operation.capability is not None and not bench.has(operation.capability)):
            continue
        if operation.arguments is not Nothing and operation not in {OUTCOME, EVENT_LOG}:
            continue
        arguments = pack(OutcomeKey(1)) if operation is OUTCOME else b"\x01\0\0\0" if operation is EVENT_LOG else b""
        began_s = loop.time()
        answer = await host.request(operation.number, arguments)
        took_ms = (loop.time() - began_s) * 1000
        expect(took_ms <= ANSWER_MS, f"{operation.name} answered within {ANSWER_MS} ms", f"{took_ms:.0f} ms")
        fits = answer.refusal == Refusal.NONE or operation is OUTCOME
        expect(fits, f"{operation.name} done", _shown(answer))


@SUITE.check("R2", "STATUS flows while a self-test runs, whose answer is not sent to a later connection", moves=True)
async def status_flows_meanwhile(bench: Bench) -> None:
    bench.needs(Capability.SELF_TEST)
    host, period_ms = bench.host, bench.welcome.status_period_ms
    answer = asyncio.create_task(host.request(SELF_TEST.number, key=bench.number()), name="self-test")
    try:
        await host.status(lambda status: status.state == PenState.SELF_TEST, "state SELF_TEST")
        first = len(host.statuses())
        await asyncio.sleep(0.1)
        expect(len(host.statuses()) - first >= 50 // period_ms, "STATUS during the self-test", len(host.statuses()))
        host.nonce = bench.number()
        await host.ask(Hello(host.nonce, PROTOCOL_VERSION), Welcome)
        await host.status(lambda status: status.state == PenState.IDLE, "the self-test at its end")
        await asyncio.sleep(0.1)
        expect(not answer.done(), "no answer for a connection that is over", "a RESPONSE")
    finally:
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)


@SUITE.check("R3", "a key once used is not executed again, whatever it names then")
async def never_executed_again(bench: Bench) -> None:
    host, number, key = bench.host, CLEAR_FAULT.number, bench.number()
    first = await host.request(number, NO_FAULT, key=key)
    expect((first.refusal, first.data) == (Refusal.NONE, b""), "CLEAR_FAULT of nothing done", _shown(first))
    await dead_man(bench)
    again = await host.request(number, pack(FaultMask(Fault.DEAD_MAN)), key=key)
    expect((again.refusal, again.data) == (Refusal.NONE, b""), "the kept outcome", _shown(again))
    status = await host.status()
    expect(status.faults == Fault.DEAD_MAN, "the fault latched as before: nothing executed twice", status)


@SUITE.check("R3", "refusals are kept too, but for NONCE and an unknown operation")
async def refusals_are_kept(bench: Bench) -> None:
    host, number = bench.host, CLEAR_FAULT.number
    key, stranger, unknown = bench.number(), bench.number(), bench.number()
    await refused(bench, Refusal.RANGE, "arguments too short", number, b"\x01", key=key)
    await refused(
        bench, Refusal.RANGE, "the outcome kept, though the arguments are good now", number, NO_FAULT, key=key
    )
    kept = await outcome(bench, key)
    expect(kept == Refusal.RANGE, "RANGE kept", kept)
    await refused(bench, Refusal.NONCE, "another nonce", number, NO_FAULT, key=stranger, nonce=host.nonce ^ 1)
    await refused(bench, Refusal.UNSUPPORTED, "an unknown operation", 0x7F, key=unknown)
    found = [await outcome(bench, one) for one in (stranger, unknown)]
    expect(found == [None, None], "nothing kept of NONCE and of an unknown operation", found)


@SUITE.check("R3", "sixteen outcomes are kept, the oldest makes room")
async def sixteen_are_kept(bench: Bench) -> None:
    keys = [bench.number() for _ in range(OUTCOMES_KEPT + 1)]
    for key in keys:
        await bench.host.request(CLEAR_FAULT.number, NO_FAULT, key=key)
    found = [await outcome(bench, key) for key in keys]
    expect(found[1:] == [Refusal.NONE] * OUTCOMES_KEPT, f"the last {OUTCOMES_KEPT} kept", found)
    expect(found[0] is None, "the one before them UNKNOWN_KEY", found[0])


@SUITE.check("R3", "outcomes are kept over a reboot")
async def kept_over_a_reboot(bench: Bench) -> None:
    reboot = bench.hand("reboot")
    key = bench.number()
    await bench.host.request(CLEAR_FAULT.number, NO_FAULT, key=key)
    logged = bench.has(Capability.EVENT_LOG)
    log = await log_from(bench.host, 1) if logged else []
    await bench.rebooted(reboot)
    kept = await outcome(bench, key)
    expect(kept == Refusal.NONE, "the outcome kept over a reboot", kept)
    if logged:
        after = await log_from(bench.host, log[-1].number)
        told = [entry[2:] for entry in after[1:]]
        expect(after[:1] == log[-1:] and told == [(STARTED, 0)], "the log kept, and one entry of the start", after)


@SUITE.check("R4", "OUTCOME of a key used, of one refused, of one unknown")
async def outcomes_told(bench: Bench) -> None:
    done, key = bench.number(), bench.number()
    await bench.host.request(CLEAR_FAULT.number, NO_FAULT, key=done)
    await bench.host.request(CLEAR_FAULT.number, b"", key=key)
    found = [await outcome(bench, one) for one in (done, key, bench.number())]
    expect(found == [Refusal.NONE, Refusal.RANGE, None], "NONE, RANGE, UNKNOWN_KEY", found)


@SUITE.check("R5", "the same question gets a new answer")
async def answered_anew(bench: Bench) -> None:
    key = bench.number()
    before = await outcome(bench, key)
    await bench.host.request(CLEAR_FAULT.number, NO_FAULT, key=key)
    after = await outcome(bench, key)
    expect((before, after) == (None, Refusal.NONE), "UNKNOWN_KEY, and NONE once it was used", (before, after))


@SUITE.check("R6", "SELF_TEST: its state, its answer within 2 s, passed among tested", moves=True)
async def self_test(bench: Bench) -> None:
    bench.needs(Capability.SELF_TEST)
    host, loop = bench.host, asyncio.get_running_loop()
    began_s = loop.time()
    answer = await host.request(SELF_TEST.number, key=bench.number(), within_s=2 * SELF_TEST_MS / 1000)
    took_ms = (loop.time() - began_s) * 1000
    expect(answer.refusal == Refusal.NONE, "a self-test done", _shown(answer))
    expect(took_ms <= SELF_TEST_MS, f"its answer within {SELF_TEST_MS} ms", f"{took_ms:.0f} ms")
    states = {status.state for status in host.statuses()}
    expect(PenState.SELF_TEST in states, "state SELF_TEST meanwhile", states)
    result = unpack(SelfTestData, answer.data)
    expect(not result.passed & ~result.tested, "passed parts among those tested", result)
    if bench.has(Capability.DEPTH_SENSED):
        deepest = max(_signed(status.depth_measured_um) for status in host.statuses())
        expect(deepest <= 0, "the needles behind the face all the while", f"{deepest} µm")


def _signed(depth_um: int) -> int:
    return -1 if depth_um == -0x8000 else depth_um


@SUITE.check("R6", "not while a lease lives", moves=True)
async def no_self_test_while_armed(bench: Bench) -> None:
    bench.needs(Capability.SELF_TEST)
    lease = (await bench.armed()).lease
    async with bench.driving(lease):
        await refused(bench, Refusal.ARMED, "a lease lives", SELF_TEST.number, key=bench.number())


@SUITE.check("R7", "at most three entries, numbered, none beyond the newest, the oldest when asked for older")
async def the_log_in_pieces(bench: Bench) -> None:
    bench.needs(Capability.EVENT_LOG)
    host = bench.host
    everything = await log_from(host, 0)
    newest, none = await log_piece(host, everything[-1].number + 1)
    expect(newest == everything[-1].number and not none, "no entry beyond the newest", none)
    _, last = await log_piece(host, newest)
    expect(last == everything[-1:], f"entry {newest} alone", last)
    expect(all(entry.code for entry in everything), "codes of the table", everything)


@SUITE.check("R7", "the log tells in order what happened")
async def the_log_tells(bench: Bench) -> None:
    bench.needs(Capability.EVENT_LOG)
    host = bench.host
    newest = await newest_entry(host)
    first = (await bench.armed()).lease
    host.send(Disarm(first))
    await host.status(lambda status: not status.lease)
    second = (await bench.armed()).lease
    host.send(Stop())
    await host.status(lambda status: not status.lease)
    told = [entry[2:] for entry in await log_from(host, newest + 1)]
    wanted = [(ARMED, first), (LEASE_ENDED, BY_DISARM), (ARMED, second), (LEASE_ENDED, BY_STOP)]
    expect(told == wanted, f"the entries {wanted}", told)


@SUITE.check("R7", "the log tells of a self-test", moves=True)
async def the_log_tells_of_a_self_test(bench: Bench) -> None:
    bench.needs(Capability.EVENT_LOG, Capability.SELF_TEST)
    newest = await newest_entry(bench.host)
    tested = await bench.host.request(SELF_TEST.number, key=bench.number())
    told = [entry[2:] for entry in await log_from(bench.host, newest + 1)]
    expect(told == [(TESTED, tested.data[0])], "one entry, with what passed", told)


@SUITE.check("R7", "a calibration written back as it was read is read back, and logged", writes=True)
async def calibration_written_back(bench: Bench) -> None:
    bench.needs(Capability.EVENT_LOG, Capability.CALIBRATION_STORED)
    host = bench.host
    newest = await newest_entry(host)
    kept = await host.request(CALIBRATION_READ.number)
    if not unpack(CalibrationData, kept.data).valid:
        raise NotTried("the pen has no valid calibration to write back")
    done = await host.request(CALIBRATION_WRITE.number, kept.data, key=bench.number())
    expect(done.refusal == Refusal.NONE, "CALIBRATION_WRITE done", _shown(done))
    again = await host.request(CALIBRATION_READ.number)
    expect(again.data == kept.data, "the calibration as before", unpack(CalibrationData, again.data))
    told = [entry[2:] for entry in await log_from(host, newest + 1)]
    expect(told == [(CALIBRATED, 0)], "one entry, of a calibration written", told)


@SUITE.check("R3", "a consumed cartridge reads as used", writes=True)
async def a_cartridge_is_used_for_good(bench: Bench) -> None:
    bench.needs(Capability.CARTRIDGE_IDENTIFIED)
    host = bench.host
    tag = unpack(CartridgeData, (await host.request(CARTRIDGE_READ.number)).data).tag
    if not tag:
        raise NotTried("no cartridge is inserted: put one on")
    done = await host.request(CARTRIDGE_CONSUME.number, pack(CartridgeTag(tag)), key=bench.number())
    expect(done.refusal == Refusal.NONE, "CARTRIDGE_CONSUME done", _shown(done))
    after = unpack(CartridgeData, (await host.request(CARTRIDGE_READ.number)).data)
    expect((after.tag, after.used) == (tag, 1), "the same cartridge, used", after)


@SUITE.check("R3", "and stays used over a reboot, as the calibration stays", writes=True)
async def a_used_cartridge_stays_used_over_a_reboot(bench: Bench) -> None:
    reboot = bench.hand("reboot")
    bench.needs(Capability.CARTRIDGE_IDENTIFIED)
    host = bench.host
    before = await host.request(CARTRIDGE_READ.number)
    if not unpack(CartridgeData, before.data).used:
        raise NotTried("the cartridge was not used before")
    kept = await host.request(CALIBRATION_READ.number)
    await bench.rebooted(reboot)
    after = await bench.host.request(CARTRIDGE_READ.number)
    expect(after.data == before.data, f"the cartridge as before: {told(before)}", after)
    again = await bench.host.request(CALIBRATION_READ.number)
    expect((again.refusal, again.data) == (kept.refusal, kept.data), "the calibration as before", again)
