"""The check that docs/record.md gives in a few lines of its own, run on a bundle: it knows nothing of the product."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from logger.incident.making import make_bundle
from logger.store.store import Store
from tests.logger.test_checkpoints import KEY_ID, OTHER, rewritten
from tests.logger.test_incident import OURS, Lines, forged, interleaved

PAGE = Path(__file__).resolve().parents[2] / "docs" / "record.md"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program on the page."""
    text = PAGE.read_text(encoding="utf-8").split("```python\n", 1)[1].split("```", 1)[0]
    assert "logger" not in text
    assert len([line for line in text.splitlines() if line.strip()]) <= 32
    path = tmp_path / "check.py"
    path.write_text(text, encoding="utf-8")
    return path


def bundle_of(tmp_path: Path, name: str, rewritten_by_another: bool = False) -> Path:
    entries = interleaved()
    store = Store.open(tmp_path / f"{name}.db")
    store.append(rewritten(entries, 8, OTHER) if rewritten_by_another else entries, seen_utc_us=0)
    path = make_bundle(store, OURS, tmp_path / name, made_by="a test").path
    store.close()
    return path


def checked(program: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(program), str(bundle)], capture_output=True, text=True, check=False, timeout=15
    )


def test_the_program_on_the_page_finds_a_bundle_intact(program: Path, tmp_path: Path) -> None:
    done = checked(program, bundle_of(tmp_path, "whole.zip"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"intact, signed up to entry 16 by {KEY_ID}\n"


def test_it_finds_a_changed_line_one_taken_out_and_a_chain_that_others_signed(program: Path, tmp_path: Path) -> None:
    whole = bundle_of(tmp_path, "whole.zip")
    with zipfile.ZipFile(whole) as file:
        lines = [json.loads(line) for line in file.read("entries.jsonl").splitlines()]
    shown = next(at for at, line in enumerate(lines) if line.get("session") == OURS)
    changes: tuple[Callable[[Lines], Lines], ...] = (
        lambda lines: [*lines[:shown], {**lines[shown], "monotonic_ms": 1}, *lines[shown + 1 :]],
        lambda lines: lines[:shown] + lines[shown + 1 :],
    )
    for change in changes:
        assert checked(program, forged(whole, change)).returncode == 1
    assert checked(program, bundle_of(tmp_path, "rewritten.zip", rewritten_by_another=True)).returncode == 1
