"""F: faults. The one that can be brought about from here, without anything moving, is DEAD_MAN."""

import asyncio

from firmware_bridge.wire.codec import pack
from firmware_bridge.wire.messages import (
    PROTOCOL_VERSION,
    Capability,
    Fault,
    Hello,
    PenState,
    Refusal,
    Status,
    Stop,
    Welcome,
)
from firmware_bridge.wire.operations import CLEAR_FAULT, SELF_TEST, FaultMask
from proving.conform.bench import Bench
from proving.conform.checks.log import CLEARED, log_from, newest_entry
from proving.conform.suite import Suite
from proving.conform.verdicts import NotTried, expect

SUITE = Suite()

OTHERS = Fault.STALL | Fault.RETRACT_FAILED


async def dead_man(bench: Bench) -> Status:
    """Lets a lease run out: DEAD_MAN is latched, and it alone."""
    await bench.armed()
    status = await bench.host.status(lambda status: status.state == PenState.FAULT, "FAULT after silence under a lease")
    expect(status.faults == Fault.DEAD_MAN, "DEAD_MAN and no other fault", status)
    return status


async def clear_fault(bench: Bench, mask: int) -> int:
    """CLEAR_FAULT under a new key; its refusal."""
    answer = await bench.host.request(CLEAR_FAULT.number, pack(FaultMask(mask)), key=bench.number())
    return answer.refusal


@SUITE.check("F", "a fault stays latched through STOP and HELLO, and forbids arming")
async def stays_latched(bench: Bench) -> None:
    host = bench.host
    await dead_man(bench)
    host.send(Stop())
    await host.ask(Hello(host.nonce, PROTOCOL_VERSION), Welcome)
    status = await host.status()
    expect((status.faults, status.state) == (Fault.DEAD_MAN, PenState.FAULT), "DEAD_MAN, FAULT", status)
    answer = await host.armed(await bench.arm_of())
    expect((answer.refusal, answer.lease) == (Refusal.FAULTED, 0), "ARM refused FAULTED", answer)


@SUITE.check("F", "a self-test is allowed while a fault is latched, and clears none", moves=True)
async def tested_while_faulted(bench: Bench) -> None:
    bench.needs(Capability.SELF_TEST)
    await dead_man(bench)
    answer = await bench.host.request(SELF_TEST.number, key=bench.number())
    expect(answer.refusal == Refusal.NONE, "a self-test with a fault latched", answer)
    expect((await bench.host.status()).faults == Fault.DEAD_MAN, "DEAD_MAN still latched", bench.host.statuses()[-1])


@SUITE.check("F", "CARTRIDGE_REMOVED is no fault without a lease")
async def cartridge_off_at_rest(bench: Bench) -> None:
    host, swap = bench.host, bench.hand("swap_cartridge")
    await swap()
    status = await host.status(lambda status: not status.interlocks & 1, "CARTRIDGE_PRESENT gone")
    await asyncio.sleep(0.1)
    after = await host.status()
    await swap()
    await host.status(lambda status: bool(status.interlocks & 1), "CARTRIDGE_PRESENT again")
    expect((status.faults, after.faults) == (0, 0), "no fault without a lease", after)


@SUITE.check("F1", "only what is named is cleared; what is named and not latched is no obstacle")
async def clears_what_is_named(bench: Bench) -> None:
    host = bench.host
    await dead_man(bench)
    logged = bench.has(Capability.EVENT_LOG)
    newest = await newest_entry(host) if logged else 0
    expect(await clear_fault(bench, OTHERS) == Refusal.NONE, "CLEAR_FAULT of faults not latched done", "a refusal")
    status = await host.status()
    expect(status.faults == Fault.DEAD_MAN, "DEAD_MAN, which was not named, latched as before", status)
    expect(await clear_fault(bench, OTHERS | Fault.DEAD_MAN) == Refusal.NONE, "CLEAR_FAULT done", "a refusal")
    await host.status(lambda status: status.state == PenState.IDLE and not status.faults, "IDLE without faults")
    if logged:
        told = [entry[2:] for entry in await log_from(host, newest + 1)]
        expect(told == [(CLEARED, Fault.DEAD_MAN)], "one entry, of DEAD_MAN cleared", told)
    await bench.armed()


@SUITE.check("F1", "NOT_READY while the cause persists, and nothing is cleared")
async def not_while_its_cause_persists(bench: Bench) -> None:
    host, swap = bench.host, bench.hand("swap_cartridge")
    lease = (await bench.armed()).lease
    async with bench.driving(lease):
        await swap()
        await host.status(lambda status: bool(status.faults), "a fault when the cartridge was taken off")
    await host.status(lambda status: status.state == PenState.FAULT, "FAULT")
    early = await clear_fault(bench, Fault.CARTRIDGE_REMOVED)
    kept = (await host.status()).faults
    await swap()
    await host.status(lambda status: bool(status.interlocks & 1), "CARTRIDGE_PRESENT again")
    late = await clear_fault(bench, Fault.CARTRIDGE_REMOVED)
    if not kept:
        raise NotTried("the cartridge was back before the fault could be cleared")
    expect(early == Refusal.NOT_READY, "NOT_READY while no cartridge is on", early)
    expect(late == Refusal.NONE, "cleared with a cartridge on", late)
