"""Scenario files: every mistake is told with its line and the nearest name, and nothing else ever comes of one."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import DataError
from controller.yaml_tree import read_tree
from proving.scenario.conditions import Condition
from proving.scenario.loading import Loaded, library, load_scenario, parse_scenario
from proving.scenario.model import DO, HAND, Setting
from proving.scenario.names import HAZARDS
from proving.scenario.outcomes import play
from proving.scenario.reporting import told

GOOD = """\
format: needlework-scenario/1
name: good
title: A good one
hazards: [H16]
setting: {operator: demo-physician, zone: cheek, calibration: {due_days: 10}}
steps:
  - do: prepare
  - do: arm
  - do: set
    depth_mm: 0.50
    rate_hz: 100
  - do: zone
    zone: nose
  - fault: line_loss
    with: {share_permille: 100}
    for_s: 1.5
  - hand: press-button
  - hand: put-cartridge-on
    cartridge: fresh
  - expect: {phase: paused, alarm: link_lost, depth_measured_mm: {least: 0.1, most: 0.6}}
    within_s: 1
  - expect: {event: {type: refused, with: {because: zone_hard}}}
  - wait_s: 2
  - mend: line_loss
"""


def parsed(text: str) -> Loaded:
    return parse_scenario(text.encode(), Path("story.yaml"))


def test_a_good_one_is_read_with_the_line_of_each_step() -> None:
    loaded = parsed(GOOD)
    assert loaded.lines == (7, 8, 9, 12, 14, 17, 18, 20, 22, 23, 24)


@pytest.mark.parametrize(
    ("was", "becomes", "line", "words"),
    [
        ("- expect: {phase", "- expct: {phase", 20, "`expct` is no key here. Did you mean expect?"),
        ("do: arm", "do: amr", 8, "there is no action `amr`. Did you mean arm"),
        ("depth_mm: 0.50", "deph_mm: 0.50", 10, "there is no key 'deph_mm' here. Did you mean depth_mm?"),
        ("depth_mm: 0.50", "depth: 0.50", 10, "a quantity's key names its unit: depth_mm"),
        ("depth_mm: 0.50", "depth_mm: deep", 10, "is not a number"),
        ("fault: line_loss", "fault: line_los", 14, "there is no fault 'line_los'. Did you mean line_loss"),
        ("share_permille", "share_permile", 15, "line_loss has no parameter 'share_permile'. Nearest: share_permille"),
        ("permille: 100", "permille: 1001", 15, "may be 1 to 1000"),
        ("permille: 100", "permille: true", 15, "'True' is neither a whole number nor a word"),
        ("permille: 100", "permille: lots", 15, "with → share_permille: share_permille of line_loss is a whole number"),
        ("for_s: 1.5", "for_s: -1", 16, "negative"),
        ("within_s: 1", "witin_s: 1", 21, "Did you mean within_s"),
        ("alarm: link_lost", "alarm: link_last", 20, "there is no alarm 'link_last'. Did you mean link_lost?"),
        ("phase: paused", "phase: pausd", 20, "or 'interrupted'. Did you mean paused?"),
        ("least: 0.1, most: 0.6", "least: 0.7, most: 0.6", 20, "its least is more than its most"),
        ("type: refused", "type: refusd", 22, "there is no event 'refusd'. Did you mean refused?"),
        ("with: {because", "with: {becuse", 22, "refused has no field 'becuse'. Did you mean because?"),
        ("because: zone_hard", "because: 5", 22, "because of refused is never '5': a text is needed here"),
        ("hand: press-button", "hand: press-buton", 17, "there is no movement of a hand `press-buton`."),
        ("cartridge: fresh", "cartridge: frsh", 19, "Did you mean fresh?"),
        ("zone: nose", "zone: noose", 13, "there is no zone 'noose'. Did you mean nose?"),
        ("operator: demo-physician", "operator: demo-fysician", 5, "Did you mean demo-physician"),
        ("zone: cheek", "zone: check", 5, "there is no zone 'check'. Did you mean cheek"),
        ("due_days", "due_day", 5, "there is no key 'due_day' here. Did you mean due_days?"),
        ("hazards: [H16]", "hazards: [16]", 4, "hazards → 0: a text is needed here, not '16'"),
        ("hazards: [H16]", "hazards: [H16, H99]", 4, "hazards → 1: there is no hazard 'H99'. The safety case has H01"),
        ("format: needlework-scenario/1", "format: needlework-scenario/9", 1, "needlework-scenario/1"),
        ("  - do: arm\n", "  - do: arm\n    expect: {phase: paused}\n", 9, "one step is one thing"),
        ("  - do: arm\n", "  - [arm]\n", 8, "is no step; one has keys with values, and says one of: do, hand"),
        ("  - do: arm\n", "  - do: {arm: now}\n", 8, "there is no action"),
        ("steps:", "stepps:", 6, "there is no key 'stepps' here. Did you mean steps?"),
        ("name: good", "name: good\nname: good", 3, "stands here a second time; the first is on line 2"),
        ("title: A good one", "title: &x A good one", 3, "an anchor"),
        ("wait_s: 2", "wait_s: soon", 23, "is not a number"),
        ("expect: {event", "expect: {}\n  - expect: {event", 22, "says at least one thing"),
        ("- mend: line_loss", "- mend: line_garbage", 24, "mend: line_garbage does not go wrong before it"),
        ("fault: line_loss\n    with: {share_permille: 100}", "fault: knock", 23, "mend: line_loss does not go wrong"),
        ("- mend: line_loss", "- fault: knock\n  - mend: knock", 25, "happens in a moment: there is nothing to mend"),
        ("  - do: prepare", "  - mend: all\n  - do: prepare", 7, "mend: nothing that lasts goes wrong before it"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(was: str, becomes: str, line: int, words: str) -> None:
    assert was in GOOD
    with pytest.raises(DataError) as caught:
        parsed(GOOD.replace(was, becomes, 1))
    said = str(caught.value)
    assert said.startswith(f"story.yaml:{line}: "), said
    assert words in said, said
    assert "Nothing was loaded." in said


STEPS, EXPECTED = GOOD.partition("  - expect")[0], "steps: nothing is expected here, so that it would hold whatever"


@pytest.mark.parametrize("step", ["  - wait_s: 1\n", "  - do: stop\n"])
def test_a_story_that_no_pen_could_fail_is_refused(step: str) -> None:
    with pytest.raises(DataError, match=f"^story.yaml:6: {EXPECTED}"):
        parsed(STEPS + step)


@pytest.mark.parametrize(
    "step", ["  - do: arm\n    refused: any\n", "  - do: arm\n    when: {phase: paused}\n", "  - expect: {link: up}\n"]
)
def test_a_story_that_can_fail_in_any_way_is_read(step: str) -> None:
    parsed(STEPS + step)


def test_every_mistake_of_a_file_is_told_at_once() -> None:
    """Those of form and those of names, and of one list of parameters each."""
    text = GOOD.replace("do: arm", "do: amr").replace("zone: nose", "zone: noose").replace("H16", "H99")
    text = text.replace("{share_permille: 100}", "{share_permile: 100, direction: to_hst}")
    with pytest.raises(DataError) as caught:
        parsed(text)
    *told, last = str(caught.value).splitlines()
    assert [line.split(":")[1] for line in told] == ["4", "8", "13", "15", "15"]
    assert "Did you mean nose?" in told[2]
    assert last == "Nothing was loaded: 5 mistakes."


def test_the_hazards_are_those_of_the_safety_case() -> None:
    case = read_tree((Path(__file__).parents[2] / "docs" / "safety" / "hazards.yaml").read_text(encoding="utf-8")).data
    assert tuple(case["hazards"]) == HAZARDS


def test_what_is_to_be_refused_may_be_a_name_that_nobody_knows() -> None:
    parsed(GOOD.replace("zone: nose", "zone: noose\n    refused: unknown_zone"))


@pytest.mark.parametrize("text", ["", "hello", "- 1", "steps: []", GOOD.split("steps:", maxsplit=1)[0], "\0", "\ufeff"])
def test_what_is_no_scenario_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        parsed(text)


def test_a_scenario_has_steps_or_a_replay() -> None:
    with pytest.raises(DataError, match="steps or a replay, and this one has neither"):
        parsed("format: needlework-scenario/1\nname: x\ntitle: X\nhazards: []\n")


def read_or_refused(text: bytes) -> bool:
    """Whether a file is read, or refused with its name: anything else is raised."""
    try:
        return isinstance(parse_scenario(text, Path("story.yaml")), Loaded)
    except DataError as error:
        return str(error).startswith("story.yaml")


LINES = st.sampled_from(sorted({line for path in library()[:12] for line in path.read_text().splitlines()}))
NOISE = st.text(max_size=20)


@given(st.lists(st.one_of(LINES, NOISE), max_size=30))
def test_whatever_a_file_holds_it_is_read_or_refused(lines: list[str]) -> None:
    text = "\n".join(lines).encode(errors="replace")
    assert read_or_refused(text)


@given(st.data())
def test_a_good_file_with_something_wrong_is_read_or_refused(data: st.DataObject) -> None:
    lines = GOOD.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(lines) - 1))
        lines[place] = data.draw(st.one_of(LINES, NOISE, st.just(lines[place][:-2]), st.just("  " + lines[place])))
    assert read_or_refused("\n".join(lines).encode(errors="replace"))


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened"):
        load_scenario(tmp_path / "nothing.yaml")


PAGE = Path(__file__).parents[2] / "docs" / "scenarios.md"


def test_the_example_of_the_page_holds_and_fails_as_the_page_shows() -> None:
    page = PAGE.read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    outcome = play(parse_scenario(example.encode(), Path("mine.yaml")))
    assert outcome.held, outcome.failure
    hasty = example.replace("within_s: 0.31", "within_s: 0.05")
    failed = told(play(parse_scenario(hasty.encode(), Path("mine.yaml"))))[-3:]
    for line in failed:
        assert line in page, line


def test_the_page_names_every_key_action_and_movement() -> None:
    page = PAGE.read_text(encoding="utf-8")
    fields = [field.alias or name for model in (Condition, Setting) for name, field in model.model_fields.items()]
    for name in (*fields, *DO, *HAND):
        assert f"`{name}`" in page or f"`{name}`:" in page, name
