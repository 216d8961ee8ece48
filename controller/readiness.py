"""Pure: what has to be so before a pen is armed, as one table of what passes, what does not, and why.

The same table is shown to a person, decides about arming and goes into the record: there is no second list of checks.
A check that reads the pen is *open* until the pen was read; arming reads it anew and then takes nothing open for good.
"""

from collections.abc import Iterator
from datetime import date, timedelta

from controller.cartridges import expiry_problem
from controller.envelope import depth_limit, lease_ceilings
from controller.events import CartridgeSnapshot, ReadinessRow
from controller.fitness import calibration_row, firmware_row, quarantine_row
from controller.inputs import Inspected, PenFacts
from controller.plan import ResolvedPlan
from controller.readiness_rows import UNREAD, judged, row
from controller.starting import seat_sentence
from controller.state import MachineState
from controller.transitions import fault_names
from controller.units import format_mm
from firmware_bridge.snapshot import PenSnapshot
from firmware_bridge.wire.messages import Capability, Fault

A_TIME_ZONE = timedelta(days=1)
"""A pen may have been calibrated where it was tomorrow already."""

SELF_TEST_GOOD_MS = 30 * 60 * 1000
"""A self-test speaks for a pen that was not rebooted for about the length of a treatment; then it is made anew."""

RETRACT_BIT = 0x01
PARTS = ("retract", "depth sensor", "rate sensor", "current sensor", "battery", "memory")
"""The parts of a self-test, by bit, as the message table has them."""

ANEW = "The session has been open since before that: close it, and prepare one by what holds today."


def first_failure(rows: tuple[ReadinessRow, ...], *, open_counts: bool) -> ReadinessRow | None:
    """The first check that stands in the way of arming; with ``open_counts`` also one whose answer is not there."""
    bad = {"fails", "open"} if open_counts else {"fails"}
    return next((one for one in rows if one.outcome in bad), None)


def readiness(state: MachineState, now_ms: int) -> tuple[ReadinessRow, ...]:
    """Every check before arming, in the order a person would mend them. Empty while no session is open."""
    plan = state.plan
    if plan is None:
        return ()
    pen, seen = state.pen, state.seen
    if pen is None or seen is None or now_ms - state.seen_at_ms > pen.dead_man_ms:
        words = "The pen is not connected or says nothing. Check the cable, then arm again."
        return (row("pen", "no_pen", "fails", words), *_paper(state, plan))
    return (
        *_pen(state, pen, seen),
        *_allowed(state, pen),
        _self_test(state, pen, now_ms),
        _battery(plan, seen),
        *_read(state, plan),
        *_paper(state, plan),
    )


# The pen --------------------------------------------------------------------------------------------------------------


def _pen(state: MachineState, pen: PenFacts, seen: PenSnapshot) -> Iterator[ReadinessRow]:
    has = Capability(pen.capabilities)
    this_pen = f"{pen.model}/{pen.serial}"
    yield judged(
        "pen",
        f"{this_pen} answers; it stops by itself after {pen.dead_man_ms} ms of silence.",
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
            bool(seen.faults & ~Fault.INGRESS),
            "pen_fault",
            f"The pen reports {fault_names(seen.faults)}. Remove the cause and clear the fault first.",
        ),
        (
            this_pen != state.session_pen,
            "other_pen",
            f"This session was prepared for the pen {state.session_pen}; connected is {this_pen}. Close the session "
            "and prepare a new one for this pen.",
        ),
        (
            not seen.needles_out,
            "needles",
            "The needles are not confirmed out of reach. Keep the pen off the skin; if it stays so, take another pen.",
        ),
        (seen.lease != 0, "lease_alive", "The pen still holds an earlier lease. STOP it, then arm again."),
    )
    yield judged(
        "fluid ingress",
        "The pen senses no fluid." if has & Capability.INGRESS_SENSED else "Confirmed by eye; this pen has no sensor.",
        (
            bool(seen.faults & Fault.INGRESS),
            "ingress",
            "The pen senses fluid behind its membrane: what is in it can reach the next patient. Take it out of use, "
            "and have it cleaned and checked.",
        ),
    )


def _allowed(state: MachineState, pen: PenFacts) -> Iterator[ReadinessRow]:
    """What the site keeps and decides of this very pen."""
    kept = state.inspection.kept if state.inspection is not None else None
    yield quarantine_row(kept)
    yield firmware_row(kept, pen)


