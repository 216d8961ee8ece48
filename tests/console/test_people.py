"""`needlework account`, `needlework approve` and the password of `needlework treat`, as processes."""

import json
import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from console.cli import app
from tests.console.test_house import ENVIRONMENT, NEEDLEWORK, PREPARE, House, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

GOOD = "three words in a row"


@pytest.fixture
def password(tmp_path: Path) -> str:
    """A file with a password in it."""
    file = tmp_path / "password"
    file.write_text(GOOD + "\n", encoding="utf-8")
    return str(file)


def call(state: Path, *words: str, lines: str = "", code: int = 0) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [NEEDLEWORK, *words, "--state", str(state)],
        env=ENVIRONMENT, input=lines, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert GOOD not in done.stdout + done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done


def here(state: Path, *words: str, code: int = 0) -> Result:
    """The command in this process: the same, without the second a process takes to begin."""
    done = CliRunner().invoke(app, [*words, "--state", str(state)])
    assert done.exit_code == code, done.output
    assert GOOD not in done.output
    return done


def test_accounts_without_a_station(short_dir: Path, password: str) -> None:
    mine, new = ("--password-file", password), ("--new-password-file", password)
    assert "makes the first" in here(short_dir, "account", "list").output
    assert "is a manager's" in here(short_dir, "account", "add", "az-1", *new, code=1).output
    assert "no role 'wizard'" in here(short_dir, "account", "add", "az-1", "--role", "wizard", code=2).output
    here(short_dir, "account", "add", "boss", "--role", "manager", *new)
    assert "Nobody is signed in" in here(short_dir, "account", "list", code=1).output
    by = ("--as", "boss", *mine)
    added = here(short_dir, "account", "add", "az-1", *by, *new, "--json")
    assert json.loads(added.output) == {"account": "az-1", "done": "added"}
    assert "already" in here(short_dir, "account", "add", "az-1", *by, *new, code=1).output
    here(short_dir, "account", "disable", "az-1", *by)
    (one, _) = json.loads(here(short_dir, "account", "list", *by, "--json").output)
    assert (one["account"], one["state"]) == ("az-1", "disabled")
    here(short_dir, "account", "unlock", "az-1", *by)
    assert "az-1     operator  open" in here(short_dir, "account", "list", *by).output
    here(short_dir, "account", "password", "az-1", *mine, *new)
    assert "no account az-9" in here(short_dir, "account", "unlock", "az-9", *by, code=1).output


def test_a_password_is_never_asked_for_where_nobody_can_answer(short_dir: Path) -> None:
    told = here(short_dir, "account", "list", "--as", "boss", code=2).output
    assert "there is no terminal to ask for it at" in told
    assert "--password-file /dev/fd/3" in told


def test_nobody_types_a_password_for_nothing(short_dir: Path, password: str) -> None:
    here(short_dir, "account", "add", "boss", "--role", "manager", "--new-password-file", password)
    told = here(short_dir, "account", "add", "boss-2", "--role", "manager", code=1).output
    assert "--as ID" in told  # before a password is asked for, which there is no terminal for here
    gone = here(short_dir, "account", "list", "--as", "boss", "--password-file", str(short_dir / "gone"), code=2).output
    assert "gone cannot be read: no such file" in " ".join(gone.split())
    assert "--state" not in gone


def test_a_password_comes_from_a_descriptor(short_dir: Path) -> None:
    script = (
        f'"{NEEDLEWORK}" account add boss --role manager --state "{short_dir}" --new-password-file /dev/fd/3 3<<END'
    )
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{GOOD}\nEND\n"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "boss: added.\n"


def test_a_damaged_accounts_file_is_told_in_words(short_dir: Path) -> None:
    file = short_dir / "accounts.sqlite"
    file.write_bytes(b"not what it was " * 400)
    told = here(short_dir, "account", "list", code=1).output
    assert "cannot be used" in told
    assert file.read_bytes() == b"not what it was " * 400


@pytest.fixture
def house(short_dir: Path) -> Iterator[House]:
    """A demonstration's station on a simulated pen."""
    with running("run", "--state", str(short_dir), "--stop-port", "0", "--json") as process:
        yield House(process, short_dir)


def test_approvals_through_a_station(house: House) -> None:
    state = house.state
    of = ("approve", "--as", "demo-physician", "--patient", "P-4711", "--zone", "cheek", "--sessions", "4",
          "--until", "2099-12-31")  # fmt: skip
    said = call(state, *of, "--max", "1.25").stdout
    assert said == (
        "1.25 mm for cheek: approved by demo-physician for this course until 2099-12-31, 4 of 4 sessions left. "
        "This is a demonstration.\n"
    )
    told = json.loads(call(state, *of, "--max", "1.25", "--json").stdout)
    assert (told["approval"]["depth_max_um"], told["demo"]) == (1250, True)
    assert "beyond the hard limit" in call(state, *of, "--max", "2.4", code=1).stderr
    assert "never a name" in call(state, *of, "--max", "1", "--patient", "Jane Doe", code=2).stderr
    assert "--until" in call(state, *of, "--max", "1", "--until", "soon", code=2).stderr
    assert "no physician" in call(state, *of, "--max", "1", "--as", "demo-aesthetician", code=1).stderr


def test_accounts_through_a_station(house: House, password: str) -> None:
    state, new = house.state, ("--new-password-file", password)
    call(state, "account", "add", "boss", "--role", "manager", *new)
    by = ("--as", "boss", "--password-file", password)
    call(state, "account", "add", "az-1", *by, *new)
    wrong = Path(password).with_name("wrong")
    wrong.write_text("something else\n", encoding="utf-8")
    for _ in range(3):
        call(state, "account", "list", "--as", "az-1", "--password-file", str(wrong), code=1)
    failed = json.loads(call(state, "account", "list", *by, "--json").stdout)[0]
    assert (failed["account"], failed["failures"]) == ("az-1", 3)
    assert call(state, "stop").returncode == 0  # needs none of it

    words = ["az-1" if word == "demo-master-aesthetician" else word for word in PREPARE]
    assert "no terminal" in call(state, *words, lines="arm\n", code=2).stderr
    call(state, "account", "unlock", "az-1", *by)
    unknown = call(state, *words, "--password-file", password, lines="arm\n", code=1).stderr
    assert "no operator 'az-1' in the clinic's operators file" in unknown


def test_approving_needs_a_station(short_dir: Path) -> None:
    words = ("--as", "dr-lee", "--patient", "P-4711", "--zone", "cheek", "--max", "1", "--until", "2099-12-31")
    assert "No station runs" in call(short_dir, "approve", *words, code=3).stderr


def test_a_terminal_asks_without_showing_what_is_typed(short_dir: Path) -> None:
    pid, descriptor = pty.fork()
    if pid == 0:  # pragma: no cover  the child
        os.environ.update(ENVIRONMENT)
        words = [NEEDLEWORK, "account", "add", "boss", "--role", "manager", "--state", str(short_dir)]
        os.execv(NEEDLEWORK, words)
    seen = ""
    answers = [("New password of boss: ", GOOD), ("Again: ", GOOD)]
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(OSError):
            if select.select([descriptor], [], [], 0.2)[0]:
                seen += os.read(descriptor, 4096).decode()
        if answers and seen.endswith(answers[0][0]):
            os.write(descriptor, f"{answers.pop(0)[1]}\n".encode())
        if "boss: added." in seen:
            break
    ended = os.waitpid(pid, 0)[1]
    os.close(descriptor)
    assert os.waitstatus_to_exitcode(ended) == 0, seen
    assert GOOD not in seen
