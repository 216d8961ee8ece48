"""S: setpoints. Those that are to be refused ask for the motor only with permission; without it they say motor off."""

import asyncio

from firmware_bridge.wire.messages import Capability, Fault, PenState, Refusal
from proving.conform.bench import LINE_MS, Bench
from proving.conform.suite import Suite
from proving.conform.verdicts import NotTried, expect, name_of, told

SUITE = Suite()

FUTURE_MS = 1_000_000_000
NO_U16, NO_U32 = 0xFFFF, 0xFFFF_FFFF
Row = tuple[dict[str, int], Refusal]


def _table(bench: Bench) -> list[Row]:
    """Setpoints with the motor off and a value that is out of order, and why each is refused; ticks come from where
    they are sent."""
    welcome, depth_um, rate_mhz = bench.welcome, bench.depth_um, bench.rate_mhz
    stale = {"seen_pen_time_ms": FUTURE_MS}
    rows: list[Row] = [({"tick": 0}, Refusal.RANGE)]
    deeper = depth_um + welcome.depth_step_um <= welcome.depth_max_um
    faster = rate_mhz + welcome.rate_step_mhz <= welcome.rate_max_mhz
    deep: dict[str, int] = {"depth_um": depth_um + welcome.depth_step_um}
    fast: dict[str, int] = {"rate_mhz": rate_mhz + welcome.rate_step_mhz}
    if bench.has(Capability.DEPTH_SET):
        over = welcome.depth_max_um // welcome.depth_step_um * welcome.depth_step_um + welcome.depth_step_um
        rows.append(({"depth_um": over} | stale, Refusal.RANGE))
        if welcome.depth_step_um > 1 and depth_um < welcome.depth_max_um:
            rows.append(({"depth_um": depth_um + 1}, Refusal.RANGE))
        if welcome.depth_min_um > welcome.depth_step_um:
            rows.append(({"depth_um": welcome.depth_step_um}, Refusal.RANGE))
    if bench.has(Capability.RATE_SET):
        over = welcome.rate_max_mhz // welcome.rate_step_mhz * welcome.rate_step_mhz + welcome.rate_step_mhz
        rows.append(({"rate_mhz": over} | stale, Refusal.RANGE))
        if welcome.rate_step_mhz > 1 and rate_mhz < welcome.rate_max_mhz:
            rows.append(({"rate_mhz": rate_mhz + 1}, Refusal.RANGE))
        if welcome.rate_min_mhz > welcome.rate_step_mhz:
            rows.append(({"rate_mhz": welcome.rate_step_mhz}, Refusal.RANGE))
    rows.append(({"again": 1} | stale, Refusal.OLD_TICK))
    rows.append((stale, Refusal.STALE))
    if bench.has(Capability.DEPTH_SET) and deeper:
        rows.append((deep | stale, Refusal.STALE))
        rows.append((deep, Refusal.DEPTH_CEILING))
    if bench.has(Capability.RATE_SET) and faster:
        rows.append((fast, Refusal.RATE_CEILING))
        if bench.has(Capability.DEPTH_SET) and deeper:
            rows.append((deep | fast, Refusal.DEPTH_CEILING))
    return rows


async def _each_refused(bench: Bench, rows: list[Row], base: dict[str, int]) -> None:
    host = bench.host
    lease = (await bench.armed()).lease
    for tick, (changes, refusal) in enumerate(rows, start=1):
        status = await host.status()
        wrong = dict(base) | changes
        again = wrong.pop("again", 0)
        bad = bench.wish(lease, tick if again else tick + 1, status)._replace(**wrong)
        why = await bench.refusal_of(bench.wish(lease, tick, status), bad)
        expect(why == refusal, f"{told(bad)} refused {refusal.name}", name_of(Refusal, why))
        after = await host.status()
        kept = (after.tick, after.state, after.lease)
        expect(kept == (tick, PenState.ARMED, lease), f"nothing changed by it: tick {tick}, ARMED", after)


@SUITE.check("S1", "the refusals in the order of the table, the motor off")
async def setpoint_refusals_in_order(bench: Bench) -> None:
    await _each_refused(bench, _table(bench), {})


@SUITE.check("S1", "the same with the motor to be turned on", moves=True)
async def setpoint_refusals_in_order_motor_on(bench: Bench) -> None:
    on = bench.on
    rows: list[Row] = [({"motor": 2, "depth_um": 0, "rate_mhz": 0}, Refusal.RANGE)]
    if bench.has(Capability.RATE_SET):
        rows.append(({"rate_mhz": 0}, Refusal.RANGE))
    if bench.has(Capability.DEPTH_SET) and bench.welcome.depth_min_um:
        rows.append(({"depth_um": 0}, Refusal.RANGE))
    await _each_refused(bench, rows + _table(bench), on)


@SUITE.check("S1", "LEASE for another lease's setpoint")
async def another_lease(bench: Bench) -> None:
    host = bench.host
    lease = (await bench.armed()).lease
    host.send(bench.wish(lease, 1, await host.status()))
    await host.status(lambda status: status.tick == 1, "tick 1 accepted")
    host.send(bench.wish(lease ^ 1 or 2, 9, await host.status()))
    status = await host.status(lambda status: status.refusal != Refusal.NONE, "another lease's setpoint refused")
    shown = (status.refusal, status.tick, status.lease)
    expect(shown == (Refusal.LEASE, 1, lease), "refusal LEASE, tick 1, the lease alive", status)


