"""`needlework simulator`, as processes see it: a pen served in one process, broken and read from others."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.exits import Code
from simulators.faults.catalogue import CATALOGUE

pytestmark = pytest.mark.system

NEEDLEWORK = str(Path(sys.executable).with_name("needlework"))
Run = Callable[..., subprocess.CompletedProcess[str]]


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEEDLEWORK_")}
    done = subprocess.run(
        [NEEDLEWORK, "simulator", *arguments], env=environment, capture_output=True, text=True, check=False, timeout=20
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The control socket of a pen that a process serves."""
    path = tmp_path_factory.mktemp("pen") / "control"
    pen = subprocess.Popen(
        [NEEDLEWORK, "simulate", "--tcp", ":0", "--control", str(path), "--seed", "1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert pen.stdout is not None
        ready = json.loads(pen.stdout.readline())
        assert (ready["ready"], ready["control"]) == ("pen", str(path))
        yield str(path)
    finally:
        pen.terminate()
        assert pen.wait(10) == 0
        if pen.stdout is not None:
            pen.stdout.close()
    assert not path.exists()


def data(done: subprocess.CompletedProcess[str]) -> dict:  # type: ignore[type-arg]
    assert done.returncode == Code.DONE, done.stderr
    found: dict = json.loads(done.stdout)  # type: ignore[type-arg]
    return found


def test_the_catalogue_is_printed_without_a_pen() -> None:
    done = call("faults")
    assert done.returncode == Code.DONE
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == list(CATALOGUE)
    assert len(data(call("faults", "--layer", "usb", "--json"))["faults"]) == 7


def test_a_fault_from_its_injection_to_its_end(control: str) -> None:
    done = call("inject", "warm", "temperature_c=55", "--control", control)
    assert done.stdout == "Injected warm temperature_c=55.\n"
    assert "injected        warm" in call("truth", "--control", control).stdout
    assert data(call("faults", "--control", control, "--json"))["active"][0]["fault"] == "warm"
    came = data(call("wait", "temperature_c>50", "injected=warm", "--control", control, "--json"))
    assert came["truth"]["injected"] == ["warm"]
    assert call("clear", "--control", control).stdout == "Cleared warm.\n"


def test_hands_and_what_is_mended_by_itself(control: str) -> None:
    assert call("clear", "warm", "--control", control).stdout == "Nothing was broken.\n"
    assert data(call("hand", "off_skin", "--zone", "chin", "--control", control, "--json"))["zone"] == "chin"
    assert data(call("inject", "line_delay", "direction=to_pen", "--for", "1", "--control", control, "--json")) == {
        "fault": "line_delay", "parameters": {"delay_ms": 80, "direction": "to_pen"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("faults", "--layer", "plnt"), Code.USAGE, "Nearest: plant"),
        (("inject", "motor_stal"), Code.NO, "Nearest: motor_stall"),
        (("inject", "line_delay", "delay=5"), Code.NO, "Nearest: delay_ms"),
        (("inject", "line_delay", "delay_ms=x"), Code.NO, "whole number"),
        (("inject", "line_delay", "delay_ms"), Code.USAGE, "Write NAME=VALUE"),
        (("inject", "line_delay", "delay_ms=5", "delay_ms=6"), Code.USAGE, "delay_ms is given twice"),
        (("inject", "host_stall"), Code.NO, "another process"),
        (("wait", "motor_driven=true", "--within", "30"), Code.NO, "Within 30 ms"),
        (("wait", "motr_driven=true"), Code.NO, "Nearest: motor_driven"),
        (("hand", "on_skn"), Code.NO, "Nearest: on_skin"),
        (("hand", "on_skin", "--zone", "chek"), Code.NO, "Nearest: cheek"),
        (("hand", "button", "--hours", "2"), Code.NO, "button takes held_ms, not hours"),
        (("hand", "age", "--hours", "10001"), Code.NO, "hours is a whole number from 0 to 10000"),
        (("clear", "motor_stal"), Code.NO, "Nearest: motor_stall"),
    ],
)
def test_what_cannot_be_done_is_said(control: str, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = call(*arguments, "--control", control)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def test_where_no_pen_answers_the_code_is_3(tmp_path: Path) -> None:
    done = call("truth", "--control", str(tmp_path / "nobody"))
    assert done.returncode == Code.NO_STATION
    assert "needlework simulate --control" in done.stderr
    done = call("truth", "--control", str(tmp_path / "nobody"), "--json")
    assert json.loads(done.stderr)["code"] == "no_control"
