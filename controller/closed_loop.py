"""Pure: commanded against measured, ramps, and contact gating.

Measured depth and rate are compared with what was *sent*, and only once the mechanism had time to settle on it. The
ramp and the gate send the least depth the pen can be set to in place of the commanded one, never anything deeper; a pen
whose depth is a dial has neither. Nothing here turns a motor on: :func:`started` is called where a person started.

A status costs a few comparisons, and where nothing changed the same :class:`~controller.loop.Loop` comes back.
"""

from controller.alarm_table import (
    BATTERY_LOW,
    CARTRIDGE_LIFE,
    CONTACT_LOST,
    DEPTH_DEVIATION,
    DEPTH_RUNAWAY,
    DWELL_NEARLY_USED,
    OVER_TREATMENT,
    OVERSPEED,
    RATE_DROOP,
    RATE_RUNAWAY,
    RETRACT_FAILED,
    STALL,
    TEMPERATURE_WARNING,
)
from controller.evolving import replace
from controller.inputs import PenFacts
from controller.loop import (
    BATTERY,
    CONTACT,
    DWELL,
    DWELL_NEARLY,
    HOT,
    LIFE,
    ClosedLoopLimits,
    Loop,
    Stage,
)
from controller.state import RETRACT_SLACK_MS, MachineState, Phase
from controller.units import format_hz, format_mm
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import PenState

COOLER_DC = 20
"""A temperature warning ends 2 °C under its threshold, so that a reading that wavers does not raise it twice."""

LIFE_WARN_PERCENT = 90


def limits_of(state: MachineState) -> ClosedLoopLimits | None:
    """The thresholds in force; None where the record's data sheet has none, and then nothing is ramped or watched."""
    return state.plan.profile.closed_loop if state.plan is not None else None


