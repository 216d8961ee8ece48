"""M: what a technician's bench asks. The pen lies off skin; its motor turns only with permission."""

import asyncio

from firmware_bridge.wire.codec import pack, unpack
from firmware_bridge.wire.messages import Arm, Capability, Contact, Fault, PenState, Refusal, Response, Status, Stop
from firmware_bridge.wire.operations import CALIBRATION_READ, CALIBRATION_WRITE, OUTCOME, CalibrationData, OutcomeKey
from firmware_bridge.wire.service_operations import (
    ADJUSTMENT_POINTS_MAX,
    ADJUSTMENT_READ,
    ADJUSTMENT_WRITE,
    LIFETIME_READ,
    RAW_READ,
    SERVICE_ARM,
    SERVICE_LEASE_MAX_MS,
    SERVICE_LEASE_MIN_MS,
    AdjustmentData,
    LifetimeData,
    RawReadings,
    ServiceCeilings,
    ServiceLease,
)
from proving.conform.bench import Bench
from proving.conform.checks.faults import dead_man
from proving.conform.checks.log import (
    ADJUSTED,
    BY_LIFETIME,
    BY_SKIN,
    LEASE_ENDED,
    SERVED,
    log_from,
    newest_entry,
)
from proving.conform.host import laid_out
from proving.conform.suite import Suite
from proving.conform.verdicts import NotTried, expect, name_of

SUITE = Suite()

SKIN_MS = 20
NO_GAIN_PPM = 1_000_000
NO_DEPTH_UM, NO_RATE_MHZ = -0x8000, 0xFFFF_FFFF


def _shown(answer: Response) -> str:
    return f"{name_of(Refusal, answer.refusal)} with {len(answer.data)} bytes of data"


def _least(bench: Bench, lifetime_ms: int = SERVICE_LEASE_MAX_MS) -> ServiceCeilings:
    """The least depth and rate there is, for so long."""
    depth_um = bench.depth_um if bench.has(Capability.DEPTH_SET) else bench.welcome.depth_max_um
    rate_mhz = bench.rate_mhz if bench.has(Capability.RATE_SET) else bench.welcome.rate_max_mhz
    return ServiceCeilings(depth_um, rate_mhz, lifetime_ms)


async def off_skin(bench: Bench) -> None:
    """Raises NotTried for a pen without service leases, or one that lies on skin."""
    bench.needs(Capability.SERVICE)
    expect(bench.has(Capability.CONTACT_SENSED), "a pen with SERVICE to sense contact", "no CONTACT_SENSED")
    if (await bench.host.status()).contact != Contact.OFF_SKIN:
        raise NotTried("the pen is on skin: lay it down where it touches none")


async def asked(bench: Bench, ceilings: ServiceCeilings, key: int = 0) -> Response:
    """SERVICE_ARM, its values in range or not, and its answer."""
    return await bench.host.request(SERVICE_ARM.number, laid_out(ceilings), key=key or bench.number())


async def refused(bench: Bench, refusal: Refusal, why: str, ceilings: ServiceCeilings) -> None:
    """This SERVICE_ARM is refused so, and no lease lives."""
    answer = await asked(bench, ceilings)
    expect((answer.refusal, answer.data) == (refusal, b""), f"{refusal.name} without data ({why})", _shown(answer))


async def in_service(bench: Bench, lifetime_ms: int = SERVICE_LEASE_MAX_MS, key: int = 0) -> int:
    """A live service lease. Raises NotTried where this pen, as it is, may refuse it."""
    answer = await asked(bench, _least(bench, lifetime_ms), key)
    if answer.refusal == Refusal.NOT_READY:
        raise NotTried("the pen refuses a service lease: NOT_READY (battery, temperature or a sensor)")
    expect(answer.refusal == Refusal.NONE, "SERVICE_ARM accepted", _shown(answer))
    lease = unpack(ServiceLease, answer.data).lease
    bench.host.lease = lease
    await bench.host.status(lambda status: status.lease == lease, f"a STATUS with lease {lease}")
    return lease


