"""`needlework certificate …`: what is printed and written, and the exit codes."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner, Result

from console.cli import app
from console.render.certificate import track
from controller.events import Event, StationKey
from logger.certificate.label import label_text
from logger.journal.entry import GENESIS, Entry
from logger.proof.checkpoints import announcement, key_id
from logger.store.store import Store
from station.bench.certifying import Issued
from tests.station.bench_work import KEY, accuracy_results, issued

ID = key_id(KEY.public_key().public_bytes_raw())


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A station's state directory with its key."""
    (tmp_path / "station.key").write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "station.key").chmod(0o600)
    return tmp_path


@pytest.fixture
def made(state: Path) -> Issued:
    """A certificate it issued."""
    return issued(state / "certificates")


def call(state: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["certificate", *words, "--state", str(state)], env={"COLUMNS": "120"})


def test_none_yet_is_said(state: Path) -> None:
    done = call(state, "list")
    assert (done.exit_code, "No certificate was issued here" in done.output) == (0, True)
    assert json.loads(call(state, "list", "--json").output) == []


def test_they_are_listed_the_newest_first_and_by_pen(state: Path, made: Issued) -> None:
    other = issued(state / "certificates", "accuracy_test", accuracy_results())
    listed = json.loads(call(state, "list", "--json").output)
    assert {one["number"] for one in listed} == {made.event.number, other.event.number}
    assert {one["as_found_in_tolerance"] for one in listed} == {True, False}
    assert json.loads(call(state, "list", "--json", "--serial", "other").output) == []
    told = call(state, "list").output
    assert "out of tolerance" in told
    assert "2027-11-26" in told


def test_a_damaged_one_is_named_and_the_exit_code_says_so(state: Path, made: Issued) -> None:
    made.path.write_bytes(made.path.read_bytes().replace(b"SIM-0042", b"SIM-0043"))
    done = call(state, "list")
    assert done.exit_code == 1
    assert made.event.number in done.output
    assert call(state, "show", made.event.number).exit_code == 1


def test_it_is_shown_with_errors_drawn_within_the_tolerance(state: Path, made: Issued) -> None:
    told = call(state, "show", made.event.number).output
    assert "Depth, as found: OUT OF TOLERANCE" in told
    assert "Depth, as left: in tolerance" in told
    assert "For Practice for Skin, Dr. Jane Example" in told
    results = made.sealed.certificate.body.results
    points = sum(len(stage.points) for series in results for stage in series.stages)
    assert told.count("●") == points > 20
    assert "error, µm" in told
    assert "on condition: within the guard band" in told
    said = json.loads(call(state, "show", made.event.number, "--json").output)
    assert said["body"]["number"] == made.event.number
    assert said["key_id"] == ID


def test_a_mark_stands_where_its_error_is(made: Issued) -> None:
    point = made.sealed.certificate.body.results[0].stages[0].points[-1]
    drawn = track(point, 200_000, 41).plain
    assert len(drawn) == 41
    assert drawn.index("[") == round((1 - 0.75) / 2 * 40)
    assert drawn.index("●") == round((point.error / 200_000 + 1) / 2 * 40)


def test_number_label_and_file_all_name_it(state: Path, made: Issued) -> None:
    for which in (made.event.number.lower(), label_text(made.event.number, made.sealed.sha256), str(made.path)):
        assert call(state, "show", which).exit_code == 0
    wrong = label_text(made.event.number, "00" * 32)
    done = call(state, "show", wrong)
    assert (done.exit_code, "not the file that the label was made for" in done.output) == (1, True)
    missing = call(state, "show", made.event.number[:-1] + ("0" if made.event.number[-1] != "0" else "1"))
    assert "mistyped" in missing.output


def test_pdf_label_and_copy_are_written_over_nothing(state: Path, made: Issued, tmp_path: Path) -> None:
    number = made.event.number
    for words, begins in (
        (("pdf", number, "-o", str(tmp_path / "a.pdf")), b"%PDF"),
        (("label", number, "-o", str(tmp_path / "a.svg")), b"<svg"),
        (("label", number, "-o", str(tmp_path / "a.png")), b"\x89PNG"),
        (("copy", number, "-o", str(tmp_path / "a.json")), b"{\n"),
    ):
        done = call(state, *words, "--json")
        assert done.exit_code == 0, done.output
        path = Path(json.loads(done.output)["file"])
        assert path.read_bytes().startswith(begins)
        again = call(state, *words)
        assert (again.exit_code, "--force" in again.output) == (1, True)
    assert (tmp_path / "a.json").read_bytes() == made.path.read_bytes()
    refused = call(state, "label", number, "-o", str(tmp_path / "label.gif"))
    assert (refused.exit_code, ".png" in refused.output) == (2, True)


