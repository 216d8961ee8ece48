"""`needlework report session|course`: which session, where the file goes, and what is said when it cannot be made."""

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.actions.report_files import course, session
from console.report_app import report_app
from console.trouble import ConsoleError
from logger.anchors import read_anchor
from logger.entry import Entry
from logger.errors import RecordDamaged
from logger.report import Heading, read_session, session_report
from logger.store import Store
from logger.verify import verify_store
from proving.recorded import treatment
from station.settings import StationSettings
from tests.logger.making import sql

FIRST, SECOND = "20260101T090000-0000beef", "20260201T090000-0000beef"


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    """A minute in one zone."""
    return treatment(1, session=FIRST, zones=("cheek",), eventful=False)


@pytest.fixture
def kept(tmp_path: Path, entries: list[Entry]) -> Path:
    """A recorder's store with it."""
    path = tmp_path / "record.sqlite"
    store = Store.open(path)
    store.append(entries, seen_utc_us=1)
    store.close()
    return path


@pytest.fixture
def settings(tmp_path: Path) -> StationSettings:
    """A station of which nothing but its name matters."""
    return StationSettings(site="clinic-1", state_dir=tmp_path, paper="letter")


def test_the_newest_session_goes_where_it_is_told(
    settings: StationSettings, kept: Path, tmp_path: Path, entries: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "new folder" / "visit.pdf"
    how = {"paper": None, "journal": None, "store": str(kept), "as_json": True}
    assert session(settings, "last", output=into, **how) == 0
    told = json.loads(capsys.readouterr().out)
    made = into.read_bytes()
    assert told == {"file": str(into), "bytes": len(made), "sha256": hashlib.sha256(made).hexdigest()}
    assert made == session_report(read_session(entries), Heading(site="clinic-1", paper="letter"))
    assert session(settings, FIRST[:12], output=into, **{**how, "paper": "a4"}) == 0
    assert into.read_bytes() != made
    assert [path.name for path in into.parent.iterdir()] == ["visit.pdf"], "nothing is left beside it"


def test_a_record_that_was_changed_gives_no_paper(settings: StationSettings, kept: Path, tmp_path: Path) -> None:
    sql(kept, "UPDATE entries SET utc_us = utc_us + 1 WHERE sequence = 7")
    how = {"output": tmp_path / "x.pdf", "paper": None, "journal": None, "store": str(kept), "as_json": False}
    for make in (lambda: session(settings, "last", **how), lambda: course(settings, "p-7f3a21", **how)):
        with pytest.raises(RecordDamaged, match=r"^Entry 7 of room-1's record is not what was journalled"):
            make()
    assert not (tmp_path / "x.pdf").exists()


def test_the_code_on_the_paper_finds_a_record_that_was_rewritten(
    settings: StationSettings, kept: Path, tmp_path: Path
) -> None:
    into = tmp_path / "visit.pdf"
    session(settings, "last", output=into, paper=None, journal=None, store=str(kept), as_json=False)
    text = subprocess.run(["pdftotext", str(into), "-"], capture_output=True, check=True, text=True).stdout
    (code,) = {found[0] for found in re.finditer(r"\b\d+(-[0-9A-Z]{5}){5}\b", text)}
    store = Store.open(kept)
    assert verify_store(store, "room-1", anchors=[read_anchor(code)]).verdict == "intact"
    store.close()
    rewritten = treatment(1, session=FIRST, zones=("nose",), eventful=False)
    store = Store.open(tmp_path / "another.sqlite")
    store.append(rewritten, seen_utc_us=1)
    assert verify_store(store, "room-1").verdict == "intact", "by itself a chain that was made anew is whole"
    assert verify_store(store, "room-1", anchors=[read_anchor(code)]).verdict == "damaged"
    store.close()


def test_a_course_is_of_the_patient_that_is_named(
    settings: StationSettings, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    how = {"output": None, "paper": None, "journal": None, "store": str(kept), "as_json": False}
    assert course(settings, "p-7f3a21", **how) == 0
    assert (tmp_path / "course-p-7f3a21.pdf").read_bytes().startswith(b"%PDF-1.7")
    with pytest.raises(ConsoleError) as refused:
        course(settings, "p-7f3a12", **how)
    assert "no session of the patient 'p-7f3a12'" in refused.value.told.what
    assert "p-7f3a21" in refused.value.told.do


def test_a_file_that_cannot_be_written_leaves_what_was_there(
    settings: StationSettings, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    into = tmp_path / "visit.pdf"
    into.write_bytes(b"the old one")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        session(settings, "last", output=into, paper=None, journal=None, store=str(kept), as_json=False)
    assert into.read_bytes() == b"the old one"
    assert sorted(path.name for path in tmp_path.glob("*visit*")) == ["visit.pdf"]


def test_a_paper_that_is_none_and_a_record_that_is_not_there_are_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(report_app, ["session", "--paper", "a5", "--state", str(tmp_path)])
    assert done.exit_code == 2
    assert "no paper 'a5'" in done.stderr
    done = CliRunner().invoke(report_app, ["session", "--state", str(tmp_path)])
    assert done.exit_code == 1
    assert "There is no record in" in done.stderr
