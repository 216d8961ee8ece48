"""What people and programs see of one pen: a snapshot of the machine's state, for the API and every screen.

A measured value is None ("not measured", or the status is stale): a screen never shows an old number as a live one.
"""

from typing import Literal

from controller.events import (
    CartridgeSnapshot,
    CourseSnapshot,
    LimitSet,
    ReadinessRow,
    Record,
    ZoneDose,
    ZoneSnapshot,
)
from controller.readiness import first_failure, readiness
from controller.state import MachineState, Phase
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import PenState

STALE_MS = 300
"""A status older than this is shown as live by nobody: the usual dead-man time, after which a pen has stopped."""


def seen_live(state: MachineState, now_ms: int) -> PenSnapshot | None:
    """The newest status, or None once it is too old to be shown as live."""
    if state.seen is None or state.pen is None:
        return None
    return state.seen if now_ms - state.seen_at_ms <= min(STALE_MS, state.pen.dead_man_ms) else None


class AlarmView(Record):
    """An alarm that is raised now."""

    alarm: str
    priority: Literal["HIGH", "MEDIUM", "LOW"]
    kind: Literal["technical", "treatment"]
    sentence: str
    acknowledged: bool


class PenView(Record):
    """One pen, now. Depths in µm, rates in mHz, times in ms. ``readiness`` is the table of checks before arming;
    ``zone_plans`` has the plan of every zone, ``planned_zones`` names those this session is for. Alarms are
    shown but not heard for another ``audio_paused_ms``."""

    url: str
    pen: str | None
    firmware: str | None
    link: str
    link_problem: str | None
    phase: str
    session: str | None
    patient: str | None
    operator: str | None
    protocol: str | None
    library: str | None
    demo: bool
    course: CourseSnapshot | None
    resumes: str | None
    readiness: tuple[ReadinessRow, ...]
    cartridge: CartridgeSnapshot | None
    zone: str | None
    zones: tuple[str, ...]
    planned_zones: tuple[str, ...]
    zone_plans: tuple[ZoneSnapshot, ...]
    missing: tuple[str, ...]
    override_reasons: tuple[str, ...]
    motor_on: bool | None
    depth_commanded_um: int
    depth_measured_um: int | None
    rate_commanded_mhz: int
    rate_measured_mhz: int | None
    depth_limit: LimitSet | None
    rate_limit: LimitSet | None
    on_skin: bool | None
    needles_out: bool | None
    battery_permille: int | None
    temperature_dc: int | None
    motor_current_ma: int | None
    strokes: int | None
    status_age_ms: int | None
    longest_gap_ms: int
    treated_ms: int
    doses: tuple[ZoneDose, ...]
    alarms: tuple[AlarmView, ...]
    audio_paused_ms: int
    interruption: str
    journal_problem: str
    next_step: str


NEXT_STEP = {
    Phase.NO_SESSION: "Prepare a session.",
    Phase.PREPARED: "Arm the pen.",
    Phase.ARMING: "Wait: cartridge and calibration are being read.",
    Phase.PAUSED: "Set depth and rate, then start.",
    Phase.TREATING: "Treating. Pause, or STOP.",
    Phase.STOPPING: "Stopping: waiting for the pen to confirm.",
    Phase.INTERRUPTED: "Lift the pen off. Clear the fault, then arm again.",
}


def view(
    state: MachineState, *, url: str, link: str, link_problem: str | None, longest_gap_ms: int, now_ms: int
) -> PenView:
    """The view of a state at ``now_ms``."""
    plan, pen = state.plan, state.pen
    age_ms = now_ms - state.seen_at_ms if state.seen is not None else None
    seen = seen_live(state, now_ms)
    next_step = NEXT_STEP[state.phase]
    rows = readiness(state, now_ms) if state.phase in {Phase.PREPARED, Phase.ARMING} else ()
    problem = first_failure(rows, open_counts=False)
    if pen is None:
        next_step = "Connect the pen."
    elif state.phase is Phase.PREPARED and plan is not None and plan.missing:
        next_step = f"Confirm: {', '.join(plan.missing)}."
    elif state.phase is Phase.PREPARED and problem is not None:
        next_step = problem.sentence
    needles = state.cartridge.needle_count if state.cartridge else None
    return PenView(
        url=url,
        pen=f"{pen.model}/{pen.serial}" if pen else None,
        firmware=pen.firmware if pen else None,
        link=link,
        link_problem=link_problem,
        phase=str(state.phase),
        session=state.session,
        patient=plan.patient if plan else None,
        operator=plan.operator if plan else None,
        protocol=plan.protocol if plan else None,
        library=plan.library if plan else None,
        demo=plan.demo if plan else False,
        course=plan.course if plan else None,
        resumes=plan.resumes if plan else None,
        readiness=rows,
        cartridge=state.cartridge,
        zone=state.zone or None,
        zones=tuple(plan.zones) if plan else (),
        planned_zones=plan.planned_zones if plan else (),
        zone_plans=plan.zone_snapshots if plan else (),
        missing=plan.missing if plan else (),
        override_reasons=plan.override_reasons if plan else (),
        motor_on=None if seen is None else seen.state is PenState.RUNNING,
        depth_commanded_um=state.depth_commanded_um,
        depth_measured_um=seen.depth_measured_um if seen else None,
        rate_commanded_mhz=state.rate_commanded_mhz,
        rate_measured_mhz=seen.rate_measured_mhz if seen else None,
        depth_limit=state.depth_limit,
        rate_limit=state.rate_limit,
        on_skin=seen.on_skin if seen else None,
        needles_out=seen.needles_out if seen else None,
        battery_permille=seen.battery_permille if seen else None,
        temperature_dc=seen.temperature_dc if seen else None,
        motor_current_ma=seen.motor_current_ma if seen else None,
        strokes=seen.strokes if seen else None,
        status_age_ms=age_ms,
        longest_gap_ms=longest_gap_ms,
        treated_ms=sum(tally.treated_ms for tally in state.doses),
        doses=tuple(tally.dose(needles) for tally in state.doses),
        alarms=tuple(
            AlarmView(
                alarm=alarm.name,
                priority=alarm.kind.priority,
                kind=alarm.kind.kind,
                sentence=alarm.sentence,
                acknowledged=alarm.acknowledged,
            )
            for alarm in state.alarms.active
        ),
        audio_paused_ms=max(0, state.alarms.audio_paused_until_ms - now_ms),
        interruption=state.interruption,
        journal_problem=state.journal_problem,
        next_step=next_step,
    )
