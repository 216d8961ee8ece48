"""`needlework report session|course`: which session, where the file goes, and what is said when it cannot be made."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.actions.report_files import course, session
from console.cli import app
from console.report_app import report_app
from console.trouble import ConsoleError
from controller.events import StationStarted
from logger.errors import ExportError, RecordDamaged
from logger.journal.entry import GENESIS, Entry
from logger.proof.anchors import read_anchor
from logger.proof.verify import verify_store
from logger.report import Heading, read_session, session_report
from logger.store.store import Store
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
    into = tmp_path / "folder" / "visit.pdf"
    how: dict[str, Any] = {"paper": None, "journal": None, "store": str(kept), "force": False, "as_json": True}
    with pytest.raises(ConsoleError, match="There is no folder"):
        session(settings, "last", output=into, **how)
    into.parent.mkdir()
    assert session(settings, "last", output=into, **how) == 0
    told = json.loads(capsys.readouterr().out)
    made = into.read_bytes()
    assert told == {"file": str(into), "bytes": len(made), "sha256": hashlib.sha256(made).hexdigest()}
    assert made == session_report(read_session(entries), Heading(site="clinic-1", paper="letter"))
    other: dict[str, Any] = {**how, "paper": "a4"}
    with pytest.raises(ExportError, match=r"visit\.pdf is there already"):
        session(settings, FIRST[:12], output=into, **other)
    with pytest.raises(ExportError, match=r"visit\.pdf is there already"):
        course(settings, "p-7f3a21", output=into, **other)
    assert into.read_bytes() == made
    assert session(settings, FIRST[:12], output=into, **{**other, "force": True}) == 0
    assert into.read_bytes() != made
    assert [path.name for path in into.parent.iterdir()] == ["visit.pdf"], "nothing is left beside it"


def test_a_record_that_was_changed_gives_no_paper(settings: StationSettings, kept: Path, tmp_path: Path) -> None:
    sql(kept, "UPDATE entries SET utc_us = utc_us + 1 WHERE sequence = 7")
    how: dict[str, Any] = {
        "output": tmp_path / "x.pdf",
        "paper": None,
        "journal": None,
        "store": str(kept),
        "force": False,
        "as_json": False,
    }
    for make in (lambda: session(settings, "last", **how), lambda: course(settings, "p-7f3a21", **how)):
        with pytest.raises(RecordDamaged, match=r"^Entry 7 of room-1's record is not what was journalled"):
            make()
    assert not (tmp_path / "x.pdf").exists()


def behind(started: StationStarted, entries: list[Entry]) -> list[Entry]:
    """The entries behind one with which their station started, chained anew."""
    first = entries[0]._replace(
        session=None, type=started.type, body=started.model_dump_json().encode(), previous=GENESIS
    )
    chain = [first._replace(hash=first.computed_hash())]
    for entry in entries:
        anew = entry._replace(sequence=entry.sequence + 1, previous=chain[-1].hash)
        chain.append(anew._replace(hash=anew.computed_hash()))
    return chain


def test_the_site_on_the_paper_is_the_records_whatever_is_set_where_it_is_made(
    tmp_path: Path, entries: list[Entry]
) -> None:
    said = StationStarted(software="needlework 1", previous_session=None, site="riverside")
    texts: dict[str, str] = {}
    for name, site, begun in (("a", "clinic-1", said), ("b", "clinic-2", said), ("c", "clinic-2", None)):
        store = Store.open(tmp_path / f"{name}.sqlite")
        store.append(entries if begun is None else behind(begun, entries), seen_utc_us=1)
        store.close()
        how: dict[str, Any] = {"paper": None, "journal": None, "store": str(tmp_path / f"{name}.sqlite")}
        for make, of in ((session, "last"), (course, "p-7f3a21")):
            into = tmp_path / f"{name}-{make.__name__}.pdf"
            make(StationSettings(site=site), of, output=into, force=False, as_json=True, **how)
            text = subprocess.run(["pdftotext", str(into), "-"], capture_output=True, check=True, text=True).stdout
            texts[into.stem] = " ".join(text.replace("\u200b", "").split())
    for kind in ("session", "course"):
        assert "riverside · room-1" in texts[f"a-{kind}"]
        assert "clinic-" not in texts[f"a-{kind}"]
        assert (tmp_path / f"a-{kind}.pdf").read_bytes() == (tmp_path / f"b-{kind}.pdf").read_bytes()
        assert "clinic-2 · room-1 (site as set here" in texts[f"c-{kind}"]


def test_the_code_on_the_paper_finds_a_record_that_was_rewritten(
    settings: StationSettings, kept: Path, tmp_path: Path
) -> None:
    into = tmp_path / "visit.pdf"
    session(settings, "last", output=into, paper=None, journal=None, store=str(kept), force=False, as_json=False)
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
    how: dict[str, Any] = {
        "output": None,
        "paper": None,
        "journal": None,
        "store": str(kept),
        "force": False,
        "as_json": False,
    }
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
    with pytest.raises(ExportError, match="no space left"):
        session(settings, "last", output=into, paper=None, journal=None, store=str(kept), force=True, as_json=False)
    assert into.read_bytes() == b"the old one"
    assert sorted(path.name for path in tmp_path.glob("*visit*")) == ["visit.pdf"]


def test_a_paper_that_is_none_and_a_record_that_is_not_there_are_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(report_app, ["session", "--paper", "a5", "--state", str(tmp_path)])
    assert done.exit_code == 2
    assert "no paper 'a5'" in done.stderr
    done = CliRunner().invoke(report_app, ["session", "--state", str(tmp_path)])
    assert done.exit_code == 1
    assert "There is no record in" in done.stderr


def test_the_demo_looks_before_it_plays_whether_its_report_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    into = tmp_path / "demo.pdf"
    words = ["demo", "--state", str(tmp_path / "state"), "--report"]
    into.write_bytes(b"somebody's own")
    for place, said in ((into, "is there already"), (tmp_path / "no" / "demo.pdf", "There is no folder")):
        done = CliRunner().invoke(app, [*words, str(place)])
        assert done.exit_code == 1
        assert said in " ".join(done.output.split())
        assert "Starting" not in done.output
    monkeypatch.setitem(sys.modules, "typst", None)
    for more in ([*words, str(into), "--force"], ["report", "session", "-o", str(into), "--state", str(tmp_path)]):
        done = CliRunner().invoke(app, more)
        assert done.exit_code == 1
        assert "Starting" not in done.output
    assert into.read_bytes() == b"somebody's own"
    done = CliRunner().invoke(app, [*words, str(into), "--force"])
    assert "needlework[report]" in done.output