@SUITE.check("M1", "RANGE, then a lease that STATUS and log tell of, under which ARM and SERVICE_ARM are refused")
async def a_service_lease(bench: Bench) -> None:
    await off_skin(bench)
    host, welcome, least = bench.host, bench.welcome, _least(bench)
    for why, wrong in (
        ("no depth", least._replace(depth_ceiling_um=0)),
        ("too deep", least._replace(depth_ceiling_um=welcome.depth_max_um + 1)),
        ("no rate", least._replace(rate_ceiling_mhz=0)),
        ("too fast", least._replace(rate_ceiling_mhz=welcome.rate_max_mhz + 1)),
        ("too short", least._replace(lifetime_ms=SERVICE_LEASE_MIN_MS - 1)),
        ("too long", least._replace(lifetime_ms=SERVICE_LEASE_MAX_MS + 1)),
    ):
        await refused(bench, Refusal.RANGE, why, wrong)
    newest = await newest_entry(host) if bench.has(Capability.EVENT_LOG) else 0
    lease = await in_service(bench)
    async with bench.driving(lease):
        status = await host.status()
        expect((status.state, status.lease) == (PenState.ARMED, lease), "ARMED under the service lease", status)
        await refused(bench, Refusal.ARMED, "a service lease lives", least)
        arm = Arm(host.nonce, bench.number(), least.depth_ceiling_um, least.rate_ceiling_mhz, 1)
        answer = await host.armed(arm)
        expect((answer.refusal, answer.lease) == (Refusal.ARMED, 0), "ARM refused ARMED", answer)
    if bench.has(Capability.EVENT_LOG):
        told = [entry[2:] for entry in await log_from(host, newest + 1)]
        expect(told == [(SERVED, lease)], f"one entry, of a service lease {lease}", told)


@SUITE.check("M1", "no service lease while a fault is latched")
async def not_while_faulted(bench: Bench) -> None:
    await off_skin(bench)
    await dead_man(bench)
    await refused(bench, Refusal.FAULTED, "a fault is latched", _least(bench))


@SUITE.check("M1", "its ceilings hold, and silence ends it as any lease")
async def as_any_lease(bench: Bench) -> None:
    await off_skin(bench)
    host, least = bench.host, _least(bench)
    lease = await in_service(bench)
    if bench.has(Capability.DEPTH_SET) and least.depth_ceiling_um + bench.welcome.depth_step_um <= (
        bench.welcome.depth_max_um
    ):
        decided = await host.status()
        deeper = least.depth_ceiling_um + bench.welcome.depth_step_um
        rate = bench.rate_mhz if bench.has(Capability.RATE_SET) else 0
        host.send(bench.wish(lease, 1, decided, depth_um=deeper, rate_mhz=rate))
        await host.status(lambda status: status.refusal == Refusal.DEPTH_CEILING, "DEPTH_CEILING beyond the ceiling")
    status = await host.status(lambda status: not status.lease, "the lease ended by silence")
    expect(status.faults == Fault.DEAD_MAN, "DEAD_MAN latched", status)


@SUITE.check("M1", "no service lease on skin")
async def not_on_skin(bench: Bench) -> None:
    await off_skin(bench)
    touch = bench.hand("touch_skin")
    await touch()
    try:
        await bench.host.status(lambda status: status.contact == Contact.ON_SKIN, "skin sensed")
        await refused(bench, Refusal.NOT_READY, "on skin", _least(bench))
    finally:
        await touch()
    await bench.host.status(lambda status: status.contact == Contact.OFF_SKIN, "no skin sensed any more")


async def _ended(bench: Bench, lease: int, newest: int, why: int) -> Status:
    """The first STATUS after a service lease ended by itself: no fault, and the log says why."""
    host = bench.host
    status = await host.status(lambda status: status.lease != lease, "the service lease over")
    expect((status.lease, status.faults) == (0, 0), "no lease and no fault", status)
    expect(status.state != PenState.RUNNING, "the motor off", status)
    if bench.has(Capability.EVENT_LOG):
        told = await log_from(host, newest + 1)
        ended = [entry.argument for entry in told if entry.code == LEASE_ENDED]
        expect(ended == [why], f"the log to tell why (argument {why})", ended)
    return status