def _self_test(state: MachineState, pen: PenFacts, now_ms: int) -> ReadinessRow:
    """The pen's test of its own parts, with the proof that its needles are in."""
    check = "self-test"
    if not pen.capabilities & Capability.SELF_TEST:
        words = "This pen does not test itself; its home switch says that the needles are in."
        return row(check, "", "note", words)
    result = state.inspection.self_test if state.inspection is not None else None
    if result is None or now_ms - state.inspected_at_ms > SELF_TEST_GOOD_MS:
        return row(check, "self_test", "open", UNREAD)
    if result.problem:
        return row(check, "self_test", "fails", f"The self-test was not done: {result.problem} Arm again.")
    failed = [part for bit, part in enumerate(PARTS) if result.tested & ~result.passed & 1 << bit]
    if failed or not result.passed & RETRACT_BIT:
        what = ", ".join(failed) or "retract"
        return row(check, "self_test", "fails", f"The pen's self-test failed: {what}. Have the pen repaired.")
    tested = [part for bit, part in enumerate(PARTS) if result.tested & 1 << bit]
    return row(check, "", "passes", f"Passed: {', '.join(tested)}; needles proved in.")


def _battery(plan: ResolvedPlan, seen: PenSnapshot) -> ReadinessRow:
    """Whether the charge lasts for what is planned, at the load of a treatment."""
    check = "battery"
    life_ms, charge = plan.profile.battery_life_ms, seen.battery_permille
    if charge is None or life_ms is None:
        return row(check, "", "note", "The pen does not say its charge; begin with a full one.")
    left_ms = charge * life_ms // 1000
    needed_ms = plan.planned_ms
    words = f"{charge / 10:.0f} %: {left_ms // 60_000} minutes at full load, {_minutes(needed_ms)} planned"
    if left_ms < needed_ms:
        return row(check, "battery", "fails", f"{words}. Charge the pen first, or plan fewer zones.")
    return row(check, "", "passes", f"{words}.")


def _minutes(ms: int) -> str:
    return f"{-(-ms // 60_000)} minutes" if ms else "an unknown time"


# What is read on the way to arming ------------------------------------------------------------------------------------


def _read(state: MachineState, plan: ResolvedPlan) -> Iterator[ReadinessRow]:
    seen, given = state.seen, state.inspection
    if seen is not None and not seen.cartridge_present:
        yield row(
            "cartridge", "cartridge_missing", "fails", "No cartridge is inserted. Insert a new one, then arm again."
        )
        given = given.model_copy(update={"cartridge": None}) if given is not None else None
    elif given is None:
        yield row("cartridge", "cartridge", "open", UNREAD)
    else:
        yield _cartridge(state, plan, given)
    if given is None:
        yield row("calibration", "calibration", "open", UNREAD)
        return
    yield calibration_row(given)
    yield _clock(state, plan, given)
    yield _reach(state, plan, given)


def _cartridge(state: MachineState, plan: ResolvedPlan, given: Inspected) -> ReadinessRow:
    cartridge, today = given.cartridge, date.fromisoformat(given.today)
    if cartridge is None:
        return row("cartridge", given.cartridge_because, "fails", given.cartridge_problem)
    attested, expired = plan.cartridge_attested, expiry_problem(cartridge.expiry, today)
    words = (
        f"{cartridge.name}, {cartridge.needle_count} needles, {format_mm(cartridge.needle_length_um)}"
        f"{_until(cartridge)}: {_newness(state, cartridge)}."
    )
    return judged(
        "cartridge",
        words,
        (
            cartridge.unused == "verified" and cartridge.tag == 0 and not cartridge.scanned,
            "cartridge",
            "The cartridge does not say which it is, so reuse could not be told. Take another one.",
        ),
        (
            state.used_before(given),
            "cartridge_used",
            "This cartridge was used before. Needles are for one patient and one session: insert a new one, discard "
            "this one as sharps.",
        ),
        (expired is not None, *(expired or ("", ""))),
        (
            bool(given.attest) and not attested,
            "cartridge_attest",
            f"Whether this cartridge was used before cannot be checked: {given.attest} Look at it; when it is new and "
            "was opened now, attest that.",
        ),
    )


def _newness(state: MachineState, cartridge: CartridgeSnapshot) -> str:
    if cartridge.tag and cartridge.tag == state.consumed_tag:
        return "in use in this session"
    return {"verified": "unused", "attested": "attested as opened now", "continued": "in use from the resumed session"}[
        cartridge.unused
    ]


def _until(cartridge: CartridgeSnapshot) -> str:
    return f", until {cartridge.expiry}" if cartridge.expiry is not None else ""


