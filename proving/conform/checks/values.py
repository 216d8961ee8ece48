"""V: what STATUS says."""

import asyncio

from firmware_bridge.wire.codec import range_problem
from firmware_bridge.wire.fields import fields_of
from firmware_bridge.wire.messages import Capability, Interlock, PenState, Refusal, Setpoint, Status
from proving.conform.bench import Bench
from proving.conform.checks.stopping import RUN_MS, running
from proving.conform.suite import Suite
from proving.conform.verdicts import Unmet, expect, told

SUITE = Suite()

COASTING_S = 2
"""A motor without power turns on for a while."""

NOT_MEASURED = {name: field.not_measured for name, field in fields_of(Status).items() if field.measurable}
NEEDED = {
    "depth_set_um": Capability.DEPTH_SET,
    "depth_measured_um": Capability.DEPTH_SENSED,
    "rate_set_mhz": Capability.RATE_SET,
    "rate_measured_mhz": Capability.RATE_SENSED,
    "motor_current_ma": Capability.CURRENT_SENSED,
    "battery_permille": Capability.BATTERY_SENSED,
    "temperature_dc": Capability.TEMPERATURE_SENSED,
    "contact": Capability.CONTACT_SENSED,
}
"""What a pen must be able to, for this field of STATUS to hold a value."""


@SUITE.check("V1", "values in range; what the pen cannot measure or set reads as not measured")
async def what_is_absent_is_not_measured(bench: Bench) -> None:
    for _ in range(5):
        status = await bench.host.status()
        problem = range_problem(status)
        expect(problem is None, "every value of STATUS in its range", problem)
        for name, capability in NEEDED.items():
            value = getattr(status, name)
            if not bench.has(capability):
                expect(value == NOT_MEASURED[name], f"{name} not measured without {capability.name}", value)
    known = {name for name in ("battery_permille", "temperature_dc") if bench.has(NEEDED[name])}
    for name in known:
        expect(getattr(status, name) != NOT_MEASURED[name], f"{name} measured", "not measured")


@SUITE.check("V1", "a measured value never is the setpoint", moves=True)
async def never_the_setpoint(bench: Bench) -> None:
    await running(bench)
    bench.host.stop()
    await asyncio.sleep(bench.welcome.retract_ms / 1000)
    seen = bench.host.statuses()
    for measured, wanted in (("depth_measured_um", "depth_set_um"), ("rate_measured_mhz", "rate_set_mhz")):
        if bench.has(NEEDED[measured]) and bench.has(NEEDED[wanted]):
            differs = any(getattr(status, measured) != getattr(status, wanted) for status in seen)
            expect(differs, f"{measured} to differ from {wanted} while the motor starts and stops", "it never did")


@SUITE.check("V2", "0 is set while the motor is off")
async def nothing_set_at_rest(bench: Bench) -> None:
    lease = (await bench.armed()).lease
    depth = {"depth_um": bench.depth_um} if bench.has(Capability.DEPTH_SET) else {}
    bench.host.send(bench.wish(lease, 1, await bench.host.status(), **depth))
    status = await bench.host.status(lambda status: status.tick == 1, "tick 1 accepted")
    for name, capability in (("depth_set_um", Capability.DEPTH_SET), ("rate_set_mhz", Capability.RATE_SET)):
        if bench.has(capability):
            expect(getattr(status, name) == 0, f"{name} 0 with the motor off", getattr(status, name))


@SUITE.check("V2", "what was set is set while the motor is on", moves=True)
async def what_is_set(bench: Bench) -> None:
    await running(bench)
    status = [status for status in bench.host.statuses() if status.state == PenState.RUNNING][-1]
    if bench.has(Capability.DEPTH_SET):
        expect(
            status.depth_set_um == bench.depth_um, f"depth_set_um {bench.depth_um} while RUNNING", status.depth_set_um
        )
    if bench.has(Capability.RATE_SET):  # a pen that turns slower at some depth says so here; none turns faster
        slower = 0 < status.rate_set_mhz <= bench.rate_mhz
        expect(slower, f"rate_set_mhz {bench.rate_mhz} or less while RUNNING", status.rate_set_mhz)


