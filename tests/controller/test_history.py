"""What earlier visits mean for today: courses, approvals, repeating, and a visit told from its record."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.events import (
    ApprovalUsed,
    Event,
    LimitLayer,
    LimitSet,
    SessionClosed,
    SessionOpened,
    SetpointChanged,
    TreatmentStarted,
    ZoneChanged,
    ZoneDose,
)
from controller.history import (
    Approval,
    ClosedSession,
    PatientHistory,
    VisitSummary,
    ZoneVisit,
    approval_for,
    approval_sentence,
    approved_cap_um,
    course_state,
    differences,
    visit_of,
)
from controller.units import Micrometres, Millihertz

TODAY = date(2026, 6, 1)
ZONES = ("cheek", "chin", "nose")
DAYS = st.integers(-400, 400).map(lambda days: TODAY + timedelta(days=days))


@dataclass(frozen=True)
class Course:
    sessions: int = 4
    interval_days: int = 28


def dose(zone: str = "cheek", treated_ms: int = 1000) -> ZoneDose:
    return ZoneDose(
        zone=zone, treated_ms=treated_ms, strokes=treated_ms // 10, punctures=None,
        depth_measured_max_um=None, depth_measured_mean_um=None, rate_measured_mean_mhz=None,
    )  # fmt: skip


def visit(session: str, on: date = TODAY, **changes: Any) -> VisitSummary:
    given_ = {"session": session, "on": on, "protocol": "face", "skin": "thin", "outcome": "completed",
              "zones": (), "doses": (dose(),), **changes}  # fmt: skip
    return VisitSummary(**given_)


def approval(**changes: Any) -> Approval:
    given_ = {"id": "a1", "patient": "P-1", "zones": ("cheek",), "depth_max_um": 1500, "sessions": 4, "used": 2,
              "expires": date(2027, 3, 1), "by": "dr-lee", "given_on": date(2026, 1, 1), **changes}  # fmt: skip
    return Approval(**given_)


approvals = st.builds(
    Approval,
    id=st.sampled_from(("a1", "a2", "a3")),
    patient=st.sampled_from(("P-1", "P-2")),
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=3).map(tuple),
    depth_max_um=st.integers(0, 3000).map(Micrometres),
    sessions=st.integers(1, 6),
    used=st.integers(0, 8),
    expires=DAYS,
    by=st.just("dr-lee"),
    given_on=DAYS,
    protocol=st.sampled_from(("", "face", "scalp")),
)


# Approvals ------------------------------------------------------------------------------------------------------------


def test_an_approval_in_words() -> None:
    history = PatientHistory(patient="P-1", approvals=(approval(),))
    assert approved_cap_um(history, "cheek", TODAY) == (
        1500,
        "approved by dr-lee for this course until 2027-03-01, 2 of 4 sessions left",
    )
    once = approval(sessions=1, used=0, expires=TODAY)
    assert approval_sentence(once) == "approved by dr-lee for this visit until 2026-06-01"


@pytest.mark.parametrize(
    "changes",
    [
        {"expires": TODAY - timedelta(days=1)},
        {"used": 4},
        {"zones": ("chin",)},
        {"patient": "P-2"},
        {"given_on": TODAY + timedelta(days=1)},
        {"protocol": "scalp"},
    ],
)
def test_what_is_not_approved_for_this_patient_zone_and_day_raises_nothing(changes: dict[str, Any]) -> None:
    history = PatientHistory(patient="P-1", approvals=(approval(**changes),))
    assert approved_cap_um(history, "cheek", TODAY, protocol="face") is None


@given(st.lists(approvals, max_size=5), st.sampled_from(ZONES), st.sampled_from(("", "face")))
def test_the_cap_is_that_of_one_good_approval_and_never_more(given_: list[Approval], zone: str, protocol: str) -> None:
    history = PatientHistory(patient="P-1", approvals=tuple(given_))
    found = approval_for(history, zone, TODAY, protocol=protocol)
    cap = approved_cap_um(history, zone, TODAY, protocol=protocol)
    if found is None:
        assert cap is None
        return
    assert found in given_
    assert (found.patient, zone in found.zones) == ("P-1", True)
    assert found.used < found.sessions
    assert found.given_on <= TODAY <= found.expires
    assert found.protocol in ("", protocol)
    assert cap is not None
    assert cap[0] == found.depth_max_um


@given(approvals, st.lists(approvals, max_size=4))
def test_one_approval_more_takes_nothing_away(more: Approval, given_: list[Approval]) -> None:
    before = approved_cap_um(PatientHistory(patient="P-1", approvals=tuple(given_)), "cheek", TODAY)
    after = approved_cap_um(PatientHistory(patient="P-1", approvals=(*given_, more)), "cheek", TODAY)
    assert (after or (0, ""))[0] >= (before or (0, ""))[0]


def test_a_session_taken_up_goes_on_under_the_approval_it_began_with() -> None:
    broken = visit("s1", outcome="interrupted", approvals=("a1",))
    history = PatientHistory(patient="P-1", visits=(broken,), approvals=(approval(used=4),))
    assert approval_for(history, "cheek", TODAY) is None
    assert approval_for(history, "cheek", TODAY, resumes="s1") is not None
    assert approval_for(history, "cheek", TODAY, resumes="s2") is None
    late = TODAY + timedelta(days=400)
    assert approval_for(history, "cheek", late, resumes="s1") is None


# Courses --------------------------------------------------------------------------------------------------------------


def test_a_course_counts_what_was_treated() -> None:
    visits = (
        visit("s1", TODAY - timedelta(days=60)),
        visit("s2", TODAY - timedelta(days=50), protocol="scalp"),
        visit("s3", TODAY - timedelta(days=40), doses=(dose(treated_ms=0),)),
        visit("s4", TODAY - timedelta(days=30), outcome="interrupted"),
        visit("s5", TODAY - timedelta(days=30), resumes="s4"),
    )
    state = course_state(PatientHistory(patient="P-1", visits=visits), Course(), TODAY, protocol="face")
    assert (state.number, state.sessions) == (3, 4)
    assert state.last_on == TODAY - timedelta(days=30)
    assert state.sentence == "session 3 of 4, due from 2026-05-30"


def test_the_day_before_counts_whatever_it_was_treated_by() -> None:
    """Skin heals the same whatever the protocol was called."""
    history = PatientHistory(patient="P-1", visits=(visit("s1", TODAY, protocol="scalp"),))
    state = course_state(history, Course(), TODAY, protocol="face")
    assert (state.number, state.earliest_next) == (1, TODAY + timedelta(days=28))


def test_taking_up_a_session_is_no_session_more_and_no_interval_of_its_own() -> None:
    history = PatientHistory(patient="P-1", visits=(visit("s1", TODAY, outcome="interrupted"),))
    assert course_state(history, Course(), TODAY, protocol="face").number == 2
    again = course_state(history, Course(), TODAY, protocol="face", resumes="s1")
    assert (again.number, again.last_on, again.earliest_next) == (1, None, None)


def test_a_first_visit_and_a_protocol_without_a_course() -> None:
    new = PatientHistory(patient="P-1")
    assert course_state(new, Course(), TODAY, protocol="face").sentence == "session 1 of 4"
    state = course_state(PatientHistory(patient="P-1", visits=(visit("s1"),)), None, TODAY, protocol="face")
    assert (state.sessions, state.earliest_next, state.sentence) == (None, None, "session 2")


def test_a_complete_course_says_so() -> None:
    visits = tuple(visit(f"s{number}") for number in range(4))
    state = course_state(PatientHistory(patient="P-1", visits=visits), Course(), TODAY, protocol="face")
    assert state.sentence.startswith("session 5; the course of 4 is complete")


visits_drawn = st.lists(
    st.builds(
        visit,
        st.sampled_from(("s1", "s2", "s3", "s4", "s5", "s6")),
        DAYS,
        protocol=st.sampled_from(("face", "scalp")),
        resumes=st.sampled_from((None, "s1", "s2", "s6")),
        doses=st.sampled_from(((), (dose(),), (dose(treated_ms=0),))),
    ),
    max_size=8,
    unique_by=lambda one: one.session,
)


@given(visits_drawn, st.sampled_from(("face", "scalp")))
def test_a_visit_more_never_lowers_the_number_nor_brings_the_next_day_nearer(
    visits: list[VisitSummary], protocol: str
) -> None:
    states = [
        course_state(PatientHistory(patient="P-1", visits=tuple(visits[:count])), Course(), TODAY, protocol=protocol)
        for count in range(len(visits) + 1)
    ]
    days = [state.earliest_next or date.min for state in states]
    assert days == sorted(days)
    assert all(state.number <= count + 1 for count, state in enumerate(states))
    in_order = [one for one in visits if one.resumes is None]
    numbers = [
        course_state(
            PatientHistory(patient="P-1", visits=tuple(in_order[:count])), None, TODAY, protocol=protocol
        ).number
        for count in range(len(in_order) + 1)
    ]
    assert numbers == sorted(numbers)


# Repeating ------------------------------------------------------------------------------------------------------------


def limit(quantity: str, effective: int) -> LimitSet:
    layer = LimitLayer(layer="operator", value=effective, source="the operator's scope", reason="as confirmed")
    return LimitSet(
        quantity="depth_um" if quantity == "depth" else "rate_mhz",
        effective=effective, limited_by="operator", layers=(layer,), sentence=f"{quantity} {effective} and why",
    )  # fmt: skip


def zone_visit(zone: str, depth_um: int, rate_mhz: int) -> ZoneVisit:
    return ZoneVisit(
        zone=zone, depth_commanded_um=Micrometres(depth_um), rate_commanded_mhz=Millihertz(rate_mhz),
        treated_ms=1000, strokes=100,
    )  # fmt: skip


def test_repeating_shows_what_today_allows_less() -> None:
    last = visit("s1", zones=(zone_visit("cheek", 750, 100_000), zone_visit("nose", 300, 90_000)))
    cheek, nose = differences(last, {"cheek": (limit("depth", 500), limit("rate", 120_000))})
    assert (cheek.depth_proposed_um, cheek.rate_proposed_mhz) == (500, 100_000)
    assert cheek.why == ("depth 500 and why",)
    assert (nose.depth_proposed_um, nose.rate_proposed_mhz) == (None, None)
    assert nose.why == ("nose is not treated by today's protocol",)


@given(st.integers(0, 3000), st.integers(0, 200_000), st.integers(0, 3000), st.integers(0, 200_000))
def test_repeating_never_proposes_more_than_before_nor_than_today(
    depth: int, rate: int, most: int, fastest: int
) -> None:
    last = visit("s1", zones=(zone_visit("cheek", depth, rate),))
    (found,) = differences(last, {"cheek": (limit("depth", most), limit("rate", fastest))})
    assert (found.depth_proposed_um or 0) <= min(depth, most)
    assert (found.rate_proposed_mhz or 0) <= min(rate, fastest)
    assert bool(found.why) == (depth > most or rate > fastest)


# From a record --------------------------------------------------------------------------------------------------------


def recorded(*, closed: bool = True) -> list[tuple[date, Event]]:
    events: list[Event] = [
        SessionOpened(
            pen="NW-1", patient="P-1", operator="az-1", protocol="face", library="l v1", zone="cheek", skin="thin",
            demo=True, checklist={},
        ),
        SetpointChanged(depth_commanded_um=Micrometres(500), rate_commanded_mhz=Millihertz(0)),
        SetpointChanged(depth_commanded_um=Micrometres(500), rate_commanded_mhz=Millihertz(100_000)),
        TreatmentStarted(source="api", depth_commanded_um=Micrometres(500), rate_commanded_mhz=Millihertz(100_000)),
        ZoneChanged(zone="nose"),
        SetpointChanged(depth_commanded_um=Micrometres(0), rate_commanded_mhz=Millihertz(0)),
    ]  # fmt: skip
    if closed:
        doses = (dose("cheek"), dose("nose", 500), dose("chin", 0))
        events.append(SessionClosed(outcome="interrupted", reason="the station ended", doses=doses))
    return [(TODAY, event) for event in events]


def test_a_visit_told_from_its_record() -> None:
    found = visit_of("s1", recorded())
    assert found is not None
    opened, closed = found
    assert (opened.patient, opened.operator, opened.on, opened.answers) == ("P-1", "az-1", TODAY, None)
    assert isinstance(closed, ClosedSession)
    assert (opened.approvals, closed.approvals_used) == ((), None)  # it broke off: nobody knows
    settings = [(zone.zone, zone.depth_commanded_um, zone.rate_commanded_mhz) for zone in closed.zones]
    assert settings == [("cheek", 500, 100_000), ("nose", 500, 100_000)]


def test_a_visit_told_from_its_record_says_what_it_took_up() -> None:
    on, first = recorded()[0]
    assert isinstance(first, SessionOpened)
    found = visit_of("s2", [(on, first.model_copy(update={"resumes": "s1"})), *recorded()[1:]])
    assert found is not None
    assert found[0].resumes == "s1"


def test_a_record_without_an_end_and_one_without_a_beginning() -> None:
    found = visit_of("s1", recorded(closed=False))
    assert found is not None
    assert found[1] is None
    assert visit_of("s1", recorded()[1:]) is None


def test_the_record_says_which_approvals_were_needed() -> None:
    used = ApprovalUsed(approval="a1", zone="cheek", scope_um=Micrometres(500), depth_commanded_um=Micrometres(900))
    events = recorded(closed=False)
    ended: list[Event] = [used, used, SessionClosed(outcome="completed", reason="done", doses=())]
    found = visit_of("s1", [*events, *((TODAY, event) for event in ended)])
    assert found is not None
    assert found[1] is not None
    assert (found[0].approvals, found[1].approvals_used) == (("a1",), ("a1",))


@pytest.mark.parametrize(("treated", "used"), [(True, ("a7",)), (False, ())])
def test_an_approval_about_a_contraindication_counts_when_somebody_was_treated_by_it(
    treated: bool, used: tuple[str, ...]
) -> None:
    on, first = recorded()[0]
    assert isinstance(first, SessionOpened)
    doses = (dose("cheek"),) if treated else ()
    ended = SessionClosed(outcome="completed", reason="done", doses=doses)
    found = visit_of("s1", [(on, first.model_copy(update={"prescribed_by": ("a7",)})), (on, ended)])
    assert found is not None
    assert found[1] is not None
    assert found[1].approvals_used == used