async def _until_its_end(bench: Bench, **values: int) -> None:
    host = bench.host
    newest = await newest_entry(host) if bench.has(Capability.EVENT_LOG) else 0
    began = (await host.status()).pen_time_ms
    lease = await in_service(bench, SERVICE_LEASE_MIN_MS)
    granted = host.statuses()[-1].pen_time_ms
    async with bench.driving(lease, **values):
        status = await _ended(bench, lease, newest, BY_LIFETIME)
    latest = granted + SERVICE_LEASE_MIN_MS + bench.welcome.status_period_ms
    expect(status.pen_time_ms <= latest, f"over by pen time {latest}", status)
    expect(status.pen_time_ms >= began + SERVICE_LEASE_MIN_MS, "not over before its time", status)
    if bench.has(Capability.EVENT_LOG):
        times = {entry.code: entry.pen_time_ms for entry in await log_from(host, newest + 1)}
        lived = times[LEASE_ENDED] - times[SERVED]
        expect(lived == SERVICE_LEASE_MIN_MS, f"{SERVICE_LEASE_MIN_MS} ms between its entries", lived)


@SUITE.check("M2", "over after its lifetime, with fresh setpoints, motor off")
async def over_in_time(bench: Bench) -> None:
    await off_skin(bench)
    await _until_its_end(bench)


@SUITE.check("M2", "over after its lifetime, with fresh setpoints, motor on", moves=True)
async def over_in_time_motor_on(bench: Bench) -> None:
    await off_skin(bench)
    await _until_its_end(bench, **bench.on)


@SUITE.check("M2", "over when skin is sensed, without a fault")
async def over_on_skin(bench: Bench) -> None:
    await off_skin(bench)
    host, touch = bench.host, bench.hand("touch_skin")
    newest = await newest_entry(host) if bench.has(Capability.EVENT_LOG) else 0
    lease = await in_service(bench)
    async with bench.driving(lease):
        await touch()
        try:
            sensed = await host.status(lambda status: status.contact == Contact.ON_SKIN, "skin sensed")
            status = await _ended(bench, lease, newest, BY_SKIN)
        finally:
            await touch()
    latest = sensed.pen_time_ms + SKIN_MS + bench.welcome.status_period_ms
    expect(status.pen_time_ms <= latest, f"over by pen time {latest}", status)
    await host.status(lambda status: status.contact == Contact.OFF_SKIN, "no skin sensed any more")


@SUITE.check("M3", "asked again by the same key it is the same lease, and LEASE when that is over")
async def asked_again(bench: Bench) -> None:
    await off_skin(bench)
    host, key = bench.host, bench.number()
    lease = await in_service(bench, key=key)
    async with bench.driving(lease):
        again = await asked(bench, _least(bench), key)
        same = again.refusal == Refusal.NONE and unpack(ServiceLease, again.data).lease == lease
        expect(same, f"lease {lease} again", _shown(again))
    host.send(Stop())
    await host.status(lambda status: not status.lease)
    over = await asked(bench, _least(bench), key)
    expect((over.refusal, over.data) == (Refusal.LEASE, b""), "LEASE without data once it is over", _shown(over))
    status = await host.status()
    expect(not status.lease, "no lease", status)