def _clock(state: MachineState, plan: ResolvedPlan, given: Inspected) -> ReadinessRow:
    calibration, today = given.calibration, date.fromisoformat(given.today)
    since = date.fromisoformat(calibration.calibrated_on) if calibration is not None else date.min
    found = judged(
        "clock",
        f"It is {given.today}.",
        (
            since > today + A_TIME_ZONE,
            "clock",
            f"It is {given.today} by this computer, and the pen was calibrated on {since.isoformat()}: one of the two "
            "is wrong, so no date can be trusted. Set the computer's clock, then arm again.",
        ),
        (
            given.today < plan.prepared_on,  # both ISO dates
            "clock",
            f"It is {given.today} by this computer, and the session was prepared on {plan.prepared_on}: the clock was "
            "set back, so what has expired could count again. Set the clock, or close the session and prepare it anew.",
        ),
    )
    if found.outcome == "passes" and state.clock_jumped:
        return row("clock", "", "note", f"It is {given.today}; the clock was set while this session was open.")
    return found


def _reach(state: MachineState, plan: ResolvedPlan, given: Inspected) -> ReadinessRow:
    """Whether anything could be treated at all, and how deep in the first zone."""
    sources = state.sources_with(given)
    limit = depth_limit(sources, 0)
    depth_um, rate_mhz = lease_ceilings(sources, plan.zones)
    if given.cartridge is None or given.calibration is None:
        return row("limits", limit.limited_by, "open", "Known when cartridge and calibration are.")
    if depth_um == 0 or rate_mhz == 0:
        return row("limits", limit.limited_by, "fails", f"Nothing could be treated. {limit.sentence}")
    return row("limits", "", "passes", f"{state.zone}: {limit.sentence}")


# What is on paper -----------------------------------------------------------------------------------------------------


def _paper(state: MachineState, plan: ResolvedPlan) -> Iterator[ReadinessRow]:
    unanswered = plan.screening.asked - plan.screening.answered
    accepted = plan.screening.accepted_soft + plan.screening.prescribed
    yield judged(
        "contraindications",
        f"{plan.screening.asked} questions answered"
        + (f", {accepted} treated with a reason or a physician's approval." if accepted else "."),
        (
            unanswered > 0,
            "screening",
            f"{unanswered} of {plan.screening.asked} questions about contraindications were not answered. Nothing is "
            "assumed: ask them, then prepare the session with the answers.",
        ),
    )
    yield judged(
        "checklist",
        f"{len(plan.checklist)} points confirmed.",
        (bool(plan.missing), "checklist", f"Not confirmed yet: {', '.join(plan.missing)}. Confirm each, then arm."),
    )
    yield judged(
        "consent",
        "A reference to the signed consent is kept at the site.",
        (
            not plan.consent,
            "consent",
            "No reference to a signed consent was given. Prepare the session with it: where the signed form is.",
        ),
    )
    yield _interval(plan)
    library = f"{plan.library}, signed by {plan.library_signed_by}" if plan.library_signed_by else plan.library
    today = state.inspection.today if state.inspection is not None else ""
    if _past(plan.library_until, today):
        words = f"{library} was valid until {plan.library_until}, and it is {today}. {ANEW}"
        yield row("library", "library_expired", "fails", words)
    elif plan.demo:
        yield row("library", "", "note", f"{library}: demo only, nobody signed its numbers.")
    else:
        yield row("library", "", "passes", f"{library}.")
    yield judged(
        "operator",
        f"{plan.operator}: {plan.operator_scope}.",
        (not state.attended, "seat", seat_sentence(state)),
        (
            _past(plan.operator_until, today),
            "operator_not_qualified",
            f"The qualification of {plan.operator} ended on {plan.operator_until}, and it is {today}. {ANEW}",
        ),
        (
            any(_past(zone.approved_until, today) for zone in plan.zones.values()),
            "approval_expired",
            f"An approval this session goes by ended before today, {today}. {ANEW}",
        ),
    )
    yield judged(
        "journal",
        "The record accepts.",
        (
            bool(state.journal_problem),
            "journal",
            f"The record cannot be written ({state.journal_problem}); without a record nothing starts.",
        ),
    )
    if state.latched:
        words = "What interrupted the treatment has not been cleared yet."
        yield row("interruption", "interruption", "fails", words)


def _past(last_day: str | None, today: str) -> bool:
    """Whether the last day something holds is over; ISO dates, and what is not known says nothing here."""
    return bool(last_day) and bool(today) and (last_day or "") < today


def _interval(plan: ResolvedPlan) -> ReadinessRow:
    course = plan.course
    where = f"Session {course.number}" + (f" of {course.sessions}" if course.sessions is not None else "")
    if plan.interval_open:
        return row("course", "interval", "fails", plan.interval_open)
    if plan.interval_reason:
        return row("course", "", "note", f"{where}, earlier than planned, for the reason {plan.interval_reason}.")
    if plan.resumes:
        return row("course", "", "note", f"{where}, resumed: the dose of {plan.resumes} counts on.")
    last = f"; the last was on {course.last_on}" if course.last_on else ""
    if course.sessions is not None and course.number > course.sessions:
        return row("course", "", "note", f"{where}: more than the course has{last}.")
    return row("course", "", "passes", f"{where}{last}.")
