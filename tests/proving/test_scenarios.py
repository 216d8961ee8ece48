"""The library of scenarios: each holds, is the same every time, and fails where it expects what is not so."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from controller.alarm_table import ALARMS
from controller.state import Phase
from proving.defects import defects
from proving.scenario.conditions import Condition, Depths, Journalled, clauses
from proving.scenario.course import Failure
from proving.scenario.loading import Loaded, library, load_scenario, parse_scenario
from proving.scenario.model import Act, Expect, FaultStep, Scenario
from proving.scenario.outcomes import Outcome, play
from proving.scenario.reporting import told
from simulators.faults.catalogue import CATALOGUE

HAZARDS = Path(__file__).parents[2] / "docs" / "safety" / "hazards.yaml"
UNTOLD = {
    "depth_unknown",  # a sensor that dies is found by the pen first, as its fault
    "running_unasked",  # needs a pen whose firmware lies: its story is the conformance check's
    "uncertain_command",  # comes of the driver's own exchange, which a rig does not have
    "journal_nearly_full",  # no fault fills a disk by a share
}
"""Alarms that no scenario tells of, and why."""

LONG = {"left-armed", "dwell-budget"}
"""Minutes of story: played once are enough."""

PATHS = library()


@cache
def loaded(name: str) -> Loaded:
    return load_scenario(next(path for path in PATHS if path.stem == name))


@pytest.fixture(params=[path.stem for path in PATHS])
def scenario(request: pytest.FixtureRequest) -> Loaded:
    return loaded(request.param)


def test_each_holds(scenario: Loaded) -> None:
    outcome = play(scenario)
    assert outcome.held, "\n".join(told(outcome)) or outcome.skipped


def test_each_says_what_it_is_and_which_hazard_it_serves(scenario: Loaded) -> None:
    one = scenario.scenario
    assert one.name == scenario.path.stem
    known = set(re.findall(r"^  (H[0-9]{2}):$", HAZARDS.read_text(encoding="utf-8"), re.MULTILINE))
    assert one.hazards
    assert set(one.hazards) <= known
    assert any(isinstance(step, Expect) or (isinstance(step, Act) and step.refused) for step in one.steps)


def test_there_are_enough_and_they_tell_of_every_alarm() -> None:
    assert len(PATHS) >= 25
    conditions = [
        step.expect for path in PATHS for step in loaded(path.stem).scenario.steps if isinstance(step, Expect)
    ]
    assert {condition.alarm for condition in conditions if condition.alarm} == set(ALARMS) - UNTOLD


@pytest.mark.parametrize("name", ["bad-line", "cable-pulled", "garbage"])
def test_the_same_seed_is_the_same_story(name: str) -> None:
    one, again = play(loaded(name)), play(loaded(name))
    assert one.lines == again.lines
    assert one.story_ms == again.story_ms


LOSSY = """
format: needlework-scenario/1
name: lossy
title: Most of what is said is lost, until the pen stops
hazards: [H27]
seed: 1
steps:
  - do: prepare
  - do: arm
  - do: set
    depth_mm: 0.50
    rate_hz: 100
  - do: start
  - fault: line_loss
    with: {share_permille: 700}
    after_s: 1
  - expect: {motor: off}
    within_s: 20
"""


def test_another_seed_is_another_line() -> None:
    """What is random in a fault comes of the scenario's seed: other frames are lost, so the motor stops elsewhere."""
    ends = set()
    for seed in range(1, 5):
        outcome = play(parse_scenario(LOSSY.replace("seed: 1", f"seed: {seed}").encode(), Path("lossy.yaml")))
        assert outcome.held, "\n".join(told(outcome))
        ends.add(outcome.lines[-1].at_ms)
    assert len(ends) > 1


# A scenario that cannot fail proves nothing --------------------------------------------------------------------------


def contrary(condition: Condition) -> Iterator[Condition]:
    """Conditions that are wrong where this one is right, each in one thing."""
    if condition.phase is not None:
        yield Condition(phase=next(phase for phase in Phase if phase is not condition.phase))
    for name, other in (("motor", {"on": "off", "off": "on"}), ("needles", {"out": "in", "in": "out"})):
        if getattr(condition, name) is not None:
            yield Condition.model_validate({name: other[getattr(condition, name)]})
    if condition.alarm is not None:
        yield Condition(no_alarm=condition.alarm)
    if condition.no_alarm is not None:
        yield Condition(alarm="stall" if condition.no_alarm == "any" else condition.no_alarm)
    if condition.depth_true_um is not None and condition.depth_true_um.most is not None:
        yield condition_of(depth_true_um=Depths.model_construct(least=condition.depth_true_um.most + 1, most=None))
    if condition.event is not None:
        yield condition_of(no_event=condition.event)
    if condition.limited_by is not None:
        yield Condition(limited_by="lease")


def condition_of(**fields: Any) -> Condition:
    return Condition(phase=Phase.ARMING).model_copy(update={"phase": None, **fields})


def wrong(one: Scenario) -> list[tuple[int, Scenario]]:
    """The scenario with one expectation turned into its contrary, for each that can be."""
    made = []
    for index, step in enumerate(one.steps):
        others: list[Any] = []
        if isinstance(step, Expect):
            others = [step.model_copy(update={"expect": other, "within_ms": 0}) for other in contrary(step.expect)]
        elif isinstance(step, Act) and step.refused is not None:
            others = [step.model_copy(update={"refused": None}), step.model_copy(update={"refused": "the-moon"})]
        for other in others:
            steps = (*one.steps[:index], other, *one.steps[index + 1 :])
            made.append((index, one.model_copy(update={"steps": steps})))
    return made


