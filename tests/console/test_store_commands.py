"""`needlework store …` and `needlework lookback`, as whoever runs the store types them."""

import csv
import json
import os
import signal
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from console.actions.lookback import Given, lookback
from console.cli import app
from console.store_option import no_password
from logger.store.store import Store
from station.process.exits import Exit
from station.record.recorder import recorder_main
from station.settings import load_settings
from tests.fixtures_postgres import PASSWORD
from tests.logger.making import chain
from tests.logger.test_lookback import DAY, begun
from tests.logger.test_uses import armed, chained

SECRET = PASSWORD.partition("/")[0]
"""What is seen of the password whether a URL's quoting was undone or not."""


def call(*words: object, code: int = 0) -> Result:
    """The command in this process."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    assert SECRET not in done.output
    return done


def rows_of(table: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))


@pytest.fixture
def state(short_dir: Path) -> Path:
    """A state directory whose recorder has stored a day."""
    store = Store.open(short_dir / "store.sqlite")
    store.append(chained(DAY), seen_utc_us=0)
    store.close()
    return short_dir


def test_check_backup_and_restore(state: Path, tmp_path: Path) -> None:
    backup, restored = tmp_path / "backup.db", tmp_path / "restored.db"
    assert "12 entries: whole." in call("store", "check", "--state", state).output
    made = call("store", "backup", backup, "--state", state).output
    assert "verified: intact." in " ".join(made.split())  # a long path breaks the line
    assert "room-1: intact, 12 entries, the last one's hash" in made
    assert "never overwritten" in call("store", "backup", backup, "--state", state, code=2).output
    done = json.loads(call("store", "restore", backup, "--store", restored, "--json").output)
    assert (done["intact"], done["entries"], done["stations"][0]["last"]) == (True, 12, 12)
    assert json.loads(call("store", "check", "--store", backup, "--json").output)["whole"] is True
    assert "never overwritten" in call("store", "restore", backup, "--store", restored, code=2).output


def test_damage_is_1_and_what_cannot_be_done_is_2(state: Path, tmp_path: Path) -> None:
    store = Store.open(state / "store.sqlite")
    store.append(chain(5, station="room-2"), seen_utc_us=0)
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM entries WHERE station = 'room-2' AND sequence = 2")
    store.close()
    backup = tmp_path / "backup.db"
    checked = call("store", "check", "--state", state, code=1).output
    assert "damaged" in checked
    assert "Entry 2 is missing" in checked
    assert "Entry 2 is missing" in call("store", "backup", backup, "--state", state, code=1).output
    assert "is damaged" in call("store", "restore", backup, "--store", tmp_path / "new.db", code=2).output
    assert not (tmp_path / "new.db").exists()
    for words in (("check",), ("backup", tmp_path / "other.db"), ("migrate",)):
        assert "There is no store" in call("store", *words, "--state", tmp_path / "empty", code=2).output
    assert "cannot be" in call("store", "check", "--store", "postgresql://u@127.0.0.1:1/x", code=2).output


@pytest.mark.parametrize(
    "place",
    [
        f"postgresql://u:{SECRET}@127.0.0.1:1/x",
        f"postgres://u:{SECRET}/of@the@127.0.0.1:1/x",
        f"postgresql+psycopg://127.0.0.1/x?user=u&password={SECRET}",
        f"postgresql://127.0.0.1/x?sslpassword={SECRET}",
    ],
)
@pytest.mark.parametrize("words", [("sessions", "list"), ("record",), ("lookback", "--lot", "L1"), ("verify",)])
def test_a_password_on_the_command_line_is_refused(place: str, words: tuple[str, ...]) -> None:
    refused = call(*words, "--store", place, code=2)
    assert "NEEDLEWORK_STORE" in " ".join(refused.output.replace("│", " ").split())


def test_what_is_no_password_is_let_through(state: Path) -> None:
    for place in (state / "store.sqlite", f"sqlite:///{state / 'store.sqlite'}"):
        assert "s-2" in call("sessions", "list", "--store", place).output
    for place in ("postgresql://u@127.0.0.1:1/x", "postgresql://127.0.0.1:1/x?passfile=/of/u"):
        assert no_password(place) == place


@pytest.mark.system
def test_over_a_database(state: Path, postgres_place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup, passwords = tmp_path / "backup.db", tmp_path / "pgpass"
    call("store", "backup", backup, "--state", state)
    monkeypatch.setenv("NEEDLEWORK_STORE", postgres_place)
    assert "Restored: postgresql://recorder:***@" in call("store", "restore", backup).output
    assert "(postgresql, revision" in call("store", "check").output
    assert "was made anew" in call("store", "migrate").output
    for words in (("sessions", "list"), ("lookback", "--lot", "L2")):
        told = call(*words, "--state", tmp_path / "empty").output
        assert "s-2" in told
        assert "recorder:***@" in told.replace("\n", "")
    monkeypatch.delenv("NEEDLEWORK_STORE")
    passwords.touch(mode=0o600)
    passwords.write_text("*:*:*:*:" + PASSWORD.replace(":", r"\:"))
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    place = f"postgresql://recorder@{postgres_place.rpartition('@')[2]}"
    assert "2 sessions" in call("lookback", "--lot", "L1", "--store", place).output


@pytest.mark.system
def test_a_recorder_names_its_store_without_the_password(postgres_place: str, short_dir: Path) -> None:
    said: list[dict[str, Any]] = []

    def announce(what: dict[str, Any]) -> None:
        said.append(what)
        os.kill(os.getpid(), signal.SIGTERM)

    assert recorder_main(load_settings(state_dir=short_dir, store=postgres_place), announce=announce) == Exit.ORDERLY
    assert [SECRET in str(what) for what in said] == [False]
    assert "recorder:***@" in said[0]["store"]


def test_look_back_prints_and_writes_what_was_used(state: Path, tmp_path: Path) -> None:
    table = tmp_path / "found.csv"
    told = call("lookback", "--pen", "N-003", "--state", state, "--csv", table).output
    assert "1 session of 1 patient" in told
    assert "L2 / C3" in told
    rows = rows_of(table)
    assert [(row["session"], row["patient"], row["lot"], row["pen_serial"]) for row in rows] == [
        ("s-2", "p-2", "L1", "N-002"),
        ("s-2", "p-2", "L2", "N-003"),
    ]
    (found,) = json.loads(call("lookback", "--lot", "L2", "--state", state, "--json").output)
    assert (found["opened_at"], found["operator"]) == ("1970-01-01T00:00:07+00:00", "op-2")
    assert "person" not in found
    assert call("lookback", "--since", "1970-01-02", "--state", state, code=1)
    assert call("lookback", "--until", "1970-01-01", "--state", state)
    assert "Nothing was named" in call("lookback", "--state", state, code=2).output


def test_the_table_is_its_owners_alone_and_never_written_over_unasked(state: Path, tmp_path: Path) -> None:
    table = tmp_path / "found.csv"
    call("lookback", "--lot", "L1", "--state", state, "--csv", table)
    assert table.stat().st_mode & 0o777 == 0o600
    table.write_text("somebody's own", encoding="utf-8")
    assert "is there already" in call("lookback", "--lot", "L1", "--state", state, "--csv", table, code=1).output
    assert table.read_text(encoding="utf-8") == "somebody's own"
    call("lookback", "--lot", "L2", "--state", state, "--csv", table, "--force")
    assert [row["lot"] for row in rows_of(table)] == ["L1", "L2"]


def test_people_are_told_where_somebody_knows_them(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = load_settings(state_dir=state)
    given = Given(lot="L1", pen=None, operator=None, since=None, until=None)

    def names(pseudonyms: Collection[str]) -> dict[str, str | None]:
        return {pseudonym: {"p-2": "Somebody"}.get(pseudonym) for pseudonym in pseudonyms}

    lookback(settings, given, csv=None, journal=None, store=None, as_json=True, names=names)
    assert [found["person"] for found in json.loads(capsys.readouterr().out)] == [None, "Somebody"]
    lookback(settings, given, csv=None, journal=None, store=None, as_json=False, names=names)
    told = capsys.readouterr().out
    assert "Somebody" in told
    assert "not known here" in told


def test_nothing_is_cut_off_where_people_are_to_be_called(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = "20260101T090000-0000beef"
    told = [
        begun(session, pen="room-2-pen-with-a-long-name", operator="demo-master-aesthetician", patient="7KQF-2M9X"),
        (session, armed("C-2026-000000000000000000000001", lot="L2407A-SOUTH")),
    ]
    store = Store.open(state / "long.sqlite")
    store.append(chained(told), seen_utc_us=0)
    store.close()
    person = "Maximiliane von Hohenberg-Lichtenstein, 1990-02-03, +49 30 5550100, m.hohenberg@mail.example"
    given = Given(lot="L2407A-SOUTH", pen=None, operator=None, since=None, until=None)
    settings, place = load_settings(state_dir=state), str(state / "long.sqlite")
    monkeypatch.setenv("COLUMNS", "80")

    def names(pseudonyms: Collection[str]) -> dict[str, str | None]:
        return dict.fromkeys(pseudonyms, person)

    lookback(settings, given, csv=None, journal=None, store=place, as_json=False, names=names)
    lines = capsys.readouterr().out.splitlines()
    assert "…" not in "".join(lines)
    begin = next(place for place, line in enumerate(lines) if line.startswith("patient"))
    assert max(map(len, lines[begin:])) <= 80
    columns = [lines[begin].index(head) for head in ("patient", "session", "lot")]
    cells = [
        "".join(line[left:right].strip() for line in lines[begin + 1 :]).replace(" ", "")
        for left, right in zip(columns, [*columns[1:], None], strict=True)
    ]
    assert cells[0] == (person + "7KQF-2M9X").replace(" ", "")
    assert cells[1].startswith(session)
    assert cells[1].endswith("demo-master-aesthetician")
    assert cells[2] == "L2407A-SOUTH/C-2026-000000000000000000000001"


def test_a_cell_is_no_formula(short_dir: Path, tmp_path: Path) -> None:
    store = Store.open(short_dir / "store.sqlite")
    store.append(chained([begun("s-1", operator="=cmd()")]), seen_utc_us=0)
    store.close()
    table = tmp_path / "found.csv"
    call("lookback", "--operator", "=cmd()", "--state", short_dir, "--csv", table)
    (row,) = rows_of(table)
    assert row["operator"] == "'=cmd()"
