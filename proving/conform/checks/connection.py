"""C: who the pen talks to. And P, its clock."""

import asyncio
from itertools import pairwise

from firmware_bridge.wire.codec import pack, range_problem
from firmware_bridge.wire.messages import (
    PROTOCOL_VERSION,
    Arm,
    Busy,
    Capability,
    Fault,
    Hello,
    PenState,
    Refusal,
    Request,
    Setpoint,
    Status,
    Welcome,
)
from firmware_bridge.wire.operations import OUTCOME, OutcomeKey
from proving.conform.bench import LINE_MS, Bench
from proving.conform.checks.log import BY_HELLO, LEASE_ENDED, log_from, newest_entry
from proving.conform.suite import Suite
from proving.conform.verdicts import NotTried, expect

SUITE = Suite()

WELCOME_MS = 250
QUIET_S = 0.12
CLOCK_SHARE, CLOCK_MS = 0.05, 60
"""How far a pen's clock may be off against this machine's, line included; a clock in other units is far off."""


def _now_s() -> float:
    return asyncio.get_running_loop().time()


@SUITE.check("P", "pen time runs in milliseconds, forward", best_of=3)
async def pen_time_is_milliseconds(bench: Bench) -> None:
    host = bench.host
    first, begun_s = await host.status(), _now_s()
    while _now_s() - begun_s < 0.6:
        last = await host.status()
    passed_ms, told_ms = (_now_s() - begun_s) * 1000, (last.pen_time_ms - first.pen_time_ms) % 2**32
    near = abs(told_ms - passed_ms) <= CLOCK_MS + CLOCK_SHARE * passed_ms
    expect(near, f"pen time to advance by about {passed_ms:.0f} ms", f"{told_ms} ms")
    steps = [later.pen_time_ms - earlier.pen_time_ms for earlier, later in pairwise(host.statuses())]
    expect(all(0 < step % 2**32 < 2**31 for step in steps), "every STATUS later than the one before", steps)


@SUITE.check("C1", "WELCOME within 250 ms, of sensible values", best_of=3)
async def welcome_in_time(bench: Bench) -> None:
    host = bench.host
    began_s = _now_s()
    host.nonce = bench.number()
    welcome = await host.ask(Hello(host.nonce, PROTOCOL_VERSION), Welcome, "a WELCOME")
    took_ms = (_now_s() - began_s) * 1000
    expect(welcome.nonce == host.nonce, f"the nonce 0x{host.nonce:08X} back", f"0x{welcome.nonce:08X}")
    expect(welcome.version == PROTOCOL_VERSION, f"version {PROTOCOL_VERSION}", welcome.version)
    expect(took_ms <= WELCOME_MS, f"a WELCOME within {WELCOME_MS} ms", f"{took_ms:.0f} ms")
    problem = range_problem(welcome)
    expect(problem is None, "every value of WELCOME in its range", problem)
    expect(welcome.depth_min_um <= welcome.depth_max_um, "depth_min_um ≤ depth_max_um", welcome)
    expect(0 < welcome.rate_min_mhz <= welcome.rate_max_mhz, "0 < rate_min_mhz ≤ rate_max_mhz", welcome)


@SUITE.check("C1", "the same HELLO is answered again, alike")
async def hello_again(bench: Bench) -> None:
    host = bench.host
    first = await host.ask(Hello(host.nonce, PROTOCOL_VERSION), Welcome)
    again = await host.ask(Hello(host.nonce, PROTOCOL_VERSION), Welcome)
    expect(again == first, f"the same WELCOME again: {first}", again)


@SUITE.check("C1", "a closed port is opened again and the pen answers")
async def reconnects(bench: Bench) -> None:
    before = bench.welcome
    for _ in range(2):
        await bench.close()
        await bench.open()
        await bench.met()
    after = bench.welcome
    same = (after.model, after.serial) == (before.model, before.serial)
    expect(same, f"the same pen after reconnecting: {before}", after)
    await bench.host.status()


@SUITE.check("C2", "STATUS every status period, by the pen's clock", best_of=3)
async def status_period(bench: Bench) -> None:
    host, period_ms = bench.host, bench.welcome.status_period_ms
    for _ in range(20):
        await host.status()
    times = [status.pen_time_ms for status in host.statuses()]
    steps = [(later - earlier) % 2**32 for earlier, later in pairwise(times)]
    mean_ms = sum(steps) / len(steps)
    expect(abs(mean_ms - period_ms) <= 0.1 * period_ms, f"a STATUS every {period_ms} ms", f"every {mean_ms:.1f} ms")
    expect(max(steps) <= 2 * period_ms, f"no gap over {2 * period_ms} ms", f"{max(steps)} ms")


@SUITE.check("C2", "without a connection nothing is sent; WELCOME comes before the first STATUS")
async def welcome_before_status(bench: Bench) -> None:
    host = bench.host
    await host.shake_hands(bench.number(), PROTOCOL_VERSION + 1)
    host.forget()
    await asyncio.sleep(QUIET_S)
    expect(not host.received, "silence without a connection", host.received[:1])
    host.nonce = bench.number()
    host.send(Hello(host.nonce, PROTOCOL_VERSION))
    await host.status()
    expect(isinstance(host.received[0], Welcome), "WELCOME first", host.received[0])
    boots = {status.boot_id for status in host.statuses()}
    expect(boots == {bench.welcome.boot_id}, "the boot id of WELCOME in every STATUS", boots)


