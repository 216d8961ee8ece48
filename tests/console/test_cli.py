"""The command line as processes see it: exit codes, streams, JSON, and nothing imported that is not needed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.cli import main
from console.exits import Code
from controller.events import Event
from logger.journal.entry import Entry
from logger.journal.journal import Journal
from logger.store.store import Store
from simulators.personality import MODELS

pytestmark = pytest.mark.system

Run = Callable[..., subprocess.CompletedProcess[str]]
NEEDLEWORK = str(Path(sys.executable).with_name("needlework"))


@pytest.fixture
def run(short_dir: Path) -> Run:
    """Runs the command on a state directory of its own, as in a pipe."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEEDLEWORK_")}
    environment |= {"NEEDLEWORK_STATE_DIR": str(short_dir), "NEEDLEWORK_STOP_PORT": "1", "HOME": str(short_dir)}
    environment.pop("XDG_RUNTIME_DIR", None)

    def call(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [NEEDLEWORK, *arguments], env=environment | more, capture_output=True, text=True, check=False, timeout=15
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return call


async def kept(path: Path, entries: list[Entry]) -> None:
    """A journal with these entries' events in it."""
    events: list[Event] = [entry.event() for entry in entries]
    journal = Journal(
        path, station="room-1", utc_now=lambda: datetime(2026, 1, 1, tzinfo=UTC), monotonic_ms=lambda: 1_000
    )
    async with journal:
        for entry, event in zip(entries, events, strict=True):
            journal.emit(event, session=entry.session)
        await journal.flush()


def test_help_and_stop_import_little() -> None:
    """STOP goes out before anything heavy is imported; the same for `--help`."""
    heavy = (
        "rich.console",
        "pydantic",
        "httpx",
        "fastapi",
        "sqlalchemy",
        "asyncio",
        "simulators",
        "station",
        "logger",
        "controller",
    )
    program = (
        f"import sys, console.cli, console.actions.stopping\nprint([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_simulate_knows_the_simulated_pen() -> None:
    """Every other command, imported whole, does without."""
    program = (
        "import sys, console.actions.running, console.actions.treating, console.actions.history\n"
        "import console.actions.machine, console.actions.watching, console.actions.picture, console.demo\n"
        "print('simulators' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("arguments", [(), ("--help",), ("sessions",), ("run", "-h"), ("treat", "--help")])
def test_help(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_version(run: Run) -> None:
    assert run("--version").stdout.startswith("needlework ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("statsu",), "Did you mean 'status'?"),
        (("run", "--pne", "x"), "--pne"),
        (("treat",), "--operator"),
        (("simulate", "--seed", "x"), "--seed"),
        (("simulate", "--baud", "9600", "--usb-frames"), "not both"),
        (("simulate", "--dialect", "ascii", "--model", "NW-1"), "a pen of its own"),
        (("simulate", "--pens", "2", "--dialect", "ascii"), "is for one pen"),
        (("run", "--broker", "htp:/x"), "The setting broker cannot be used"),
        (("run", "--broker", "mqtts://station:secret@b"), "a password on the command line can be read by everybody"),
        (("record", "--broker", "mqtts://a", "--broker", "mqtts://a:8883"), "is named twice"),
        (("run", "--log", "xml"), "The setting log cannot be used"),
        (("broker", "config", "there", "--site", "s", "--host", "h", "--ca", "ca.pem"), "all three are needed"),
        (("run", "--stop-port", "99999"), "The setting stop_port cannot be used"),
        (("record",), "No broker is named"),
        (("demo", "--pen", "tcp://x:1", "--pen-program", "y"), "one pen"),
    ],
)
def test_what_cannot_be_followed_ends_with_2(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert done.stderr.startswith("needlework: ")
    assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments", [("status",), ("live",), ("stop",), ("treat", "--operator", "x"), ("live", "--json")]
)
def test_without_a_station_the_code_is_3_and_the_remedy_is_named(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 3
    assert "No station runs" in done.stderr
    assert "needlework run" in done.stderr


def test_a_trouble_is_json_where_json_is_asked_for(run: Run) -> None:
    said = json.loads(run("status", "--json").stderr)
    assert said["code"] == "no_station"
    assert said["do"]


def test_the_simulated_pens_are_listed(run: Run) -> None:
    said = run("simulate", "--model", "list").stdout
    assert "100–150 Hz" in said
    assert [line.split()[0] for line in said.splitlines() if line.startswith("NW-")] == list(MODELS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("simulate", "--model", "NW-3"), "Nearest: NW-"),
        (("simulate", "--model", "lst"), "`--model list`"),
        (("simulate", "--zone", "elbow"), "elbow"),
        (("simulate", "--untruth", "gian=1.04"), "Nearest: gain"),
        (("simulate", "--untruth", "offset_mm=0.5"), "home switch"),
        (("simulate", "--untruth", "gain=1.1", "--dialect", "ascii"), "Leave the untruth out"),
        (("simulate", "--tcp", "nowhere"), "127.0.0.1:7070"),
        (("simulate", "--baud", "3"), "115200"),
        (("simulate", "--pens", "1001"), "1 to 1000"),
        (("simulate", "--pty", "--link", "/no/such/place/pen"), "/no/such/place"),
    ],
)
def test_a_simulated_pen_that_cannot_be_served(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert said in done.stderr


def test_pens_are_listed_as_data_too(run: Run) -> None:
    assert isinstance(json.loads(run("pens", "--json").stdout), list)
    assert run("pens").returncode == 0


def test_the_doctors_exit_code_is_its_worst_finding(run: Run, short_dir: Path) -> None:
    findings = json.loads(run("doctor", "--json").stdout)
    assert {"check", "level", "what", "means", "remedy"} <= set(findings[0])
    absent = run("doctor", "--pen", "serial:///dev/ttyNOPEN", "--json")
    assert absent.returncode == 1
    assert any(finding["level"] == "problem" for finding in json.loads(absent.stdout))
    assert "→" in run("doctor", "--pen", "serial:///dev/ttyNOPEN").stdout


# The record -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [("sessions", "list"), ("sessions", "show", "x"), ("verify",)])
def test_without_a_record(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == (2 if arguments == ("verify",) else 1)
    assert "There is no" in done.stderr


async def test_sessions_are_listed_and_shown(run: Run, short_dir: Path, entries: list[Entry]) -> None:
    await kept(short_dir / "journal.sqlite", entries)
    session = entries[0].session or ""
    (line,) = json.loads(run("sessions", "list", "--json").stdout)
    assert (line["session"], line["outcome"], line["zones"]) == (session, "stopped", ["cheek"])
    assert session in run("sessions", "list").stdout
    for name in (session, session[:9], "last"):
        assert session in run("sessions", "show", name).stdout
    shown = json.loads(run("sessions", "show", session, "--json").stdout)
    assert shown["patient"] == "p-7f3a21"
    missing = run("sessions", "show", "20260101T090000-0000abce")
    assert missing.returncode == 1
    assert session in missing.stderr  # the nearest


async def test_a_record_in_a_pipe_is_plain_text(run: Run, short_dir: Path, entries: list[Entry]) -> None:
    await kept(short_dir / "journal.sqlite", entries)
    for columns in ("80", "132"):
        text = run("sessions", "show", COLUMNS=columns).stdout
        assert "\x1b" not in text
        assert all(len(line) <= int(columns) and line == line.rstrip() for line in text.splitlines())


async def test_verify_is_0_intact_1_damaged_2_not_checked(run: Run, short_dir: Path, entries: list[Entry]) -> None:
    path = short_dir / "journal.sqlite"
    await kept(path, entries)
    intact = run("verify")
    assert intact.returncode == 0
    assert intact.stdout.startswith("verify: intact: station room-1, 24 entries")
    assert json.loads(run("verify", "--json").stdout)[0]["verdict"] == "intact"

    store = Store.open(short_dir / "store.sqlite")  # an anchor with more in it than the journal has
    store.append(entries, seen_utc_us=0)
    store.close()
    damaged = run("verify", "--journal", str(path), "--store", str(short_dir / "store.sqlite"))
    assert damaged.returncode == 1
    assert "verify: damaged" in damaged.stdout
    assert "entry 1" in damaged.stdout

    (short_dir / "empty").write_bytes(b"")
    for arguments in (("--journal", str(short_dir / "empty")), ("--store", "/no/such/store")):
        unchecked = run("verify", *arguments)
        assert unchecked.returncode == 2, unchecked.stdout
        assert unchecked.stdout == ""


async def test_a_store_alone_is_verified_by_name(run: Run, short_dir: Path, entries: list[Entry]) -> None:
    place = short_dir / "elsewhere.sqlite"
    store = Store.open(place)
    store.append(entries, seen_utc_us=0)
    store.close()
    done = run("verify", "--store", str(place))
    assert done.returncode == 0
    assert "station room-1" in done.stdout
    assert (entries[0].session or "") in run("sessions", "list", "--store", str(place)).stdout


async def test_a_reader_that_leaves_early_is_no_trouble(run: Run, short_dir: Path, entries: list[Entry]) -> None:
    await kept(short_dir / "journal.sqlite", entries * 40)  # more than a pipe holds
    for arguments in ("sessions show --json", "sessions show"):
        line = f"{NEEDLEWORK} {arguments} last --state {short_dir} | head -c 10"
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
        assert done.stderr == ""
        assert len(done.stdout) == 10


def test_a_name_is_no_pseudonym(run: Run) -> None:
    done = run("treat", "--operator", "demo-master-aesthetician", "--patient", "John Smith")
    assert done.returncode == 2
    assert "never a name: 4 to 40 letters (A to Z), digits and hyphens" in done.stderr
    assert "John" not in done.stderr


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["status", "treat --operator demo-master-aesthetician", "sessions list"])
def test_closed_streams_are_no_trouble_of_their_own(short_dir: Path, command: str, redirection: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{NEEDLEWORK} {command} --state {short_dir} {redirection}"],
        capture_output=True, text=True, check=False, timeout=15,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode in (1, 3), done.stderr  # no station, no record


async def test_a_full_disk_under_the_output_is_said(short_dir: Path, entries: list[Entry]) -> None:
    await kept(short_dir / "journal.sqlite", entries)
    for form in ("", "--json"):
        done = subprocess.run(
            ["sh", "-c", f"{NEEDLEWORK} sessions list {form} --journal {short_dir / 'journal.sqlite'} >/dev/full"],
            capture_output=True, text=True, check=False, timeout=15,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        assert "The output could not be written: no space left on device." in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("run", "--no-live", "--stop-port", "0"), ("demo",)])
def test_a_state_directory_that_is_a_file_is_named(run: Run, short_dir: Path, command: tuple[str, ...]) -> None:
    place = short_dir / "file"
    place.write_text("")
    done = run(*command, "--state", str(place))
    assert done.returncode == 1
    assert str(place) in done.stderr
    assert "--state" in done.stderr


@pytest.mark.parametrize(
    ("words", "what", "help_of"),
    [
        (("treat",), "Missing option '--operator'", "needlework treat --help"),
        (
            ("report", "overrides", "--since", "yesterday"),
            "'yesterday' does not match a day",
            "report overrides --help",
        ),
        (("frob",), "No such command 'frob'", "`needlework --help`"),
    ],
)
def test_a_command_that_was_not_understood_names_its_own_help(
    words: tuple[str, ...], what: str, help_of: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["needlework", *words])
    assert main() == Code.USAGE
    said = " ".join(capsys.readouterr().err.split())
    assert what in said
    assert help_of in said
    assert "Value error" not in said


def test_a_story_that_is_no_text_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "story.json").write_bytes(b"\xfa\x00\xff")
    monkeypatch.setattr("sys.argv", ["needlework", "campaign", "--replay", str(tmp_path / "story.json")])
    assert main() == Code.USAGE
    assert "no story of a campaign" in " ".join(capsys.readouterr().err.split())


def test_the_broker_of_root_is_the_user_that_mosquitto_becomes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[str] = []
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.chown", lambda _path, user: given.append(user))

    def said(folder: str, own: str) -> str:
        monkeypatch.setattr("console.actions.brokers.MOSQUITTOS_OWN", own)
        monkeypatch.setattr(
            "sys.argv", ["needlework", "broker", "config", str(tmp_path / folder), "--site", "c", "--host", "b.example"]
        )
        assert main() == Code.DONE
        return " ".join(capsys.readouterr().out.split())

    assert "runs as the user nobody" in said("b", "nobody")
    assert set(given) == {"nobody"}
    assert "user nobody\n" in (tmp_path / "b" / "broker" / "mosquitto.conf").read_text()
    assert "none of this machine" in said("c", "none-of-this-machine")


def test_broker_config_writes_a_folder_and_shows_no_password(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    arguments = ("broker", "config", str(folder), "--site", "clinic", "--host", "broker.example", "--station", "room-1")
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    again = run("broker", "config", str(folder), "--station", "room-2", "--json")
    said = json.loads(again.stdout)
    assert said["stations"] == ["room-1", "room-2"]
    assert list(said["handed"]) == ["station-room-2"]
    assert Path(said["configuration"]).read_text().startswith("# Mosquitto 2")
    passwords = [path.read_text().strip() for path in folder.glob("for/*/*-password")]
    assert len(passwords) == 4
    assert not any(password in done.stdout + done.stderr + again.stdout for password in passwords)
    refused = run("broker", "config", str(folder), "--site", "other")
    assert refused.returncode == 1
    assert "is the broker of the site clinic" in refused.stderr