@pytest.mark.parametrize("name", [path.stem for path in PATHS if path.stem not in LONG])
def test_each_fails_where_its_expectation_is_wrong(name: str) -> None:
    scenario = loaded(name)
    # Where something has yet to come about, its contrary may be so at first: looked at is what is so when it has.
    choices = [
        (index, changed)
        for index, changed in wrong(scenario.scenario)
        if not (isinstance(step := scenario.scenario.steps[index], Expect) and step.within_ms)
    ] or wrong(scenario.scenario)
    index, changed = Random(scenario.scenario.name).choice(choices)
    step = scenario.scenario.steps[index]
    if isinstance(step, Expect) and step.within_ms:
        changed = changed.model_copy(update={"steps": settled(changed, step, index)})
        index += 1
    failure = failed(play(Loaded(changed, scenario.path, scenario.lines)))
    assert failure.step == index, failure
    assert failure.expected
    assert failure.seen


def settled(changed: Scenario, step: Expect, index: int) -> tuple[Any, ...]:
    """The steps with the right expectation waited for before the wrong one."""
    return (*changed.steps[:index], step, *changed.steps[index:])


def failed(outcome: Outcome) -> Failure:
    assert outcome.failure is not None, "it held"
    return outcome.failure


CAUGHT = {
    "dead-man off": "stop-that-is-not-followed",
    "lease unchecked": "forged-setpoints",
    "tick unchecked": "forged-setpoints",
    "press does not stop": "stop-by-the-pens-button",
    "STOP ignored while running": "stop-from-the-page",
    "motor on after the lease": "depth-runaway",
    "motor on through a reboot": "pen-restarts",
    "needles stay out": "normal-treatment",
    "cartridge removed unnoticed": "cartridge-taken-off",
    "stall unnoticed": "motor-stall",
    "brown-out unnoticed": "brown-out",
    "retract failure unnoticed": "depth-stuck",
    "CRC unchecked": "bad-line",
    "depth encoded deeper": "operators-scope",
    "limit rounded up": "calibration-uncertainty",
}
"""Planted defects, and a scenario that shows each."""


@pytest.mark.parametrize("defect", CAUGHT)
def test_a_planted_defect_is_shown_by_a_scenario(defect: str) -> None:
    one = next(one for one in defects() if one.name == defect)
    with one.plant():
        outcome = play(loaded(CAUGHT[defect]))
    assert outcome.failure is not None
    assert play(loaded(CAUGHT[defect])).held


def test_a_scenario_shows_a_defect_by_what_it_expects_too() -> None:
    """Without the watch over the invariants, by its own expectations alone."""
    one = loaded("normal-treatment")
    unwatched = Loaded(one.scenario.model_copy(update={"watched": False}), one.path, one.lines)
    with next(defect for defect in defects() if defect.name == "needles stay out").plant():
        outcome = play(unwatched)
    failure = failed(outcome)
    assert failure.step is not None
    assert isinstance(one.scenario.steps[failure.step], Expect)
    assert "seen" in "\n".join(told(outcome))


def test_what_the_product_raises_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("proving.rig.step", raises)
    failure = failed(play(loaded("normal-treatment")))
    assert failure.seen == "ZeroDivisionError: planted"


def test_a_fault_that_needs_what_is_not_there_leaves_its_scenario_out() -> None:
    one = loaded("cable-pulled")
    steps = tuple(
        step.model_copy(update={"fault": "usb_slow"}) if isinstance(step, FaultStep) else step
        for step in one.scenario.steps
    )
    outcome = play(Loaded(one.scenario.model_copy(update={"steps": steps}), one.path, one.lines))
    assert outcome.skipped == "usb_slow needs a pen on USB"
    assert not outcome.held
    assert outcome.failure is None


def test_every_clause_of_a_condition_is_told() -> None:
    condition = Condition(
        phase=Phase.PAUSED, motor="off", no_alarm="any", pen_fault="none",
        event=Journalled(type="stopped", **{"with": {"source": "page"}}),
    )  # fmt: skip
    assert [clause.expected for clause in clauses(condition)] == [
        "the phase paused", "the motor off", "no alarm", "no fault of the pen", "the event stopped with source page",
    ]  # fmt: skip


def test_most_of_the_catalogue_of_faults_is_met_by_some_scenario() -> None:
    used = {step.fault for path in PATHS for step in loaded(path.stem).scenario.steps if isinstance(step, FaultStep)}
    assert used <= set(CATALOGUE)
    assert {CATALOGUE[name].layer for name in used} == {"line", "usb", "firmware", "plant", "host"}
    assert len(used) >= 30


@pytest.mark.parametrize(
    ("mended", "sentence"), [("line_delay", "line_delay is not there"), ("all", "nothing is broken")]
)
def test_mending_what_has_ended_by_itself_is_told(mended: str, sentence: str) -> None:
    steps = f"- fault: line_delay\n    for_s: 0.1\n  - mend: {mended}\n  - mend: {mended}\n  - expect: {{link: up}}\n"
    story = LOSSY.partition("steps:")[0] + "steps:\n  " + steps
    outcome = play(parse_scenario(story.encode(), Path("mended.yaml")))
    assert outcome.held
    _, first, again, _ = outcome.lines
    assert (first.then, sentence in again.then) == ("", True)
