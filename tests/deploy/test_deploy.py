"""The files an installation copies onto a machine: the systemd unit and the udev rule."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from console.cli import app
from station.process.exits import WORTH_RESTARTING, Exit
from station.settings import StationSettings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNIT = DEPLOY / "needlework.service"
RULES = DEPLOY / "70-needlework.rules"

SETTINGS_OF_UDEV = {"MODE", "GROUP", "TAG", "ENV", "ATTR", "SYMLINK", "GOTO", "LABEL"}
MATCHES_OF_UDEV = {"ACTION", "SUBSYSTEM", "ENV", "ATTR", "ATTRS", "TEST"}


def unit_values(name: str) -> list[str]:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.partition("=")[0] == name]


@pytest.mark.system
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """`systemd-analyze verify` warns of unknown keys and values too; any word of it is a failure."""
    installed = tmp_path / UNIT.name
    true = shutil.which("true")
    assert true is not None
    installed.write_text(
        UNIT.read_text(encoding="utf-8").replace("/opt/needlework/bin/needlework", true), encoding="utf-8"
    )
    done = subprocess.run(["systemd-analyze", "verify", installed], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, said) == (0, []), done.stderr


def test_the_unit_starts_a_command_that_exists() -> None:
    (start,) = unit_values("ExecStart")
    command, *arguments = start.split()
    assert command == "/opt/needlework/bin/needlework"
    assert arguments[0] in get_command(app).commands
    assert len(arguments) == 1


def test_the_units_environment_names_settings_that_exist() -> None:
    names = {value.partition("=")[0] for value in unit_values("Environment")}
    assert names
    for name in names:
        assert name.removeprefix("NEEDLEWORK_").lower() in StationSettings.model_fields, name


def test_the_unit_restarts_what_is_worth_restarting() -> None:
    (prevented,) = unit_values("RestartPreventExitStatus")
    assert {int(code) for code in prevented.split()} == set(Exit) - WORTH_RESTARTING - {Exit.ORDERLY}


def test_the_unit_lets_a_pen_be_plugged_in_and_stopped() -> None:
    """What hardening must not take away: serial ports, the priority asked for, time to bring needles out."""
    assert {value.split()[0] for value in unit_values("DeviceAllow")} >= {"char-ttyACM", "char-ttyUSB", "char-pts"}
    assert unit_values("LimitNICE") == ["-10"]
    assert unit_values("KillMode") == ["mixed"]
    assert not unit_values("PrivateNetwork")
    assert not unit_values("PrivateDevices")
    assert unit_values("User") == ["needlework"]


def rules() -> list[list[tuple[str, str, str]]]:
    """Every rule as (key, operator, value); raises where a line is no rule."""
    found = []
    for line in RULES.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        parts = re.findall(r'\s*([A-Z]+(?:\{[^}]*\})?)\s*(==|!=|\+=|:=|=)\s*"([^"]*)"\s*(?:,|$)', line)
        rest = re.sub(r'\s*([A-Z]+(?:\{[^}]*\})?)\s*(==|!=|\+=|:=|=)\s*"([^"]*)"\s*(?:,|$)', "", line)
        assert parts, line
        assert not rest.strip(), f"not understood: {rest!r}"
        found.append(parts)
    return found


def test_the_udev_rule_is_made_of_keys_that_udev_knows() -> None:
    for rule in rules():
        for key, operator, _ in rule:
            known = MATCHES_OF_UDEV if operator in {"==", "!="} else SETTINGS_OF_UDEV
            assert key.partition("{")[0] in known, rule


def test_the_udev_rule_gives_access_keeps_awake_and_sends_modemmanager_away() -> None:
    every = {(key, operator, value) for rule in rules() for key, operator, value in rule}
    assert {
        ("ATTR{power/control}", "=", "on"),
        ("ENV{ID_MM_DEVICE_IGNORE}", "=", "1"),
        ("GROUP", "=", "dialout"),
        ("GROUP", "=", "plugdev"),
        ("TAG", "+=", "uaccess"),
    } <= every


def test_every_jump_in_the_udev_rule_lands_and_every_setting_is_for_pens_alone() -> None:
    labels = {value for rule in rules() for key, _, value in rule if key == "LABEL"}
    for rule in rules():
        assert {value for key, _, value in rule if key == "GOTO"} <= labels
        sets = {key for key, operator, _ in rule if operator not in {"==", "!="}} - {"GOTO", "LABEL"}
        matches = {key for key, operator, _ in rule if operator == "=="}
        assert not sets or any("idVendor" in key for key in matches), rule


def test_the_udev_rules_number_comes_before_access_is_given_to_the_seat() -> None:
    assert int(RULES.name.partition("-")[0]) < 73
