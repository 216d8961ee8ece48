"""A: leases. Arming turns no motor on; every lease here is for the least depth and rate there is."""

import asyncio
from itertools import pairwise

from firmware_bridge.wire.messages import Armed, Capability, Disarm, Fault, PenState, Refusal, Setpoint
from firmware_bridge.wire.operations import SELF_TEST
from proving.conform.bench import LINE_MS, Bench
from proving.conform.checks.stopping import needles_out_in_time, running
from proving.conform.suite import Suite
from proving.conform.verdicts import NotTried, expect

SUITE = Suite()

DEPTH_MAX, RATE_MAX = 0xFFFF, 0xFFFF_FFFF


async def refused(bench: Bench, refusal: Refusal, why: str, **changes: int) -> None:
    """This ARM is refused so."""
    arm = (await bench.arm_of())._replace(**changes)
    answer = await bench.host.armed(arm)
    wanted = Armed(arm.key, refusal, 0)
    expect(answer == wanted, f"ARM refused {refusal.name} with lease 0 ({why})", answer)


@SUITE.check("A1", "ARMED bears the key, and a lease that is never 0 and never the same")
async def every_lease_is_another(bench: Bench) -> None:
    leases = []
    for _ in range(3):
        answer = await bench.armed()
        leases.append(answer.lease)
        bench.host.send(Disarm(answer.lease))
        await bench.host.status(lambda status: status.lease == 0, "the lease ended by DISARM")
    expect(len(set(leases)) == len(leases), "another lease for each ARM", leases)
    steps = {later - earlier for earlier, later in pairwise(leases)}
    expect(len(steps) > 1, "leases that are random, not counted", leases)


@SUITE.check("A2", "an ARM repeated gets the same answer; after the end it is a new one")
async def a_repeat_is_harmless(bench: Bench) -> None:
    host = bench.host
    first = await bench.armed()
    arm = await bench.arm_of(first.key)
    expect(await host.armed(arm) == first, f"the same answer to a repeated ARM: {first}", host.received[-1])
    host.send(Disarm(first.lease))
    await host.status(lambda status: status.lease == 0, "the lease ended by DISARM")
    second = await host.armed(arm)
    fresh = second.refusal == Refusal.NONE and second.lease not in {0, first.lease}
    expect(fresh, "an ARM repeated after the end of its lease to be a new one", second)


@SUITE.check("A2", "NONCE, RANGE and CARTRIDGE, in this order")
async def refusals_without_a_lease(bench: Bench) -> None:
    welcome = bench.welcome
    await refused(
        bench, Refusal.NONCE, "another nonce, and a ceiling of 0", nonce=bench.host.nonce ^ 1, depth_ceiling_um=0
    )
    if not bench.has(Capability.DEAD_MAN) or not (
        bench.has(Capability.DEPTH_SET) or bench.has(Capability.DEPTH_SENSED)
    ):
        return
    await refused(bench, Refusal.RANGE, "depth ceiling 0", depth_ceiling_um=0)
    await refused(bench, Refusal.RANGE, "rate ceiling 0", rate_ceiling_mhz=0)
    await refused(bench, Refusal.RANGE, "key 0", key=0)
    if welcome.depth_max_um < DEPTH_MAX:
        await refused(
            bench, Refusal.RANGE, "too deep a ceiling", depth_ceiling_um=welcome.depth_max_um + 1, cartridge_tag=1
        )
    if welcome.rate_max_mhz < RATE_MAX:
        await refused(bench, Refusal.RANGE, "too fast a ceiling", rate_ceiling_mhz=welcome.rate_max_mhz + 1)
    if bench.has(Capability.CARTRIDGE_IDENTIFIED):
        tag = (await bench.arm_of()).cartridge_tag
        await refused(bench, Refusal.CARTRIDGE, "another cartridge's tag", cartridge_tag=tag ^ 1)
    status = await bench.host.status()
    expect(status.lease == 0, "no lease after refusals", status)


@SUITE.check("A2", "UNSUPPORTED where the pen has no dead-man, or a depth nobody knows")
async def pens_that_are_never_armed(bench: Bench) -> None:
    try:
        bench.armable()
    except NotTried:
        await refused(bench, Refusal.UNSUPPORTED, "no dead-man, or a depth that is neither set nor sensed")
        return
    raise NotTried("the pen has a dead-man, and its depth is known")


@SUITE.check("A2", "ARMED while a lease lives, FAULTED while a fault is latched")
async def refusals_with_a_lease_and_a_fault(bench: Bench) -> None:
    host = bench.host
    lease = (await bench.armed()).lease
    await refused(bench, Refusal.NONCE, "another nonce", nonce=host.nonce ^ 1)
    await refused(bench, Refusal.ARMED, "a lease lives; and a ceiling of 0", depth_ceiling_um=0)
    expect((await host.status()).lease == lease, f"lease {lease} to live on", host.statuses()[-1])
    await host.status(lambda status: bool(status.faults), "DEAD_MAN latched after silence")
    await refused(bench, Refusal.FAULTED, "DEAD_MAN is latched; and a ceiling of 0", depth_ceiling_um=0)