@SUITE.check(
    "M4", "the scale with its moment; what is not measured reads so; what STATUS shows where there is no table"
)
async def the_scale(bench: Bench) -> None:
    bench.needs(Capability.SERVICE)
    host = bench.host
    before = await host.status()
    answer = await host.request(RAW_READ.number)
    expect(answer.refusal == Refusal.NONE, "RAW_READ answered", _shown(answer))
    raw = unpack(RawReadings, answer.data)
    after = await host.status()
    expect(before.pen_time_ms <= raw.pen_time_ms <= after.pen_time_ms, "a pen time of now", raw)
    for capability, value, absent in (
        (Capability.DEPTH_SENSED, raw.depth_raw_um, NO_DEPTH_UM),
        (Capability.RATE_SENSED, raw.rate_raw_mhz, NO_RATE_MHZ),
    ):
        measured = value != absent
        expect(bench.has(capability) or not measured, f"not measured, without {capability.name}", raw)
    if bench.has(Capability.RATE_SENSED):
        expect(raw.rate_raw_mhz == 0, "rate 0 at rest", raw)
    table = AdjustmentData(0, NO_GAIN_PPM, b"")
    if bench.has(Capability.ADJUSTABLE):
        table = await _table(bench)
    if not table.points and bench.has(Capability.DEPTH_SENSED):
        near = abs(raw.depth_raw_um - after.depth_measured_um) <= bench.welcome.depth_step_um
        expect(near, "as STATUS shows it, there being no table", (raw, after.depth_measured_um))


async def _table(bench: Bench) -> AdjustmentData:
    answer = await bench.host.request(ADJUSTMENT_READ.number)
    expect(answer.refusal == Refusal.NONE, "ADJUSTMENT_READ answered", _shown(answer))
    return unpack(AdjustmentData, answer.data)


def _points(*pairs: tuple[int, int]) -> bytes:
    return b"".join(value.to_bytes(2, "little", signed=True) for pair in pairs for value in pair)


@SUITE.check("M5", "RANGE for what is no table or not the next one, and nothing is changed", writes=True)
async def no_table(bench: Bench) -> None:
    bench.needs(Capability.ADJUSTABLE)
    host, kept = bench.host, await _table(bench)
    calibration = await host.request(CALIBRATION_READ.number)
    following = kept._replace(number=kept.number + 1)
    many = tuple((at, at) for at in range(ADJUSTMENT_POINTS_MAX + 1))
    for why, wrong in (
        ("the number it has", kept),
        ("the number after the next", kept._replace(number=kept.number + 2)),
        ("one point", following._replace(points=_points((0, 0)))),
        ("a point too many", following._replace(points=_points(*many))),
        ("half a point", following._replace(points=_points((0, 0), (1000, 1000)) + b"\0\0")),
        ("a scale that falls", following._replace(points=_points((1000, 0), (0, 1000)))),
        ("a truth that stands", following._replace(points=_points((0, 500), (1000, 500)))),
        ("no rate at all", following._replace(rate_gain_ppm=0)),
    ):
        answer = await host.request(ADJUSTMENT_WRITE.number, laid_out(wrong), key=bench.number())
        expect(answer.refusal == Refusal.RANGE, f"RANGE ({why})", _shown(answer))
    expect(await _table(bench) == kept, "the table as it was", await _table(bench))
    after = await host.request(CALIBRATION_READ.number)
    expect(after.data == calibration.data, "the calibration as it was", unpack(CalibrationData, after.data))


@SUITE.check(
    "M5", "the table it has, written anew: read back, logged, its outcome kept, the calibration ended", writes=True
)
async def written_anew(bench: Bench) -> None:
    bench.needs(Capability.ADJUSTABLE, Capability.CALIBRATION_STORED)
    host, kept, key = bench.host, await _table(bench), bench.number()
    calibration = await host.request(CALIBRATION_READ.number)
    newest = await newest_entry(host) if bench.has(Capability.EVENT_LOG) else 0
    wanted = kept._replace(number=kept.number + 1)
    try:
        answer = await host.request(ADJUSTMENT_WRITE.number, pack(wanted), key=key)
        expect((answer.refusal, answer.data) == (Refusal.NONE, b""), "ADJUSTMENT_WRITE done", _shown(answer))
        found = await _table(bench)
        expect(found == wanted, f"the table numbered {wanted.number}", found)
        ended = unpack(CalibrationData, (await host.request(CALIBRATION_READ.number)).data)
        expect(ended.valid == 0, "the calibration ended", ended)
        outcome = await host.request(OUTCOME.number, pack(OutcomeKey(key)))
        expect(outcome.refusal == Refusal.NONE, "its outcome kept", _shown(outcome))
        if bench.has(Capability.EVENT_LOG):
            told = [entry[2:] for entry in await log_from(host, newest + 1)]
            expect(told == [(ADJUSTED, wanted.number)], "one entry, of an adjustment written", told)
    finally:
        await host.request(CALIBRATION_WRITE.number, calibration.data, key=bench.number())
    back = await host.request(CALIBRATION_READ.number)
    expect(back.data == calibration.data, "the calibration as before", unpack(CalibrationData, back.data))


