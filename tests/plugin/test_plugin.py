"""The pytest plugin, used as a stranger does: in their repository, in a process of their pytest.

Their folders are called simulators, controller and logger, they lie in the working directory and on PYTHONPATH, and the
command must not see them. What the plugin brings into an environment is for `tests/plugin/test_page.py`.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import psutil
import pytest

from tests.plugin.strangers import settle

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("needlework")

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]


def environment(folder: Path) -> dict[str, str]:
    """A stranger's: nothing of ours but the plugin, and their own folders on the path."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT / 'plugin'}", "PYTHONDONTWRITEBYTECODE": "1"}


def command(folder: Path, *arguments: str | Path) -> list[str]:
    """Their pytest, without what this suite's environment would load into it."""
    plugins = [word for name in ("pytest_needlework", "xdist") for word in ("-p", name)]
    return [sys.executable, "-m", "pytest", *plugins, "-q", "-ra", "-p", "no:cacheprovider", *map(str, arguments)]


def theirs(folder: Path, *arguments: str | Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Their pytest's outcome."""
    return subprocess.run(
        command(folder, *arguments),
        cwd=folder,
        env=environment(folder) | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return settle(tmp_path_factory.mktemp("strangers") / "repository")


def pens_of(folder: Path) -> set[int]:
    """Processes of pens on whose leash somebody in this folder is, or was: their environment has it."""
    found = set()
    for process in psutil.process_iter(["cmdline"]):
        try:
            if "--leash" in (process.info["cmdline"] or []) and process.environ().get("STRANGER") == str(folder):
                found.add(process.pid)
        except psutil.Error:
            continue
    return found


def come(true: Callable[[], object], within_s: float = 10.0) -> bool:
    until = time.monotonic() + within_s
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_a_strangers_tests_pass(strangers: Path, workers: tuple[str, ...], tmp_path: Path) -> None:
    """Also where the temporary folder is too deep for a socket's path."""
    junit, deep = tmp_path / "junit.xml", tmp_path / ("deep" * 20)
    deep.mkdir()
    done = theirs(
        strangers,
        "test_pens.py",
        "--needlework",
        COMMAND,
        f"--junit-xml={junit}",
        *workers,
        STRANGER=str(tmp_path),
        TMPDIR=str(deep),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    suite = ET.parse(junit).getroot()[0]
    assert int(suite.attrib["tests"]) == 15
    assert not pens_of(tmp_path)


def test_what_is_wrong_is_said_and_the_next_test_goes_on(strangers: Path, tmp_path: Path) -> None:
    done = theirs(strangers, "test_wrong.py", "--needlework", COMMAND, STRANGER=str(tmp_path))
    assert "2 failed, 2 passed, 8 errors" in done.stdout, done.stdout
    assert "the body does not run" not in done.stdout
    for words in (
        "stranger-fails does not hold: The motor runs",
        "fails.yaml:12",
        "expected: the alarm stall",
        "mistyped.yaml",
        "rate_hz",
        "The marker needlework has no 'sed'. Nearest: seed.",
        "motor_stall",
        "There is no simulated pen called 'NW-9'",
        "No pen was started",
        "--pens",
        "ended by itself with -9 during the test",
        "says pens=3, and needlework_pen is one pen. Take needlework_fleet",
        "faults has ('line_delay', 3) in it, which is no fault",
    ):
        assert words in done.stdout, (words, done.stdout)
    assert "TypeError" not in done.stdout
    assert not pens_of(tmp_path)


def one_test(folder: Path, body: str = "pass") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "test_one.py").write_text(f"import time\ndef test_one(needlework_pen):\n    {body}\n")
    return folder


def fake(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ('case "$1" in --version) echo needlework 0.0.9;; *) echo "No such option: --control" >&2; exit 2;; esac',
         ("needlework 0.0.9", "simulate --control --leash", "No such option: --control", "from the same sources")),
        ('echo \'{"ready": "pen", "pty": "/dev/pts/9", "tcp": null}\'', ("ready line", "from the same sources")),
        ("echo hello; sleep 9", ("is not the command of Needlework", "b'hello'", "--needlework PATH")),
        ("echo no room on the disk >&2; exit 1", ("No pen was started", "no room on the disk")),
    ],
    ids=["too old", "of another time", "something else", "in trouble"],
)  # fmt: skip
def test_a_command_that_gives_no_pen_is_told_of_in_words(tmp_path: Path, script: str, words: tuple[str, ...]) -> None:
    done = theirs(one_test(tmp_path), "--needlework", fake(tmp_path / "needlework", script))
    assert done.returncode == 1
    for word in words:
        assert word in done.stdout, (word, done.stdout)
    assert "Traceback" not in done.stdout


def test_a_command_that_is_missing(tmp_path: Path) -> None:
    bare = {"HOME": str(tmp_path), "PATH": "/nonexistent"}
    code = f"""
import sys, sysconfig
from pathlib import Path
import pytest_needlework as plugin
sys.executable = "/nonexistent/python"
sysconfig.get_path = lambda _: "/nonexistent"
try:
    print(plugin.find_command(None, {bare!r}, "", Path({str(tmp_path)!r})))
except plugin.NeedleworkError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "was not found" in done.stdout
    assert "--needlework PATH" in done.stdout


def found(tmp_path: Path, **given: str) -> "subprocess.CompletedProcess[str]":
    """What the plugin finds, as a test of theirs sees it."""
    (tmp_path / "test_it.py").write_text(
        "def test_it(needlework_command):\n    print(needlework_command.path, '|', needlework_command.found)\n"
    )
    option = given.pop("option", None)
    return theirs(tmp_path, "-rP", *(["--needlework", option] if option else []), **given)


def test_where_the_command_is_looked_for(tmp_path: Path) -> None:
    """Named by an option, a variable or a setting, in this order, as a file or as its environment; else looked for."""
    one, other, third = (fake(tmp_path / name / "bin" / "needlework", "exit 1") for name in "abc")
    assert f"{one} | named by --needlework" in found(tmp_path, option=str(one), NEEDLEWORK_COMMAND=str(other)).stdout
    assert f"{other} | named by the variable" in found(tmp_path, NEEDLEWORK_COMMAND=str(other.parents[1])).stdout
    (tmp_path / "pytest.ini").write_text("[pytest]\nneedlework_command = c\n")
    assert f"{third} | named by the setting" in found(tmp_path).stdout
    (tmp_path / "pytest.ini").unlink()
    assert f"{COMMAND} | found beside this Python" in found(tmp_path).stdout
    wrong = found(tmp_path, option=str(tmp_path / "nowhere"))
    assert "--needlework names" in wrong.stdout
    assert wrong.returncode == 1


def test_a_pen_ends_with_pytest_however_that_ends(tmp_path: Path) -> None:
    one_test(
        tmp_path, "print('\\nserved', needlework_pen.pid, needlework_pen.control.path, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        command(tmp_path, "-s", "--needlework", COMMAND),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        served = next(line for line in process.stdout if line.startswith("served"))
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    _, pid, control = served.split()
    assert come(lambda: not psutil.pid_exists(int(pid)))
    assert come(lambda: not Path(control).exists())