@SUITE.check("A2", "BUSY while a self-test runs", moves=True)
async def refused_during_a_self_test(bench: Bench) -> None:
    bench.needs(Capability.SELF_TEST)
    bench.armable()
    arm = await bench.arm_of()
    asking = asyncio.create_task(bench.host.request(SELF_TEST.number, key=bench.number()), name="self-test")
    try:
        await bench.host.status(lambda status: status.state == PenState.SELF_TEST, "state SELF_TEST")
        answer = await bench.host.armed(arm)
        expect(answer.refusal == Refusal.BUSY, "ARM refused BUSY during a self-test", answer)
    finally:
        bench.host.stop()
        await asyncio.gather(asking, return_exceptions=True)


@SUITE.check("A2", "a ceiling need not be a whole number of steps")
async def an_odd_ceiling(bench: Bench) -> None:
    arm = await bench.arm_of()
    if arm.depth_ceiling_um >= bench.welcome.depth_max_um:
        raise NotTried("the depth has one step")
    await bench.armed(depth_ceiling_um=arm.depth_ceiling_um + 1)


@SUITE.check("A3", "a new lease shows tick 0 and no refusal")
async def a_lease_begins_clean(bench: Bench) -> None:
    host = bench.host
    host.send(Setpoint(1, 1, 0, 0, 0, 0))
    await host.status(lambda status: status.refusal == Refusal.LEASE, "refusal LEASE for a setpoint of no lease")
    lease = (await bench.armed()).lease
    status = await host.status()
    shown = (status.lease, status.tick, status.refusal, status.state)
    expect(shown == (lease, 0, Refusal.NONE, PenState.ARMED), f"lease {lease}, tick 0, refusal NONE, ARMED", status)


@SUITE.check("A3", "and it is fresh for one dead-man time", best_of=3)
async def a_lease_begins_fresh(bench: Bench) -> None:
    host, welcome = bench.host, bench.welcome
    await host.status()
    before = host.statuses()[-1].pen_time_ms
    await bench.armed()
    after = (await host.status()).pen_time_ms
    fault = await host.status(lambda status: bool(status.faults), "DEAD_MAN latched after silence")
    early, late = before + welcome.dead_man_ms, after + welcome.dead_man_ms + welcome.status_period_ms + LINE_MS
    expect(early <= fault.pen_time_ms <= late, f"DEAD_MAN between pen time {early} and {late}", fault.pen_time_ms)


@SUITE.check("A4", "DISARM ends its lease in good order, another's not")
async def disarm_ends_its_own_lease(bench: Bench) -> None:
    host = bench.host
    lease = (await bench.armed()).lease
    host.send(Disarm(lease ^ 1 or 2), Disarm(0))
    expect((await host.status()).lease == lease, f"lease {lease} to outlive the DISARM of another", host.statuses()[-1])
    host.send(Disarm(lease))
    status = await host.status(lambda status: status.lease == 0, "the lease ended by DISARM")
    good = (status.tick, status.faults) == (0, 0) and status.state in {PenState.IDLE, PenState.RETRACTING}
    expect(good, "tick 0, no fault, RETRACTING or IDLE after DISARM", status)


@SUITE.check("A4", "a setpoint of an ended lease does nothing")
async def an_ended_lease_is_dead(bench: Bench) -> None:
    host = bench.host
    lease = (await bench.armed()).lease
    host.send(bench.wish(lease, 1, await host.status()))
    await host.status(lambda status: status.tick == 1, "tick 1 accepted")
    host.send(Disarm(lease))
    await host.status(lambda status: status.lease == 0, "the lease ended by DISARM")
    host.send(bench.wish(lease, 2, await host.status()))
    status = await host.status(lambda status: status.refusal != Refusal.NONE, "the setpoint refused")
    dead = (status.lease, status.tick, status.refusal, status.state)
    expect(dead == (0, 0, Refusal.LEASE, PenState.IDLE), "refusal LEASE, and IDLE", status)


@SUITE.check("A4", "a cartridge taken off ends it: CARTRIDGE_REMOVED")
async def a_cartridge_taken_off(bench: Bench) -> None:
    host, swap = bench.host, bench.hand("swap_cartridge")
    lease = (await bench.armed()).lease
    async with bench.driving(lease):
        await swap()
        status = await host.status(lambda status: status.lease == 0, "the lease ended when the cartridge was taken off")
    await swap()
    expect(status.faults == Fault.CARTRIDGE_REMOVED, "CARTRIDGE_REMOVED and no other fault", status)


@SUITE.check("A4", "a reboot ends it: another boot id, no lease, the motor off")
async def a_reboot_ends_it(bench: Bench) -> None:
    reboot = bench.hand("reboot")
    await bench.armed()
    await bench.rebooted(reboot)
    status = await bench.host.status()
    expect(status.lease == 0 and status.state != PenState.RUNNING, "no lease after a reboot", status)
    expect(status.pen_time_ms < 60_000, "pen time counted from the start", status.pen_time_ms)


@SUITE.check("A4", "a reboot while RUNNING: the motor off, the needles out", moves=True)
async def a_reboot_while_running(bench: Bench) -> None:
    reboot = bench.hand("reboot")
    await running(bench)
    await bench.rebooted(reboot)
    status = await bench.host.status()
    expect(status.lease == 0 and status.state != PenState.RUNNING, "no lease and no motor after a reboot", status)
    await needles_out_in_time(bench, status.pen_time_ms)
