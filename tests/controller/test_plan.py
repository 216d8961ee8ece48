"""From a request to a plan: what is refused with nothing changed, what a physician may widen, what goes on counting."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cartridges import read_code
from controller.envelope import depth_limit
from controller.errors import ControlRefused
from controller.events import ApprovalUsed, ZoneDose
from controller.history import Approval, PatientHistory, VisitSummary
from controller.inputs import Prepare, Start
from controller.library import load_library
from controller.operators import load_operators
from controller.plan import ResolvedPlan, prepare_refused, resolve_plan
from controller.profiles import load_profiles
from controller.readiness import readiness
from controller.state import MachineState
from proving.rig import Rig
from simulators.pen import SimulatedPen
from simulators.personality import model_named
from tests.controller.conftest import TODAY, make_plan

PATIENT = "p-0001"
LIBRARY = load_library()


def resolve(
    history: PatientHistory | None = None, *, mode: Any = "demo", today: date = TODAY, **changes: object
) -> ResolvedPlan:
    return resolve_plan(
        make_plan(**changes), model="NW-1", today=today, library=LIBRARY, operators=load_operators(),
        profiles=load_profiles(), mode=mode, history=history,
    )  # fmt: skip


def refused(history: PatientHistory | None = None, **changes: Any) -> ControlRefused:
    with pytest.raises(ControlRefused) as caught:
        resolve(history, **changes)
    return caught.value


def approval(**changes: object) -> Approval:
    fields: dict[str, object] = {
        "id": "a-1", "patient": PATIENT, "zones": ("cheek",), "depth_max_um": 1200, "sessions": 4, "used": 1,
        "expires": TODAY + timedelta(days=90), "by": "dr-lee", "given_on": TODAY,
    }  # fmt: skip
    return Approval.model_validate(fields | changes)


def visit(session: str = "s-1", days_ago: int = 40, **changes: object) -> VisitSummary:
    dose = ZoneDose(
        zone="cheek", treated_ms=60_000, strokes=6000, punctures=72_000, depth_measured_max_um=800,
        depth_measured_mean_um=750, rate_measured_mean_mhz=100_000,
    )  # fmt: skip
    fields: dict[str, object] = {
        "session": session, "on": TODAY - timedelta(days=days_ago), "protocol": "facial-rejuvenation",
        "skin": "thick", "outcome": "completed", "zones": (), "doses": (dose,),
    }  # fmt: skip
    return VisitSummary.model_validate(fields | changes)


def past(*visits: VisitSummary, **changes: object) -> PatientHistory:
    return PatientHistory.model_validate({"patient": PATIENT, "visits": visits} | changes)


# Contraindications ----------------------------------------------------------------------------------------------------


def question(severity: str) -> str:
    return next(name for name, asked in LIBRARY.questions.items() if asked.severity == severity)


def answers(*applying: str) -> dict[str, bool]:
    return dict.fromkeys(LIBRARY.questions, False) | dict.fromkeys(applying, True)


def test_a_hard_contraindication_is_not_treated_whatever_is_said_about_it() -> None:
    name, reason = question("hard"), next(iter(LIBRARY.override_reasons))
    assert refused(answers=answers(name)).because == "contraindicated"
    assert refused(answers=answers(name), accepted={name: reason}).because == "contraindicated"


def test_a_soft_one_needs_a_reason_of_the_list() -> None:
    name, reason = question("soft"), next(iter(LIBRARY.override_reasons))
    assert refused(answers=answers(name)).because == "contraindication_soft"
    assert refused(answers=answers(name), accepted={name: "because"}).because == "contraindication_soft"
    plan = resolve(answers=answers(name), accepted={name: reason})
    assert (plan.screening.accepted_soft, plan.screening.answered) == (1, len(LIBRARY.questions))


def test_one_for_the_prescriber_needs_a_valid_approval_of_this_patient() -> None:
    name = question("ask-prescriber")
    assert refused(answers=answers(name), accepted={name: "a-1"}).because == "contraindication_prescriber"
    gone = past(approvals=(approval(expires=TODAY - timedelta(days=1)),))
    assert refused(gone, answers=answers(name), accepted={name: "a-1"}).because == "contraindication_prescriber"
    used_up = past(approvals=(approval(used=4),))
    assert refused(used_up, answers=answers(name), accepted={name: "a-1"}).because == "contraindication_prescriber"
    for_scars = past(approvals=(approval(protocol="scars"),))
    assert refused(for_scars, answers=answers(name), accepted={name: "a-1"}).because == "contraindication_prescriber"
    plan = resolve(past(approvals=(approval(),)), answers=answers(name), accepted={name: "a-1"})
    assert plan.screening.prescribed == 1
    assert plan.prescribed_by == ("a-1",)
    assert resolve(past(approvals=(approval(),)), answers=answers(), accepted={name: "a-1"}).prescribed_by == ()


def test_a_cartridge_named_and_another_scanned_is_refused() -> None:
    scan = read_code("01095212340001671728123110L2\x1d21S2", today=TODAY)
    with pytest.raises(ControlRefused, match="NW-16") as caught:
        resolve_plan(
            make_plan(cartridge="NW-12"), model="NW-PLAIN", today=TODAY, library=LIBRARY, operators=load_operators(),
            profiles=load_profiles(), mode="demo", scan=scan,
        )  # fmt: skip
    assert caught.value.because == "cartridge_mismatch"


@given(st.dictionaries(st.sampled_from(sorted(LIBRARY.questions)), st.booleans()))
def test_no_answer_reaches_what_is_journalled(given_answers: dict[str, bool]) -> None:
    try:
        plan = resolve(answers=given_answers, consent="drawer 7, Maria Muster")
    except ControlRefused as error:
        journalled = prepare_refused(error.because).model_dump_json()
    else:
        journalled = Prepare(session="s", plan=plan).model_dump_json()
    assert "Maria" not in journalled
    assert not [name for name in given_answers if name in journalled]


def test_an_unknown_question_is_no_answer() -> None:
    assert refused(answers={"isotretinoine": True}).because == "unknown_question"


# Scope and approval ---------------------------------------------------------------------------------------------------


def cheek(plan: ResolvedPlan) -> int:
    """What scope and zone leave on the cheek, everything else being wide."""
    state = MachineState(plan=plan, zone="cheek")
    operator = next(layer for layer in depth_limit(state.sources(), 0).layers if layer.layer == "operator")
    assert operator.value is not None
    return operator.value


def test_a_physicians_approval_widens_the_scope_in_its_zones_and_says_whose_it_is() -> None:
    plan = resolve(past(approvals=(approval(),)), operator="demo-aesthetician")
    assert cheek(plan) == 1200
    assert plan.zones["cheek"].approved_until == (TODAY + timedelta(days=90)).isoformat()
    state = MachineState(plan=plan, zone="cheek")
    layer = next(layer for layer in depth_limit(state.sources(), 0).layers if layer.layer == "operator")
    assert "dr-lee" in layer.source
    assert "0.50 mm" in layer.reason
    elsewhere = depth_limit(MachineState(plan=plan, zone="chin").sources(), 0)
    assert next(layer for layer in elsewhere.layers if layer.layer == "operator").value == 500


def test_a_pen_with_a_dial_uses_an_approval_by_treating_where_it_counts() -> None:
    pen = SimulatedPen(replace(model_named("NW-DIAL"), dial_depth_um=750), rng=Random(1), today=TODAY)
    rig = Rig(pen, random=Random(1), today=TODAY)
    rig.connect()
    plan = resolve_plan(
        make_plan(operator="demo-aesthetician"), model="NW-DIAL", today=TODAY, library=LIBRARY,
        operators=load_operators(), profiles=load_profiles(), mode="demo", history=past(approvals=(approval(),)),
    )  # fmt: skip
    rig.command(Prepare(session="s", plan=plan))
    rig.arm()
    assert not [event for event in rig.events if isinstance(event, ApprovalUsed)]
    rig.command(Start(source="x"))
    rig.advance(1000)
    assert rig.pen.truth.protrusion_um > 600
    assert [event.approval for event in rig.events if isinstance(event, ApprovalUsed)] == ["a-1"]


@dataclass(frozen=True)
class NoApproval:
    """A way in which an approval does not hold."""

    what: str
    change: dict[str, object]


@pytest.mark.parametrize(
    "case",
    [
        NoApproval("expired", {"expires": TODAY - timedelta(days=1)}),
        NoApproval("used up", {"used": 4}),
        NoApproval("another zone", {"zones": ("chin",)}),
        NoApproval("another patient", {"patient": "p-0002"}),
        NoApproval("given tomorrow", {"given_on": TODAY + timedelta(days=1)}),
        NoApproval("another protocol", {"protocol": "scars"}),
        NoApproval("shallower than the scope", {"depth_max_um": 300}),
    ],
    ids=lambda case: case.what,
)
def test_an_approval_that_does_not_hold_changes_nothing(case: NoApproval) -> None:
    assert cheek(resolve(past(approvals=(approval(**case.change),)), operator="demo-aesthetician")) == 500


# Course and resuming --------------------------------------------------------------------------------------------------


def interval_row(plan: ResolvedPlan) -> tuple[str, str]:
    row = next(row for row in readiness(MachineState(plan=plan), 0) if row.check == "course")
    return row.outcome, row.sentence


def test_a_session_too_early_needs_a_reason_and_says_the_earliest_day() -> None:
    early = past(visit(days_ago=10))
    outcome, sentence = interval_row(resolve(early))
    assert outcome == "fails"
    earliest = (
        TODAY - timedelta(days=10) + timedelta(days=LIBRARY.protocols["facial-rejuvenation"].course.interval_days)
    )
    assert earliest.isoformat() in sentence
    reason = next(iter(LIBRARY.override_reasons))
    assert interval_row(resolve(early, interval_reason=reason))[0] == "note"
    assert refused(early, interval_reason="in a hurry").because == "unknown_override reason"


def test_the_course_counts_on() -> None:
    plan = resolve(past(visit("s-1", 80), visit("s-2", 40)))
    assert plan.course.number == 3
    assert "Session 3 of 4" in interval_row(plan)[1]


def test_an_interrupted_session_is_resumed_with_its_dose_on_its_own_day_only() -> None:
    left = visit("s-9", 0, outcome="interrupted")
    plan = resolve(past(left, interrupted=left), resumes="s-9")
    assert plan.resumed_doses == left.doses
    assert interval_row(plan)[0] == "note"  # what was interrupted today is no earlier session
    assert refused(past(left), resumes="s-9").because == "nothing_to_resume"
    assert refused(past(left, interrupted=left), resumes="s-8").because == "nothing_to_resume"
    yesterday = visit("s-9", 1, outcome="interrupted")
    assert refused(past(yesterday, interrupted=yesterday), resumes="s-9").because == "cannot_resume"
    assert refused(past(left, interrupted=left), resumes="s-9", skin="thin").because == "cannot_resume"


# The library ----------------------------------------------------------------------------------------------------------


def test_a_library_past_its_last_day_is_refused_in_demo_mode_too() -> None:
    assert resolve(today=LIBRARY.valid_until).library
    assert refused(today=LIBRARY.valid_until + timedelta(days=1)).because == "library_expired"


def test_an_unsigned_library_is_for_demos() -> None:
    assert refused(mode="clinic").because == "library_unsigned"


# Slips ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skin", ["thin", "thick"])
def test_a_decimal_point_one_place_too_far_right_meets_a_limit_on_every_zone_of_the_face(skin: str) -> None:
    for zone in resolve(skin=skin).zones.values():
        assert zone.hard_um < 5000  # 0.5 → 5.0 is refused whatever the reason
        assert zone.soft_um < 2500  # 0.25 → 2.5 needs a reason at the least
