"""`docs/ci.md`, followed to the letter: in an empty folder, with fresh environments, without rights where that can be.

Both wheels are built from the sources as `make wheel` builds them. Packages come from where pip finds them.
"""

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugin.strangers import PAGE

pytestmark = pytest.mark.unhurried

ROOT = Path(__file__).resolve().parents[2]
BUILT_FROM = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile", "constraints.txt")
NOBODY = "nobody"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[str, str]]:
    """The page's blocks in order: ("sh", commands), or a file's name and its text. `make wheel` is done already."""
    found = []
    for language, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        name, _, rest = text.partition("\n")
        if language != "sh":
            found.append((name.removeprefix("# "), rest))
        elif text != "make wheel\n":
            found.append(("sh", text))
    return found


def commands() -> list[str]:
    return [line for kind, text in steps() if kind == "sh" for line in text.splitlines()]


def built(place: Path, into: Path) -> None:
    """Wheels of the product and of the plugin."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, place)
    for package in (*packages["packages"], "plugin"):
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    for project in (place, place / "plugin"):
        command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(into), str(project)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    shutil.copy(ROOT / "constraints.txt", into)


@pytest.fixture
def empty() -> Iterator[Path]:
    """A folder that anybody can reach; the suite's own is its owner's alone."""
    place = Path(tempfile.mkdtemp(prefix="pens-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def ordinary_user(place: Path) -> list[str]:
    """How a command becomes that of somebody without rights; nothing where nobody can, or their Python is root's."""
    python = Path(shutil.which("python3") or sys.executable).resolve()
    reachable = all(folder.stat().st_mode & 0o001 for folder in python.parents)
    if os.geteuid() != 0 or not reachable or shutil.which("setpriv") is None:
        return []
    user = pwd.getpwnam(NOBODY)
    for file in [place, *place.rglob("*")]:
        os.chown(file, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


@pytest.mark.system
@pytest.mark.timeout(400)
def test_the_page_leads_from_nothing_to_a_job(tmp_path: Path, empty: Path) -> None:
    yours, home = empty / "yours", empty / "home"
    for folder in (yours / "wheels", home):
        folder.mkdir(parents=True)
    built(tmp_path, yours / "wheels")
    told = Path("~/.config/pip/pip.conf").expanduser()  # where this user's pip was told to find packages, if it was
    if told.exists():
        (home / ".config" / "pip").mkdir(parents=True)
        shutil.copy(told, home / ".config" / "pip" / "pip.conf")
    become = ordinary_user(empty)
    environment = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "SSL_", "LANG"))}
    environment |= {"PIP_NO_COMPILE": "1"}  # half a minute of a small machine; what is imported is compiled then
    environment |= {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": "/tmp", "PYTHONPATH": str(yours)}
    ran: list[str] = []
    for kind, text in steps():
        if kind != "sh":
            (yours / kind).parent.mkdir(parents=True, exist_ok=True)
            (yours / kind).write_text(text, encoding="utf-8")
            continue
        for line in text.splitlines():
            done = subprocess.run(
                [*become, "bash", "-c", line], cwd=yours, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            ran.append(f"{line}\n{done.stdout}")
            if "pytest" in line and "install" not in line:
                assert re.search(r"[1-9]\d* passed", done.stdout), done.stdout
    assert (yours / "junit.xml").exists()
    assert "6 passed" in ran[-1], ran[-1]
    names = {file.name for file in (yours / ".venv").glob("lib/*/site-packages/*")}
    assert "pytest_needlework.py" in names
    assert not names & {"controller", "logger", "simulators", "console"}


def test_the_job_says_the_same_as_the_page() -> None:
    (job,) = (text for kind, text in steps() if kind.endswith(".yml"))
    lines = re.findall(r"- run: (.*)", job)
    assert len(lines) >= 5
    assert set(lines) <= set(commands())


def test_the_page_names_everything_that_the_plugin_has() -> None:
    page, plugin = PAGE.read_text(encoding="utf-8"), (ROOT / "plugin" / "pytest_needlework.py").read_text()
    fixtures = re.findall(r"@pytest\.fixture.*\ndef (\w+)", plugin)
    assert len(fixtures) == 4
    control = plugin[plugin.index("class NeedleworkControl") : plugin.index("class NeedleworkPen")]
    for name in (
        *fixtures,
        *re.findall(r"    def ([a-z]\w+)\(self", control),
        "NEEDLEWORK_COMMAND",
        "needlework_command",
    ):
        assert f"`{name}" in page, name


def test_the_plugin_is_one_file_that_imports_nothing_of_the_product(tmp_path: Path) -> None:
    source = (ROOT / "plugin" / "pytest_needlework.py").read_text()
    imported = set(re.findall(r"^(?:from|import) (\w+)", source, re.MULTILINE))
    assert imported - set(sys.stdlib_module_names) == {"pytest"}
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--wheel",
        "--outdir",
        str(tmp_path),
        str(ROOT / "plugin"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (points,) = (name for name in names if name.endswith("entry_points.txt"))
        assert "needlework = pytest_needlework" in archive.read(points).decode()
    assert [name for name in names if ".dist-info/" not in name] == ["pytest_needlework.py"]
    assert (ROOT / "plugin" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
