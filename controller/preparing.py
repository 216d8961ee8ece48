"""Pure: opening a session and what a person adds to it before the pen is armed, for the first time or anew."""

from controller.alarms import ActiveAlarm, AlarmBook
from controller.datafile import nearest
from controller.dose import DoseTally
from controller.events import (
    ApprovalGiven,
    CartridgeAttested,
    CartridgeExchanged,
    CartridgeSnapshot,
    ChecklistConfirmed,
    ClockStepped,
    SessionOpened,
)
from controller.evolving import replace
from controller.inputs import Approved, Attest, ClockJumped, Confirm, ExchangeCartridge, Inspected, Prepare
from controller.state import MachineState, Phase, Step
from controller.transitions import disarm, refuse, wrong_phase


def prepare(state: MachineState, given: Prepare) -> Step:
    """Opens a session for a plan, with the dose of the session it resumes."""
    if state.session is None and state.phase is not Phase.NO_SESSION:
        return wrong_phase(state, "prepare")
    if state.session is not None:
        return refuse(state, "prepare", "session_open", "A session is open on this pen. Close it first.")
    if state.pen is None:
        return refuse(state, "prepare", "no_pen", "No pen is connected. Plug it in, then prepare the session.")
    if state.alarms.blocking or state.latched:
        return refuse(
            state, "prepare", "alarm", "An alarm is still active on this pen. Acknowledge and clear it, then prepare."
        )
    if state.journal_problem:
        return refuse(
            state,
            "prepare",
            "journal",
            f"The record cannot be written ({state.journal_problem}); without a record nothing starts.",
        )
    if state.motor_off_since_ms is not None:
        return refuse(
            state,
            "prepare",
            "needles",
            "The needles are not confirmed out since the motor went off. Keep the pen off the skin and look at it; "
            "prepare the session when they are, or with another pen.",
        )
    plan = given.plan
    state = replace(
        MachineState(),
        phase=Phase.PREPARED,
        session=given.session,
        session_pen=f"{state.pen.model}/{state.pen.serial}",
        seated=state.seated,
        plan=plan,
        pen=state.pen,
        seen=state.seen,
        seen_at_ms=state.seen_at_ms,
        zone=plan.first_zone,
        standing=given.standing,
        alarms=AlarmBook(
            tuple(
                ActiveAlarm(name, since_ms, condition=False, acknowledged=False, detail=detail)
                for name, since_ms, detail in given.raised
            )
        ),
        doses=tuple(DoseTally.resumed(dose) for dose in plan.resumed_doses),
    )
    opened = SessionOpened(
        pen=state.session_pen,
        patient=plan.patient,
        operator=plan.operator,
        protocol=plan.protocol,
        library=plan.library,
        zone=plan.first_zone,
        skin=plan.skin,
        demo=plan.demo,
        checklist=plan.checklist,
        resumes=plan.resumes,
        library_digest=plan.library_digest,
        library_signed_by=plan.library_signed_by,
        screening=plan.screening,
        course=plan.course,
        planned_zones=plan.planned_zones,
        interval_reason=plan.interval_reason,
        zone_plans=plan.zone_snapshots,
        prescribed_by=plan.prescribed_by,
        aftercare=plan.aftercare,
    )
    return Step(state, None, (opened,))


def confirm(state: MachineState, given: Confirm) -> Step:
    """A person confirms points of the checklist."""
    plan = state.plan
    if plan is None:
        return wrong_phase(state, "confirm")
    unknown = next((item for item in given.items if item not in {*plan.missing, *plan.checklist}), None)
    if unknown is not None:
        return refuse(
            state,
            "confirm",
            "unknown_checklist_item",
            f"The checklist has no point {unknown!r}. {nearest(unknown, list(plan.missing))} Nothing changed.",
        )
    items = tuple(item for item in given.items if item in plan.missing)
    if not items:
        return Step(state)
    confirmed = plan.model_copy(
        update={
            "checklist": plan.checklist | dict.fromkeys(items, True),
            "missing": tuple(item for item in plan.missing if item not in items),
        }
    )
    return Step(replace(state, plan=confirmed), None, (ChecklistConfirmed(items=items, source=given.source),))


