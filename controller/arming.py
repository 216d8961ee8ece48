"""Pure: the way from a prepared session to an armed pen.

A person asks (``ArmAsked``) → cartridge and calibration are read (``Inspected``) → the cartridge is marked as used
(``ConsumeIntended``, journalled before it is sent) → the pen grants a lease (``LeaseGranted``) or not (``ArmFailed``).
Anything in between that ends the phase ends the attempt; a lease that comes too late is stopped.
"""

from datetime import date, timedelta

from controller.envelope import depth_limit, lease_ceilings, rate_limit
from controller.events import LimitsChanged, PenArmed
from controller.evolving import replace
from controller.inputs import ArmFailed, ConsumeIntended, Inspected, LeaseGranted
from controller.starting import seat_sentence
from controller.state import MachineState, Phase, SendStop, Step, Stopping
from controller.transitions import desired, fault_names, refuse, wrong_phase
from controller.units import Micrometres, Millihertz
from firmware_bridge.wire.messages import Capability

A_TIME_ZONE = timedelta(days=1)
"""A pen may have been calibrated where it was tomorrow already."""


def arm_asked(state: MachineState, now_ms: int) -> Step:
    """Begins arming, or says what stands in the way."""
    if state.phase is not Phase.PREPARED:
        return wrong_phase(state, "arm")
    problem = arming_problem(state, now_ms)
    if problem is not None:
        return refuse(state, "arm", *problem)
    return Step(replace(state, phase=Phase.ARMING))


def arming_problem(state: MachineState, now_ms: int) -> tuple[str, str] | None:
    """What stands in the way of arming before anything is read from the pen: (because, sentence), or None."""
    pen, seen, plan = state.pen, state.seen, state.plan
    if pen is None or seen is None or plan is None or now_ms - state.seen_at_ms > pen.dead_man_ms:
        return "no_pen", "The pen is not connected or says nothing. Check the cable, then arm again."
    has = Capability(pen.capabilities)
    this_pen = f"{pen.model}/{pen.serial}"
    checks: tuple[tuple[bool, str, str], ...] = (
        (
            not has & Capability.DEAD_MAN,
            "no_dead_man",
            "This pen does not stop by itself when it hears nothing; such a pen is never armed.",
        ),
        (
            bool(has & Capability.DEPTH_MANUAL and not has & Capability.DEPTH_SENSED),
            "depth_unknown",
            "Depth is a dial on this pen and the pen does not measure it; such a pen is never armed.",
        ),
        (
            bool(seen.faults),
            "pen_fault",
            f"The pen reports {fault_names(seen.faults)}. Remove the cause and clear the fault first.",
        ),
        (
            this_pen != state.session_pen,
            "other_pen",
            f"This session was prepared for the pen {state.session_pen}; connected is {this_pen}. Close the session "
            "and prepare a new one for this pen.",
        ),
        (seen.lease != 0, "lease_alive", "The pen still holds an earlier lease. STOP it, then arm again."),
        (not seen.cartridge_present, "cartridge_missing", "No cartridge is inserted. Insert a new one, then arm."),
        (bool(plan.missing), "checklist", f"Not confirmed yet: {', '.join(plan.missing)}. Confirm each, then arm."),
        (
            bool(state.journal_problem),
            "journal",
            f"The record cannot be written ({state.journal_problem}); without a record nothing starts.",
        ),
        (not state.attended, "seat", seat_sentence(state)),
        (bool(state.latched), "interruption", "What interrupted the treatment has not been cleared yet."),
    )
    return next(((because, sentence) for fails, because, sentence in checks if fails), None)


