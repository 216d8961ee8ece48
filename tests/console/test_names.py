"""`needlework patients …`, `needlework site …` and `treat --find`, as processes; most while no station runs."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from tests.console.test_house import House, running

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

BY = ("--as", "demo-physician")


def call(state: Path, *words: str, lines: str = "", code: int = 0) -> str:
    """A command, in this process: the second that one takes to begin is saved; what it said, on either stream."""
    done = CliRunner().invoke(app, [*words, "--state", str(state)], input=lines)
    assert done.exit_code == code, (done.exit_code, done.output)
    return done.output


def add(state: Path, name: str, born: str = "1990-02-03") -> str:
    """Somebody's pseudonym."""
    said = call(state, "patients", "add", *BY, "--born", born, "--json", lines=f"{name}\n")
    pseudonym: str = json.loads(said)["pseudonym"]
    return pseudonym


def people(state: Path) -> list[str]:
    """Everybody's name."""
    return sorted(one["name"] for one in json.loads(call(state, "patients", "list", *BY, "--json")))


def test_a_patient_is_entered_without_a_name_on_the_command_line_and_found(short_dir: Path) -> None:
    pseudonym = add(short_dir, "Maria Muster")
    assert pseudonym in call(short_dir, "patients", "find", *BY, lines="muster\n")
    assert "Maria Muster" in call(short_dir, "patients", "show", pseudonym.lower(), *BY)
    assert "Nobody." in call(short_dir, "patients", "find", *BY, "otto", code=1)
    assert pseudonym in call(
        short_dir, "patients", "add", *BY, "--name", "Maria Muster", "--born", "1990-02-03", code=1
    )
    swapped = pseudonym[:-2] + pseudonym[-1] + pseudonym[-2]
    if swapped != pseudonym:
        assert "does not check out" in call(short_dir, "patients", "show", swapped, *BY, code=2)
    for words in (("--born", "03.02.1990"), ("--born", "2990-01-01"), ("--contact", "x" * 300)):
        said = call(short_dir, "patients", "rename", pseudonym, *BY, *words, code=2)
        assert "cannot be read" in said
        assert words[1] not in said
    looked = call(short_dir, "patients", "looks", pseudonym, *BY)
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  demo-physician  show", looked, re.MULTILINE), looked


def test_a_second_station_joins_by_a_file_and_a_passphrase(short_dir: Path) -> None:
    one, two = short_dir / "1", short_dir / "2"
    add(one, "Maria Muster")
    shared = json.loads(call(one, "site", "share", str(short_dir / "share"), "--json"))
    passphrase = short_dir / "passphrase"
    passphrase.write_text("wrong words here\n", encoding="utf-8")
    join = ("site", "join", str(short_dir / "share"), "--passphrase-file", str(passphrase))
    said = call(two, *join, code=1)
    assert f"{short_dir / 'share'}: The file cannot be used" in said
    assert "→ Check that it is what `site share`" in said
    wrong = call(two, "site", "restore", str(short_dir / "share"), code=1)
    assert f"{short_dir / 'share'} is no backup, but a share" in wrong
    assert "→ Give a file that `site backup` made" in wrong
    assert "→" in call(two, "patients", "add", *BY, "--name", "", code=2)
    assert "→" in call(two, "patients", "add", *BY, "--name", "x", "--born", "1.2.90", code=2)
    passphrase.write_text(shared["passphrase"] + "\n", encoding="utf-8")
    assert json.loads(call(two, *join, "--json")) == {"patients": 1, "new": 1, "erased": 0, "alike": [], "kept": []}
    assert people(two) == ["Maria Muster"]
    assert "1 patient, 0 of them new here" in call(two, *join)
    assert "exists" in call(one, "site", "share", str(short_dir / "share"), code=1)
    assert (short_dir / "share").stat().st_mode & 0o777 == 0o600


def test_a_new_computer_has_a_backup_and_the_words_in_the_safe(short_dir: Path) -> None:
    one, new = short_dir / "1", short_dir / "2"
    maria = add(one, "Maria Muster")
    add(one, "Otto Normal", "1980-01-01")
    call(one, "site", "backup", str(short_dir / "backup"))
    words = json.loads(call(one, "site", "key", "--words", "--json"))["words"]
    (short_dir / "words").write_text(words[:-6], encoding="utf-8")
    restore = ("site", "restore", str(short_dir / "backup"), "--words", str(short_dir / "words"))
    assert "20 words, and 21 are needed" in call(new, *restore, code=1)
    (short_dir / "words").write_text(words, encoding="utf-8")
    call(new, *restore)
    assert people(new) == ["Maria Muster", "Otto Normal"]
    assert "not the same" in call(one, "patients", "erase", maria, *BY, "--confirm", "P-0000", code=1)
    call(one, "patients", "erase", maria, *BY, "--confirm", maria)
    assert "stay erased" in call(one, "site", "restore", str(short_dir / "backup"), "--replace")
    assert people(one) == ["Otto Normal"]
    call(one, "site", "key", "--rotate")
    assert "stay erased" in call(one, "site", "restore", str(short_dir / "backup"), "--replace")


