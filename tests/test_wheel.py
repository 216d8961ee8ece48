"""What is shipped: built here without a network, and looked into; `.ci/run` also installs it into an empty place."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.unhurried

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"firmware_bridge", "controller", "logger", "station", "simulators", "proving", "console"}
BUILT_FROM = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile", "constraints.txt")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and source archive, the wheel made from the archive: so the archive is whole."""
    place = tmp_path_factory.mktemp("sources")
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, place)
    for package in PACKAGES | {"docs", "deploy", "plugin"}:
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(place / "dist"), str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "dist"


@pytest.mark.system
def test_the_wheel_brings_the_seven_names_and_the_command(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        record = archive.read(f"{info}/RECORD").decode().splitlines()
        commands = archive.read(f"{info}/entry_points.txt").decode()
    tops = {line.split("/")[0] for line in record}
    assert tops == PACKAGES | {info}
    assert "needlework = console.cli:main" in commands


@pytest.mark.system
def test_the_wheel_carries_everything_the_packages_hold(built: Path) -> None:
    """A data file left out of the wheel shows only on somebody else's machine."""
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    there = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert there <= carried


@pytest.mark.system
def test_the_source_archive_carries_licence_and_documents(built: Path) -> None:
    (archive_path,) = built.glob("*.tar.gz")
    with tarfile.open(archive_path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "constraints.txt", "docs/decisions/README.md"} <= names
