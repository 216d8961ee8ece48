"""`needlework export` as processes see it: from journal or store, and what it says when it cannot."""

import csv
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from console.actions.exporting import Choice, fhir, tables
from console.actions.history import show_session
from console.exits import Code
from console.trouble import ConsoleError
from logger.errors import ExportError, RecordDamaged
from logger.journal.journal import Journal, JournalLimits
from logger.journal.reader import JournalReader
from logger.store.store import Store
from station.settings import StationSettings, load_settings
from tests.logger.making import Clock, sql
from tests.logger.test_records import treatment

pytestmark = pytest.mark.unhurried

NEEDLEWORK = str(Path(sys.executable).with_name("needlework"))
ALL = Choice(None, None, None)
TABLES = ("events.csv", "sessions.csv", "telemetry.csv", "zones.csv")


@pytest.fixture
async def state(tmp_path: Path) -> Path:
    """A station's state directory with two sessions in its journal, and a store with the same."""
    clock = Clock()
    place = tmp_path / "state"
    place.mkdir()
    settings = load_settings(state_dir=place)
    journal = Journal(
        settings.journal_path,
        station="room-1",
        utc_now=clock.utc_now,
        monotonic_ms=clock.monotonic_ms,
        limits=JournalLimits(min_free_bytes=0),
    )
    for session in ("s-1", "s-2"):
        for at_ms, event in treatment():
            clock.elapsed_ms = max(clock.elapsed_ms, at_ms)
            journal.emit(event, session=None if event.type == "pen_connected" else session)
        clock.elapsed_ms += 24 * 3600 * 1000
    await journal.close()
    reader, store = JournalReader(settings.journal_path), Store.open(place / "copy.sqlite")
    store.append(list(reader.entries()), seen_utc_us=1)
    store.close()
    reader.close()
    return place


@pytest.fixture
def settings(state: Path) -> StationSettings:
    return load_settings(state_dir=state)


def csv_tables(settings: StationSettings, choice: Choice, folder: Path, **more: Any) -> None:
    given: dict[str, Any] = {"journal": None, "store": None, "force": False, "as_json": False, **more}
    assert tables(settings, choice, folder, "csv", **given) == 0


