"""Every command that a page tells people to type is tried here: run where it is cheap and harmless, else looked up.

``HOW`` says which is tried how. A command in a page that nothing in the table fits fails the test, so a page cannot
promise what does not exist.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
from argon2 import PasswordHasher
from typer.main import get_command

from console.cli import app
from station.people.accounts import Accounts
from station.settings import load_settings
from tests.faults.__main__ import options as options_of_faults
from tests.fixtures_brokers import free_port
from tests.plugin.test_page import commands as commands_of_ci

pytestmark = pytest.mark.unhurried

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "deploy" / "README.md",
]
SHELL = {"sh", "bash", "console", "shell"}


class Command(NamedTuple):
    """One line somebody is told to type."""

    page: str
    line: int
    text: str


def commands_in(page: Path) -> Iterator[Command]:
    """Lines of a page's fenced shell blocks, and indented lines that begin as a command does; comments and blank lines
    left out, continued lines joined."""
    language: str | None = None
    waiting = ""
    for number, written in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = re.match(r"\s*```(\w*)", written)
        if fence:
            language = fence[1] if language is None else None
            continue
        indented = language is None and re.match(r" {4}(make|needlework|\.venv/bin/\w+) ", written)
        line = re.sub(r"(^|\s+)#( .*)?$", "", written).strip().removeprefix("$ ")
        if (language in SHELL or indented) and line:
            waiting += line
            if waiting.endswith("\\"):
                waiting = waiting[:-1]
                continue
            yield Command(page.relative_to(ROOT).as_posix(), number, waiting)
            waiting = ""


ALL = [command for page in PAGES for command in commands_in(page)]


def program(name: str) -> str:
    """A tool of the environment the tests run in."""
    return str(Path(sys.executable).with_name(name))


def bare(text: str) -> str:
    """The command without where it is installed and whose account it runs in."""
    text = re.sub(r"^runuser -u \w+ -- env (?:[A-Z_]+=\S+ )*", "", text)
    return re.sub(r"^(?:\.venv/bin/|\S*needlework-env/bin/|/opt/needlework/bin/)", "", text)


def parsed(text: str, _: Path) -> None:
    """The command and every option of it exist, and its arguments are accepted; nothing is run."""
    words = shlex.split(text)[1:]
    command = get_command(app)
    context = typer.Context(command, info_name="needlework")
    while hasattr(command, "commands"):
        assert words, f"{context.command_path} wants a subcommand"
        assert words[0] in command.commands, f"{context.command_path} has no command {words[0]}"
        command = command.commands[words.pop(0)]
        context = typer.Context(command, info_name=command.name, parent=context)
    command.make_context(command.name, words, parent=context.parent)


def done_here(text: str, place: Path) -> "subprocess.CompletedProcess[str]":
    """What came of the command, run on an empty state directory, away from this machine's own settings."""
    words = shlex.split(text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NEEDLEWORK_", "XDG_"))}
    environment |= {"NEEDLEWORK_STATE_DIR": str(place), "HOME": str(place), "COLUMNS": "200"}
    done = subprocess.run(
        [program(words[0]), *words[1:]],
        env=environment,
        cwd=place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert (done.stdout + done.stderr).strip(), "it said nothing"
    return done


def run(text: str, place: Path) -> None:
    """Run for real; it succeeds."""
    done = done_here(text, place)
    assert done.returncode == 0, done.stdout + done.stderr


def examined(text: str, place: Path) -> None:
    """Run for real where there is no station and no record yet; it says so in words and in an exit code of its own."""
    done = done_here(text, place)
    assert done.returncode in {0, 1, 2, 3}, (done.returncode, done.stdout + done.stderr)


OF_A_LIBRARY = r"needlework library (key|diff|sign|check) .*"


def of_a_library(text: str, place: Path) -> None:
    """Run for real on copies of the example, after the commands of its page that come before it; all succeed."""
    example = (ROOT / "controller" / "data" / "example_library.yaml").read_bytes()
    for name in ("old.yaml", "clinic.yaml"):
        (place / name).write_bytes(example)
    page = [bare(command.text) for command in ALL if command.page == "docs/library.md"]
    for line in (line for line in page[: page.index(text) + 1] if re.fullmatch(OF_A_LIBRARY, line)):
        command, _, into = line.partition(" > ")
        done = done_here(command, place)
        assert done.returncode == 0, done.stdout + done.stderr
        if into:
            (place / into).write_text(done.stdout, encoding="utf-8")


OF_A_BROKER = r"needlework broker config .*|mosquitto -c .*"


def of_a_broker(text: str, place: Path) -> None:
    """Run for real, after the commands of its page that come before it, in a folder of its own; a broker is found able
    to read its files by starting it, and is ended.
    """
    page = [bare(command.text) for command in ALL if command.page == "docs/brokers.md"]
    for line in (line for line in page[: page.index(text) + 1] if re.fullmatch(OF_A_BROKER, line)):
        there = line.replace("/srv/", f"{place}/")
        if line.startswith("mosquitto"):
            starts(there, Path(shlex.split(there)[-1]))
        else:
            done = done_here(there, place)
            assert done.returncode == 0, done.stdout + done.stderr


def starts(command: str, configuration: Path) -> None:
    """A broker runs, on a free port; as root with the rights of whoever owns the temporary folder."""
    text = configuration.read_text().replace("listener 8883", f"listener {free_port()}")
    if os.geteuid() == 0:
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("user ")) + "user root\n"
    configuration.write_text(text)
    search = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    broker = shutil.which(shlex.split(command)[0], path=search)
    assert broker, "mosquitto is not installed; `make setup` says what to install"
    process = subprocess.Popen([broker, *shlex.split(command)[1:]], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said: list[str] = []
        while not said or "running" not in said[-1]:
            line = process.stderr.readline()
            assert line, said
            said.append(line)
    finally:
        process.kill()  # told to end in the instant in which it says that it runs, it forgets
        process.wait(10)
        process.stderr.close()


OF_A_BENCH = r"needlework pen (service|self-test) .*"


def of_a_bench(text: str, place: Path) -> None:
    """Run for real by a technician, with a policy of short times, on a simulated pen that touches nobody."""
    password, settings = place / "password", place / ".config" / "needlework" / "station.toml"
    password.write_text("a bench of her own 1\n")
    policy = (ROOT / "controller" / "data" / "calibration.yaml").read_text(encoding="utf-8")
    for name in ("off_skin_s", "settle_s"):
        policy = re.sub(rf"(?m)^  {name}: .*$", f"  {name}: 0.3", policy)
    (place / "calibration.yaml").write_text(policy, encoding="utf-8")
    settings.parent.mkdir(parents=True)
    settings.write_text(f'calibration = "{place}/calibration.yaml"\nstop_port = 0\n')
    accounts = Accounts(load_settings(state_dir=place).accounts_path, hasher=PasswordHasher(1, 8, 1))
    for account, role in (("boss-1", "manager"), ("tech-1", "technician")):
        accounts.add(account, role, "a bench of her own 1", 0)
    accounts.close()
    simulate = [program("needlework"), "simulate", "--leash", "--model", "NW-2", "--zone", "air"]
    simulate += ["--link", f"{place}/pen"]
    with subprocess.Popen(simulate, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=place) as pen:
        assert pen.stdout is not None
        assert '"ready"' in pen.stdout.readline()
        try:
            done = done_here(f"{text.replace('/tmp/pen', f'{place}/pen')} --password-file {password}", place)
        finally:
            pen.terminate()
    assert done.returncode == 0, done.stdout + done.stderr


def piped(text: str, place: Path) -> None:
    """What it is fed is for the command's own tests; that the command exists is looked up."""
    parsed(text.partition("| ")[2], place)


def made(text: str, _: Path) -> None:
    """The target exists and is listed by `make help`; the recipe is expanded, not run."""
    words = shlex.split(text)[1:]
    (target, *_rest) = [word for word in words if "=" not in word]
    assert subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, check=False).returncode == 0
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"make {target} " in listed


def tool(text: str, _: Path) -> None:
    """A system's program that `make setup` brings: it is there and knows every option used."""
    words = shlex.split(text)
    assert shutil.which(words[0]), f"{words[0]} is not installed; `make setup` says what to install"
    helped = subprocess.run([words[0], "--help"], capture_output=True, text=True, check=False)
    for option in (word for word in words[1:] if word.startswith("-")):
        assert re.search(rf"(^|[\s\[]){re.escape(option)}\b", helped.stdout + helped.stderr), option


def pytest_option(text: str, _: Path) -> None:
    """The option is known to the suite."""
    words = shlex.split(text)
    helped = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for option in (word for word in words[3:] if word.startswith("--")):
        assert option in helped.stdout


def faults_option(text: str, _folder: Path) -> None:
    assert options_of_faults().parse_args(text.split()[3:]).rounds > 0


def benchmarks_option(text: str, _: Path) -> None:
    """The measurements know the option and its value."""
    command = [sys.executable, "-m", "benchmarks", "--help"]
    helped = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for word in shlex.split(text)[3:]:
        assert word in helped, word


def case_option(text: str, _: Path) -> None:
    """The safety case's tool knows every option."""
    words = shlex.split(text)
    helped = subprocess.run(
        [sys.executable, words[1], "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for option in (word for word in words[2:] if word.startswith("--")):
        assert option in helped, option


def files_exist(text: str, _: Path) -> None:
    """It changes the machine, or needs one of another kind: not run. The files it names in the sources are there."""
    for word in shlex.split(text)[1:]:
        if word.startswith(("deploy/", "docs/", "constraints")):
            assert (ROOT / word).exists(), word


def extras(text: str, _: Path) -> None:
    """The extras are there to be asked for."""
    asked = re.search(r"\[(.*)\]", text)
    assert asked
    assert set(asked[1].split(",")) <= set(metadata("needlework").get_all("Provides-Extra") or ())


def of_the_page_for_ci(text: str, _: Path) -> None:
    """A test of its own follows that page to the letter, in an empty folder."""
    assert any(text == bare(line) for line in commands_of_ci())


HOW: tuple[tuple[str, Callable[[str, Path], None]], ...] = (
    (r"needlework (pens|library show)", run),
    (r"needlework (doctor|status|stop|verify|sessions list|library check)( --json)?", examined),
    (r"needlework pens? health\b.*", examined),  # no record yet: it says so
    (r"needlework support -o \S+", examined),
    (r"needlework support .* --soak .*", parsed),  # no pen is there
    (r"needlework cartridge read '.*'( --json)?", run),
    (r"needlework report overrides.*", examined),
    (r"needlework export .*", examined),  # no record yet: it says so
    (r"needlework sbom .*", run),
    (r"needlework (store|lookback) .*", examined),
    (r"needlework certificate .*", examined),  # none was issued yet: it says so
    (r"needlework report .*", examined),  # no record: it says so
    (OF_A_LIBRARY, of_a_library),
    (r"needlework (site|export service) .*", examined),  # nobody to sign in, no other station, no record: it says so
    (r"needlework approve .*", examined),  # no station: it says so
    (r"needlework wire show .*", examined),  # no such recording: it says so
    (r"needlework wire (record|replay) .*", parsed),
    (r"needlework pen firmware .*", parsed),  # `tests/station/test_bench_firmware.py` does it
    (r"needlework (recall|pen (quarantine|release|repair|part|history|exposed)) .*", examined),  # no pen, no password
    (r"needlework gauge list", run),
    (r"needlework gauge read .*", examined),  # nothing is plugged in: it says so
    (r"needlework (calibrate|pen accuracy) .*", parsed),  # `tests/console/test_calibrate.py` does it
    (r"needlework pen self-test .* --hands", parsed),  # a person presses
    (OF_A_BENCH, of_a_bench),
    (r"needlework scenario list", run),
    (r"needlework scenario (run|check|from-session)\b.*", parsed),  # played by tests; people's own files and records
    (r"needlework campaign --hours 0\.02 .*", run),
    (r"needlework campaign --(seed|replay) .*", parsed),  # others' stories
    (OF_A_BROKER, of_a_broker),
    (r"needlework simulate --model list", run),
    # These stay up, or need a station or a record.
    (r"needlework simulator faults", run),
    (r"needlework (run|treat|simulate|conform|simulator|record|demo|sessions|patients|live|amend)\b.*", parsed),
    (r"needlework account .*", examined),  # no terminal, or no descriptor: it says so
    (r"needlework (status|stop|pens|doctor|verify)\b.*", parsed),
    (r"(printf|cat) .* \| needlework (treat|cartridge read) .*", piped),
    (r"make \w+.*", made),
    (r"python -m pytest --pen .*", pytest_option),
    (r"python -m benchmarks --.*", benchmarks_option),
    (r"python -m tests\.faults --.*", faults_option),  # its rounds have tests of their own
    (r"python docs/safety/trace.py --.*", case_option),  # its tests run it
    (r"mosquitto_sub .*", tool),
    (r"(apt-get|useradd|usermod|ln|install|udevadm|systemctl) .*", files_exist),  # steps of an installation, as root
    (
        r"(usbip|modprobe) .*",
        files_exist,
    ),  # change the kernel's USB bus; `make test-usb` does what they do in a machine
    (r"(pipx|uv tool) install \.", files_exist),  # other people's installers, not part of this environment
    (r"python3 -m venv \S+", files_exist),
    (r"""pip install ["']needlework\[.*\]["']""", extras),
    (r"pip install .*wheels/.*|pytest( .*)?", of_the_page_for_ci),
    (r"pip install -c constraints.txt \.", files_exist),  # `.ci/wheel` does the same with the built wheel
    (r"curl -X POST http://127\.0\.0\.1:7472/stop", files_exist),  # the STOP listener has tests of its own
)


@pytest.mark.system
@pytest.mark.parametrize("command", ALL, ids=lambda command: f"{command.page}:{command.line}")
def test_a_command_in_a_page_works(command: Command, tmp_path: Path) -> None:
    text = bare(command.text)
    how = next((check for pattern, check in HOW if re.fullmatch(pattern, text)), None)
    assert how is not None, f"nothing in HOW says how to try {text!r}"
    how(text, tmp_path)


def test_pages_were_found_and_hold_the_two_commands() -> None:
    texts = {command.text for command in ALL if command.page == "README.md"}
    assert {"make demo", "make run"} <= texts


def test_every_entry_of_the_table_is_used() -> None:
    """An entry that fits no page any more hides the next mistake."""
    texts = [bare(command.text) for command in ALL]
    first = [next((pattern for pattern, _ in HOW if re.fullmatch(pattern, text)), "") for text in texts]
    assert {pattern for pattern, _ in HOW} <= set(first)


def test_every_command_of_the_program_is_in_the_changelog() -> None:
    said = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert {name for name in get_command(app).commands if f"`{name}`" not in said} == set()


def anchor(heading: str) -> str:
    """A heading's anchor as the usual renderers make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?://", target):
            continue
        name, _, part = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{target} is not there"
        if part and file.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert part in {anchor(heading) for heading in headings}, target


def test_the_story_of_limits_and_another_pen_are_refused_in_the_words_of_make() -> None:
    done = subprocess.run(
        ["make", "demo", "PEN=c", "STORY=limits"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Leave PEN out or STORY" in done.stderr
    assert "--story" not in done.stdout + done.stderr
