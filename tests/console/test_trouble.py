"""Every trouble the product foresees reaches a person in one form, with an exit code, and never as a traceback."""

import errno
import json
import os
from pathlib import Path

import pytest
import typer

from console.actions.amending import _text
from console.cli import main
from console.exits import Code
from console.trouble import ConsoleError, Told, Troubles, show, told_of
from controller.errors import ControlRefused
from controller.units import QuantityError
from firmware_bridge.errors import PortBusy
from logger.errors import StoreUnusable
from logger.whole_file import new_whole
from simulators.errors import UnknownModel
from station.errors import ProcessError, SettingsError, StationRefused, StationUnreachable, Trouble
from station.process.exits import Exit

TROUBLE = Trouble("code", "It happened.", "It means this.", "Do that.", "zone_hard")

FORESEEN = [
    (ConsoleError(Told("x", "It happened."), Code.USAGE), "It happened.", Code.USAGE),
    (SettingsError(TROUBLE), "It happened.", Code.USAGE),
    (StationUnreachable(TROUBLE), "It happened.", Code.NO_STATION),
    (StationRefused(TROUBLE, 409), "It happened.", Code.NO),
    (ProcessError(TROUBLE, Exit.PEN), "It happened.", Exit.PEN),
    (StoreUnusable("It happened. Look there."), "It happened.", Code.NO),
    (PortBusy("It happened. Look there."), "It happened.", Code.NO),
    (ControlRefused("zone_hard", "It happened. Look there."), "It happened.", Code.NO),
    (QuantityError("depth nan is not a number"), "depth nan is not a number", Code.NO),
    (UnknownModel("It happened. Nearest: NW-1."), "It happened.", Code.NO),
    (ExceptionGroup("one", [StationUnreachable(TROUBLE)]), "It happened.", Code.NO_STATION),
]


@pytest.mark.parametrize(("error", "what", "code"), FORESEEN, ids=lambda value: type(value).__name__)
def test_what_is_foreseen_ends_in_words_and_a_code(
    error: Exception, what: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, Troubles():
        raise error
    assert ended.value.exit_code == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"needlework: {what}\n")
    assert "Traceback" not in said.err


def test_each_trouble_with_a_file_has_its_own_remedy_and_names_no_hidden_file(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"x")

    for act, what, do in (
        ((tmp_path / "absent").read_bytes, f"There is no file {tmp_path / 'absent'}.", "Check its name"),
        (lambda: new_whole(there, b"y"), f"{there} exists already.", "Name another place"),
        (lambda: new_whole(tmp_path / "no" / "x", b"y"), f"There is no folder {tmp_path / 'no'}.", "Make it"),
        (tmp_path.read_bytes, f"{tmp_path} is a folder", "Name a file"),
        (lambda: _refused(errno.EACCES, there), f"{there} cannot be used: permission denied.", "the right"),
        (lambda: _refused(errno.ENOSPC, there), f"{there} could not be written: no space", "Make room"),
        (lambda: _refused(errno.EIO, there), f"{there} cannot be used: input/output error.", "Look at the place"),
    ):
        with pytest.raises(OSError) as caught:  # noqa: PT011 which one is what is tested
            act()
        found = told_of(caught.value)
        assert found is not None
        assert found[0].what.startswith(what)
        assert do in found[0].do
    assert there.read_bytes() == b"x"
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def _refused(number: int, path: Path) -> None:
    raise OSError(number, os.strerror(number), str(path))


def test_what_is_not_foreseen_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError), Troubles():
        raise ZeroDivisionError
    assert told_of(ZeroDivisionError()) is None
    assert told_of(ExceptionGroup("two", [ValueError(), StationUnreachable(TROUBLE)])) is None


def test_an_exit_passes_through() -> None:
    with pytest.raises(typer.Exit) as ended, Troubles():
        raise typer.Exit(5)
    assert ended.value.exit_code == 5


def test_three_sentences_on_three_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show(Told("code", "It happened.", "It means this.", "Do that."))
    assert capsys.readouterr().err == "needlework: It happened.\n  It means this.\n  → Do that.\n"


def test_for_programs_it_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), Troubles(as_json=True):
        raise StationRefused(TROUBLE, 409)
    assert json.loads(capsys.readouterr().err) == {
        "code": "code",
        "what": "It happened.",
        "means": "It means this.",
        "do": "Do that.",
        "because": "zone_hard",
    }


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("lookback", "--since", "x"), "a day, written 2026-01-31, or a time, written 2026-01-31T09:30."),
        (("report", "overrides", "--since", "x"), "a day, written 2026-01-31."),
    ],
)
def test_a_sentence_has_no_words_of_machines(
    command: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["needlework", *command])
    assert main() == Code.USAGE
    said = " ".join(capsys.readouterr().err.split())
    assert says in said
    assert "%" not in said
    assert "Errno" not in said


def test_a_text_file_that_cannot_be_read_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"\xe9t\xe9")
    for name, why in (("absent", "no such file or directory"), ("latin", "is no text in UTF-8")):
        with pytest.raises(ConsoleError) as refused:
            _text(tmp_path / name)
        assert why in refused.value.told.what
        assert "Errno" not in refused.value.told.what


def test_square_brackets_in_a_trouble_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    show(Told("code", "mqtt://[user:password@]host [bold]"))
    assert "mqtt://[user:password@]host [bold]" in capsys.readouterr().err
