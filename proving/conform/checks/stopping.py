"""D and T: what ends a motor. Without permission to move they are tried on a lease with the motor off."""

import asyncio

from firmware_bridge.wire.framing import DELIMITER
from firmware_bridge.wire.messages import Capability, Fault, Interlock, PenState, Refusal, Status, Stop
from firmware_bridge.wire.operations import SELF_TEST
from proving.conform.bench import LINE_MS, Bench
from proving.conform.checks.log import BUTTON, BY_SILENCE, BY_STOP, LATCHED, LEASE_ENDED, PEDAL, log_from, newest_entry
from proving.conform.host import BareHost, framed
from proving.conform.suite import Suite
from proving.conform.verdicts import expect

SUITE = Suite()

RUN_MS = 200
RATE_AT_REST_MHZ = 1_000


async def running(bench: Bench) -> tuple[int, Status]:
    """The motor turned on, the last setpoint just sent; the lease, and the STATUS it was decided on."""
    host, on = bench.host, bench.on
    lease = (await bench.armed()).lease
    async with bench.driving(lease, **on):
        begun = await host.status(lambda status: status.state == PenState.RUNNING, "RUNNING with motor 1")
        await host.status(lambda status: status.pen_time_ms - begun.pen_time_ms > RUN_MS)
    decided = await host.status()
    host.send(bench.wish(lease, 100_000, decided, **on))
    await host.status(lambda status: status.tick == 100_000, "the setpoint accepted")
    return lease, decided


async def needles_out_in_time(bench: Bench, off_ms: int) -> None:
    """The needles are out within the retract time from the pen time of drive off, and the motor rests."""
    host, welcome = bench.host, bench.welcome
    out = await host.status(
        lambda status: bool(status.interlocks & Interlock.NEEDLES_OUT), "NEEDLES_OUT after the drive went off"
    )
    latest = off_ms + welcome.retract_ms + welcome.status_period_ms
    expect(out.pen_time_ms <= latest, f"needles out by pen time {latest}", out)
    expect(not out.faults & Fault.RETRACT_FAILED, "no RETRACT_FAILED", out)
    if bench.has(Capability.RATE_SENSED):
        await host.status(lambda status: status.rate_measured_mhz <= RATE_AT_REST_MHZ, "the motor at rest")


async def silent_until_dead_man(bench: Bench, due: int, newest: int) -> Status:
    """The first STATUS of a fault after silence, held against the deadline."""
    host, welcome = bench.host, bench.welcome
    first = await host.status(lambda status: bool(status.faults), f"DEAD_MAN at pen time {due}")
    in_time = due <= first.pen_time_ms <= due + welcome.status_period_ms
    expect(
        in_time and first.faults == Fault.DEAD_MAN, f"DEAD_MAN alone, shown by {due + welcome.status_period_ms}", first
    )
    expect((first.lease, first.tick) == (0, 0), "lease and tick 0", first)
    alive = [status.pen_time_ms for status in host.statuses() if status.lease]
    expect(not alive or max(alive) < due, f"no lease at pen time {due} or after", alive[-1:])
    if bench.has(Capability.EVENT_LOG):
        told = await log_from(host, newest + 1)
        ended = sorted(entry[1:] for entry in told if entry.code in {LEASE_ENDED, LATCHED})
        wanted = [(due, LEASE_ENDED, BY_SILENCE), (due, LATCHED, Fault.DEAD_MAN)]
        expect(ended == wanted, f"the log to tell of both in pen time {due}", ended)
    return first


@SUITE.check("D1", "silence under a lease with the motor off, to the millisecond")
async def silence_while_armed(bench: Bench) -> None:
    host = bench.host
    lease = (await bench.armed()).lease
    newest = await newest_entry(host) if bench.has(Capability.EVENT_LOG) else 0
    decided = await host.status()
    host.send(bench.wish(lease, 1, decided))
    await host.status(lambda status: status.tick == 1, "tick 1 accepted")
    await silent_until_dead_man(bench, decided.pen_time_ms + bench.welcome.dead_man_ms, newest)


