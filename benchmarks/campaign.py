"""How much faster than life the campaign is, what one control tick costs, and whether that grows with a session.

Processor time of one process throughout. The campaign runs with everything in: physics at 1 kHz, both codecs, faults,
all invariants and the replay of every story. Beside it a bare Python loop does nothing but count milliseconds and move
one number, a thousand times a second: no campaign in Python is faster than that.
"""

import asyncio
import gc
import time
from collections.abc import Callable
from datetime import date
from random import Random

from benchmarks.measuring import Effort, alternated, median_ratio
from benchmarks.results import Row, at_least, at_most
from controller.inputs import Prepare, SetDepth, SetRate, Start, StatusSeen, Tick
from controller.machine import step
from controller.state import MachineState, SendSetpoint
from firmware_bridge.snapshot import snapshot
from firmware_bridge.wire.codec import range_problem
from firmware_bridge.wire.framing import Deframer, frame
from firmware_bridge.wire.messages import Setpoint, Status
from proving.campaign import played
from proving.plans import pen_of, plan_of
from proving.rig import Rig
from proving.stories import Setting, story

SUBJECT = "campaign"
SEED = 5
TODAY = date(2026, 1, 1)


def _cpu_s(act: Callable[[], object]) -> float:
    """Processor seconds of a call, garbage collected before it and not while it runs."""
    gc.collect()
    gc.disable()
    try:
        began_s = time.process_time()
        act()
        return time.process_time() - began_s
    finally:
        gc.enable()


def _bare_loop(simulated_s: int) -> float:
    """A millisecond counter and one first-order lag: the least that "1 kHz in Python" can mean. × life."""

    def act() -> float:
        speed, wanted = 0.0, 565.0
        for _ in range(simulated_s * 1000):
            current = (wanted - speed) / 28.0
            speed += current - 0.001 * speed
        return speed

    return simulated_s / _cpu_s(act)


def _campaign(stories: int) -> float:
    """× life of so many stories."""
    coverage, done, cpu_s = played([story(SEED, index) for index in range(stories)])
    if done is not None:
        raise RuntimeError(f"the campaign found something: {done.violation}")
    return coverage.simulated_ms / 1000 / cpu_s


def _treating() -> Rig:
    """A pen that treats, and goes on: in a zone without a budget, for with one it would pause after a few minutes."""
    setting = Setting()
    rig = Rig(pen_of(setting, Random(1)), random=Random(1), today=TODAY)
    rig.connect()
    plan = plan_of("NW-1", setting.operator, setting.skin, "cheek", checked=True)
    cheek = plan.zones["cheek"].model_copy(update={"dwell_ms": None, "dwell_hard_ms": None})
    rig.command(Prepare(session="bench", plan=plan.model_copy(update={"zones": {**plan.zones, "cheek": cheek}})))
    rig.arm()
    rig.command(SetRate(rate_mhz=100_000))
    rig.command(SetDepth(depth_um=500))
    rig.command(Start(source="bench"))
    rig.advance(1000)
    return rig


def _tick_us(state: MachineState, ticks: int, now_ms: int) -> float:
    """µs of processor for one control tick: the statuses of 50 ms decoded, the machine, the setpoint encoded."""
    seen = state.seen
    if seen is None:
        raise RuntimeError("the pen has said nothing")
    messages = [_status_frame(seen.pen_time_ms + 20 * number, state) for number in range(8)]
    deframer = Deframer()

    def act() -> None:
        now, at = state, 0
        for number in range(ticks):
            for _ in range(3 if number % 2 else 2):  # 2.5 statuses a tick
                at = (at + 1) % len(messages)
                for message in deframer.feed(messages[at]):
                    if isinstance(message, Status) and range_problem(message) is None:
                        now = step(now, StatusSeen(snapshot(message), now_ms), now_ms).state
            made = step(now, Tick(), now_ms)
            send = made.send
            if not isinstance(send, SendSetpoint):
                raise TypeError("the treatment has ended")
            frame(
                Setpoint(state.lease, number + 1, send.motor, send.depth_um, send.rate_mhz, send.seen_pen_time_ms),
                number,
            )

    return _cpu_s(act) / ticks * 1e6


def _status_frame(pen_time_ms: int, state: MachineState) -> bytes:
    seen = state.seen
    if seen is None:
        raise RuntimeError("the pen has said nothing")
    status = Status(
        pen_time_ms, seen.boot_id, state.lease, seen.tick, 0, seen.state, seen.faults, seen.interlocks,
        500, seen.depth_measured_um or 0, 100_000, seen.rate_measured_mhz or 0, 400, 900, 250, 1, seen.strokes,
        seen.button_presses, seen.pedal_presses,
    )  # fmt: skip
    return frame(status, 0)


def _empty_tick_us(ticks: int) -> float:
    """µs of processor for one turn of an asyncio task that only sleeps."""

    async def turns() -> None:
        for _ in range(ticks):
            await asyncio.sleep(0)

    return _cpu_s(lambda: asyncio.run(turns())) / ticks * 1e6


def measure(effort: Effort) -> list[Row]:
    """The speed, the tick, and the tick after an hour."""
    rounds = effort.pick(3, 9)
    lives, floors = alternated(
        rounds, [lambda: _campaign(effort.pick(6, 30)), lambda: _bare_loop(effort.pick(20, 200))]
    )
    young = _treating()
    old = _treating()
    minutes = effort.pick(6, 60)
    old.advance(minutes * 60_000)
    ticks = effort.pick(500, 5000)
    one_minute = _treating()
    one_minute.advance(60_000)
    tick, empty = alternated(
        rounds, [lambda: _tick_us(young.state, ticks, young.now_ms), lambda: _empty_tick_us(ticks * 4)]
    )
    late, early = alternated(
        rounds,
        [
            lambda: _tick_us(old.state, ticks, old.now_ms),
            lambda: _tick_us(one_minute.state, ticks, one_minute.now_ms),
        ],
    )
    return [
        Row(SUBJECT, "campaign, all invariants, one processor", max(lives), "× life",
            f"bare Python loop at 1 kHz {max(floors):.0f} ×", at_least(500)),
        Row(SUBJECT, "the same, median", sorted(lives)[len(lives) // 2], "× life",
            f"bare loop {sorted(floors)[len(floors) // 2]:.0f} ×, {median_ratio(lives, floors):.2f} of it"),
        Row(SUBJECT, "one control tick, status decode to setpoint encode", min(tick), "µs",
            f"an empty turn of asyncio {min(empty):.2f} µs"),
        Row(SUBJECT, f"a control tick after {minutes} min of treating", median_ratio(late, early), "× its cost",
            "after 1 min", at_most(1.1)),
    ]  # fmt: skip