def inspected(state: MachineState, given: Inspected, now_ms: int) -> Step:
    """Judges what was read from the pen, and once more what may have changed meanwhile; the ceilings follow."""
    if state.phase is not Phase.ARMING or state.pen is None or state.plan is None:
        return wrong_phase(state, "arm")
    back = replace(state, phase=Phase.PREPARED)
    problem = arming_problem(state, now_ms) or _inspection_problem(given, state)
    if problem is not None:
        return refuse(back, "arm", *problem)
    plan = state.plan
    state = replace(state, cartridge=given.cartridge, calibration=given.calibration)
    depth_ceiling_um, rate_ceiling_mhz = lease_ceilings(state.sources(), plan.zones)
    if depth_ceiling_um == 0 or rate_ceiling_mhz == 0:
        limit = depth_limit(state.sources(), 0)
        return refuse(back, "arm", limit.limited_by, f"Nothing could be treated. {limit.sentence}")
    return Step(replace(state, depth_ceiling_um=depth_ceiling_um, rate_ceiling_mhz=rate_ceiling_mhz))


def _inspection_problem(given: Inspected, state: MachineState) -> tuple[str, str] | None:
    cartridge, calibration, today = given.cartridge, given.calibration, date.fromisoformat(given.today)
    if cartridge is None:
        return "cartridge", given.cartridge_problem
    if cartridge.unused == "verified" and cartridge.tag == 0:
        return "cartridge", "The cartridge does not say which it is, so reuse could not be told. Take another one."
    if given.cartridge_used and cartridge.tag != state.consumed_tag:
        return (
            "cartridge_used",
            "This cartridge was used before. Needles are for one patient and one session: insert a new one, discard "
            "this one as sharps.",
        )
    if cartridge.expiry is not None and date.fromisoformat(cartridge.expiry) < today:
        return (
            "cartridge_expired",
            f"This cartridge could be used until {cartridge.expiry}. Take a new one; discard this one as sharps.",
        )
    if calibration is None:
        return (
            "calibration",
            "The pen holds no valid calibration, so its true depth is not known. Have it calibrated before treating.",
        )
    if date.fromisoformat(calibration.calibrated_on) > today + A_TIME_ZONE:
        return (
            "clock",
            f"It is {given.today} by this computer, and the pen was calibrated on {calibration.calibrated_on}: one of "
            "the two is wrong, so no date can be trusted. Set the computer's clock, then arm again.",
        )
    if date.fromisoformat(calibration.due_on) <= today:
        return (
            "calibration_due",
            f"The calibration {calibration.certificate} was valid until {calibration.due_on}. Have the pen calibrated.",
        )
    return None


def consume_intended(state: MachineState, given: ConsumeIntended) -> Step:
    """From here on this session may find this cartridge marked as used, and knows it was its own doing."""
    if state.phase is not Phase.ARMING:
        return wrong_phase(state, "arm")
    return Step(replace(state, consumed_tag=given.tag))


def lease_granted(state: MachineState, given: LeaseGranted, now_ms: int) -> Step:
    """The pen is armed, motor off; or, when nobody wants the lease any more, it is stopped."""
    cartridge, calibration = state.cartridge, state.calibration
    unwanted = state.phase is not Phase.ARMING or bool(state.journal_problem)
    if unwanted or cartridge is None or calibration is None:
        if state.stopping is not None:
            return Step(state, SendStop())
        then = Phase.PREPARED if state.phase is Phase.ARMING else state.phase
        return Step(replace(state, stopping=Stopping(now_ms, 0, then), phase=Phase.STOPPING), SendStop())
    state = replace(
        state,
        phase=Phase.PAUSED,
        lease=given.lease,
        paused_since_ms=now_ms,
        depth_commanded_um=0,
        rate_commanded_mhz=0,
        interruption="",
    )
    depths, rates = depth_limit(state.sources(), state.rate_for_limits_mhz), rate_limit(state.sources(), 0)
    state = replace(state, depth_limit=depths, rate_limit=rates)
    armed = PenArmed(
        lease=given.lease,
        depth_ceiling_um=Micrometres(state.depth_ceiling_um),
        rate_ceiling_mhz=Millihertz(state.rate_ceiling_mhz),
        cartridge=cartridge,
        calibration=calibration,
    )
    return Step(state, desired(state), (armed, LimitsChanged(zone=state.zone, depth=depths, rate=rates)))


def arm_failed(state: MachineState, given: ArmFailed) -> Step:
    """Back to where it was; the person reads why."""
    back = replace(state, phase=Phase.PREPARED) if state.phase is Phase.ARMING else state
    return refuse(back, "arm", given.because, given.sentence)
