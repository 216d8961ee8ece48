"""`needlework certificate reissue`: another number, a reason, somebody who may, and an entry in the record."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner, Result

from console.cli import app
from controller.service_events import CertificateIssued
from logger.journal.reader import JournalReader
from station.bench.certifying import Issued
from station.people.accounts import Accounts
from station.settings import StationSettings
from tests.logger.certificates import example
from tests.station.bench_work import KEY, issued
from tests.station.test_accounts import CHEAP, GOOD, NOW_S


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A station's state directory with a technician, an operator, and its key."""
    monkeypatch.setenv("NEEDLEWORK_STATION", "bench-1")
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    book = Accounts(directory / "accounts.sqlite", hasher=CHEAP)
    book.add("boss", "manager", GOOD, NOW_S)
    book.add("tech-2", "technician", GOOD, NOW_S)
    book.add("az-1", "operator", GOOD, NOW_S)
    book.close()
    (tmp_path / "password").write_text(GOOD + "\n", encoding="utf-8")
    (directory / "station.key").write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (directory / "station.key").chmod(0o600)
    return directory


@pytest.fixture
def old(state: Path) -> Issued:
    """A certificate, issued just before the program died: the record does not tell of it."""
    return issued(state / "certificates")


def call(state: Path, number: str, *, by: str = "tech-2", said: str) -> Result:
    (state.parent / "other.yaml").write_text(said, encoding="utf-8")
    words = ["certificate", "reissue", number, "--with", str(state.parent / "other.yaml"), "--reason", "Mistyped name."]
    signed = ["--as", by, "--password-file", str(state.parent / "password"), "--state", str(state), "--json"]
    return CliRunner().invoke(app, [*words, *signed])


def told(state: Path) -> list[CertificateIssued]:
    """The certificates that the record tells of."""
    reader = JournalReader(StationSettings(state_dir=state).journal_path)
    try:
        bodies = [entry.body for entry in reader.entries_of(("certificate_issued",))]
    finally:
        reader.close()
    return [CertificateIssued.model_validate_json(body) for body in bodies]


def test_it_is_issued_anew_and_both_are_on_record(state: Path, old: Issued) -> None:
    done = call(state, old.event.number, said="customer:\n  name: Practice of Dr. Joan Example\n")
    assert done.exit_code == 0, done.output
    new = json.loads(done.output)
    assert new["replaces"] == old.event.number
    assert [event.number for event in told(state)] == [old.event.number, new["number"]]
    assert told(state)[1].sha256 == new["sha256"]
    assert old.path.read_bytes() == old.sealed.content
    again = json.loads(Path(new["file"]).read_bytes())
    assert again["private"]["customer"]["name"] == "Practice of Dr. Joan Example"
    assert again["private"]["reissue_reason"] == "Mistyped name."
    assert again["body"]["authorised_by"] == "tech-2"
    verified = CliRunner().invoke(app, ["certificate", "verify", new["number"], "--state", str(state)])
    assert (verified.exit_code, "takes the place of" in verified.output) == (0, True), verified.output
    listed = CliRunner().invoke(app, ["certificate", "list", "--state", str(state), "--json"])
    assert {one["number"]: one["replaced_by"] for one in json.loads(listed.output)} == {
        old.event.number: new["number"],
        new["number"]: None,
    }
    former = CliRunner().invoke(app, ["certificate", "verify", old.event.number, "--state", str(state)])
    assert former.exit_code == 1
    assert f"{new['number']} has its place" in " ".join(former.output.split())


@pytest.mark.parametrize(
    ("by", "said", "words"),
    [
        ("az-1", "customer:\n  name: X\n", "technician"),
        ("tech-2", "customer:\n  nam: X\n", "other.yaml:2"),
        ("tech-2", "{}\n", "Nothing would be other"),
    ],
)
def test_what_may_not_be_or_changes_nothing_issues_nothing(
    state: Path, old: Issued, by: str, said: str, words: str
) -> None:
    done = call(state, old.event.number, by=by, said=said)
    assert done.exit_code == 1
    assert words in done.output
    assert list((state / "certificates").iterdir()) == [old.path]


def test_what_another_key_vouched_for_is_not_signed_here(state: Path, tmp_path: Path) -> None:
    """Measurements that anybody may have made up would else come out under this station's key, and on record."""
    forged = tmp_path / "forged.json"
    forged.write_bytes(example(station="bench-1").content)
    (state / "station.key").unlink()  # a key that is made anew is not the one under it
    done = call(state, str(forged), said="customer:\n  name: X\n")
    assert done.exit_code == 1
    assert "none of this station's" in done.output
    assert not (state / "certificates").exists()
    assert told(state) == []
