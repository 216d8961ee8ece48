"""`needlework scenario`: its exit codes, what it tells, and what CI servers read."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from console.actions.scenarios import check
from console.actions.scenarios import run as play_all
from console.exits import Code
from console.trouble import ConsoleError
from proving.scenario.loading import library

Run = Callable[..., subprocess.CompletedProcess[str]]

QUICK = next(path for path in library() if path.stem == "decimal-slip")
STORY = """\
format: needlework-scenario/1
name: mine
title: A story of mine
hazards: [H24]
steps:
  - do: prepare
  - do: arm
  - do: set
    depth_mm: 0.50
    rate_hz: 100
  - do: start
  - expect: {phase: treating, motor: on, depth_true_mm: {least: 0.45, most: 0.56}}
    within_s: 1
  - do: stop
  - expect: {motor: off, needles: out, event: {type: stop_confirmed}}
    within_s: 1
  - do: close
  - expect: {outcome: completed}
    within_s: 1
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the command in a place of its own, as in a pipe."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NEEDLEWORK_", "XDG_"))}
    environment |= {"NEEDLEWORK_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)}

    def call(*arguments: str | Path, timeout_s: float = 15) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("needlework")), "scenario", *map(str, arguments)],
            env=environment, capture_output=True, text=True, check=False, timeout=timeout_s, cwd=tmp_path,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return call


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.system
def test_a_story_that_holds_and_one_that_does_not(run: Run, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(STORY)
    bad.write_text(STORY.replace("outcome: completed", "outcome: stopped").replace("name: mine", "name: other"))
    done = run("run", good, bad, "--junit", "made/for/it/out.xml")
    assert done.returncode == 1
    assert "✓ mine: A story of mine" in done.stdout
    assert "✗ other: A story of mine" in done.stdout
    assert "FAILED at bad.yaml:18" in done.stdout.replace(f"{tmp_path}/", "")
    assert "expected: the outcome stopped, within 1 s" in done.stdout
    assert "seen:     the outcome completed" in done.stdout
    assert "1 of 2 scenarios held, 1 did not: other" in done.stdout
    suite = ET.parse(tmp_path / "made/for/it/out.xml").getroot()
    assert (suite.tag, suite.get("tests"), suite.get("failures")) == ("testsuite", "2", "1")
    first, second = suite.findall("testcase")
    assert (first.get("name"), first.find("failure")) == ("mine", None)
    failure = second.find("failure")
    assert failure is not None
    assert failure.get("message") == "expected the outcome stopped, within 1 s; seen: the outcome completed"
    assert failure.text is not None
    assert "the motor is started" in failure.text


@pytest.mark.system
def test_as_data(run: Run) -> None:
    done = run("run", QUICK, "--json")
    assert done.returncode == 0
    one, end = lines(done)
    assert one["holds"] is True
    assert one["hazards"] == ["H05"]
    assert end == {"event": "done", "played": 1, "held": 1, "failed": [], "left_out": []}


@pytest.mark.system
def test_a_file_with_a_mistake_is_told_with_its_line_and_nothing_is_played(run: Run, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(STORY)
    bad.write_text(STORY.replace("- expect: {phase", "- expct: {phase"))
    done = run("run", good, bad)
    assert done.returncode == 2
    assert done.stdout == ""
    said = " ".join(done.stderr.split())
    assert "bad.yaml:12: steps → 4 → expct: `expct` is no key here. Did you mean expect?" in said
    checked = run("check", good, bad)
    assert checked.returncode == 1
    assert "good.yaml: a scenario that can be played." in checked.stdout
    assert "bad.yaml:12:" in checked.stdout
    assert run("check", good, "--json").returncode == 0
    assert run("run", "nowhere.yaml").returncode == 2


@pytest.mark.system
def test_the_library_is_listed(run: Run) -> None:
    listed = lines(run("list", "--json"))
    assert len(listed) == len(library())
    assert {"name", "title", "hazards", "file"} == set(listed[0])
    told = run("list").stdout
    assert "cable-pulled" in told
    assert "H16" in told


@pytest.mark.system
def test_there_is_nothing_to_make_a_scenario_of(run: Run) -> None:
    done = run("from-session")
    assert done.returncode == 1
    assert "There is no record" in done.stderr


@pytest.mark.system
@pytest.mark.timeout(90)
def test_a_story_in_real_time_on_a_whole_station(run: Run, tmp_path: Path) -> None:
    story = tmp_path / "mine.yaml"
    story.write_text(STORY)
    done = run("run", story, "--speed", "real", "--json", timeout_s=40)
    if "the simulated pen stood still" in done.stdout:  # a busy machine is told as that: once more, and no more
        done = run("run", story, "--speed", "real", "--json", timeout_s=40)
    outcome = lines(done)[0]
    assert done.returncode == 0, outcome
    assert outcome["holds"] is True, outcome


@pytest.mark.system
def test_what_a_station_cannot_be_made_to_do_is_left_out_in_real_time(run: Run) -> None:
    stalls = next(path for path in library() if path.stem == "dead-man")
    done = run("run", stalls, "--speed", "real", "--json")
    assert done.returncode == 0
    one, end = lines(done)
    assert one["skipped"] == "host_stall needs the computer that drives the pen, which is another process"
    assert end["left_out"] == ["dead-man"]


def test_what_is_listed_is_run_by_its_name_and_a_slip_brings_the_nearest(run: Run) -> None:
    done = run("run", "two-zones", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["held"] == 1
    slip = run("run", "two-zone")
    assert (slip.returncode, "Nearest: two-zones" in slip.stderr) == (2, True)


def test_check_knows_the_names_that_run_knows(capsys: pytest.CaptureFixture[str]) -> None:
    assert check([Path("two-zones"), Path("two-zone")], as_json=True) == Code.NO
    good, bad = map(json.loads, capsys.readouterr().out.splitlines())
    assert (good["good"], good["problem"]) == (True, "")
    assert (bad["good"], "Nearest: two-zones" in bad["problem"]) == (False, True)


def test_a_report_that_cannot_be_written_is_told_before_anything_is_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConsoleError, match="is a folder") as caught:
        play_all([Path("two-zones")], real=False, junit=tmp_path, tell=False, as_json=False)
    assert caught.value.exit_code == Code.USAGE
    assert capsys.readouterr().out == ""