def test_words_kept_in_a_file_restore_on_a_new_computer_where_somebody_looked_first(short_dir: Path) -> None:
    one, new = short_dir / "1", short_dir / "2"
    add(one, "Maria Muster")
    call(one, "site", "backup", str(short_dir / "backup"))
    printed = CliRunner().invoke(app, ["site", "key", "--words", "--state", str(one)])
    (short_dir / "words").write_text(printed.stdout, encoding="utf-8")
    assert "safe" in printed.stderr
    assert "nobody was ever entered here" in call(new, "patients", "find", *BY, "muster", code=1)
    assert not new.exists()
    call(new, "account", "list", "--json")  # makes the file of accounts
    call(new, "site", "restore", str(short_dir / "backup"), "--words", str(short_dir / "words"))
    assert people(new) == ["Maria Muster"]
    password = short_dir / "password"
    password.write_text("three words in a row\n", encoding="utf-8")
    call(new, "account", "add", "boss", "--role", "manager", "--new-password-file", str(password))
    by = ("--as", "boss", "--password-file", str(password))
    said = call(new, "site", "restore", str(short_dir / "backup"), *by, code=1)
    assert "accounts.sqlite would be replaced" in said
    assert "--replace" in said


def test_a_mistyped_state_directory_is_no_site_and_none_is_made(short_dir: Path) -> None:
    typo, file = short_dir / "typo", short_dir / "backup"
    for words in (("backup", str(file)), ("share", str(file)), ("key",)):
        said = call(typo, "site", *words, code=1)
        assert "is not there" in said
        assert "--state" in said
    typo.mkdir()
    assert "none of the files" in call(typo, "site", "backup", str(file), code=1)
    assert not list(typo.iterdir())
    assert not file.exists()


def test_a_site_with_accounts_gives_its_key_to_a_manager_alone(short_dir: Path) -> None:
    password = short_dir / "password"
    password.write_text("three words in a row\n", encoding="utf-8")
    signed = ("--as", "boss", "--password-file", str(password))
    call(short_dir, "site", "key", "--words")
    call(short_dir, "account", "add", "boss", "--role", "manager", "--new-password-file", str(password))
    for words in (("key", "--words"), ("key", "--rotate"), ("share", str(short_dir / "share"))):
        assert "Nobody is signed in" in call(short_dir, "site", *words, code=1)
    other = (*BY, "--password-file", str(password))
    assert "is no manager" in call(short_dir, "site", "key", "--words", *other, code=1)
    assert "safe" in call(short_dir, "site", "key", "--words", *signed)


def test_a_treatment_of_somebody_found_by_name_has_the_pseudonym_alone(short_dir: Path) -> None:
    maria = add(short_dir, "Maria Muster")
    add(short_dir, "Otto Muster", "1980-01-01")
    with running("run", "--state", str(short_dir), "--stop-port", "0", "--json") as process:
        house = House(process, short_dir)
        several = house.call(*house.prepare, "--find", "muster", lines="close\n")
        assert several.returncode == 1
        assert "2 patients fit" in several.stderr
        done = house.call(*house.prepare, "--find", "maria", lines="close\n")
        assert done.returncode == 0, done.stderr
        assert json.loads(call(short_dir, "sessions", "show", "last", "--json"))["patient"] == maria
        looked = ("lookback", "--operator", "demo-master-aesthetician", "--json")
        assert "Maria" not in call(short_dir, *looked)
        (session,) = json.loads(call(short_dir, *looked, *BY))
        assert session["person"] == "Maria Muster, 1990-02-03"
        call(short_dir, "patients", "rename", maria, *BY, "--contact", "0100")
        call(short_dir, "site", "backup", str(short_dir / "backup"))
        assert "already runs here" in call(short_dir, "site", "restore", str(short_dir / "backup"), "--replace", code=1)
    assert json.loads(call(short_dir, *looked, *BY))[0]["person"] == "Maria Muster, 1990-02-03, 0100"
    call(short_dir, "patients", "hold", maria, *BY, "--reason", "lookback")
    assert "is on hold: lookback" in call(short_dir, "patients", "erase", maria, *BY, "--confirm", maria, code=1)