@SUITE.check("M5", "a calibration written as not in force is read back as it was written", writes=True)
async def not_in_force(bench: Bench) -> None:
    bench.needs(Capability.SERVICE, Capability.CALIBRATION_STORED)
    host = bench.host
    kept = await host.request(CALIBRATION_READ.number)
    wanted = unpack(CalibrationData, kept.data)._replace(valid=0)
    try:
        done = await host.request(CALIBRATION_WRITE.number, pack(wanted), key=bench.number())
        expect(done.refusal == Refusal.NONE, "CALIBRATION_WRITE done", _shown(done))
        found = await host.request(CALIBRATION_READ.number)
        expect(found.data == pack(wanted), f"{wanted}", unpack(CalibrationData, found.data))
    finally:
        await host.request(CALIBRATION_WRITE.number, kept.data, key=bench.number())


@SUITE.check("M5", "the table stays over a reboot")
async def table_stays(bench: Bench) -> None:
    bench.needs(Capability.ADJUSTABLE)
    reboot, kept = bench.hand("reboot"), await _table(bench)
    await bench.rebooted(reboot)
    found = await _table(bench)
    expect(found == kept, "the table as before", found)


async def counted(bench: Bench) -> LifetimeData:
    """What the pen counted. Raises NotTried without LIFETIME."""
    bench.needs(Capability.LIFETIME)
    answer = await bench.host.request(LIFETIME_READ.number)
    expect(answer.refusal == Refusal.NONE, "LIFETIME_READ answered", _shown(answer))
    found = unpack(LifetimeData, answer.data)
    least = found.run_since_s <= found.run_s and found.strokes_since <= found.strokes
    expect(least, "no more since the calibration than in all", found)
    return found


@SUITE.check("M6", "kept over a reboot, which is one start more")
async def counters_stay(bench: Bench) -> None:
    before = await counted(bench)
    await bench.rebooted(bench.hand("reboot"))
    after = await counted(bench)
    expect(after == before._replace(starts=before.starts + 1), f"as before, with {before.starts + 1} starts", after)


@SUITE.check("M6", "strokes and time with the motor on are counted", moves=True)
async def counters_count(bench: Bench) -> None:
    host, before = bench.host, await counted(bench)
    lease = (await bench.armed()).lease
    async with bench.driving(lease, **bench.on):
        await host.status(lambda status: status.state == PenState.RUNNING, "RUNNING with motor 1")
        await asyncio.sleep(1.2)
    host.send(Stop())
    await host.status(lambda status: not status.lease)
    after = await counted(bench)
    expect(1 <= after.run_s - before.run_s <= 3, "a second or two more", (before, after))
    expect(after.strokes > before.strokes, "more strokes", (before, after))


@SUITE.check("M6", "what is counted since the calibration begins anew when one is written", writes=True)
async def counted_since(bench: Bench) -> None:
    bench.needs(Capability.CALIBRATION_STORED)
    host, before = bench.host, await counted(bench)
    kept = await host.request(CALIBRATION_READ.number)
    if not unpack(CalibrationData, kept.data).valid:
        raise NotTried("the pen has no valid calibration to write back")
    await host.request(CALIBRATION_WRITE.number, kept.data, key=bench.number())
    after = await counted(bench)
    expect((after.run_since_s, after.strokes_since) == (0, 0), "nothing since then", after)
    expect((after.run_s, after.strokes) == (before.run_s, before.strokes), "the whole as before", after)
