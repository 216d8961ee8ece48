"""Simulated microneedling pens for tests of your own pen software: a pytest plugin.

It starts the command ``needlework`` of whatever environment that lives in, and talks to it over its standard streams
and a socket alone: nothing of Needlework is imported here, and nothing of your tests is imported there.

Fixtures: ``needlework_pen``, ``needlework_fleet``, ``needlework_command``, ``needlework_outcomes``. Markers:
``needlework(…)`` says which pen, ``needlework_scenario(…)`` which scenario files have to hold. ``docs/ci.md`` of
Needlework begins at nothing and ends with a job on a CI server.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any, NoReturn

import pytest

__all__ = [
    "NeedleworkCommand",
    "NeedleworkControl",
    "NeedleworkError",
    "NeedleworkPen",
    "NeedleworkRefused",
]

READY_S = 30.0
"""A pen is ready after half a second; a busy CI machine is given this."""

END_S = 5.0
"""A pen that was asked to end does so within milliseconds; after this it is killed."""

ANSWER_S = 10.0
"""The control socket answers within milliseconds; what is waited for comes on top."""

SCENARIO_S = 120.0
"""A minute of a scenario takes a second."""

SOCKET_PATH_MAX = 80
"""Systems allow about 100 bytes for a socket's path; a fleet's have a number behind."""

DEFAULT_FLEET = 2

Fault = str | tuple[str, Mapping[str, int | str]]
Faults = str | Mapping[str, Mapping[str, int | str]] | Sequence[Fault]


class NeedleworkError(Exception):
    """A pen cannot be had, or is not there any more; the words say what to do."""


class NeedleworkRefused(NeedleworkError):
    """The pen's control socket answered no. ``because`` is its short reason, such as ``deadline`` or ``unknown_fault``;
    ``answer`` all it said: after a deadline ``answer["truth"]`` is what was so instead."""

    def __init__(self, because: str, sentence: str, answer: dict[str, Any]) -> None:
        super().__init__(sentence)
        self.because = because
        self.answer = answer


class NeedleworkControl:
    """The bench under a pen: breaks it, handles it, and tells what is really so, whatever the pen says.

    Nothing here goes over the pen's wire. Every call is a connection of its own, so threads may share this.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def inject(self, fault: str, *, for_ms: int = 0, **parameters: int | str) -> None:
        """Breaks something, by its name in ``needlework simulator faults``; for so many ms, or until it is cleared.

        Raises NeedleworkRefused with the nearest name when there is no such fault or parameter.
        """
        self.ask("inject", fault=fault, parameters=parameters, for_ms=for_ms)

    def clear(self, fault: str | None = None) -> list[str]:
        """Mends a fault, or all of them; which were. What the pen latched stays latched, as on a real one."""
        return list(self.ask("clear", **({} if fault is None else {"fault": fault}))["cleared"])

    def schedule(self, *, seed: int, count: int, length_ms: int) -> list[dict[str, Any]]:
        """Lets so many faults come within so many ms, the same for the same seed; which and when."""
        return list(self.ask("schedule", seed=seed, count=count, length_ms=length_ms)["schedule"])

    def faults(self) -> list[dict[str, Any]]:
        """The catalogue; ``missing`` of an entry says what it would need that this pen has not."""
        return list(self.ask("faults")["faults"])

    def truth(self) -> dict[str, Any]:
        """What is really so: protrusion_um, motor_driven, state, faults, battery and the rest."""
        return dict(self.ask("truth")["truth"])

    def wait(self, *conditions: str, within_ms: int = 5000) -> dict[str, Any]:
        """Waits until all hold of the truth, such as ``"state=RUNNING"`` or ``"protrusion_um>400"``; the truth then.

        Raises NeedleworkRefused, because ``deadline``, when they do not within the time.
        """
        return dict(self.ask("wait", **{"for": list(conditions), "within_ms": within_ms})["truth"])

    def hand(self, action: str, **given: int | str) -> dict[str, Any]:
        """A hand or foot: on_skin, off_skin, treat, button, pedal, cartridge_out, cartridge_in, power_off, power_on,
        charge, age.

        The first three take ``zone``, button and pedal ``held_ms``, age ``hours`` and ``cycles``. Returns
        the truth after it.
        """
        return dict(self.ask("hand", action=action, **given)["truth"])

    def ask(self, do: str, /, **fields: object) -> dict[str, Any]:
        """Anything the control socket understands. Raises NeedleworkRefused; NeedleworkError when nobody answers."""
        within_ms = fields.get("within_ms")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(ANSWER_S + (within_ms / 1000 if isinstance(within_ms, int) else 0))
                line.connect(self.path)
                line.sendall(json.dumps({"do": do, **fields}).encode() + b"\n")
                with line.makefile("rb") as answers:
                    answer: dict[str, Any] = json.loads(answers.readline())
        except (OSError, ValueError) as error:
            raise NeedleworkError(f"The pen does not answer at {self.path}: {error}. Has it been ended?") from error
        if answer.pop("ok", False) is not True:
            no = answer.get("error", {})
            raise NeedleworkRefused(no.get("because", "unknown"), no.get("sentence", "no words"), answer)
        return answer