@SUITE.check("D1", "silence while RUNNING: drive off, needles out in time", moves=True)
async def silence_while_running(bench: Bench) -> None:
    host = bench.host
    newest = await newest_entry(host) if bench.has(Capability.EVENT_LOG) else 0
    _, decided = await running(bench)
    due = decided.pen_time_ms + bench.welcome.dead_man_ms
    first = await silent_until_dead_man(bench, due, newest)
    expect(first.state in {PenState.RETRACTING, PenState.FAULT}, "RETRACTING or FAULT", first)
    ran = [status.pen_time_ms for status in host.statuses() if status.state == PenState.RUNNING]
    expect(max(ran) < due, f"the motor off at pen time {due}", max(ran))
    await needles_out_in_time(bench, due)


async def stopped_at_once(bench: Bench, host: BareHost, state: PenState) -> int:
    """STOP, said on ``host`` to a pen in this state, shows in STATUS at once; the pen time of the first to show it."""
    watcher, welcome = bench.host, bench.welcome
    before = await watcher.status()
    expect(before.state == state, f"{state.name} before STOP", before)
    host.write(DELIMITER)
    host.send(Stop())
    ended = await watcher.status(
        lambda status: not status.lease and status.state != PenState.RUNNING, "STATUS with lease 0 and the motor off"
    )
    latest = before.pen_time_ms + 2 * welcome.status_period_ms + LINE_MS
    expect(ended.pen_time_ms <= latest, f"STOP to show by pen time {latest}", ended)
    expect((ended.tick, ended.faults) == (0, 0), "tick 0 and no fault after STOP", ended)
    return ended.pen_time_ms


@SUITE.check("T1", "STOP ends a lease at once, without a fault", best_of=3)
async def stop_ends_a_lease(bench: Bench) -> None:
    host = bench.host
    logged = bench.has(Capability.EVENT_LOG)
    lease = (await bench.armed()).lease
    newest = await newest_entry(host) if logged else 0
    host.send(bench.wish(lease, 1, await host.status()))
    await host.status(lambda status: status.tick == 1, "tick 1 accepted")
    shown = await stopped_at_once(bench, host, PenState.ARMED)
    host.send(bench.wish(lease, 2, host.statuses()[-1]))
    dead = await host.status(lambda status: status.refusal != Refusal.NONE, "a setpoint after STOP refused")
    expect((dead.refusal, dead.lease) == (Refusal.LEASE, 0), "refusal LEASE after STOP", dead)
    if logged:
        told = await log_from(host, newest + 1)
        expect(
            [entry[2:] for entry in told] == [(LEASE_ENDED, BY_STOP)], "the log to tell of a lease ended by STOP", told
        )
        expect(told[0].pen_time_ms <= shown, f"STOP logged by pen time {shown}", told[0])


@SUITE.check("T1", "STOP while nothing is to be stopped, and again and again, harms nothing")
async def stop_at_rest(bench: Bench) -> None:
    host = bench.host
    host.send(*[Stop()] * 5)
    status = await host.status()
    expect((status.state, status.faults, status.lease) == (PenState.IDLE, 0, 0), "IDLE as before", status)
    await bench.armed()


@SUITE.check("T1", "STOP behind noise on the line")
async def stop_behind_noise(bench: Bench) -> None:
    host = bench.host
    lease = (await bench.armed()).lease
    host.write(b"\xa5" * 90)
    host.stop()
    await host.status(lambda status: not status.lease, f"lease {lease} ended by a STOP behind noise and a zero byte")


@SUITE.check("T1", "STOP behind setpoints that wait with it, with another sequence, with a tail")
async def stop_in_any_company(bench: Bench) -> None:
    host = bench.host
    for sequence, tail in ((0, b""), (128, b""), (255, b"\x01\x00\x02")):
        lease = (await bench.armed()).lease
        status = await host.status()
        wishes = [bench.wish(lease, tick, status) for tick in range(1, 6)]
        host.send(*wishes)
        host.write(framed(Stop(), sequence, tail))
        host.send(*(wish._replace(tick=wish.tick + 100) for wish in wishes))
        await host.status(lambda status: not status.lease, f"lease {lease} ended by STOP with sequence {sequence}")
        await asyncio.sleep(0.05)
        expect(not (await host.status()).lease, "no lease after STOP", host.statuses()[-1])


