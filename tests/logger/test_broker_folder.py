"""`needlework broker config` as it writes: what is kept, who may read it, what is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from logger.brokers import certificates
from logger.brokers.folder import Asked, OwnCertificate, Written, write_broker
from logger.errors import BrokerFolderError, TopicError

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FIRST = Asked(
    site="clinic", stations=["room-1", "room-2"], renew=[], hosts=["broker.example", "192.0.2.7"], port=None, own=None,
    handed_to=Path("/etc/needlework"), runs_as=None,
)  # fmt: skip
AGAIN = replace(FIRST, site=None, stations=[], hosts=[])


def hashes(folder: Path) -> dict[str, str]:
    lines = (folder / "broker" / "passwords").read_text().splitlines()
    return dict(line.split(":") for line in lines)


def write(folder: Path, **changes: object) -> Written:
    return write_broker(folder, replace(AGAIN, **changes), NOW)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that was written once."""
    write_broker(tmp_path / "b", FIRST, NOW)
    return tmp_path / "b"


def test_nothing_in_it_is_for_others_to_read(folder: Path) -> None:
    assert folder.stat().st_mode & 0o077 == 0o011, "the broker's user has to get through"
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    for path in folder.rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o777 == 0o600, path


def test_another_station_is_added_and_the_others_keep_their_passwords(folder: Path) -> None:
    before, served = hashes(folder), (folder / "broker" / "server.crt").read_bytes()
    written = write(folder, stations=["room-3"])
    after = hashes(folder)
    assert set(after) == {"recorder", "watcher", "station-room-1", "station-room-2", "station-room-3"}
    assert {user: after[user] for user in before} == before
    assert list(written.handed) == ["station-room-3"]
    assert (written.stations, written.hosts) == (("room-1", "room-2", "room-3"), ("broker.example", "192.0.2.7"))
    assert (folder / "broker" / "server.crt").read_bytes() == served
    assert "user station-room-1" in (folder / "broker" / "access").read_text()


def test_a_renewed_password_is_the_only_one_that_changes(folder: Path) -> None:
    before = hashes(folder)
    assert list(write(folder, renew=["room-2", "recorder"]).handed) == ["recorder", "station-room-2"]
    after = hashes(folder)
    assert {user for user in before if before[user] != after[user]} == {"recorder", "station-room-2"}
    with pytest.raises(BrokerFolderError, match="There is no account station-room-9"):
        write(folder, renew=["room-9"])


def test_a_password_is_handed_over_once_and_differs_from_every_other(folder: Path) -> None:
    found = [path.read_text().strip() for path in folder.glob("for/*/*-password")]
    assert len(found) == len(set(found)) == 4
    assert all(len(password) >= 32 for password in found)
    kept = "".join(path.read_text() for path in (folder / "broker").iterdir() if path.is_file())
    assert not any(password in kept for password in found)


def test_a_station_called_like_another_account_is_still_a_station(folder: Path) -> None:
    write(folder, stations=["recorder"])
    rules = (folder / "broker" / "access").read_text()
    assert "topic write needlework/v1/clinic/recorder/journal" in rules.partition("user station-recorder")[2]
    assert rules.count("user recorder\n") == 1


def test_another_host_or_an_early_end_makes_a_new_certificate_by_the_same_authority(folder: Path) -> None:
    authority = (folder / "ca" / "ca.crt").read_bytes()
    assert write(folder, hosts=["broker.example"]).certificate_ends == NOW + timedelta(days=certificates.BROKER_DAYS)
    later = NOW + timedelta(days=certificates.BROKER_DAYS - 30)
    ends = write_broker(folder, AGAIN, later).certificate_ends
    assert ends == later + timedelta(days=certificates.BROKER_DAYS)
    write(folder, hosts=["another.example"])
    served = (folder / "broker" / "server.crt").read_bytes()
    assert certificates.ends_and_hosts(served)[1] == ("another.example",)
    assert (folder / "ca" / "ca.crt").read_bytes() == authority


def test_an_authority_that_was_taken_to_safety_is_not_replaced(folder: Path) -> None:
    served = (folder / "broker" / "server.crt").read_bytes()
    (folder / "ca" / "ca.key").unlink()
    write(folder, stations=["room-3"])
    assert (folder / "broker" / "server.crt").read_bytes() == served
    assert not (folder / "ca" / "ca.key").exists()


def test_a_certificate_of_the_sites_own_is_taken_when_its_key_fits(tmp_path: Path) -> None:
    ca = certificates.authority("elsewhere", NOW)
    signed, other = (certificates.of_broker(ca, [host], NOW) for host in ("broker.example", "other.example"))
    for name, content in (("c", signed.certificate), ("k", signed.key), ("x", other.key), ("ca", ca.certificate)):
        (tmp_path / name).write_bytes(content)
    own = OwnCertificate(tmp_path / "c", tmp_path / "k", tmp_path / "ca")
    write_broker(tmp_path / "b", replace(FIRST, own=own), NOW)
    assert (tmp_path / "b" / "broker" / "server.crt").read_bytes() == signed.certificate
    assert (tmp_path / "b" / "for" / "recorder" / "ca.crt").read_bytes() == ca.certificate
    assert not (tmp_path / "b" / "ca").exists()
    write(tmp_path / "b", stations=["room-3"])
    assert (tmp_path / "b" / "broker" / "server.crt").read_bytes() == signed.certificate
    for wrong, says in (
        (replace(own, key=tmp_path / "x"), "is not the key of"),
        (replace(own, certificate=tmp_path / "k"), "cannot be used"),
        (replace(own, ca=tmp_path / "absent"), "cannot be read or written"),
    ):
        with pytest.raises(BrokerFolderError, match=says):
            write(tmp_path / "b", own=wrong)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hosts": ["mqtts://broker"]}, "is no host's name"),
        ({"hosts": ["a b"]}, "is no host's name"),
        ({"site": "other"}, "is the broker of the site clinic, not of other"),
        ({"runs_as": "nobody-of-this-name"}, "is none of this machine"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(folder: Path, changes: dict[str, object], says: str) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(BrokerFolderError, match=says):
        write(folder, **changes)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_user_who_cannot_give_files_away_is_told_before_anything_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr("os.geteuid", lambda: 4242)
    with pytest.raises(BrokerFolderError, match="Only root can give"):
        write(folder, runs_as="root", stations=["room-3"])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_names_that_cannot_stand_in_a_topic_or_a_line_of_rules_are_refused(folder: Path) -> None:
    for name in ("a/b", "#", "room 1", "room-1\ntopic read #"):
        with pytest.raises(TopicError):
            write(folder, stations=[name])


def test_files_that_somebody_else_changed_are_not_guessed_at(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BrokerFolderError, match="no site is named"):
        write(tmp_path / "new")
    with pytest.raises(BrokerFolderError, match="No host is named"):
        write(tmp_path / "new", site="clinic")
    with pytest.raises(BrokerFolderError, match="has a space"):
        write(tmp_path / "new one")
    (folder / "broker" / "passwords").write_text("recorder:$7$x\nsomebody:$7$y\n")
    with pytest.raises(BrokerFolderError, match="passwords, line 2"):
        write(folder)
    (folder / "site.json").write_text("{")
    with pytest.raises(BrokerFolderError, match=r"site\.json cannot be read"):
        write(folder)
