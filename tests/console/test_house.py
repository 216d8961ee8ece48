"""The command line and a station that really runs, with a simulated pen behind a pseudo-terminal."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.houses import CONFIRMED, ENVIRONMENT, NEEDLEWORK, PREPARE, TREAT, House, Terminal, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]


@pytest.fixture
def house(short_dir: Path) -> Iterator[House]:
    """A station on a simulated pen."""
    with running("run", "--state", str(short_dir), "--stop-port", "0", "--json") as process:
        yield House(process, short_dir)


def test_a_treatment_from_a_terminal_and_its_record(house: House) -> None:
    assert house.ready["ready"] == "house"
    (pen,) = json.loads(house.call("status", "--json").stdout)["pens"]
    assert pen["view"]["phase"] == "no_session"

    treated = house.call(*house.prepare, lines="arm\ndepth 0.43\nrate 110\nstart\nwait 1.5\npause\ndepth 0.9\nstart\n")
    assert treated.returncode == 1
    said = treated.stdout.splitlines()
    assert any(re.match(r"✓ +self-test +Passed: .*", line) for line in said), said  # the checks are there before arming
    said = said[next(place for place, line in enumerate(said) if line.startswith("arm: ")) :]
    assert said[1].startswith("depth 0.43: paused, forehead, set 0.40 mm"), said  # the pen's step, toward shallow
    assert re.search(r"wait 1.5: treating, .*measured 0\.\d\d mm", treated.stdout)
    assert "0.90 mm was refused and nothing changed. 0.50 mm: limited by the zone's soft limit" in treated.stderr
    assert "scar-tissue" not in treated.stderr  # no reason goes beyond the hard limit of 0.75 mm
    assert len(said) == 6  # what came after the refusal was not done
    assert json.loads(house.call("status", "--json").stdout)["pens"][0]["view"]["phase"] == "paused"

    again = house.call(*TREAT, lines="close\n")
    assert again.returncode == 0, again.stderr
    record = house.closed_record()
    (zone,) = record["zones"]
    assert (record["outcome"], zone["zone"]) == ("completed", "forehead")
    assert 1000 < zone["treated_ms"] < 3000
    assert 300 < zone["depth_measured_um"]["p50"] < 450
    assert [refusal["because"] for refusal in record["refusals"]] == ["zone_hard"]

    assert house.end(signal.SIGTERM) == 0
    verified = house.call("verify")
    assert verified.returncode == 0
    assert "compared with the recorder's store" in verified.stdout


def test_an_open_session_is_taken_up_by_whom_it_belongs_to(house: House) -> None:
    opened = house.call(*PREPARE[:-2], *house.prepare[-2:], "--patient", "AAAA-1111", lines="arm\n")
    assert opened.returncode == 1  # a point of the checklist is open
    other = house.call(*house.prepare, "--patient", "BBBB-2222", lines="arm\n")
    assert (other.returncode, other.stdout) == (1, "")
    assert "of patient AAAA-1111 is open; give that patient, or close it first" in other.stderr
    words = ["demo-physician" if word == TREAT[2] else word for word in house.prepare]
    colleague = house.call(*words, lines="close\n")
    assert colleague.returncode == 1
    assert "AAAA-1111, treated by demo-master-aesthetician, is open; give that operator" in colleague.stderr
    assert json.loads(house.call("status", "--json").stdout)["pens"][0]["view"]["phase"] == "prepared"

    given = ("--zone", "nose", "--zones", "nose", "--protocol", "acne-scars", "--confirmed", CONFIRMED[-1])
    again = house.call(*TREAT, *given, "--confirmed", CONFIRMED[0], lines="arm\nwait 0.3\ncheck\n")
    assert again.returncode == 1
    assert "→ Once it is armed" in again.stderr
    first, *checks, armed, _ = again.stdout.splitlines()
    assert "what was given is not taken: protocol, zones." in first
    assert "close it first (the line `close`)" in first
    assert first.endswith(f"not confirmed again: {CONFIRMED[0]}.")
    assert any("points confirmed" in line for line in checks)
    assert "patient AAAA-1111, operator demo-master-aesthetician, zone forehead is taken up" in first
    assert "forehead is in force, not nose" in first
    assert armed.startswith("arm: paused")


def test_an_alarm_left_by_a_closed_session_is_cleared_before_the_next(short_dir: Path) -> None:
    link = short_dir / "pen"
    simulate = ("simulate", "--pty", "--link", str(link))
    with running(*simulate) as pen:
        assert pen.stdout is not None
        assert json.loads(pen.stdout.readline())
        arguments = ("run", "--state", str(short_dir), "--stop-port", "0", "--json", "--pen", f"serial://{link}")
        with running(*arguments) as process:
            house = House(process, short_dir)
            with subprocess.Popen(
                [NEEDLEWORK, *house.prepare, "--state", str(short_dir)], env=ENVIRONMENT, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            ) as treating:  # fmt: skip
                assert treating.stdin is not None
                assert treating.stdout is not None
                treating.stdin.write("arm\ndepth 0.4\nrate 100\nstart\nwait 60\n")
                treating.stdin.flush()
                while not treating.stdout.readline().startswith("start: treating"):
                    assert treating.poll() is None
                pen.kill()
                _, complaint = treating.communicate(timeout=15)
                assert treating.returncode == 1
                assert "The treatment was interrupted" in complaint
            closed = house.call(*TREAT, lines="close\n")
            assert closed.returncode == 0, closed.stderr
            with running(*simulate) as again:
                assert again.stdout is not None
                assert json.loads(again.stdout.readline())
                deadline = time.monotonic() + 15
                view: dict[str, object] = {}
                while view.get("link") != "connected" and time.monotonic() < deadline:
                    view = json.loads(house.call("status", "--json").stdout)["pens"][0]["view"]
                early = house.call(*house.prepare, lines="arm\n")
                assert early.returncode == 1
                assert "link_lost" in early.stdout
                treated = house.call(*house.prepare, lines="ack link_lost\nclear\narm\n")
                assert treated.returncode == 0, treated.stderr + treated.stdout
                assert "arm: paused, forehead" in treated.stdout


def test_stop_and_live_from_other_terminals(house: House) -> None:
    with running("live", "--json", "--state", str(house.state)) as live:
        assert live.stdout is not None
        assert json.loads(live.stdout.readline())["view"]["link"] == "connected"
        live.send_signal(signal.SIGINT)
        assert live.wait(timeout=10) == 0

    with running("live", "--state", str(house.state)) as lines:
        assert lines.stdout is not None
        assert lines.stdout.readline().startswith("no session · zone --")

    for form in ("", "--json"):
        line = f"{NEEDLEWORK} live {form} --state {house.state} | head -1"
        left = subprocess.run(
            ["sh", "-c", line], env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=20
        )
        assert left.stderr == ""  # a reader that leaves is no trouble
        assert left.stdout.count("\n") == 1

    script = "arm\ndepth 0.4\nrate 100\nstart\nwait 20\n"
    with subprocess.Popen(
        [NEEDLEWORK, *house.prepare, "--state", str(house.state)], env=ENVIRONMENT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as treating:  # fmt: skip
        assert treating.stdin is not None
        assert treating.stdout is not None
        treating.stdin.write(script)
        treating.stdin.flush()
        while not treating.stdout.readline().startswith("start: treating"):
            assert treating.poll() is None
        stopped = house.call("stop", "--json")
        assert stopped.returncode == 0, stopped.stderr
        assert json.loads(stopped.stdout) == {
            "stopped": ["pen"], "what": "STOP was sent to pen.", "needles_out": {"pen": True},
        }  # fmt: skip
        view = json.loads(house.call("status", "--json").stdout)["pens"][0]["view"]
        assert view["phase"] == "prepared"  # a person arms again
        treating.send_signal(signal.SIGINT)
        treating.communicate(timeout=10)
        assert treating.returncode == 130

    unknown = house.call("live", "lfet")
    assert unknown.returncode == 1
    assert "There are: pen." in unknown.stderr
    assert house.end(signal.SIGINT) == 0  # with a session still open: it is closed first
    (line,) = json.loads(house.call("sessions", "list", "--json").stdout)
    assert line["outcome"] == "interrupted"


def test_a_second_station_on_the_same_state_is_refused(house: House) -> None:
    second = house.call("run", "--stop-port", "0")
    assert second.returncode == 3
    assert second.stderr.count("needlework: ") == 1
    assert house.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("url", "said", "code"),
    [
        ("foo://x", "foo", 5),
        ("serial:///dev/ttyNOPEN", "there is no /dev/ttyNOPEN", 5),
        ("tcp://127.0.0.1:1", "127.0.0.1:1", 5),
    ],
)
def test_a_pen_that_cannot_be_opened(short_dir: Path, url: str, said: str, code: int) -> None:
    done = subprocess.run(
        [NEEDLEWORK, "run", "--pen", url, "--state", str(short_dir), "--stop-port", "0"],
        env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("needlework: ")]
    assert said in done.stderr
    assert "Traceback" not in done.stderr, line


def test_a_simulated_pen_says_where_it_is_and_goes_when_asked(short_dir: Path) -> None:
    link = short_dir / "pen"
    with running("simulate", "--pty", "--tcp", "127.0.0.1:0", "--link", str(link), "--seed", "7") as pen:
        assert pen.stdout is not None
        said = json.loads(pen.stdout.readline())
        assert (said["ready"], said["model"], said["seed"]) == ("pen", "NW-1", 7)
        assert link.resolve() == Path(said["device"])
        assert said["tcp"].startswith("127.0.0.1:")
        pen.send_signal(signal.SIGTERM)
        assert pen.wait(timeout=10) == 0
        assert not link.is_symlink()


def test_a_fleet_is_one_process_and_one_line(short_dir: Path) -> None:
    with running("simulate", "--pens", "3", "--baud", "115200", "--link", str(short_dir / "pen")) as fleet:
        assert fleet.stdout is not None
        said = json.loads(fleet.stdout.readline())
        assert (said["ready"], said["pid"], len(said["pens"])) == ("fleet", fleet.pid, 3)
        assert [pen["pty"] for pen in said["pens"]] == [str(short_dir / f"pen-{number}") for number in (1, 2, 3)]
        fleet.send_signal(signal.SIGTERM)
        assert fleet.wait(timeout=10) == 0
        assert not list(short_dir.glob("pen-*"))


def test_a_line_too_slow_to_treat_over_is_said_and_served() -> None:
    with running("simulate", "--pens", "2", "--baud", "9600", "--tcp", "127.0.0.1:0") as slow:
        assert slow.stdout is not None
        assert slow.stderr is not None
        assert json.loads(slow.stdout.readline())["ready"] == "fleet"
        assert "9600 baud carry 960 bytes a second" in slow.stderr.readline()


def test_a_treatment_by_keys_beside_the_live_view(house: House) -> None:
    screen = Terminal(*house.prepare, "--state", str(house.state))
    screen.until("Scan the cartridge's code")
    screen.type("\r")
    screen.until("PREPARED")
    screen.until("of 17 checks pass")  # all of them do not fit this window: those that are not well stand there
    screen.type("arm\r")
    screen.until("PAUSED")
    screen.type("depth 0.5\r")
    screen.until("set 0.50 mm")
    screen.type("depth 0.6\r")
    screen.until("0.60 mm was refused")
    screen.until("2 prescribed-deeper")
    screen.type("depth 0.6 2\r")
    screen.until("set 0.60 mm")
    screen.type("dose\r")
    screen.until("pass 0 of 3")
    screen.type("rate 110\r")
    screen.until("110.0 Hz")
    screen.type(" ")
    screen.until("TREATING")
    screen.type("\x1b")
    screen.until("pen confirmed: motor off, needles out.")
    screen.until("PREPARED")
    screen.type("close\r")
    screen.until("For the patient:")
    assert screen.end() == 0
    record = house.closed_record()
    (line,) = json.loads(house.call("sessions", "list", "--json").stdout)
    assert line["outcome"] == "completed"
    assert line["strokes_on_skin"] > 0
    assert [override["reason"] for override in record["overrides"]] == ["prescribed-deeper"]
    assert house.end(signal.SIGTERM) == 0
