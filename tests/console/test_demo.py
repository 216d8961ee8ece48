"""The demo, whole: a treatment through the station's API, its record over MQTT, and the proof; and Ctrl-C in it."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

ROOT = Path(__file__).resolve().parents[2]
NEEDLEWORK = str(Path(sys.executable).with_name("needlework"))
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("NEEDLEWORK_")}


def shown(state: Path) -> dict[str, object]:
    """The newest session in the recorder's store."""
    done = subprocess.run(
        [NEEDLEWORK, "sessions", "show", "last", "--json", "--store", str(state / "store.sqlite")],
        env=ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    record: dict[str, object] = json.loads(done.stdout)
    return record


def test_the_demo_treats_prints_the_record_and_verifies_it(short_dir: Path) -> None:
    done = subprocess.run(
        [NEEDLEWORK, "demo", "--state", str(short_dir)],
        env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=80,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert done.stderr == ""
    assert re.search(
        r"^verify: intact: station \S+, \d+ entries, .*compared with the recorder's store", done.stdout, re.MULTILINE
    )
    assert re.search(r"^treating · zone cheek · depth set 0\.\d\d mm measured 0\.\d\d mm", done.stdout, re.MULTILINE)
    record = shown(short_dir)
    assert record["outcome"] == "completed"
    assert record["alarms"] == []
    refusals, overrides, zones = record["refusals"], record["overrides"], record["zones"]
    assert isinstance(refusals, list)
    assert isinstance(overrides, list)
    assert isinstance(zones, list)
    assert [refusal["because"] for refusal in refusals] == ["deeper_zone", "zone_hard"]
    assert [override["reason"] for override in overrides] == ["scar-tissue"]
    assert [zone["zone"] for zone in zones] == ["forehead", "nose", "cheek"]
    for zone in zones:
        assert zone["strokes"] > 100
        assert zone["depth_measured_um"]["count"] > 50
        assert zone["rate_measured_mhz"]["p50"] > 100_000
    assert str(record["session"]) in done.stdout
    replayed_as_a_scenario(short_dir, str(record["session"]))


def replayed_as_a_scenario(state: Path, session: str) -> None:
    """What was recorded, by journal and by store, is turned into a scenario and decided once more, bit for bit."""
    for number, place in enumerate((("--state", str(state)), ("--store", str(state / "store.sqlite")))):
        folder = state / f"again-{number}"
        made = subprocess.run(
            [NEEDLEWORK, "scenario", "from-session", "last", *place, "--to", str(folder), "--json"],
            env=ENVIRONMENT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        told = json.loads(made.stdout)
        assert told["session"] == session
        played = subprocess.run(
            [NEEDLEWORK, "scenario", "run", told["scenario"], "--json"],
            env=ENVIRONMENT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        outcome = json.loads(played.stdout.splitlines()[0])
        assert outcome["holds"]
        assert len(outcome["told"]) == told["decisions"] > 25


def test_the_story_of_limits_meets_each_kind_and_the_record_shows_it(short_dir: Path) -> None:
    done = subprocess.run(
        [NEEDLEWORK, "demo", "--story", "limits", "--state", str(short_dir)],
        env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=80,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert done.stderr == ""
    words = " ".join(done.stdout.split())
    for wanted in (
        "Limits signed by nobody: demonstration only.",
        "REFUSED soft limit: 0.45 mm was refused and nothing changed.",
        "OVERRIDDEN soft limit: 0.45 mm instead of 0.25 mm; reason given: tolerated-last-session",
        "REFUSED hard limit: 4.50 mm was refused and nothing changed.",
        "REFUSED hard limit: 5.00 mm was refused and nothing changed. 0.50 mm: limited by the operator's scope",
        "REFUSED operator's scope: 0.70 mm was refused and nothing changed.",
        "Did you mean 0.50 mm?",
        "would allow 0.75 mm.",
        "deeper zone: forehead may be treated deeper than periorbital",
        "cartridge exchanged",
        "verify: intact",
    ):
        assert wanted in words, wanted
    record = shown(short_dir)
    assert record["outcome"] == "completed"
    assert record["alarms"] == []
    refusals, cartridges, zones = record["refusals"], record["cartridges"], record["zones"]
    assert isinstance(refusals, list)
    assert isinstance(cartridges, list)
    assert isinstance(zones, list)
    assert [item["because"] for item in refusals] == ["zone_soft", "zone_hard", "deeper_zone", "zone_hard", "operator"]
    first, second = (item["cartridge"]["serial"] for item in cartridges)
    assert first != second
    assert [item["strokes"] > 100 for item in cartridges] == [True, True]
    assert [zone["zone"] for zone in zones] == ["periorbital", "forehead"]
    assert [zone["plan"]["passes"] for zone in zones] == [3, 3]


@pytest.mark.parametrize("words", [["--story", "limit"], ["--story", "limits", "--pen", "tcp://127.0.0.1:1"]])
def test_a_story_that_cannot_be_played_says_which_can(words: list[str]) -> None:
    done = subprocess.run(
        [NEEDLEWORK, "demo", *words], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 2
    assert "Nothing was played." in done.stderr
    assert "limits" in done.stderr


def test_ctrl_c_in_the_demo_stops_the_pen_first_and_leaves_a_whole_record(short_dir: Path) -> None:
    with subprocess.Popen(
        [NEEDLEWORK, "demo", "--state", str(short_dir)],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = []
        while "treating forehead" not in (line := process.stdout.readline()):
            said.append(line)
            if not line:
                _, errors = process.communicate(timeout=30)
                raise AssertionError(f"it ended with {process.returncode}: {''.join(said)}{errors}")
        process.send_signal(signal.SIGINT)
        text, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == ""
    assert "the pen was stopped first" in text
    assert "verify: intact" in text
    record = shown(short_dir)
    assert record["outcome"] == "interrupted"
    timeline = record["timeline"]
    assert isinstance(timeline, list)
    said = [item["what"] for item in timeline]
    assert said.index("stop confirmed" if "stop confirmed" in said else "disarmed") < said.index("closed")


def test_the_demo_treats_through_the_pen_in_c(short_dir: Path) -> None:
    built = short_dir / "c"
    subprocess.run(["make", "-s", "-C", str(ROOT / "tests" / "c"), f"BUILD={built}"], check=True)
    done = subprocess.run(
        [NEEDLEWORK, "demo", "--state", str(short_dir), "--pen-program", str(built / "pen")],
        env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=80,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "verify: intact" in done.stdout
    assert shown(short_dir)["pen"] == "NW-C/C-0001"


@pytest.mark.parametrize("program", ["/no/such/pen", "/bin/true"])
def test_a_pens_program_that_is_none(short_dir: Path, program: str) -> None:
    done = subprocess.run(
        [NEEDLEWORK, "demo", "--state", str(short_dir), "--pen-program", program],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert program in done.stderr
    assert "No treatment was begun." in done.stderr