@SUITE.check("T1", "STOP on a medium without the connection, before any HELLO")
async def stop_on_another_medium(bench: Bench) -> None:
    async with bench.other() as other:
        lease = (await bench.armed()).lease
        async with bench.driving(lease):
            await stopped_at_once(bench, other, PenState.ARMED)
        expect(not other.received, "no answer to STOP", other.received[:1])


@SUITE.check("T1", "STOP while RUNNING: drive off, needles out in time", moves=True, best_of=3)
async def stop_while_running(bench: Bench) -> None:
    await running(bench)
    await needles_out_in_time(bench, await stopped_at_once(bench, bench.host, PenState.RUNNING))


@SUITE.check("T1", "STOP ends a self-test: NOT_READY, and so kept", moves=True)
async def stop_ends_a_self_test(bench: Bench) -> None:
    bench.needs(Capability.SELF_TEST)
    host, key = bench.host, bench.number()
    asking = asyncio.create_task(host.request(SELF_TEST.number, key=key), name="self-test")
    try:
        await host.status(lambda status: status.state == PenState.SELF_TEST, "state SELF_TEST")
        host.send(Stop())
        answer = await asking
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    expect((answer.refusal, answer.data) == (Refusal.NOT_READY, b""), "the self-test refused NOT_READY", answer)
    await host.status(lambda status: status.state == PenState.IDLE, "IDLE after the self-test was stopped")
    again = await host.request(SELF_TEST.number, key=key)
    expect(again.refusal == Refusal.NOT_READY, "the same outcome for the same key", again)


async def _pressed(bench: Bench, which: str) -> None:
    """A press while RUNNING, by this hand."""
    host, on = bench.host, bench.on
    press = bench.hand(f"press_{which}", Capability[which.upper()])
    counter = f"{which}_presses"
    lease = (await bench.armed()).lease
    async with bench.driving(lease, **on):
        before = await host.status(lambda status: status.state == PenState.RUNNING, "RUNNING with motor 1")
        first = len(host.received)
        await press()
        shown = await host.next(
            Status,
            lambda status: getattr(status, counter) != getattr(before, counter),
            what=f"{counter} to count a press",
            since=first,
        )
    counted = (getattr(shown, counter) - getattr(before, counter)) % 256
    expect(counted == 1, "one press counted", counted)
    expect((shown.state, shown.lease) == (PenState.ARMED, lease), "ARMED in the STATUS that shows it", shown)


@SUITE.check("T2", "a press of the button while RUNNING stops the motor, the lease lives on", moves=True)
async def the_button_stops(bench: Bench) -> None:
    await _pressed(bench, "button")


@SUITE.check("T2", "a press of the pedal while RUNNING stops the motor, the lease lives on", moves=True)
async def the_pedal_stops(bench: Bench) -> None:
    await _pressed(bench, "pedal")


@SUITE.check("T2", "presses at rest are counted and logged")
async def presses_are_counted(bench: Bench) -> None:
    host, press = bench.host, bench.hand("press_button", Capability.BUTTON)
    logged = bench.has(Capability.EVENT_LOG)
    newest = await newest_entry(host) if logged else 0
    before = await host.status()
    await press()
    after = await host.status(lambda status: status.button_presses != before.button_presses, "the press counted")
    expect(after.state == PenState.IDLE, "IDLE", after)
    codes = [BUTTON]
    if bench.hands.press_pedal is not None and bench.has(Capability.PEDAL):
        await bench.hands.press_pedal()
        await host.status(lambda status: status.pedal_presses != before.pedal_presses, "the pedal's press counted")
        codes.append(PEDAL)
    if logged:
        told = [entry.code for entry in await log_from(host, newest + 1)]
        expect(told == codes, f"entries {codes} in the log", told)
