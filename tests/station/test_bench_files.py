"""Certificates and calibrations under way go with a backup, and come back where nothing else is in their place."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from logger.certificate.folder import CertificateFolder
from logger.certificate.sealing import Sealed
from station.errors import KeyMapRefused
from station.settings import StationSettings
from station.site.files import Restored, backup, restore
from station.site.key import read_ring
from tests.logger.certificates import NUMBER, example
from tests.logger.test_pens import certificate
from tests.station.test_paperwork import journalled

SERIES, DONE = "20261126T101500-0123456789ab", "20261125T090000-ba9876543210"


@pytest.fixture
def one(tmp_path: Path) -> StationSettings:
    """A station that issued a certificate and has two calibrations under way."""
    made = StationSettings(state_dir=tmp_path / "one", station="room-1")
    made.state_dir.mkdir(mode=0o700)
    CertificateFolder(made.certificates_path).keep(example())
    made.works_path.mkdir(mode=0o700)
    for series in (SERIES, DONE):
        (made.works_path / f"{series}.json").write_text(json.dumps({"series": series}), encoding="utf-8")
    for strange in (made.works_path / "notes.json", made.certificates_path / "draft.json", made.works_path / ".x.part"):
        strange.write_text("{}", encoding="utf-8")
    return made


@pytest.fixture
def new(tmp_path: Path) -> StationSettings:
    """A new computer."""
    return StationSettings(state_dir=tmp_path / "new", station="room-1")


def put_back(one: StationSettings, new: StationSettings, *, replace: bool = False) -> Restored:
    return restore(new, backup(one, 1), read_ring(one.site_key_path), 2, replace=replace)


def certificate_in(settings: StationSettings) -> bytes:
    return CertificateFolder(settings.certificates_path).read(NUMBER)[1]


def test_a_new_computer_has_them_as_they_were(one: StationSettings, new: StationSettings) -> None:
    done = put_back(one, new).bench
    assert (done.certificates, set(done.under_way), done.finished) == ((NUMBER,), {SERIES, DONE}, ())
    assert certificate_in(new) == example().content
    assert json.loads((new.works_path / f"{SERIES}.json").read_bytes()) == {"series": SERIES}
    files = [path for folder in (new.certificates_path, new.works_path) for path in folder.iterdir()]
    assert len(files) == 3, "nothing that is none of ours"
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert put_back(one, new).bench == done, "the same again is no conflict"


def test_what_is_here_stays_and_another_of_the_same_name_is_replaced_only_when_asked(
    one: StationSettings, new: StationSettings
) -> None:
    later = Sealed(b"issued since", example().certificate)
    new.certificates_path.mkdir(parents=True)
    (new.certificates_path / "C261126-00000000.json").write_bytes(later.content)
    (new.certificates_path / f"{NUMBER}.json").write_bytes(b"damaged")
    with pytest.raises(KeyMapRefused, match=f"certificates/{NUMBER}.json would be replaced"):
        put_back(one, new)
    assert certificate_in(new) == b"damaged"
    assert not new.works_path.exists()
    put_back(one, new, replace=True)
    assert certificate_in(new) == example().content
    assert (new.certificates_path / "C261126-00000000.json").read_bytes() == later.content


def test_a_calibration_that_has_its_certificate_since_is_not_under_way_again(
    one: StationSettings, new: StationSettings
) -> None:
    new.state_dir.mkdir(mode=0o700)
    asyncio.run(journalled(new, (None, certificate("C-9", series=DONE))))
    done = put_back(one, new).bench
    assert (done.under_way, done.finished) == ((SERIES,), (DONE,))
    assert [path.stem for path in new.works_path.iterdir()] == [SERIES]


def test_the_commands_say_so(one: StationSettings, new: StationSettings, tmp_path: Path) -> None:
    def call(settings: StationSettings, *words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--state", str(settings.state_dir)])
        assert done.exit_code == 0, done.output
        return done.output

    backed_up, words = str(tmp_path / "site.backup"), tmp_path / "words"
    call(one, "account", "list", "--json")  # makes the file of accounts: a folder alone is no station
    call(one, "site", "backup", backed_up)
    words.write_text(json.loads(call(one, "site", "key", "--words", "--json"))["words"], encoding="utf-8")
    said = " ".join(call(new, "site", "restore", backed_up, "--words", str(words)).split())
    assert "1 certificate, 2 calibrations under way." in said
    told = json.loads(call(new, "site", "restore", backed_up, "--json"))
    assert (told["certificates"], len(told["calibrations"]), told["finished"]) == ([NUMBER], 2, [])
