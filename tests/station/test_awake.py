"""What is asked of the system: priority, and staying awake. A program of its name plays the system."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from station.monitoring.doctor import WANTED_NICE
from station.process import awake
from station.process.awake import SleepInhibitor

AGREES = 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"'
REFUSES = "echo 'Failed to inhibit: Access denied' >&2; exit 1"
HANGS = "exec sleep 30"


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``systemd-inhibit`` of our own goes before the system's; the returned file is what it does."""
    program = tmp_path / "systemd-inhibit"
    program.touch(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return program


async def test_the_computer_is_kept_awake_until_released(system: Path) -> None:
    system.write_text(f"#!/bin/sh\n{AGREES}\n")
    inhibitor = SleepInhibitor()
    await inhibitor.hold()
    await inhibitor.hold()
    assert inhibitor.held
    assert inhibitor.caveat == ""
    await inhibitor.release()
    assert not inhibitor.held
    await inhibitor.release()


@pytest.mark.parametrize("does", [REFUSES, HANGS])
async def test_a_refusal_is_said(system: Path, does: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awake, "START_S", 0.2)
    system.write_text(f"#!/bin/sh\n{does}\n")
    inhibitor = SleepInhibitor()
    await inhibitor.hold()
    assert not inhibitor.held
    assert "switch off automatic sleep" in inhibitor.caveat


async def test_a_system_that_knows_no_such_thing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    inhibitor = SleepInhibitor()
    await inhibitor.hold()
    assert "no known way" in inhibitor.caveat


def test_priority_is_granted_or_its_refusal_is_said() -> None:
    program = "import os; from station.process.awake import take_priority; print(len(take_priority()), os.nice(0))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    refusals, nice = (int(word) for word in said.split())
    assert (refusals, nice) == (0, WANTED_NICE) or (refusals == 1 and nice > WANTED_NICE)