def least_depth_um(pen: PenFacts) -> int:
    """The least depth on the pen's step that it can be set to, µm."""
    return -(-pen.depth_min_um // pen.depth_step_um) * pen.depth_step_um


# Ramps ----------------------------------------------------------------------------------------------------------------


def started(state: MachineState, now_ms: int) -> Loop:
    """The loop when a person turned the motor on: it spins up at the least depth, where the host sets depth."""
    limits, loop = limits_of(state), state.loop
    ramped = limits is not None and limits.spin_up_ms > 0 and state.sets_depth
    return Loop(
        stage=Stage.SPIN_UP if ramped else Stage.FULL,
        stage_since_ms=now_ms,
        rate_ramp_mhz=_ramp_mhz(state, 0, limits.spin_up_ms) if ramped and limits is not None else 0,
        motor=loop.motor,
        depth_um=loop.depth_um,
        rate_mhz=loop.rate_mhz,
        sent_since_ms=loop.sent_since_ms,
        contact_since_ms=now_ms,
        flags=loop.flags & ~CONTACT,
    )


def paused(state: MachineState, now_ms: int, *, ramped: bool) -> Loop:
    """The loop when the motor is to go off. ``ramped``: a person asked at the host, so needles come out turning.

    Only needles that are in come out: a pen that is not seen running is told off at once, or a late pause would start
    it.
    """
    limits, seen = limits_of(state), state.seen
    withdraws = (
        ramped
        and limits is not None
        and limits.withdraw_ms > 0
        and state.sets_depth
        and state.loop.stage is Stage.FULL
        and seen is not None
        and seen.state is PenState.RUNNING
    )
    return _at(state.loop, Stage.WITHDRAW if withdraws else Stage.OFF, now_ms)


def may_withdraw(state: MachineState) -> bool:
    """Whether a withdrawal may go on: paused by somebody who is still there, and the pen still runs."""
    seen = state.seen
    return (
        state.phase is Phase.PAUSED
        and state.attended
        and seen is not None
        and seen.state is PenState.RUNNING
        and state.depth_commanded_um > 0
        and (state.rate_commanded_mhz > 0 or not state.sets_rate)
    )


def advance(state: MachineState, now_ms: int) -> Loop:
    """The loop at a tick: ramps go on with time; everywhere else the same loop."""
    loop = state.loop
    stage = loop.stage
    if stage is Stage.FULL or stage is Stage.OFF:
        return loop
    limits = limits_of(state)
    if limits is None:
        return loop
    elapsed_ms = now_ms - loop.stage_since_ms
    if stage is Stage.SPIN_UP:
        if elapsed_ms < limits.spin_up_ms:
            return replace(loop, rate_ramp_mhz=_ramp_mhz(state, elapsed_ms, limits.spin_up_ms))
        return _at(loop, Stage.LIFTED if loop.contact is False else Stage.FULL, now_ms)
    if stage is Stage.WITHDRAW and elapsed_ms >= limits.withdraw_ms:
        return _at(loop, Stage.OFF, now_ms)
    return loop


def _at(loop: Loop, stage: Stage, now_ms: int) -> Loop:
    """The loop at another stage; what deviated before deviates from something else now."""
    return replace(
        loop,
        stage=stage,
        stage_since_ms=now_ms,
        depth_off_since_ms=None,
        slow_since_ms=None,
        fast_since_ms=None,
        still_since_ms=None,
    )


def _ramp_mhz(state: MachineState, elapsed_ms: int, spin_up_ms: int) -> int:
    """The rate so long after the start: from the pen's least to the commanded one, on the pen's step."""
    pen, wanted = state.pen, state.rate_commanded_mhz
    if pen is None or not state.sets_rate:
        return wanted
    least = min(wanted, -(-pen.rate_min_mhz // pen.rate_step_mhz) * pen.rate_step_mhz)
    rate_mhz = least + (wanted - least) * elapsed_ms // spin_up_ms
    return max(least, rate_mhz - rate_mhz % pen.rate_step_mhz)


def to_send(state: MachineState) -> tuple[bool, int, int]:
    """Motor, depth in µm and rate in mHz for an armed pen: what was commanded, or less of it."""
    stage, phase = state.loop.stage, state.phase
    depth_um, rate_mhz = state.depth_commanded_um, state.rate_commanded_mhz
    if stage is Stage.FULL:
        return phase is Phase.TREATING, depth_um, rate_mhz
    if stage is Stage.OFF or state.pen is None:
        return False, depth_um, rate_mhz
    motor = phase is Phase.TREATING or (stage is Stage.WITHDRAW and phase is Phase.PAUSED)
    if not motor:
        return False, depth_um, rate_mhz
    if stage is Stage.SPIN_UP:
        rate_mhz = min(rate_mhz, state.loop.rate_ramp_mhz)
    return True, min(depth_um, least_depth_um(state.pen)), rate_mhz


# What the pen says ----------------------------------------------------------------------------------------------------


def watch(state: MachineState, seen: PenSnapshot, at_ms: int, dwell: int) -> Loop:
    """The loop after a status of an armed pen, sent at ``at_ms``; ``dwell`` is the zone's state as bits of its own.

    The same loop when the status brought nothing new.
    """
    loop, limits, pen = state.loop, limits_of(state), state.pen
    if limits is None or pen is None:
        return loop
    flags = _flags(loop, limits, seen, at_ms) | dwell
    if loop.stage is Stage.OFF:
        # Nothing runs, so nothing deviates.
        return loop if flags == loop.flags else replace(loop, flags=flags & ~CONTACT)
    contact, contact_since_ms = loop.contact, loop.contact_since_ms
    if seen.on_skin is not contact:
        contact, contact_since_ms = seen.on_skin, at_ms
    held_ms = at_ms - contact_since_ms
    stage = loop.stage if contact is None else _gated(state, limits, contact, held_ms)
    if contact is False and held_ms >= limits.contact_warn_ms:
        flags |= CONTACT
    if stage is not loop.stage:
        return replace(_at(loop, stage, at_ms), flags=flags, contact=contact, contact_since_ms=contact_since_ms)
    depth_off, slow, fast, still = _deviations(state, pen, limits, seen, at_ms)
    if (
        flags == loop.flags
        and contact is loop.contact
        and depth_off == loop.depth_off_since_ms
        and slow == loop.slow_since_ms
        and fast == loop.fast_since_ms
        and still == loop.still_since_ms
    ):
        return loop
    return replace(
        loop,
        flags=flags,
        contact=contact,
        contact_since_ms=contact_since_ms,
        depth_off_since_ms=depth_off,
        slow_since_ms=slow,
        fast_since_ms=fast,
        still_since_ms=still,
    )


def _flags(loop: Loop, limits: ClosedLoopLimits, seen: PenSnapshot, at_ms: int) -> int:
    """The conditions of the moment that one status tells by itself."""
    flags = loop.flags & BATTERY  # once low, low until it is disarmed: the load comes and goes, the charge does not
    temperature_dc = seen.temperature_dc
    if temperature_dc is not None:
        warn_dc = limits.temperature_warn_dc - COOLER_DC if loop.flags & HOT else limits.temperature_warn_dc
        if temperature_dc >= warn_dc:
            flags |= HOT
    charge, current_ma, mah = seen.battery_permille, seen.motor_current_ma, limits.battery_mah
    settled = loop.motor and at_ms - loop.sent_since_ms >= limits.settle_ms  # what spinning up takes is no load
    if settled and charge is not None and current_ma and mah:
        left_min_ma = charge * mah * 60 // 1000
        if left_min_ma < limits.battery_warn_min * current_ma:
            flags |= BATTERY
    life = limits.cartridge_life_strokes
    if life is not None and seen.strokes * 100 >= life * LIFE_WARN_PERCENT:
        flags |= LIFE
    return flags


def _gated(state: MachineState, limits: ClosedLoopLimits, contact: bool, held_ms: int) -> Stage:
    """The stage that skin contact asks for, once it has lasted; only a pen whose depth is set is gated."""
    stage = state.loop.stage
    if stage is Stage.FULL:
        if not contact and held_ms >= limits.contact_off_ms and state.sets_depth:
            return Stage.LIFTED
    elif stage is Stage.LIFTED and contact and held_ms >= limits.contact_on_ms:
        return Stage.FULL
    return stage


def _rate_sent_mhz(state: MachineState, pen: PenFacts) -> int:
    """The rate the pen should turn at; 0 is not known: a dial that the host cannot read."""
    if state.sets_rate:
        return state.loop.rate_mhz
    return pen.rate_max_mhz if pen.rate_min_mhz == pen.rate_max_mhz else 0


def _deviations(
    state: MachineState, pen: PenFacts, limits: ClosedLoopLimits, seen: PenSnapshot, at_ms: int
) -> tuple[int | None, int | None, int | None, int | None]:
    """Since when depth is off, the rate low, the rate high, and the motor still; None where it is not so."""
    loop, profile = state.loop, state.plan.profile if state.plan is not None else None
    running, rate_mhz = seen.state is PenState.RUNNING, seen.rate_measured_mhz
    depth_off = slow = fast = still = False
    if running and rate_mhz is not None and rate_mhz < limits.stall_below_mhz:
        still = True
    if profile is not None and loop.motor and at_ms - loop.sent_since_ms >= limits.settle_ms:
        depth_um = seen.depth_measured_um
        if depth_um is not None and running and state.sets_depth:
            depth_off = not -profile.depth_tolerance_um <= depth_um - loop.depth_um <= profile.depth_tolerance_um
        target_mhz = _rate_sent_mhz(state, pen)
        slack_mhz = max(target_mhz * profile.rate_tolerance_percent // 100, limits.rate_slack_mhz)
        if not running:
            slow = True
        elif rate_mhz is not None and target_mhz:
            slow = rate_mhz < target_mhz - slack_mhz
            fast = rate_mhz > target_mhz + slack_mhz
    return (
        _since(loop.depth_off_since_ms, depth_off, at_ms),
        _since(loop.slow_since_ms, slow, at_ms),
        _since(loop.fast_since_ms, fast, at_ms),
        _since(loop.still_since_ms, still, at_ms),
    )


def _since(since_ms: int | None, holds: bool, at_ms: int) -> int | None:
    if not holds:
        return None
    return at_ms if since_ms is None else since_ms


def at_once(state: MachineState, seen: PenSnapshot) -> tuple[str, str] | None:
    """What stops the pen now: (alarm, detail) of the immediate class, of a stall, or of needles that do not withdraw.

    ``state`` is the one after this status.
    """
    loop, limits = state.loop, limits_of(state)
    if limits is None or state.plan is None or not loop.motor or loop.stage is Stage.OFF or state.pen is None:
        return None
    at_ms = state.seen_at_ms
    if loop.still_since_ms is not None and at_ms - loop.still_since_ms >= limits.stall_hold_ms:
        return STALL.name, f"measured {format_hz(seen.rate_measured_mhz)}"
    sent_ms = at_ms - loop.sent_since_ms
    if sent_ms < limits.settle_ms or seen.state is not PenState.RUNNING:
        return None
    depth_um, rate_mhz = seen.depth_measured_um, seen.rate_measured_mhz
    if depth_um is not None and state.sets_depth:
        deeper_um = depth_um - loop.depth_um
        if loop.stage is Stage.LIFTED:
            pen = state.pen
            out_ms = pen.dead_man_ms + pen.retract_ms + RETRACT_SLACK_MS
            if deeper_um > state.plan.profile.depth_tolerance_um and sent_ms > out_ms:
                return RETRACT_FAILED.name, f"withdrawn, measured {format_mm(depth_um)}"
        elif deeper_um > limits.depth_stop_um:
            return DEPTH_RUNAWAY.name, f"set {format_mm(loop.depth_um)}, measured {format_mm(depth_um)}"
    target_mhz = _rate_sent_mhz(state, state.pen)
    if rate_mhz is not None and target_mhz and rate_mhz * 100 > target_mhz * (100 + limits.rate_stop_percent):
        return RATE_RUNAWAY.name, f"set {format_hz(target_mhz)}, measured {format_hz(rate_mhz)}"
    return None


def off_skin_too_long(state: MachineState) -> bool:
    """Whether the pen has been off skin for so long that treatment is paused."""
    loop, limits = state.loop, limits_of(state)
    return (
        limits is not None
        and loop.contact is False
        and state.seen_at_ms - loop.contact_since_ms >= limits.contact_pause_ms
    )


def calm(loop: Loop) -> bool:
    """Whether no condition of the loop holds or is on its way to."""
    return (
        not loop.flags and loop.depth_off_since_ms is None and loop.slow_since_ms is None and loop.fast_since_ms is None
    )


def conditions(state: MachineState) -> dict[str, str]:
    """The alarms of the closed loop whose condition holds, with what was measured: MEDIUM and LOW ones."""
    loop, limits, seen = state.loop, limits_of(state), state.seen
    holding: dict[str, str] = {}
    if limits is None or seen is None or calm(loop):
        return holding
    at_ms = state.seen_at_ms
    if loop.depth_off_since_ms is not None and at_ms - loop.depth_off_since_ms >= limits.depth_hold_ms:
        holding[DEPTH_DEVIATION.name] = f"set {format_mm(loop.depth_um)}, measured {format_mm(seen.depth_measured_um)}"
    for kind, since_ms in ((RATE_DROOP, loop.slow_since_ms), (OVERSPEED, loop.fast_since_ms)):
        if since_ms is not None and at_ms - since_ms >= limits.rate_hold_ms:
            holding[kind.name] = f"set {format_hz(loop.rate_mhz)}, measured {format_hz(seen.rate_measured_mhz)}"
    flags = loop.flags
    if flags & HOT:
        holding[TEMPERATURE_WARNING.name] = f"{(seen.temperature_dc or 0) / 10:.1f} °C"
    if flags & BATTERY:
        holding[BATTERY_LOW.name] = f"{(seen.battery_permille or 0) / 10:.0f} % charged"
    if flags & LIFE:
        holding[CARTRIDGE_LIFE.name] = f"{seen.strokes} strokes"
    if flags & CONTACT:
        holding[CONTACT_LOST.name] = ""
    if flags & DWELL:
        kind = DWELL_NEARLY_USED if flags & DWELL == DWELL_NEARLY else OVER_TREATMENT
        holding[kind.name] = state.zone
    return holding