@SUITE.check("V3", "the measured rate is 0 while the motor rests")
async def no_rate_at_rest(bench: Bench) -> None:
    bench.needs(Capability.RATE_SENSED)
    await bench.host.status(lambda status: status.rate_measured_mhz == 0, "rate_measured_mhz 0 once the motor rests")
    for _ in range(5):
        status = await bench.host.status()
        expect(status.rate_measured_mhz == 0, "rate_measured_mhz 0 at rest", status.rate_measured_mhz)


@SUITE.check("V4", "strokes stand still at rest")
async def no_strokes_at_rest(bench: Bench) -> None:
    host = bench.host
    before = await host.status()
    still = 0
    for _ in range(COASTING_S * 1000 // bench.welcome.status_period_ms):
        after = await host.status()
        still = still + 1 if _counted(after) == _counted(before) else 0
        before = after
        if still == 5:
            return
    raise Unmet(f"strokes and presses to stand still within {COASTING_S} s", told(before))


def _counted(status: Status) -> tuple[int, int, int]:
    return status.strokes, status.button_presses, status.pedal_presses


@SUITE.check("V4", "strokes count while it runs", moves=True)
async def strokes_count(bench: Bench) -> None:
    before = (await bench.host.status()).strokes
    await running(bench)
    least = RUN_MS * bench.rate_mhz // 1_000_000 // 2
    made = bench.host.statuses()[-1].strokes - before
    expect(least <= made <= 100 * least + 100, f"at least {least} strokes counted", made)


@SUITE.check("V4", "strokes count from the insertion of a cartridge")
async def strokes_from_insertion(bench: Bench) -> None:
    swap = bench.hand("swap_cartridge")
    await swap()
    await bench.host.status(lambda status: not status.interlocks & Interlock.CARTRIDGE_PRESENT, "the cartridge off")
    await swap()
    status = await bench.host.status(lambda status: bool(status.interlocks & Interlock.CARTRIDGE_PRESENT))
    expect(status.strokes == 0, "strokes 0 with a new cartridge", status.strokes)


@SUITE.check("V5", "an accepted setpoint does not clear the refusal, a new lease does")
async def the_refusal_stays(bench: Bench) -> None:
    host = bench.host
    lease = (await bench.armed()).lease
    host.send(Setpoint(lease, 1, 0, 0, 0, 0xF000_0000))
    await host.status(lambda status: status.refusal == Refusal.STALE, "refusal STALE")
    host.send(bench.wish(lease, 1, await host.status()))
    status = await host.status(lambda status: status.tick == 1, "tick 1 accepted")
    expect(status.refusal == Refusal.STALE, "refusal STALE as before", Refusal(status.refusal).name)
    host.stop()
    await host.status(lambda status: not status.lease)
    await bench.armed()
    status = await host.status()
    expect(status.refusal == Refusal.NONE, "refusal NONE when a lease begins", status.refusal)


@SUITE.check("V6", "NEEDLES_OUT at rest")
async def needles_out_at_rest(bench: Bench) -> None:
    status = await bench.host.status()
    expect(bool(status.interlocks & Interlock.NEEDLES_OUT), "NEEDLES_OUT in IDLE", status)
    if bench.has(Capability.DEPTH_SENSED):
        expect(status.depth_measured_um <= 0, "needles measured behind the face", status.depth_measured_um)


@SUITE.check("V6", "no NEEDLES_OUT while RUNNING", moves=True)
async def needles_not_out_while_running(bench: Bench) -> None:
    await running(bench)
    ran = [status for status in bench.host.statuses() if status.state == PenState.RUNNING]
    out = [status for status in ran if status.interlocks & Interlock.NEEDLES_OUT]
    expect(len(out) <= 2, "NEEDLES_OUT gone within two STATUS of the motor's start", out[-1:])
    expect(not ran[-1].interlocks & Interlock.NEEDLES_OUT, "no NEEDLES_OUT while RUNNING", ran[-1])
