"""`needlework verify` and `export incident` as people use them: which anchor, which key, an exported file elsewhere."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from console.cli import app
from logger.journal.entry import Entry
from logger.store.store import Store
from tests.logger.test_checkpoints import KEY_ID
from tests.logger.test_incident import OURS, interleaved

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The command in this process, on a state directory of its own."""

    def call(*words: str) -> Result:
        done = CliRunner().invoke(app, [*words, "--state", str(tmp_path / "state")])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return call


@pytest.fixture
def entries() -> list[Entry]:
    """Two sessions on one station, with checkpoints."""
    return interleaved()


@pytest.fixture
def store(tmp_path: Path, entries: list[Entry]) -> Path:
    """A recorder's store of them."""
    made = Store.open(tmp_path / "store.db")
    made.append(entries, seen_utc_us=0)
    made.close()
    return tmp_path / "store.db"


def test_a_session_is_exported_and_verified_elsewhere_with_nothing_else(run: Run, store: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "incident.zip"
    made = run("export", "incident", OURS[:20], "-o", str(bundle), "--store", str(store))
    assert made.exit_code == 0, made.stderr
    assert "verify: intact to checkpoint" in made.stdout
    store.rename(tmp_path / "gone")
    elsewhere = shutil.copy(bundle, tmp_path / "elsewhere.zip")
    verified = run("verify", str(elsewhere))
    assert verified.exit_code == 0
    assert f"by the key {KEY_ID}" in verified.stdout
    code = json.loads(run("verify", str(elsewhere), "--json").stdout)[0]["code"]
    assert run("verify", str(elsewhere), "--anchor", code, "--key", KEY_ID).exit_code == 0
    assert run("verify", str(elsewhere), "--key", "0123456789abcdef").exit_code == 1
    raw = bytearray(bundle.read_bytes())
    raw[len(raw) // 2] ^= 4
    bundle.write_bytes(raw)
    assert run("verify", str(bundle)).exit_code in (1, 2)
    again = run("export", "incident", OURS, "-o", str(elsewhere), "--store", str(tmp_path / "gone"))
    assert (again.exit_code, "there already" in again.stderr) == (1, True)


def test_a_cut_store_is_found_by_a_printed_code_and_a_file_is_taken_for_what_it_is(run: Run, store: Path) -> None:
    code = json.loads(run("verify", str(store), "--json").stdout)[0]["code"]
    whole = run("verify", str(store), "--anchor", code)
    assert (whole.exit_code, "compared with the anchor of entry 16 (120 bits)" in whole.stdout) == (0, True)
    with sqlite3.connect(store) as connection:
        connection.execute("DELETE FROM entries WHERE sequence > 12")
    connection.close()
    alone = run("verify", str(store))
    assert (alone.exit_code, "a cut end would not show" in alone.stdout) == (0, True)
    cut = run("verify", str(store), "--anchor", code)
    assert (cut.exit_code, "its end was cut" in cut.stdout) == (1, True)


def test_what_cannot_be_checked_is_2_and_a_sentence(run: Run, store: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("nothing")
    for arguments in (
        (str(store), "--anchor", "12-AAAAA"),
        (str(store), "--key", "short"),
        (str(store), "--store", str(store)),
        (str(tmp_path / "text"),),
        (str(tmp_path / "absent"),),
    ):
        done = run("verify", *arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert len(re.findall(r"\.\s", done.stderr)) >= 2, done.stderr


def test_another_programs_file_is_no_damaged_journal(run: Run, tmp_path: Path) -> None:
    for name, content in (
        ("text", b"nothing of ours, though long enough"),
        ("x.pdf", b"%PDF-1.7 and so on, and so on"),
    ):
        (tmp_path / name).write_bytes(content)
        done = run("verify", str(tmp_path / name))
        assert done.exit_code == 2
        assert "is none of ours" in done.stderr
        assert "damaged" not in done.stderr
    (tmp_path / "zeros").write_bytes(bytes(8192))
    assert "none of ours" not in run("verify", str(tmp_path / "zeros")).stderr


def test_an_anchor_alone_brings_no_advice_about_a_store(run: Run, store: Path, entries: list[Entry]) -> None:
    cut = run("verify", str(store), "--anchor", f"{entries[-1].sequence + 5}:{'ab' * 8}")
    assert cut.exit_code == 1
    assert "Keep the file as it is, and what was noted of its anchor." in cut.stdout
    assert "Keep journal and store" not in cut.stdout