def attest(state: MachineState, given: Attest) -> Step:
    """The operator's word that the cartridge is new and was opened now; good for the cartridge that is in."""
    if state.plan is None or state.phase is not Phase.PREPARED:
        return wrong_phase(state, "attest")
    plan = state.plan.model_copy(update={"cartridge_attested": True})
    return Step(replace(state, plan=plan), None, (CartridgeAttested(source=given.source),))


def exchange_cartridge(state: MachineState, given: ExchangeCartridge, now_ms: int) -> Step:
    """Another cartridge in the same session: the pen is disarmed in good order, the dose so far stays.

    What was attested was of the old one; the new one is read, and checked, when the pen is armed again.
    """
    if state.plan is None or state.phase not in {Phase.PREPARED, Phase.PAUSED}:
        return wrong_phase(state, "exchange the cartridge")
    plan = state.plan.model_copy(update={"cartridge_attested": False, "cartridge_scan": given.scan})
    exchanged = CartridgeExchanged(source=given.source, before=state.cartridge)
    state = replace(state, plan=plan, inspection=_without_cartridge(state), consumed_tag=0, discarded=_discarded(state))
    if state.phase is Phase.PREPARED:
        return Step(replace(state, cartridge=None), None, (exchanged,))
    made = disarm(state, "the cartridge is exchanged", now_ms)
    return replace(made, events=(exchanged, *made.events))


def _discarded(state: MachineState) -> tuple[CartridgeSnapshot, ...]:
    """The cartridges that do not come back, with the one that is exchanged now, where this session used it."""
    gone = state.cartridge
    if gone is None or gone.tag != state.consumed_tag or gone in state.discarded:
        return state.discarded
    return (*state.discarded, gone)


def _without_cartridge(state: MachineState) -> Inspected | None:
    given = state.inspection
    if given is None:
        return None
    return given.model_copy(
        update={
            "cartridge": None,
            "cartridge_used": False,
            "used_elsewhere": False,
            "cartridge_because": "cartridge",
            "cartridge_problem": "The new cartridge has not been read yet. Insert it, then arm.",
        }
    )


def approved(state: MachineState, given: Approved, now_ms: int) -> Step:
    """A physician's approval at the chair: for this session the zones named may be treated deeper.

    A pen that is armed holds the old ceilings by itself, so it is disarmed in good order and armed anew.
    """
    plan = state.plan
    if plan is None or state.phase not in {Phase.PREPARED, Phase.PAUSED}:
        return wrong_phase(state, "approve")
    unknown = next((zone for zone in given.zones if zone not in plan.zones), None)
    if unknown is not None:
        return refuse(
            state,
            "approve",
            "unknown_zone",
            f"There is no zone {unknown!r}. {nearest(unknown, list(plan.zones))} Nothing changed.",
        )
    words = f"approved by {given.by} at the chair, for this session"
    zones = {
        name: zone.model_copy(
            update={
                "approved_cap_um": given.depth_max_um,
                "approval": given.approval,
                "approved_words": words,
                "approved_until": None,
            }
        )
        if name in given.zones
        else zone
        for name, zone in plan.zones.items()
    }
    state = replace(state, plan=plan.model_copy(update={"zones": zones}))
    told = ApprovalGiven(approval=given.approval, by=given.by, zones=given.zones, depth_max_um=given.depth_max_um)
    if state.phase is Phase.PREPARED:
        return Step(state, None, (told,))
    made = disarm(state, "limits were approved anew", now_ms)
    return replace(made, events=(told, *made.events))


def clock_jumped(state: MachineState, given: ClockJumped) -> Step:
    """Nothing that moves a motor reads the time of day; dates are looked at anew when the pen is armed."""
    if state.session is None:
        return Step(state)
    return Step(replace(state, clock_jumped=True), None, (ClockStepped(by_ms=given.by_ms),))
