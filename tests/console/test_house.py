"""The command line and a station that really runs, with a simulated pen behind a pseudo-terminal."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from controller.library import load_library

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

NEEDLEWORK = str(Path(sys.executable).with_name("needlework"))
CONFIRMED = tuple(load_library().checklist)
TREAT = ("treat", "--operator", "demo-master-aesthetician")
PREPARE = (*TREAT, "--protocol", "facial-rejuvenation", "--skin", "thin", "--zone", "forehead", "--consent", "folder 7",
           *(word for item in CONFIRMED for word in ("--confirmed", item)))  # fmt: skip
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("NEEDLEWORK_")}


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command as a process with pipes; ended hard if the test did not end it."""
    process = subprocess.Popen(
        [NEEDLEWORK, *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=15)
        if process.poll() is None:
            process.kill()
            process.communicate()


def answers_in(directory: Path, **more: object) -> tuple[str, str]:
    """The option that names a file in which no question applies."""
    path = directory / "answers.json"
    path.write_text(json.dumps({"answers": dict.fromkeys(load_library().questions, "no"), **more}))
    return "--answers", str(path)


class House:
    """A running station and the command line beside it."""

    def __init__(self, process: subprocess.Popen[str], state: Path) -> None:
        self.process = process
        self.state = state
        assert process.stdout is not None
        self.ready = json.loads(process.stdout.readline())
        self.prepare = (*PREPARE, *answers_in(state))

    def call(self, *arguments: str, lines: str = "") -> subprocess.CompletedProcess[str]:
        """Another command on the same station."""
        done = subprocess.run(
            [NEEDLEWORK, *arguments, "--state", str(self.state)],
            env=ENVIRONMENT, input=lines, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def end(self, number: signal.Signals) -> int:
        """Asks the station to end as a terminal or a service manager would; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


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

    again = house.call(*TREAT, lines="close done\n")
    assert again.returncode == 0, again.stderr
    record = json.loads(house.call("sessions", "show", "last", "--json").stdout)
    (zone,) = record["zones"]
    assert (record["outcome"], zone["zone"]) == ("completed", "forehead")
    assert 1000 < zone["treated_ms"] < 3000
    assert 300 < zone["depth_measured_um"]["p50"] < 450
    assert [refusal["because"] for refusal in record["refusals"]] == ["zone_soft"]

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

    again = house.call(*TREAT, "--zone", "nose", "--confirmed", CONFIRMED[-1], lines="arm\nwait 0.3\n")
    assert again.returncode == 0, again.stderr
    first, *checks, armed, _ = again.stdout.splitlines()
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


class Terminal:
    """A command on a pseudo-terminal of 100 by 30, as a person has it in front of them."""

    def __init__(self, *arguments: str) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:  # pragma: no cover  the child
            os.environ.update(TERM="xterm-256color", COLUMNS="100", LINES="30")
            os.execv(NEEDLEWORK, [NEEDLEWORK, *arguments])
        self.seen = ""

    def until(self, wanted: str, seconds: float = 15.0) -> None:
        """Reads until something is on the screen; what was there before does not count again."""
        deadline = time.monotonic() + seconds
        while wanted not in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.seen):
            left = deadline - time.monotonic()
            assert left > 0, f"{wanted!r} never came:\n{self.seen[-3000:]}"
            if select.select([self._fd], [], [], left)[0]:
                with suppress(OSError):  # the other end closed: what was seen is all there is
                    self.seen += os.read(self._fd, 65536).decode(errors="replace")
        self.seen = ""

    def type(self, keys: str) -> None:
        """Presses keys."""
        os.write(self._fd, keys.encode())

    def end(self) -> int:
        """Waits for the end; the exit code."""
        while True:
            try:
                if not os.read(self._fd, 65536):
                    break
            except OSError:
                break
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def test_a_treatment_by_keys_beside_the_live_view(house: House) -> None:
    screen = Terminal(*house.prepare, "--state", str(house.state))
    screen.until("Scan the cartridge's code")
    screen.type("\r")
    screen.until("PREPARED")
    screen.until("self-test")
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
    screen.until("STOP was sent to pen.")
    screen.until("PREPARED")
    screen.type("close by keys\r")
    assert screen.end() == 0
    (line,) = json.loads(house.call("sessions", "list", "--json").stdout)
    assert line["outcome"] == "completed"
    assert line["strokes_on_skin"] > 0
    record = json.loads(house.call("sessions", "show", "last", "--json").stdout)
    assert [override["reason"] for override in record["overrides"]] == ["prescribed-deeper"]
    assert house.end(signal.SIGTERM) == 0


def test_a_cartridge_nobody_can_look_up_is_attested_and_never_verified(short_dir: Path) -> None:
    link = short_dir / "pen"
    arguments = ("run", "--state", str(short_dir), "--stop-port", "0", "--json", "--pen", f"serial://{link}")
    with pen_at(link, "NW-PLAIN"), running(*arguments) as process:
        house = House(process, short_dir)
        armed = house.call(*house.prepare, "--cartridge", "NW-12", lines="arm\n")
        assert armed.returncode == 0, armed.stderr  # confirmed as new and sterile: that is the operator's word
        exchanged = house.call(*TREAT, lines="audio\ncartridge\nwait 0.5\ncheck\narm\n")
        assert exchanged.returncode == 1
        assert "alarms silent for another" in exchanged.stdout
        assert "attest that" in exchanged.stderr  # what was attested was of the cartridge before
        attested = house.call(*TREAT, lines="attest\narm\nclose\n")
        assert attested.returncode == 0, attested.stderr
        record = json.loads(house.call("sessions", "show", "last", "--json").stdout)
        assert [item["cartridge"]["unused"] for item in record["cartridges"]] == ["attested", "attested"]
        assert record["cartridges"][0]["exchanged_at"] is not None
        assert "attested as new and opened now, not verified" in " ".join(house.call("sessions", "show").stdout.split())
        assert house.end(signal.SIGTERM) == 0


@contextmanager
def pen_at(link: Path, model: str = "NW-1") -> Iterator[subprocess.Popen[str]]:
    """A simulated pen of its own process, whose cartridge SIGUSR1 exchanges."""
    with running("simulate", "--pty", "--link", str(link), "--model", model) as pen:
        assert pen.stdout is not None
        assert json.loads(pen.stdout.readline())
        yield pen


def test_a_returning_patient_repeats_the_last_visit_with_another_cartridge(short_dir: Path) -> None:
    link = short_dir / "pen"
    who = ("--patient", "AAAA-1111")
    arguments = ("run", "--state", str(short_dir), "--stop-port", "0", "--json", "--pen", f"serial://{link}")
    with pen_at(link) as pen, running(*arguments) as process:
        house = House(process, short_dir)
        treat = "arm\ndepth 0.45\nrate 90\nstart\nwait 1.5\npause\nwait 0.5\nclose\n"
        first = house.call(*house.prepare, *who, lines=treat)
        assert first.returncode == 0, first.stderr

        told = json.loads(house.call("patients", "show", "AAAA-1111", "--json").stdout)
        (visit,) = told["visits"]
        assert visit["zones"][0]["depth_commanded_um"] == 450
        assert told["course"]["facial-rejuvenation"]["number"] == 2
        assert "last_answers" not in told

        early = house.call(*TREAT, *who, "--repeat", *answers_in(short_dir), lines="arm\n")
        assert early.returncode == 1
        assert re.search(r"✗ +course +The last session was on", early.stdout)
        assert house.call(*TREAT, lines="close\n").returncode == 0

        same = answers_in(short_dir, since_last_visit="unchanged", answers={})
        again = (*TREAT, *who, "--repeat", *same, "--early", "tolerated-last-session", "--consent", "folder 7",
                 *(word for item in CONFIRMED for word in ("--confirmed", item)))  # fmt: skip
        used = house.call(*again, lines="arm\n")
        assert used.returncode == 1
        assert "This cartridge was used" in used.stderr
        pen.send_signal(signal.SIGUSR1)
        repeated = house.call(*TREAT, "--repeat", lines="wait 1.2\ncheck\narm\nstart\nwait 1.5\npause\ndose\nclose\n")
        assert repeated.returncode == 0, repeated.stderr + repeated.stdout
        assert "forehead on " in repeated.stdout
        assert "0.45 mm, 90.0 Hz. Set the same." in repeated.stdout
        record = json.loads(house.call("sessions", "show", "last", "--json").stdout)
        assert record["course"]["number"] == 2
        assert record["interval_reason"] == "tolerated-last-session"
        assert record["zones"][0]["passes"] == 1

        for meaning, by in (("reviewed", "demo-physician"), ("performed", "demo-aesthetician")):
            refused = house.call("sessions", "sign", "last", "--as", meaning, "--by", by)
            assert refused.returncode == 1
            assert "Nothing was signed." in refused.stderr
        for meaning, by in (("performed", TREAT[2]), ("reviewed", "demo-physician")):
            signed = house.call("sessions", "sign", "last", "--as", meaning, "--by", by)
            assert signed.returncode == 0, signed.stderr
            assert f"is signed as {meaning} by {by}" in signed.stdout
        shown = " ".join(house.call("sessions", "show", "last").stdout.split())
        assert f"performed by {TREAT[2]} (aesthetician)" in shown
        assert "reviewed by demo-physician (physician)" in shown
        lines = json.loads(house.call("sessions", "list", "--json").stdout)
        assert [line["signed"] for line in lines] == [[], [], ["performed", "reviewed"]]
        assert [line["outcome"] for line in lines] == ["completed"] * 3
        assert house.end(signal.SIGTERM) == 0


def test_a_session_that_broke_off_is_resumed_with_its_dose(short_dir: Path) -> None:
    link = short_dir / "pen"
    who = ("--patient", "AAAA-1111")
    arguments = ("run", "--state", str(short_dir), "--stop-port", "0", "--json", "--pen", f"serial://{link}")
    with pen_at(link):
        with running(*arguments) as process:
            house = House(process, short_dir)
            lines = "arm\ndepth 0.45\nrate 90\nstart\nwait 1.5\npause\nwait 0.5\n"
            assert house.call(*house.prepare, *who, lines=lines).returncode == 0
            assert house.end(signal.SIGTERM) == 0  # with the session open
        with running(*arguments) as process:
            house = House(process, short_dir)
            resumed = house.call(*house.prepare, *who, "--resume", "last", lines=f"{lines}close\n")
            assert resumed.returncode == 0, resumed.stderr + resumed.stdout
            record = json.loads(house.call("sessions", "show", "last", "--json").stdout)
            (zone,) = record["zones"]
            assert record["resumes"] is not None
            assert zone["counted_ms"] > zone["on_skin_ms"] + 1_000
            assert house.end(signal.SIGTERM) == 0