@dataclass(frozen=True)
class NeedleworkPen:
    """A simulated pen that runs in a process of its own. ``pty`` and ``tcp`` lead to the same pen."""

    pty: str
    """The serial port that your software opens, such as /dev/pts/4."""
    tcp: tuple[str, int]
    """Host and port where it speaks the same bytes."""
    model: str
    serial: str
    seed: int
    pid: int
    """The process; one for all pens of a fleet."""
    control: NeedleworkControl

    @property
    def url(self) -> str:
        """As ``needlework run --pen`` takes it."""
        return f"serial://{self.pty}"


@dataclass(frozen=True)
class NeedleworkCommand:
    """The command ``needlework`` that was found, and how it is used. ``found`` says where."""

    path: str
    found: str

    @contextmanager
    def pens(
        self,
        count: int | None = None,
        *,
        model: str = "NW-1",
        seed: int = 1,
        zone: str = "cheek",
        faults: Faults = (),
        baud: int | None = None,
    ) -> Iterator[tuple[NeedleworkPen, ...]]:
        """One pen, or ``count`` of them in one process, for as long as the block lasts, on free ports.

        A fleet's seeds and serial numbers count up. ``baud`` lets bytes take as long as on a serial line. Raises
        NeedleworkError when they cannot be had, or ended by themselves in the meantime.
        """
        given = _given(faults)
        control = _socket_path()
        asked = ["--pty", "--tcp", "127.0.0.1:0", "--model", model, "--seed", str(seed), "--zone", zone]
        asked += ["--control", control, "--leash"]
        asked += [] if count is None else ["--pens", str(count)]
        asked += [] if baud is None else ["--baud", str(baud)]
        with tempfile.TemporaryFile() as said:
            process = self._start(["simulate", *asked], said)
            try:
                pens = _pens_of(self._ready(process, said))
                for pen in pens:
                    for name, parameters in given:
                        pen.control.ask("inject", fault=name, parameters=parameters)
                yield pens
                ended = process.poll() is not None
                if ended or (_end(process) and process.returncode):  # asked to, it ends with 0; killed just now, not
                    code = process.returncode
                    raise NeedleworkError(
                        f"The pen's process ended by itself with {code} during the test.{_tail(said)}"
                    )
            finally:
                _end(process)
                for path in (control, *(f"{control}-{number}" for number in range(1, (count or 0) + 1))):
                    with suppress(FileNotFoundError):
                        os.unlink(path)  # noqa: PTH108  a killed pen leaves its socket

    def scenarios(self, *files: Path) -> list[dict[str, Any]]:
        """Plays scenario files on Needlework's own core and a simulated pen, faster than life; what came of each.

        Raises NeedleworkError when one is no scenario. That one does not hold is in its outcome: ``holds`` is false.
        """
        command = [self.path, "scenario", "run", "--json", *(str(file.resolve()) for file in files)]
        try:
            done = subprocess.run(
                command, env=_environment(), cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=SCENARIO_S, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NeedleworkError(f"{self.path} cannot play scenarios: {error}") from error
        outcomes = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        outcomes = [outcome for outcome in outcomes if outcome.get("event") == "scenario"]
        if len(outcomes) != len(files):
            raise NeedleworkError(f"The scenarios were not played.\n{_sentences(done.stderr or done.stdout)}")
        return outcomes

    def _start(self, arguments: Sequence[str], said: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [self.path, *arguments], env=_environment(), cwd="/", bufsize=0,
                # Held open by this process alone: when it dies, however it dies, the pen reads an end and goes too.
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
                start_new_session=True,  # Ctrl-C is for the tests; they end their pens
            )  # fmt: skip
        except OSError as error:
            raise NeedleworkError(
                f"{self.path} ({self.found}) cannot be started: {error.strerror or error}."
            ) from error

    def _ready(self, process: subprocess.Popen[bytes], said: IO[bytes]) -> dict[str, Any]:
        """The line of JSON by which pens are ready. Raises NeedleworkError."""
        line = _first_line(process)
        if line is None:
            raise NeedleworkError(f"{self.path} was not ready within {READY_S:.0f} s.{_tail(said)}")
        if not line:
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
        if not line and process.returncode == 2 and "No such" in _tail(said):
            raise NeedleworkError(
                f"{self.path} ({self.found}) does not know what this plugin asks for. It is {self._version()}; the "
                f"plugin needs one with `simulate --control --leash`. Install both from the same sources.{_tail(said)}"
            )
        if not line:
            raise NeedleworkError(f"No pen was started; {self.path} ended with {process.returncode}.{_tail(said)}")
        try:
            ready = json.loads(line)
            ready.get("ready")
        except (ValueError, AttributeError):
            raise NeedleworkError(
                f"{self.path} ({self.found}) is not the command of Needlework: it said {line[:200]!r}. Name the right "
                "one by --needlework PATH."
            ) from None
        return dict(ready)

    def _version(self) -> str:
        with suppress(OSError, subprocess.SubprocessError):
            command = [self.path, "--version"]
            done = subprocess.run(
                command, env=_environment(), cwd="/", capture_output=True, text=True, timeout=ANSWER_S, check=False
            )
            return done.stdout.strip() or "of a version it does not tell"
        return "of a version it does not tell"


def find_command(given: str | None, environ: Mapping[str, str], ini: str, root: Path) -> NeedleworkCommand:
    """The command, from the first place that has or names one: ``--needlework``, the variable NEEDLEWORK_COMMAND, the
    setting ``needlework_command``; beside this Python, on PATH, in the project's folder, where pipx and uv put it.

    A place that is named and has none is an error: another would be a surprise. Raises NeedleworkError.
    """
    home = Path(environ.get("HOME", "/nonexistent"))
    named = (
        ("--needlework", given or ""),
        ("the variable NEEDLEWORK_COMMAND", environ.get("NEEDLEWORK_COMMAND", "")),
        ("the setting needlework_command", ini and str(root / Path(ini).expanduser())),
    )
    for how, name in named:
        if name:
            path = Path(name).expanduser().absolute()
            command = shutil.which("needlework", path=str(path / "bin")) or shutil.which(
                str(path) if os.sep in name else name
            )
            if command is None:
                raise NeedleworkError(f"{how} names {name}, and no command can be run there.")
            return NeedleworkCommand(command, f"named by {how}")
    places = (
        ("beside this Python", Path(sys.executable).parent),
        ("beside this Python", Path(sysconfig.get_path("scripts"))),
        ("on PATH", environ.get("PATH", "")),
        ("in the project's folder", root / "needlework-env" / "bin"),
        ("where pipx puts it", Path(environ.get("PIPX_BIN_DIR", home / ".local/bin"))),
        ("where pipx keeps it", Path(environ.get("PIPX_HOME", home / ".local/share/pipx")) / "venvs/needlework/bin"),
        ("where uv keeps it", Path(environ.get("UV_TOOL_DIR", home / ".local/share/uv/tools")) / "needlework/bin"),
    )
    for how, place in places:
        command = shutil.which("needlework", path=str(place))
        if command is not None:
            return NeedleworkCommand(str(Path(command).absolute()), f"found {how}")
    raise NeedleworkError(
        "The command `needlework` was not found: not beside this Python, not on PATH, not in needlework-env/, not "
        "where pipx or uv put commands. Install Needlework in an environment of its own and name that by --needlework "
        "PATH, by the variable NEEDLEWORK_COMMAND, or by needlework_command in pytest's settings."
    )


def _environment() -> dict[str, str]:
    """This process's, without what would lead another Python to this one's modules."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _socket_path() -> str:
    """A path that nothing has, short enough for a socket; one file, so that nothing is left when all is killed."""
    name = f"needlework-{secrets.token_hex(8)}"
    path = Path(tempfile.gettempdir()) / name
    return str(path if len(os.fsencode(path)) <= SOCKET_PATH_MAX else Path("/tmp") / name)  # noqa: S108  random


def _first_line(process: subprocess.Popen[bytes]) -> bytes | None:
    """What it says first; empty when it ended instead, None when it says nothing in time."""
    if process.stdout is None:
        return b""
    until, held = time.monotonic() + READY_S, b""
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        while b"\n" not in held:
            if not waiting.select(max(0.0, until - time.monotonic())):
                return None
            chunk = os.read(process.stdout.fileno(), 65_536)
            if not chunk:
                return held
            held += chunk
    return held.partition(b"\n")[0]


def _sentences(said: str) -> str:
    """What the command says of a trouble when it is asked for JSON, in its words."""
    with suppress(ValueError, AttributeError, TypeError):
        trouble = json.loads(said)
        return "\n".join(trouble[part] for part in ("what", "means", "do") if trouble.get(part))
    return said.strip()


def _pens_of(ready: Mapping[str, Any]) -> tuple[NeedleworkPen, ...]:
    records = ready["pens"] if ready.get("ready") == "fleet" else [ready]
    try:
        return tuple(_pen_of(record) for record in records)
    except (KeyError, TypeError, ValueError) as error:
        raise NeedleworkError(
            f"Its ready line is not as this plugin reads it ({error!r}): {json.dumps(ready)[:300]}. Install plugin and "
            "Needlework from the same sources."
        ) from error


def _pen_of(record: Mapping[str, Any]) -> NeedleworkPen:
    host, _, port = str(record["tcp"]).rpartition(":")
    return NeedleworkPen(
        pty=str(record["device"]),
        tcp=(host.strip("[]"), int(port)),
        model=str(record["model"]),
        serial=str(record["serial"]),
        seed=int(record["seed"]),
        pid=int(record["pid"]),
        control=NeedleworkControl(str(record["control"])),
    )


def _given(faults: object) -> list[tuple[str, dict[str, Any]]]:
    """Each fault with its parameters. Raises NeedleworkError for what is none."""
    listed = [faults] if isinstance(faults, str) else faults
    if isinstance(listed, Mapping):
        listed = list(listed.items())
    given: list[tuple[str, dict[str, Any]]] = []
    for fault in listed if isinstance(listed, Sequence) else [listed]:
        match fault:
            case str():
                given.append((fault, {}))
            case (str() as name, Mapping() as parameters):
                given.append((name, dict(parameters)))
            case _:
                raise NeedleworkError(
                    f"faults has {fault!r} in it, which is no fault. One is a name, or a name with a mapping of its "
                    'parameters: "motor_stall", {"line_delay": {"delay_ms": 80}}, [("line_delay", {"delay_ms": 80})].'
                )
    return given


def _end(process: subprocess.Popen[bytes]) -> bool:
    """Ends it, whatever it does; nothing of it is left. False when it had to be killed."""
    asked = True
    for ask in (process.terminate, process.kill):
        with suppress(ProcessLookupError):
            ask()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
            break
        asked = False
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    return asked


def _tail(said: IO[bytes]) -> str:
    said.seek(0)
    text = said.read().decode(errors="replace").strip()
    return f"\n{text[-2000:]}" if text else ""


# pytest's side

_SETTINGS = ("model", "seed", "zone", "faults", "baud", "pens")
_COMMAND: pytest.StashKey[NeedleworkCommand] = pytest.StashKey()
_OUTCOMES: pytest.StashKey[list[dict[str, Any]]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--needlework PATH`` and the setting ``needlework_command``."""
    group = parser.getgroup("needlework", "simulated pens")
    group.addoption("--needlework", metavar="PATH", help="the command needlework, or the environment it is in")
    parser.addini("needlework_command", "the command needlework, or the environment it is in", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers."""
    config.addinivalue_line(
        "markers",
        "needlework(model=…, seed=…, zone=…, faults=…, baud=…, pens=…): which simulated pen, broken how, and how many "
        "of them `needlework_fleet` has",
    )
    config.addinivalue_line(
        "markers",
        "needlework_scenario(file, …): these scenario files, named from the test's own folder, have to hold before the "
        "test's body runs",
    )


def pytest_runtest_call(item: pytest.Item) -> None:
    """Plays the scenarios of a test that names some: one that does not hold is a failure, not an error."""
    files = [item.path.parent / str(name) for mark in item.iter_markers("needlework_scenario") for name in mark.args]
    if not files:
        return
    try:
        outcomes = _command(item.config).scenarios(*files)
    except NeedleworkError as error:
        _fail(error)
    item.stash.setdefault(_OUTCOMES, []).extend(outcomes)
    failed = [outcome for outcome in outcomes if "failure" in outcome]
    if failed:
        pytest.fail("\n\n".join(map(_told, failed)), pytrace=False)


def _told(outcome: Mapping[str, Any]) -> str:
    failure = outcome["failure"]
    lines = [f"{outcome['name']} does not hold: {outcome['title']}"]
    lines += [
        f"{line['at_s']:9.3f} s  {line['words']}{' — ' if line['then'] else ''}{line['then']}"
        for line in outcome["told"]
    ]
    place = outcome["file"] + (f":{failure['line']}" if failure["line"] else "")
    lines += [f"{failure['at_s']:9.3f} s  FAILED at {place}"]
    return "\n".join([*lines, f"  expected: {failure['expected']}", f"  seen:     {failure['seen']}"])


def _command(config: pytest.Config) -> NeedleworkCommand:
    if _COMMAND not in config.stash:
        given = config.getoption("--needlework")
        config.stash[_COMMAND] = find_command(given, os.environ, config.getini("needlework_command"), config.rootpath)
    return config.stash[_COMMAND]


def _fail(error: Exception) -> NoReturn:
    """Fails the test in words alone: whoever reads them needs no lines of this file."""
    raise pytest.fail.Exception(str(error), pytrace=False) from None


def _asked(node: pytest.Item) -> dict[str, Any]:
    """The settings of all markers of a test, the nearest one's first. Fails the test over one that is not known."""
    asked: dict[str, Any] = {}
    for mark in node.iter_markers("needlework"):
        if mark.args:
            pytest.fail("The marker needlework takes names only: needlework(model=…, faults=…).", pytrace=False)
        for name, value in mark.kwargs.items():
            if name not in _SETTINGS:
                near = ", ".join(get_close_matches(name, _SETTINGS, n=1) or _SETTINGS)
                pytest.fail(f"The marker needlework has no {name!r}. Nearest: {near}.", pytrace=False)
            asked.setdefault(name, value)
    return asked


@pytest.fixture(scope="session")
def needlework_command(pytestconfig: pytest.Config) -> NeedleworkCommand:
    """The command that was found: for fixtures of your own, such as a pen for a whole module."""
    try:
        return _command(pytestconfig)
    except NeedleworkError as error:
        _fail(error)


@pytest.fixture
def needlework_pen(request: pytest.FixtureRequest, needlework_command: NeedleworkCommand) -> Iterator[NeedleworkPen]:
    """A new simulated pen for this test, in a process of its own; the marker ``needlework`` says which."""
    asked = _asked(request.node)
    if "pens" in asked and "needlework_fleet" not in request.fixturenames:
        pytest.fail(
            f"The marker needlework says pens={asked['pens']!r}, and needlework_pen is one pen. Take "
            "needlework_fleet, or leave pens out.",
            pytrace=False,
        )
    asked.pop("pens", None)
    with _served(needlework_command, None, asked) as (pen,):
        yield pen


@pytest.fixture
def needlework_fleet(
    request: pytest.FixtureRequest, needlework_command: NeedleworkCommand
) -> Iterator[tuple[NeedleworkPen, ...]]:
    """Several simulated pens in one process: as many as ``needlework(pens=…)`` says, two by default."""
    asked = _asked(request.node)
    with _served(needlework_command, asked.pop("pens", DEFAULT_FLEET), asked) as pens:
        yield pens


@contextmanager
def _served(
    command: NeedleworkCommand, count: int | None, asked: Mapping[str, Any]
) -> Iterator[tuple[NeedleworkPen, ...]]:
    try:
        with command.pens(count, **asked) as pens:
            yield pens
    except NeedleworkError as error:
        _fail(error)


@pytest.fixture
def needlework_outcomes(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """What came of the scenarios of this test's marker: filled when its body begins."""
    outcomes: list[dict[str, Any]] = request.node.stash.setdefault(_OUTCOMES, [])
    return outcomes