def test_a_copy_without_names_is_genuine(state: Path, made: Issued, tmp_path: Path) -> None:
    copied = tmp_path / "public.json"
    assert call(state, "copy", made.event.number, "--without-names", "-o", str(copied)).exit_code == 0
    assert "Jane" not in copied.read_text()
    done = call(state, "verify", str(copied))
    assert (done.exit_code, "genuine" in done.output, "left out" in done.output) == (0, True, True)


def test_verify_knows_this_stations_key(state: Path, made: Issued) -> None:
    done = call(state, "verify", made.event.number)
    assert (done.exit_code, "genuine" in done.output) == (0, True)
    assert "this station's own key" in done.output
    said = json.loads(call(state, "verify", str(made.path), "--json").output)
    assert (said["outcome"], said["findings"], said["number"]) == ("genuine", [], made.event.number)


def test_elsewhere_a_key_has_to_be_named(made: Issued, tmp_path: Path) -> None:
    empty = tmp_path / "elsewhere"
    done = call(empty, "verify", str(made.path))
    assert (done.exit_code, "not known" in done.output) == (1, True)
    assert call(empty, "verify", str(made.path), "--key", ID.upper()).exit_code == 0
    other = call(empty, "verify", str(made.path), "--key", "0123456789abcdef")
    assert (other.exit_code, "other key" in other.output) == (1, True)
    assert call(empty, "verify", str(made.path), "--key", "12").exit_code == 2
    assert not empty.exists(), "looking makes nothing"


def test_an_edited_one_a_missing_one_and_a_label_of_another(state: Path, made: Issued, tmp_path: Path) -> None:
    edited = tmp_path / "edited.json"
    edited.write_bytes(made.path.read_bytes().replace(b'"due_on": "2027-11-26"', b'"due_on": "2028-11-26"'))
    done = call(state, "verify", str(edited))
    assert (done.exit_code, "changed" in done.output) == (1, True)
    assert call(state, "verify", str(tmp_path / "missing.json")).exit_code == 2
    assert call(state, "verify", str(made.path), "--code", "nonsense").exit_code == 2
    assert call(state, "verify", str(made.path), "--code", label_text(made.event.number, "00" * 32)).exit_code == 1
    code = label_text(made.event.number, made.sealed.sha256)
    assert call(state, "verify", str(made.path), "--code", code).exit_code == 0


def test_a_ruined_journal_is_said_to_be_one_and_stops_nothing(state: Path, made: Issued) -> None:
    (state / "journal.sqlite").write_bytes(b"not a journal at all")
    done = call(state, "verify", made.event.number)
    assert (done.exit_code, "genuine" in done.output) == (0, True), done.output
    assert "The journal here told nothing more" in done.output


def recorded(events: list[Event]) -> list[Entry]:
    """A chain of another station's entries."""
    entries: list[Entry] = []
    for event in events:
        previous = entries[-1].hash if entries else GENESIS
        said = event.model_dump_json().encode()
        entry = Entry("bench-1", len(entries) + 1, 1, 1, None, event.type, event.version, said, previous, b"")
        entries.append(entry._replace(hash=entry.computed_hash()))
    return entries


def test_a_record_at_hand_knows_keys_and_what_was_issued(made: Issued, tmp_path: Path) -> None:
    """At the site's other stations: the recorder's store tells whose key it is, and whether this is the file."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    store = Store.open(elsewhere / "store.sqlite")
    key: StationKey = announcement(KEY)
    store.append(recorded([key, made.event]), seen_utc_us=1)
    store.close()
    done = call(elsewhere, "verify", str(made.path))
    assert done.exit_code == 0, done.output
    assert "the key of bench-1, in the store here" in done.output
    assert "the one that the record tells of" in done.output
    forged = issued(tmp_path / "forged")
    moved = tmp_path / "moved.json"
    moved.write_bytes(forged.path.read_bytes())
    assert call(elsewhere, "verify", str(moved)).exit_code == 0, "another number, of the same key"
