"""Which tests exist, and what came of them in the last whole run on this very state of the sources."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = "needlework-test-results/1"
TREE = (
    "firmware_bridge", "controller", "logger", "station", "console", "simulators", "proving", "tests", "pyproject.toml",
    "constraints.txt",
)  # fmt: skip
COLLECT_S = 120


class EvidenceError(Exception):
    """There is no evidence to look at; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How often a test function passed, failed and was skipped, over all its parameters."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def trouble(self) -> str:
        """Why this is no proof; empty when it is one."""
        if self.failed:
            return "failed"
        return "" if self.passed else "was skipped"


@dataclass(frozen=True, slots=True)
class Results:
    """What came of each test function in one run, and of which state of the sources."""

    tree: str
    tests: dict[str, Outcome]

    def dump(self) -> str:
        """As a file."""
        tests = {
            name: {"passed": one.passed, "failed": one.failed, "skipped": one.skipped}
            for name, one in sorted(self.tests.items())
        }
        return json.dumps({"format": FORMAT, "tree": self.tree, "tests": tests}, indent=1) + "\n"


def function_of(node: str) -> str:
    """A node id without its parameters."""
    return node.partition("[")[0]


def read_results(path: Path) -> Results:
    """The results in a file. Raises EvidenceError."""
    try:
        kept: Any = json.loads(path.read_text(encoding="utf-8"))
        if kept["format"] != FORMAT:
            raise EvidenceError(f"{path} has the format {kept['format']!r}, not {FORMAT!r}. Run `make test` again.")
        return Results(kept["tree"], {name: Outcome(**counts) for name, counts in kept["tests"].items()})
    except FileNotFoundError as error:
        raise EvidenceError(f"{path} is not there: no whole run of the tests is known. Run `make test`.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(f"{path} cannot be read as results ({error!r}). Run `make test` again.") from error


def tree_digest(root: Path) -> str:
    """SHA-256 over the names and contents of everything that runs or is run by the tests."""
    digest = hashlib.sha256()
    for file in _files(root):
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    for name in TREE:
        place = root / name
        found = [place] if place.is_file() else sorted(place.rglob("*"))
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts)


def collected_tests(root: Path) -> frozenset[str]:
    """Every test function pytest finds in the tree. Raises EvidenceError."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests"]
    try:
        done = subprocess.run(  # noqa: S603 - the tests' own runner, with arguments of our own
            command, cwd=root, capture_output=True, text=True, check=False, timeout=COLLECT_S
        )
    except subprocess.TimeoutExpired as error:
        raise EvidenceError(f"pytest did not list the tests within {COLLECT_S} s. Nothing was checked.") from error
    found = frozenset(function_of(line) for line in done.stdout.splitlines() if line.startswith("tests/"))
    if done.returncode or not found:
        said = (done.stdout + done.stderr).strip().splitlines()[-5:]
        raise EvidenceError("pytest could not list the tests, so nothing was checked:\n" + "\n".join(said))
    return found