def column(folder: Path, table: str, name: str) -> list[str]:
    with (folder / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return [row[name] for row in csv.DictReader(file)]


def test_journal_and_store_give_the_same_files(settings: StationSettings, state: Path, tmp_path: Path) -> None:
    csv_tables(settings, ALL, tmp_path / "j")
    csv_tables(settings, ALL, tmp_path / "s", store=str(state / "copy.sqlite"))
    for name in TABLES:
        assert (tmp_path / "j" / name).read_bytes() == (tmp_path / "s" / name).read_bytes()
    assert column(tmp_path / "j", "sessions", "session") == ["s-1", "s-2"]
    types = column(tmp_path / "j", "events", "type")
    assert types.count("pen_connected") == 2  # of no session
    assert "input_chunk" not in types


def test_one_session_or_a_time(settings: StationSettings, tmp_path: Path) -> None:
    day = date(2026, 3, 2)
    csv_tables(settings, Choice("s-2", None, None), tmp_path / "one")
    assert set(column(tmp_path / "one", "events", "session")) == {"s-2"}
    csv_tables(settings, Choice(None, day, None), tmp_path / "since")
    csv_tables(settings, Choice(None, None, day), tmp_path / "until")
    assert column(tmp_path / "since", "sessions", "session") == ["s-2"]
    assert column(tmp_path / "until", "sessions", "session") == ["s-1"]
    assert set(column(tmp_path / "until", "events", "session")) == {"s-1", ""}
    with pytest.raises(ConsoleError, match="both were given"):
        csv_tables(settings, Choice("s-1", day, None), tmp_path / "x")


def test_a_time_that_is_none_is_refused_and_one_without_a_session_is_said(
    settings: StationSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for since, until in ((date(2026, 3, 3), date(2026, 3, 1)), (date(2026, 3, 2), date(2026, 3, 2))):
        with pytest.raises(ConsoleError, match="There is no day") as refused:
            csv_tables(settings, Choice(None, since, until), tmp_path / "x")
        assert refused.value.exit_code == Code.USAGE
    assert not (tmp_path / "x").exists()
    csv_tables(settings, ALL, tmp_path / "all")
    assert "No session" not in capsys.readouterr().err
    csv_tables(settings, Choice(None, date(2027, 1, 1), None), tmp_path / "later")
    assert "No session was opened in that time" in " ".join(capsys.readouterr().err.split())
    assert column(tmp_path / "later", "sessions", "session") == []


def test_an_unknown_session_writes_nothing(settings: StationSettings, tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match="no session 's-9'"):
        csv_tables(settings, Choice("s-9", None, None), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConsoleError, match="no session 's-9'"):
        fhir(settings, "s-9", tmp_path / "f", journal=None, store=None, force=False, as_json=False)


def test_a_record_that_was_changed_is_exported_by_nobody_and_shown_with_a_word(
    settings: StationSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = JournalReader(settings.journal_path)
    changed = next(entry.sequence for entry in reader.session_entries("s-2") if entry.type == "input_chunk")
    reader.close()
    sql(settings.journal_path, f"UPDATE entries SET body = x'7b7d' WHERE sequence = {changed}")
    where: dict[str, Any] = {"journal": None, "store": None, "as_json": True}
    for choice in (ALL, Choice("s-2", None, None)):
        with pytest.raises(RecordDamaged, match=f"^Entry {changed} "):
            csv_tables(settings, choice, tmp_path / "out")
    with pytest.raises(RecordDamaged):
        fhir(settings, "s-2", tmp_path / "f.json", force=False, **where)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "f.json").exists()
    csv_tables(settings, Choice("s-1", None, None), tmp_path / "sound")
    assert show_session(settings, "s-1", **where) == 0
    capsys.readouterr()
    with pytest.raises(RecordDamaged):
        show_session(settings, "s-2", **where)
    assert json.loads(capsys.readouterr().out)["session"] == "s-2"


def test_the_clinics_settings_are_used(state: Path, tmp_path: Path) -> None:
    settings = load_settings(
        state_dir=state, fhir_namespace="https://clinic.example/nw", fhir_procedure="https://c.example|MN|Needling"
    )
    target = tmp_path / "session.json"
    assert fhir(settings, "last", target, journal=None, store=None, force=False, as_json=False) == 0
    text = target.read_text(encoding="utf-8")
    assert '"https://clinic.example/nw/pseudonym"' in text
    assert '"MN"' in text
    with pytest.raises(ExportError, match="is there already"):
        fhir(settings, "last", target, journal=None, store=None, force=False, as_json=False)


Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def run(state: Path, tmp_path: Path) -> Run:
    """Runs the command away from this machine's own settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NEEDLEWORK_", "XDG_"))}
    environment |= {"NEEDLEWORK_STATE_DIR": str(state), "HOME": str(tmp_path), "COLUMNS": "120"}

    def call(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
        done = subprocess.run(
            [NEEDLEWORK, *arguments], env=environment, cwd=tmp_path, capture_output=True, check=False, timeout=30
        )
        assert b"Traceback" not in done.stderr, done.stderr
        return done

    return call


@pytest.mark.system
@pytest.mark.timeout(60)  # four processes, each of which takes seconds to start on a busy machine
def test_as_a_command(run: Run, tmp_path: Path) -> None:
    done = run("export", "parquet", "-o", "year", "--json")
    assert json.loads(done.stdout)["rows"] | {"zones": 0} == {"sessions": 2, "zones": 0, "telemetry": 64, "events": 32}
    assert len(list((tmp_path / "year").iterdir())) == 4
    done = run("export", "fhir", "s-1", "-o", "s-1.json")
    assert done.returncode == 0
    assert b"the patient is a pseudonym" in done.stderr
    again = run("export", "fhir", "s-1", "-o", "s-1.json", "--json")
    assert again.returncode == 1
    assert "is there already" in json.loads(again.stderr)["what"]
    nowhere = run("export", "csv", "-o", "no/such/place")
    assert nowhere.returncode == 1
    assert b"name another place" in nowhere.stderr


@pytest.mark.system
@pytest.mark.timeout(60)  # a process that starts, as above
@pytest.mark.parametrize("command", ["csv", "parquet", "fhir"])
def test_a_disk_that_fills_up_leaves_nothing(command: str, state: Path, tmp_path: Path) -> None:
    """For real: files end after four blocks of 512 bytes, as on a disk that has no more room."""
    place = tmp_path / "out"
    place.mkdir()
    target = place / "session.json" if command == "fhir" else place
    words = shlex.join([NEEDLEWORK, "export", command, "-o", str(target), "--state", str(state)])
    done = subprocess.run(
        ["/bin/sh", "-c", f"ulimit -f 4; exec {words}"],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "Nothing of it was left there" in " ".join(done.stderr.split())
    assert list(place.iterdir()) == []
