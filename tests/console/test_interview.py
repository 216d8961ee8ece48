"""What a person is asked before a session: nothing is assumed, and a returning patient is soon ready."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Group, RenderableType

from console.actions.asked import Asked, check_patient, new_patient, plan_of
from console.actions.interview import NOTHING_CHANGED, Interview
from console.answers import AnswersFile, answers_of, read_answers
from console.trouble import ConsoleError
from controller.errors import DataError
from controller.history import Approval, CourseState, VisitSummary, ZoneVisit
from controller.library import load_library
from controller.plan import SessionPlan
from controller.units import Micrometres, Millihertz
from station.api.models import PatientTold

LIBRARY = load_library()
HARD = [name for name, question in LIBRARY.questions.items() if question.severity == "hard"]
SOFT = [name for name, question in LIBRARY.questions.items() if question.severity == "soft"]
PRESCRIBER = [name for name, question in LIBRARY.questions.items() if question.severity == "ask-prescriber"]
TODAY = date(2026, 6, 1)
NEW = PatientTold(patient="AAAA-1", visits=(), approvals=(), last_answers=None, interrupted=None, course={})
OPERATOR = "demo-master-aesthetician"
WHOLE = Asked(OPERATOR, patient="AAAA-1", protocol="facial-rejuvenation", skin="thin", zones=("forehead", "cheek"))
Draw = Callable[..., str]


def visit(on: date = date(2026, 4, 1), outcome: str = "completed") -> VisitSummary:
    """A visit with two zones."""
    return VisitSummary.model_validate(
        {
            "session": "20260401T090000-00000001",
            "on": on,
            "protocol": "facial-rejuvenation",
            "skin": "thin",
            "outcome": outcome,
            "zones": tuple(
                ZoneVisit(
                    zone=zone,
                    depth_commanded_um=Micrometres(450),
                    rate_commanded_mhz=Millihertz(100_000),
                    treated_ms=60_000,
                    strokes=6_000,
                )
                for zone in ("forehead", "cheek")
            ),
            "doses": (
                {
                    "zone": "forehead", "treated_ms": 60_000, "strokes": 6_000, "punctures": None,
                    "depth_measured_max_um": None, "depth_measured_mean_um": None, "rate_measured_mean_mhz": None,
                },
            ),
        }
    )  # fmt: skip


def known(**changes: object) -> PatientTold:
    """A patient with one visit, at which one soft question applied."""
    answers = dict.fromkeys(LIBRARY.questions, False) | {SOFT[0]: True}
    course = CourseState(number=2, sessions=4, last_on=date(2026, 4, 1), earliest_next=date(2026, 4, 29))
    told = NEW.model_copy(
        update={"visits": (visit(),), "last_answers": answers, "course": {"facial-rejuvenation": course}}
    )
    return told.model_copy(update=changes)


class Person:
    """Types what it is given, line by line, and remembers every prompt and everything shown."""

    def __init__(self, *lines: str) -> None:
        self._lines: Iterator[str] = iter(lines)
        self.prompts: list[str] = []
        self.shown: list[RenderableType] = []

    def __call__(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return next(self._lines)

    def asked(self, told: PatientTold, asked: Asked = WHOLE, today: date = TODAY) -> SessionPlan:
        """The plan it comes to."""
        return Interview(LIBRARY, asked, told, today=today, ask=self, tell=self.shown.append).plan()


def test_a_new_patient_is_asked_every_question_and_none_has_a_default() -> None:
    answers = ["n"] * len(LIBRARY.questions)
    person = Person("", "maybe", *answers, "all", "folder 7, sheet 2", "")
    plan = person.asked(NEW)
    assert plan.answers == dict.fromkeys(LIBRARY.questions, False)
    assert plan.checklist == dict.fromkeys(LIBRARY.checklist, True)
    assert (plan.consent, plan.cartridge_code, plan.zone, plan.zones) == (
        "folder 7, sheet 2", "", "forehead", ("forehead", "cheek"),
    )  # fmt: skip
    questions = [prompt for prompt in person.prompts if prompt.endswith("[y/n] ")]
    assert len(questions) == len(LIBRARY.questions) + 2  # Enter and `maybe` are no answers, and it is asked again
    assert any("within 180 days" in prompt for prompt in questions)


def test_a_returning_patient_is_armed_in_eight_actions_at_most(draw: Draw) -> None:
    person = Person("y", NOTHING_CHANGED, "1", "all", "folder 7", "(01)09521234000129(10)L2407A(21)C0001")
    plan = person.asked(known(), Asked(OPERATOR, patient="AAAA-1"))
    command, arm = 1, 1  # `needlework treat --operator … --patient …` takes seat and patient, `arm` comes after
    assert command + len(person.prompts) + arm <= 8
    assert plan.answers == dict.fromkeys(LIBRARY.questions, False) | {SOFT[0]: True}
    assert plan.accepted == {SOFT[0]: next(iter(LIBRARY.override_reasons))}
    assert (plan.protocol, plan.skin, plan.zones) == ("facial-rejuvenation", "thin", ("forehead", "cheek"))
    assert plan.cartridge_code == "(01)09521234000129(10)L2407A(21)C0001"
    shown = draw(Group(*person.shown), width=120)
    assert "as answered on 2026-04-01" in shown
    assert SOFT[0] in shown
    assert "session 2 of 4" in shown


@pytest.mark.parametrize("said", ["", "nothing happened", "no", "n", "y"])
def test_nothing_changed_is_typed_or_it_is_asked_again(said: str) -> None:
    person = Person(said, NOTHING_CHANGED, "1", "all", "folder 7", "")
    person.asked(known())
    assert sum("What changed" in prompt for prompt in person.prompts) == 2


def test_what_changed_is_asked_anew_and_the_rest_stands() -> None:
    person = Person(f"{PRESCRIBER[0]}, {SOFT[0]}", "n", "n", "all", "folder 7", "")
    plan = person.asked(known())
    assert plan.answers == dict.fromkeys(LIBRARY.questions, False)
    assert plan.accepted == {}


def test_a_question_new_in_the_library_is_asked_of_a_returning_patient_too() -> None:
    last = {name: False for name in LIBRARY.questions if name != HARD[0]}
    person = Person(NOTHING_CHANGED, "n", "all", "folder 7", "")
    assert HARD[0] in person.asked(known(last_answers=last)).answers
    assert any(LIBRARY.questions[HARD[0]].text in prompt for prompt in person.prompts)


def test_a_hard_contraindication_ends_the_questions_and_the_station_refuses() -> None:
    person = Person("y")
    plan = person.asked(NEW)
    assert plan.answers == {HARD[0]: True}
    assert len(person.prompts) == 1


def test_a_question_for_the_physician_takes_an_approval_of_this_patient(draw: Draw) -> None:
    approval = Approval(
        id="ap-7", patient="AAAA-1", zones=("forehead",), depth_max_um=Micrometres(800), sessions=4, used=0,
        expires=date(2027, 1, 1), by="demo-physician", given_on=date(2026, 5, 1),
    )  # fmt: skip
    told = known(approvals=(approval,), last_answers=dict.fromkeys(LIBRARY.questions, False))
    person = Person(PRESCRIBER[0], "y", "1", "all", "folder 7", "")
    assert person.asked(told).accepted == {PRESCRIBER[0]: "ap-7"}
    assert "approved by demo-physician" in draw(Group(*person.shown), width=120)


def test_a_session_that_is_too_early_asks_for_a_reason() -> None:
    person = Person("scar-tissue", NOTHING_CHANGED, "1", "all", "folder 7", "")
    assert person.asked(known(), today=date(2026, 4, 2)).interval_reason == "scar-tissue"
    person = Person("", NOTHING_CHANGED, "1", "all", "folder 7", "")
    assert person.asked(known(), today=date(2026, 4, 2)).interval_reason == ""


def test_a_session_that_broke_off_is_offered_and_taken_up_only_by_a_yes() -> None:
    broken = visit(TODAY, "interrupted")
    told = known(visits=(broken,), interrupted=broken, last_answers=dict.fromkeys(LIBRARY.questions, False))
    person = Person("y", NOTHING_CHANGED, "all", "folder 7", "")
    assert person.asked(told, Asked(OPERATOR)).resumes == broken.session
    person = Person("n", "n", "1", "1", "1 3", "", NOTHING_CHANGED, "all", "folder 7", "")
    plan = person.asked(told, Asked(OPERATOR))
    assert (plan.resumes, len(plan.zones)) == (None, 2)


def test_a_name_the_library_does_not_have_is_refused_before_any_question() -> None:
    for changes, kind in (
        ({"protocol": "facial-rejuvenatoin"}, "protocol"),
        ({"skin": "thicc"}, "skin"),
        ({"zones": ("forehead", "knee")}, "zone"),
    ):
        person = Person()
        with pytest.raises(ConsoleError, match=f"There is no {kind}"):
            person.asked(NEW, replace(WHOLE, **changes))
        assert person.prompts == []


def test_what_cannot_be_read_is_asked_again_and_no_answer_is_lost() -> None:
    answers = ["n"] * (len(LIBRARY.questions) - len(SOFT)) + ["y"] + ["n"] * (len(SOFT) - 1)
    person = Person(*answers, "9", "because", "2", "1 99", "all", "", "garbage", "(01)09521234000128(10)L", "")
    plan = person.asked(NEW)
    assert plan.accepted == {SOFT[0]: list(LIBRARY.override_reasons)[1]}
    assert (plan.consent, plan.cartridge_code) == ("", "")
    shown = [str(line) for line in person.shown]
    assert sum("is none of these" in line for line in shown) == 3
    assert sum("Scan again" in line for line in shown) == 2
    assert any("demonstration only" in line for line in shown)


def test_points_that_are_not_confirmed_stay_open() -> None:
    answers = ["n"] * len(LIBRARY.questions)
    plan = Person(*answers, "1 2", "folder 7", "").asked(NEW)
    assert plan.checklist == dict.fromkeys(list(LIBRARY.checklist)[:2], True)


# From a script --------------------------------------------------------------------------------------------------------


def test_a_script_assumes_nothing() -> None:
    plan = plan_of(WHOLE, known(), LIBRARY.questions)
    assert (plan.answers, plan.accepted, plan.consent, plan.checklist) == ({}, {}, "", {})


def test_answers_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text("answers: {isotretinoin: no, filler: yes}\naccepted: {filler: scar-tissue}\n")
    given_ = read_answers(path)
    assert given_.answers == {"isotretinoin": False, "filler": True}
    assert given_.accepted == {"filler": "scar-tissue"}
    path.write_text('{"since_last_visit": "unchanged", "answers": {"filler": false}}')
    last = {"isotretinoin": True, "filler": True, "gone": True}
    assert answers_of(read_answers(path), last, LIBRARY.questions) == {"isotretinoin": True, "filler": False}


@pytest.mark.parametrize("text", ["answers: {isotretinoin: perhaps}", "answer: {}", "since_last_visit: same", "[]"])
def test_a_bad_file_of_answers_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"answers\.yaml"):
        read_answers(path)


def test_unchanged_means_nothing_where_nothing_was_answered() -> None:
    with pytest.raises(ConsoleError, match="no answers of an earlier visit"):
        answers_of(AnswersFile(since_last_visit="unchanged"), None, LIBRARY.questions)


def test_repeat_and_resume_need_something_to_go_by() -> None:
    with pytest.raises(ConsoleError, match="no treatment"):
        plan_of(Asked(OPERATOR, repeat=True), NEW, LIBRARY.questions)
    with pytest.raises(ConsoleError, match="to resume"):
        plan_of(Asked(OPERATOR, resume="last"), known(), LIBRARY.questions)
    repeated = plan_of(Asked(OPERATOR, repeat=True), known(), LIBRARY.questions)
    assert (repeated.zone, repeated.zones, repeated.skin) == ("forehead", ("forehead", "cheek"), "thin")


@given(st.lists(st.sampled_from(["", "y", "n", "all", "1", "7", NOTHING_CHANGED, "x y", "99"]), max_size=60))
def test_no_answer_is_ever_made_up(lines: list[str]) -> None:
    """Whatever is typed: an answer is there only where somebody typed yes or no, or that nothing changed."""
    person = Person(*lines)
    try:
        plan = person.asked(NEW)
    except StopIteration:
        return
    typed = sum(line in ("y", "n") for line in lines)
    assert len(plan.answers) <= typed
    assert plan.consent == "" or plan.consent in lines


@pytest.mark.parametrize("name", ["Anna", "Anna-Mueller", "Müller-1", "A1", "Anna Mueller 1970", "a1" * 21])
def test_a_word_that_may_be_a_name_is_no_pseudonym(name: str) -> None:
    with pytest.raises(ConsoleError, match="never a name"):
        check_patient(name)


def test_what_is_made_for_a_new_patient_is_a_pseudonym() -> None:
    for _ in range(200):
        check_patient(new_patient())
