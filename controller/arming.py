"""Pure: the way from a prepared session to an armed pen.

A person asks (``ArmAsked``) → the pen is read (``Inspected``) and every check of :mod:`controller.readiness` passes →
the cartridge is marked as used (``ConsumeIntended``, journalled before it is sent) → the pen grants a lease
(``LeaseGranted``) or not (``ArmFailed``). Anything in between that ends the phase ends the attempt; a lease that comes
too late is stopped.
"""

from controller.envelope import depth_limit, lease_ceilings, rate_limit
from controller.events import Examined, LimitsChanged, PenArmed
from controller.evolving import replace
from controller.inputs import ArmFailed, ConsumeIntended, Inspected, LeaseGranted
from controller.readiness import first_failure, readiness
from controller.state import MachineState, Phase, SendStop, Step, Stopping
from controller.transitions import desired, refuse, wrong_phase
from controller.units import Micrometres, Millihertz


def arm_asked(state: MachineState, now_ms: int) -> Step:
    """Begins arming, or says what stands in the way."""
    if state.phase is not Phase.PREPARED:
        return wrong_phase(state, "arm")
    # What is read from the pen is read anew in a moment; what stands in the way already needs no reading.
    given = state.inspection
    unread = replace(state, inspection=None)
    problem = first_failure(readiness(unread, now_ms), open_counts=False)
    if problem is not None:
        return refuse(state, "arm", problem.because, problem.sentence)
    return Step(replace(state, phase=Phase.ARMING, inspection=given))


def inspected(state: MachineState, given: Inspected, now_ms: int) -> Step:
    """Takes what was read from the pen; on the way to arming it is judged, with all that may have changed meanwhile."""
    if state.plan is None or state.pen is None or state.phase not in {Phase.PREPARED, Phase.ARMING}:
        return wrong_phase(state, "arm")
    # A self-test that was not made this time still speaks for the pen, for as long as it is good.
    kept = state.inspection.self_test if state.inspection is not None else None
    fresh = given.self_test is not None
    at_ms = now_ms if fresh or state.inspection is None else state.inspected_at_ms
    given = given if fresh else given.model_copy(update={"self_test": kept})
    # A reason is given at the needle and not for the day: it ended with the lease it was given under.
    state = replace(state, inspection=given, inspected_at_ms=at_ms, override_reason="", override_um=0)
    rows = readiness(state, now_ms)
    test = given.self_test
    examined = Examined(
        rows=rows,
        self_test_tested=test.tested if test is not None else None,
        self_test_passed=test.passed if test is not None else None,
    )
    if state.phase is Phase.PREPARED:
        return Step(state, None, (examined,))
    problem = first_failure(rows, open_counts=True)
    if problem is not None:
        refused = refuse(replace(state, phase=Phase.PREPARED), "arm", problem.because, problem.sentence)
        return replace(refused, events=(examined, *refused.events))
    state = replace(state, cartridge=given.cartridge, calibration=given.calibration)
    depth_ceiling_um, rate_ceiling_mhz = lease_ceilings(state.sources(), state.plan.zones if state.plan else {})
    ready = replace(state, depth_ceiling_um=depth_ceiling_um, rate_ceiling_mhz=rate_ceiling_mhz)
    return Step(ready, None, (examined,))


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
