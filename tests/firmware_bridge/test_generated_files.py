"""What is made from the message table is current, and the check notices when it is not."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unhurried

ROOT = Path(__file__).parent.parent.parent
CLAUSES = [
    *(f"W{number}" for number in range(1, 10)),
    "P",
    *(f"C{number}" for number in range(1, 8)),
    *(f"A{number}" for number in range(1, 5)),
    *(f"S{number}" for number in range(1, 5)),
    "D1",
    "T1",
    "T2",
    "F",
    "F1",
    *(f"R{number}" for number in range(1, 8)),
    *(f"V{number}" for number in range(1, 7)),
    *(f"M{number}" for number in range(1, 8)),
]


def generate(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(root / "docs" / "generate.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=15)


def test_generated_files_are_current() -> None:
    done = generate(ROOT, "--check")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the generator and of all it makes."""
    for folder in ("docs", "tests/vectors"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


@pytest.mark.parametrize("name", ["docs/protocol.md", "docs/c/needlework_wire.h", "tests/vectors/messages.json"])
def test_a_changed_and_a_missing_file_are_named_and_written_anew(copy: Path, name: str) -> None:
    path = copy / name
    original = path.read_bytes()
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    changed = generate(copy, "--check")
    assert (changed.returncode, changed.stdout.splitlines()[0]) == (1, f"{name} is not current")
    path.unlink()
    missing = generate(copy, "--check")
    assert (missing.returncode, missing.stdout.splitlines()[0]) == (1, f"{name} is missing")
    assert generate(copy).stdout.splitlines() == [f"wrote {name}"]
    assert path.read_bytes() == original


def test_a_vector_file_nothing_makes_is_named(copy: Path) -> None:
    (copy / "tests" / "vectors" / "old.json").write_text("{}", encoding="utf-8")
    done = generate(copy, "--check")
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "tests/vectors/old.json is made by nothing any more")


def test_an_unknown_argument_is_answered_with_the_usage() -> None:
    done = generate(ROOT, "--chekc")
    assert done.returncode == 2
    assert "--check" in done.stderr


def test_the_protocol_document_has_every_clause_once_and_no_gap() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert re.findall(r"^\*\*([A-Z]\d?)\*\* ", text, re.MULTILINE) == CLAUSES
    assert "<!-- insert" not in text
    assert "<!-- value" not in text
    headings = {
        re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-")
        for head in re.findall(r"^#+ (.*)", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings, "every link inside the page leads somewhere"
