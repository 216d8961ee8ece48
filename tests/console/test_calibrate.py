"""`needlework calibrate` as a process, on a simulated pen with instruments: killed, gone on with, to its end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from console.actions.calibrating_files import read_files
from console.trouble import ConsoleError
from controller.calibration.readings import ReadingRefused
from controller.calibration.series import Setups
from logger.journal.reader import JournalReader
from station.people.accounts import Accounts
from station.settings import StationSettings
from tests.controller.calibration.bench import depth, rate, series
from tests.station.calibrating import quick_policy

PASSWORD = "a bench of her own 1"
SETUPS = Setups(depth(), rate())


@pytest.fixture
def stand(short_dir: Path) -> Iterator[dict[str, Any]]:
    """A simulated pen out of tolerance, and its instruments, as a process; what its line of JSON says."""
    command = [sys.executable, "-m", "console.cli", "simulate", "--leash", "--model", "NW-2", "--zone", "air",
               "--seed", "3", "--untruth", "gain=1.04,offset_mm=0.08", "--gauge", "--tachometer",
               "--link", str(short_dir / "pen")]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.terminate()


_ONE_WAY = {r"directions: \[up, down\]": "directions: [up]"}


class Desk:
    """A technician's state directory, and the command at it."""

    def __init__(self, place: Path, stand: dict[str, Any], *, quick: bool = False) -> None:
        """``quick``: depth is read at the pen, from one side; the other series come out of files. What is read under
        the load always does: nobody is there to put it on."""
        policy = quick_policy(place, **(_ONE_WAY if quick else {}))
        self.settings = StationSettings(state_dir=place / "state", stop_port=0)
        self.settings.state_dir.mkdir(mode=0o700)
        accounts = Accounts(self.settings.accounts_path, hasher=PasswordHasher(1, 8, 1))
        accounts.add("boss-1", "manager", PASSWORD, 0)
        accounts.add("tech-1", "technician", PASSWORD, 0)
        accounts.close()
        (place / "password").write_text(PASSWORD)
        self.environment = {
            **os.environ, "NEEDLEWORK_STOP_PORT": "0", "NEEDLEWORK_CALIBRATION": str(policy),
        }  # fmt: skip
        self.arguments = [
            "calibrate", "--pen", stand["url"], "--gauge", stand["gauge_url"], "--tachometer", stand["tachometer_url"],
            "--as", "tech-1", "--password-file", str(place / "password"), "--state", str(self.settings.state_dir),
            "--temperature", "21.8", "--humidity", "41", "--yes", "--adjust", "yes", "--json", "-o", str(place / "out"),
        ]  # fmt: skip

        for name, points, error_mhz in (("rate", (80, 100, 120), 10), ("load", (80,), -900)):
            if name == "rate" and not quick:
                continue
            rows = [f"{point},up,{repeat},{point},{point + error_mhz / 1000}" for repeat in (1, 2) for point in points]
            (place / f"{name}.csv").write_text("\n".join(["set_hz,direction,repeat,shown_hz,reference_hz", *rows]))
            for series_of in (name, f"as_left.{name}"):
                self.arguments += ["--readings", f"{series_of}={place / name}.csv"]

    def run(self, killed_at: Any = lambda _told: False) -> tuple[list[dict[str, Any]], int]:
        """Every line it says, and its exit code; kill -9 at the line that is meant."""
        lines = []
        command = [sys.executable, "-m", "console.cli", *self.arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=self.environment, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(json.loads(line))
                if killed_at(lines[-1]):
                    process.send_signal(signal.SIGKILL)
                    break
            code = process.wait()
        return lines, code

    def recorded(self, kind: str) -> list[dict[str, Any]]:
        reader = JournalReader(self.settings.journal_path)
        try:
            return [json.loads(entry.body) for entry in reader.entries_of((kind,))]
        finally:
            reader.close()


STEPS = ("quarantine", "decide", "adjust", "calibrate", "issue", "put_in_force")


@pytest.mark.soak
@pytest.mark.system
@pytest.mark.timeout(900)
def test_killed_at_every_step_and_many_readings_it_comes_to_one_certificate(
    stand: dict[str, Any], short_dir: Path
) -> None:
    desk = Desk(short_dir, stand)
    for step in STEPS:
        lines, code = desk.run(lambda told, step=step: told["type"] == "step" and told["name"] == step)
        assert code == -signal.SIGKILL, lines[-1]
    lines, code = desk.run()
    assert code == 0
    _one_of_each(desk, lines)


@pytest.mark.system
@pytest.mark.timeout(90)
def test_killed_in_a_series_it_goes_on_and_ends_with_a_certificate(stand: dict[str, Any], short_dir: Path) -> None:
    desk = Desk(short_dir, stand, quick=True)
    first, code = desk.run(lambda told: told["type"] == "reading" and told["line"] == 3)
    assert code == -signal.SIGKILL
    lines, code = desk.run()
    assert code == 0, lines[-1]
    (resumed,) = [line for line in lines if line["type"] == "resumed"]
    assert resumed["readings"] == 3
    kinds = [(line["stage"], line["what"], line["line"]) for line in lines if line["type"] == "reading"]
    assert kinds[0] == ("as_found", "depth", 4)
    assert first[-1]["line"] == 3
    _one_of_each(desk, lines)
    issued = lines[-1]
    assert (issued["as_found_in_tolerance"], issued["as_left_in_tolerance"]) == (False, True)
    for file in issued["files"].values():
        assert Path(file).is_file()
    assert not list((desk.settings.state_dir / "calibrating").iterdir())


def _one_of_each(desk: Desk, lines: list[dict[str, Any]]) -> None:
    (certificate,) = desk.recorded("certificate_issued")
    assert certificate["number"] == lines[-1]["number"]
    (quarantine,) = desk.recorded("pen_quarantined")
    assert quarantine["certificate"] == certificate["number"]
    for kind in ("adjustment_written", "calibration_written"):
        assert len({json.dumps(one, sort_keys=True) for one in desk.recorded(kind)}) == 1, kind


def _written(place: Path, error_um: int = 0, unit: int = 1) -> str:
    readings = series(SETUPS.plan("depth"), lambda *_: error_um)
    rows = [
        f"{SETUPS.plan('depth').points[each.point]},{each.direction},{each.repeat + 1},{each.shown},"
        f"{each.reference // unit}"
        for each in readings
    ]
    (place / "depth.csv").write_text("\n".join(["set_um,direction,repeat,shown_um,reference_um", *rows]) + "\n")
    return f"depth={place / 'depth.csv'}"


def test_a_series_from_a_file(tmp_path: Path) -> None:
    found = read_files([_written(tmp_path, 12)], SETUPS)
    assert {each.reference - each.shown for each in found["as_found", "depth"]} == {12}


@pytest.mark.parametrize("named", ["depth.csv", "deep=x.csv", "as_lost.depth=x.csv", "depth="])
def test_what_names_no_series_is_refused(named: str) -> None:
    with pytest.raises(ConsoleError, match="names no series"):
        read_files([named], SETUPS)


def test_a_bad_file_is_refused_by_its_name_and_line(tmp_path: Path) -> None:
    with pytest.raises(ReadingRefused, match=r"line \d+: .*depth\.csv: .*inches"):
        read_files([_written(tmp_path, unit=25)], SETUPS)
