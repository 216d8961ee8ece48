"""The campaign: the same from the same seed, looks everywhere, and tells what it finds in a short story."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from proving.campaign import Report, chunks, played, run, shrunk
from proving.coverage import Coverage
from proving.defects import defects
from proving.playing import Player, play
from proving.stories import FAULTS, FORMAT, OPERATOR_ACTS, Action, NotAStory, Setting, Story, read_story, story
from proving.telling import tell, told

pytestmark = pytest.mark.unhurried

DEFECT = next(defect for defect in defects() if defect.name == "commanded one step deeper")
TREATS = tuple(Action(at_ms, "go_on", 5) for at_ms in (400, 600, 2400))  # the self-test takes a second


def test_a_seed_and_a_number_are_one_story() -> None:
    assert story(7, 3) == story(7, 3)
    assert story(7, 3) != story(7, 4)
    assert story(7, 3) != story(8, 3)


def test_a_story_played_again_is_the_same_to_the_last_input() -> None:
    first, second = Player(story(7, 3)), Player(story(7, 3))
    assert first.play().coverage == second.play().coverage
    assert first.rig.inputs == second.rig.inputs
    assert first.pen.truth == second.pen.truth


def test_a_saved_story_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "story.json"
    path.write_text(story(7, 3).to_json(), encoding="utf-8")
    assert read_story(path) == story(7, 3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no story"),
        ("[]", "no story"),
        ('{"format": "needlework-plan/1"}', "not in the format"),
        (json.dumps({"format": FORMAT, "seed": 1}), "no story"),
        (Story(1, 1, 5, Setting(), (Action(1, "explode"),)).to_json(), "nobody knows how to 'explode'"),
    ],
)
def test_a_file_that_is_no_story_is_refused_in_words(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "story.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NotAStory, match=sentence):
        read_story(path)


def test_a_good_pen_and_a_calm_operator_treat() -> None:
    done = play(Story(1, 1, 7500, Setting(), TREATS))
    assert done.violation is None
    assert done.coverage.motor_on_ms > 3000
    assert done.coverage.leases == 1


def test_some_stories_hold() -> None:
    coverage, done, _ = played([story(21, index) for index in range(4)])
    assert done is None
    assert coverage.stories == 4


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_can_happen_while_treating(fault: str) -> None:
    texts = {"second_host": "hello", "forged": "all", "journal": "the disk is full"}
    broken = Action(3500, fault, 5, texts.get(fault, "60%"), 900)
    done = play(Story(1, 1, 7000, Setting(), (*TREATS, broken, Action(3800, "pause"), Action(6000, "go_on", 5))))
    assert done.violation is None
    assert done.coverage.faults_in_phase[fault, "treating"] == 1


def test_a_pen_that_restarts_with_its_needles_stuck_has_its_time_from_when_it_is_up() -> None:
    # It is up between two looks of the watch, which once counted from the look before.
    treats = (Action(600, "go_on"), Action(1100, "go_on"), Action(2600, "go_on", 1))
    restarts = (Action(11_655, "stuck_actuator", for_ms=4000), Action(12_470, "reboot", 300))
    done = play(Story(1, 1, 13_014, Setting(), (*treats, *restarts)))
    assert done.violation is None
    assert done.coverage.faults_in_phase["reboot", "treating"] == 1
    with next(defect for defect in defects() if defect.name == "retract failure unnoticed").plant():
        untold = play(Story(1, 1, 14_000, Setting(), (*treats, *restarts))).violation
    assert untold is not None
    assert (untold.number, untold.name) == (3, "needles out")


@pytest.mark.parametrize("kind", [*OPERATOR_ACTS, *FAULTS])
def test_everything_that_happens_can_be_told(kind: str) -> None:
    assert len(told(Action(1000, kind, 2, "nose", 300))) > 12


@pytest.mark.system
@pytest.mark.timeout(240)
def test_the_campaign_looks_everywhere() -> None:
    """A campaign that never reaches a phase or never breaks something can prove nothing about it."""
    coverage = Coverage()
    for some in chunks(5, 4 * 3_600_000):
        more, done, _ = played(some)
        assert done is None, str(done.violation)
        coverage.add(more)
        if not coverage.missing and len(coverage.faults_in_phase) > 140:
            break
    assert coverage.missing == []
    assert {"treating", "paused", "prepared"} <= {
        phase for fault, phase in coverage.faults_in_phase if fault == "loop_stall"
    }
    assert coverage.motor_on_ms > coverage.simulated_ms / 10
    high = {"link_lost", "pen_stopped_itself", "stall", "pen_fault", "lease_ended", "journal_failed"}
    assert high | {"retract_failed", "stop_not_confirmed"} <= set(coverage.alarms)
    for because in ("zone_soft", "zone_hard", "operator", "cartridge_used", "cartridge_expired", "deeper_zone", "seat"):
        assert any(because in refusal for refusal in coverage.refusals), because


def test_what_is_missing_is_named() -> None:
    assert "phase treating" in Coverage().missing
    assert "fault reboot" in Coverage().missing


def test_a_violation_is_made_short_and_stays_the_same() -> None:
    whims = (Action(600, "button"), Action(1700, "zone", 0, "nose"), Action(2000, "hold", 1, "air"))
    with DEFECT.plant():
        long = Story(
            1, 1, 8000, Setting(skin="thin", noisy=True), tuple(sorted((*TREATS, *whims), key=lambda a: a.at_ms))
        )
        done = play(long)
        assert done.violation is not None
        found = shrunk(done, done.violation)
        assert len(found.short.actions) <= 3
        assert found.short.length_ms < long.length_ms
        assert play(found.short).violation is not None
        assert (found.short_violation.number, found.short_violation.name) == (
            done.violation.number, done.violation.name,
        )  # fmt: skip
        assert "BROKEN" in tell(found.short, found.short_violation)[-1]
    assert play(found.short).violation is None


def test_a_campaign_ends_at_the_first_violation() -> None:
    heard: list[int] = []
    with DEFECT.plant():
        report = run(7, 0.2, progress=lambda report: heard.append(report.coverage.stories))
    assert isinstance(report, Report)
    assert report.found is not None
    assert report.found.story == story(7, report.found.story.index)
    assert heard


@pytest.mark.system
@pytest.mark.timeout(120)
def test_more_processes_come_to_the_same() -> None:
    alone = run(9, 0.3)
    command = [
        sys.executable,
        "-m",
        "console.cli",
        "campaign",
        "--hours",
        "0.3",
        "--seed",
        "9",
        "--jobs",
        "2",
        "--json",
    ]
    shared = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert json.loads(shared[-1])["coverage"] == alone.coverage.as_json()
    assert alone.found is None


def test_the_command_says_what_it_came_across() -> None:
    done = CliRunner().invoke(app, ["campaign", "--hours", "0.02", "--seed", "7", "--json"])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.output.splitlines()]
    assert lines[-1]["event"] == "done"
    assert lines[-1]["coverage"]["stories"] >= 1


def test_the_command_keeps_a_story_that_can_be_played_again(tmp_path: Path) -> None:
    with DEFECT.plant():
        done = CliRunner().invoke(app, ["campaign", "--hours", "0.2", "--seed", "7", "--save", str(tmp_path)])
        assert done.exit_code == 1, done.output
        assert "INVARIANT" in done.output
        (kept,) = tmp_path.iterdir()
        again = CliRunner().invoke(app, ["campaign", "--replay", str(kept), "--json"])
        assert again.exit_code == 1, again.output
        assert json.loads(again.output)["invariant"] == 6
        index = str(read_story(kept).index)
        alone = CliRunner().invoke(app, ["campaign", "--seed", "7", "--story", index])
        assert alone.exit_code == 1, alone.output
    mended = CliRunner().invoke(app, ["campaign", "--replay", str(kept)])
    assert mended.exit_code == 0, mended.output


def test_what_cannot_be_replayed_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["campaign", "--replay", str(tmp_path / "none.json")])
    assert done.exit_code == 2


def test_a_story_cut_short_still_plays() -> None:
    one = story(7, 3)
    assert play(replace(one, actions=one.actions[:3], length_ms=4000)).violation is None


def test_the_command_plants_defects_and_says_what_caught_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.actions.proving.defects", lambda: (DEFECT,))  # one of them, for time
    done = CliRunner().invoke(app, ["campaign", "--defects", "--seed", "11", "--json"])
    assert done.exit_code == 0, done.output
    told_of = json.loads(done.output)
    assert told_of["caught_by"] == "invariant 6: no silent change"
    shown = CliRunner().invoke(app, ["campaign", "--defects", "--seed", "11"])
    assert DEFECT.name in " ".join(shown.output.split())