@SUITE.check("S1", "PRESSED: a motor-on decided before a press", moves=True)
async def decided_before_a_press(bench: Bench) -> None:
    host, press = bench.host, bench.hand("press_button", Capability.BUTTON)
    on = bench.on
    lease = (await bench.armed()).lease
    async with bench.driving(lease):
        before = await host.status()
        await press()
        await host.status(lambda status: status.button_presses != before.button_presses, "the press counted")
        late = bench.wish(lease, 10_000, before, **on)
        why = await bench.refusal_of(late)
    expect(
        why in {Refusal.PRESSED, Refusal.STALE},
        "a motor-on decided before the press refused PRESSED",
        name_of(Refusal, why),
    )
    expect(all(status.state != PenState.RUNNING for status in host.statuses()), "the motor off", host.statuses()[-1])
    if why == Refusal.STALE:
        raise NotTried("the press came later than a setpoint stays fresh")


@SUITE.check("S2", "arrival never extends the deadline")
async def arrival_extends_nothing(bench: Bench) -> None:
    host, welcome = bench.host, bench.welcome
    lease = (await bench.armed()).lease
    decided = await host.status()
    due = decided.pen_time_ms + welcome.dead_man_ms
    for tick in range(1, 60):
        host.send(
            bench.wish(lease, tick, decided),
            bench.wish(lease, tick + 100, decided, seen_pen_time_ms=decided.pen_time_ms + 2 * welcome.dead_man_ms),
        )
        await asyncio.sleep(0.02)
        if host.statuses()[-1].faults:
            break
    first = next((status for status in host.statuses() if status.faults), None)
    expect(first is not None, f"DEAD_MAN at pen time {due} though setpoints went on arriving", host.statuses()[-1])
    if first is not None:
        late = due + welcome.status_period_ms + LINE_MS
        in_time = first.faults == Fault.DEAD_MAN and due <= first.pen_time_ms <= late
        expect(in_time, f"DEAD_MAN alone, first shown between pen time {due} and {late}", first)


@SUITE.check("S2", "an older decision is accepted and shortens nothing")
async def an_older_decision_shortens_nothing(bench: Bench) -> None:
    host, welcome = bench.host, bench.welcome
    lease = (await bench.armed()).lease
    earlier = await host.status()
    newest = await host.status(lambda status: status.pen_time_ms - earlier.pen_time_ms >= welcome.dead_man_ms // 4)
    host.send(bench.wish(lease, 1, newest), bench.wish(lease, 2, earlier))
    accepted = await host.status(lambda status: status.tick == 2, "the newer tick accepted")
    expect(accepted.refusal == Refusal.NONE, "no refusal", accepted)
    fault = await host.status(lambda status: bool(status.faults), "DEAD_MAN after silence")
    due = newest.pen_time_ms + welcome.dead_man_ms
    expect(fault.pen_time_ms >= due, f"DEAD_MAN not before pen time {due}", fault.pen_time_ms)


@SUITE.check("S2", "a fresh setpoint keeps the lease alive")
async def fresh_setpoints_keep_it_alive(bench: Bench) -> None:
    host = bench.host
    lease = (await bench.armed()).lease
    begun = (await host.status()).pen_time_ms
    async with bench.driving(lease):
        lives_ms = 2 * bench.welcome.dead_man_ms
        status = await host.status(lambda status: not status.lease or status.pen_time_ms - begun > lives_ms)
    expect(status.lease == lease, f"the lease alive after {lives_ms} ms of fresh setpoints", status)


@SUITE.check("S3", "motor 1 is RUNNING, motor 0 is ARMED and takes the needles out", moves=True)
async def on_and_off(bench: Bench) -> None:
    host, on = bench.host, bench.on
    lease = (await bench.armed()).lease
    async with bench.driving(lease, **on):
        status = await host.status(lambda status: status.state == PenState.RUNNING, "RUNNING with motor 1")
        expect(status.lease == lease, "the lease alive", status)
        await host.status(lambda seen: seen.pen_time_ms - status.pen_time_ms > 150)
    async with bench.driving(lease, first_tick=1000):
        off = await host.status(lambda status: status.state != PenState.RUNNING, "motor 0 to end RUNNING")
        expect((off.state, off.lease) == (PenState.ARMED, lease), "ARMED, the lease alive", off)
        await host.status(lambda status: bool(status.interlocks & 2), "the needles out with motor 0")


@SUITE.check("S4", "a quantity the host does not set is ignored and reads as not measured")
async def what_the_host_does_not_set(bench: Bench) -> None:
    host = bench.host
    sets_depth, sets_rate = bench.has(Capability.DEPTH_SET), bench.has(Capability.RATE_SET)
    if sets_depth and sets_rate:
        raise NotTried("the host sets both depth and rate of this pen")
    lease = (await bench.armed()).lease
    absurd = ({} if sets_depth else {"depth_um": 65_000}) | ({} if sets_rate else {"rate_mhz": 7})
    host.send(bench.wish(lease, 1, await host.status(), **absurd))
    status = await host.status(lambda status: status.tick == 1, f"a setpoint with {absurd} accepted")
    expect(sets_depth or status.depth_set_um == NO_U16, "depth_set_um not measured", status)
    expect(sets_rate or status.rate_set_mhz == NO_U32, "rate_set_mhz not measured", status)