@SUITE.check("C3", "another version is answered, and then neither STATUS nor ARMED nor RESPONSE follows")
async def another_version(bench: Bench) -> None:
    host, nonce = bench.host, bench.host.nonce
    for version in (PROTOCOL_VERSION + 1, 0, 255):
        other = bench.number()
        welcome = await host.shake_hands(other, version)
        expect(welcome.version == PROTOCOL_VERSION, f"the pen's own version {PROTOCOL_VERSION}", welcome.version)
        asked = pack(OutcomeKey(1))
        host.send(Request(1, other, OUTCOME.number, 0, asked), Request(2, nonce, OUTCOME.number, 0, asked))
        host.send(Arm(other, bench.number(), bench.depth_um, bench.rate_mhz, 0))
        first = len(host.received)
        await asyncio.sleep(QUIET_S)
        heard = host.received[first:]
        expect(not heard, f"no word after HELLO with version {version}", heard[:1])


@SUITE.check("C4", "a HELLO on the medium of a live lease ends it, without a fault")
async def hello_ends_the_lease(bench: Bench) -> None:
    host = bench.host
    logged = bench.has(Capability.EVENT_LOG)
    for nonce, what in ((host.nonce, "the late repeat of a HELLO"), (bench.number(), "a HELLO")):
        lease = (await bench.armed()).lease
        newest = await newest_entry(host) if logged else 0
        host.nonce = nonce
        await host.ask(Hello(nonce, PROTOCOL_VERSION), Welcome)
        status = await host.status()
        ended = (status.lease, status.tick, status.faults, status.state) == (0, 0, 0, PenState.IDLE)
        expect(ended or status.state == PenState.RETRACTING, f"lease {lease} ended by {what}, no fault", status)
        if logged:
            told = [entry[2:] for entry in await log_from(host, newest + 1)]
            expect(told == [(LEASE_ENDED, BY_HELLO)], "the log to tell of a lease ended by HELLO", told)


@SUITE.check("C4", "a HELLO on another medium is BUSY while a lease lives, whatever its version")
async def busy_on_another_medium(bench: Bench) -> None:
    host = bench.host
    async with bench.other() as other:
        lease = (await bench.armed()).lease
        async with bench.driving(lease):
            for version in (PROTOCOL_VERSION, PROTOCOL_VERSION + 1):
                nonce = bench.number()
                answer = await other.ask(Hello(nonce, version), Busy, "a BUSY on the other medium")
                expect(answer.nonce == nonce, f"BUSY with nonce {nonce}", answer)
            expect((await host.status()).lease == lease, "the lease to live on", host.statuses()[-1])


@SUITE.check("C5", "a HELLO on another medium takes the connection, and the old one falls silent")
async def taken_over(bench: Bench) -> None:
    host = bench.host
    async with bench.other() as other:
        await other.shake_hands(bench.number())
        await other.status()
        host.forget()
        await asyncio.sleep(QUIET_S)
        expect(not host.received, "silence on the old medium", host.received[:1])
        await bench.met()
        await bench.host.status()


@SUITE.check("C6", "ARM, REQUEST, SETPOINT and DISARM of another medium do nothing and leave no trace")
async def strangers_are_ignored(bench: Bench) -> None:
    host = bench.host
    async with bench.other() as other:
        armed = await bench.armed()
        async with bench.driving(armed.lease):
            await host.status(lambda status: status.tick > 0)
            pen_time_ms = host.statuses()[-1].pen_time_ms
            other.send(
                (await bench.arm_of())._replace(nonce=host.nonce),
                Request(1, host.nonce, OUTCOME.number, 0, pack(OutcomeKey(1))),
                Setpoint(armed.lease, 0xFFFF_0000, 0, 0, 0, pen_time_ms), Setpoint(1, 1, 0, 0, 0, 0),
            )  # fmt: skip
            await asyncio.sleep(QUIET_S)
            status = await host.status()
        expect(not other.received, "no answer on the other medium", other.received[:1])
        kept = (status.lease, status.refusal) == (armed.lease, Refusal.NONE) and status.tick < 0xFFFF_0000
        expect(kept, "lease, tick and refusal untouched", status)


@SUITE.check("C6", "on a medium without the connection only HELLO and STOP are heard")
async def without_a_connection_nothing_is_heard(bench: Bench) -> None:
    host, before = bench.host, await bench.host.status()
    old = host.nonce
    await host.shake_hands(bench.number(), PROTOCOL_VERSION + 1)
    first = len(host.received)
    host.send(
        Arm(old, bench.number(), bench.depth_um, bench.rate_mhz, 0),
        Request(1, old, OUTCOME.number, 0, pack(OutcomeKey(1))), Setpoint(1, 1, 0, 0, 0, 0),
    )  # fmt: skip
    await asyncio.sleep(QUIET_S)
    heard = host.received[first:]
    expect(not heard, "no answer without a connection", heard[:1])
    await bench.met()
    status: Status = await host.status()
    expect((status.lease, status.refusal) == (0, before.refusal), "no trace of it in STATUS", status)


@SUITE.check("C7", "a port closed under a lease stops nothing by itself: silence does")
async def a_closed_port_is_silence(bench: Bench) -> None:
    await bench.armed()
    boot_id = bench.welcome.boot_id
    await bench.close()
    await asyncio.sleep((bench.welcome.dead_man_ms + LINE_MS) / 1000)
    await bench.open()
    await bench.met()
    if bench.welcome.boot_id != boot_id:
        raise NotTried("opening the port restarts this pen")
    status = await bench.host.status()
    told = (status.lease, status.faults & Fault.DEAD_MAN)
    expect(told == (0, Fault.DEAD_MAN), "DEAD_MAN latched after the port was closed under a lease", status)
