"""The station's key: made once, for its owner alone, never overwritten, and refused when it is not what it was."""

import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station.record.station_key import StationKeyRefused, public_key_at, station_key


def raw(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes_raw()


def test_a_key_is_made_on_the_first_run_for_its_owner_alone_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "station.key"
    assert public_key_at(path) is None
    made = station_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_bytes()
    assert raw(station_key(path)) == raw(made)
    assert path.read_bytes() == content
    assert public_key_at(path) == made.public_key().public_bytes_raw()
    assert [one.name for one in tmp_path.iterdir()] == ["station.key"]


def test_of_two_that_start_at_once_one_key_counts(tmp_path: Path) -> None:
    path, found = tmp_path / "station.key", []
    together = threading.Barrier(8)

    def start() -> None:
        together.wait()
        found.append(raw(station_key(path)))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert set(found) == {raw(station_key(path))}
    assert [one.name for one in tmp_path.iterdir()] == ["station.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_may_use_is_refused_and_left_as_it_is(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "station.key"
    station_key(path)
    path.chmod(mode)
    content = path.read_bytes()
    with pytest.raises(StationKeyRefused, match="others than its owner may use it") as caught:
        station_key(path)
    assert f"chmod 600 {path}" in caught.value.trouble.do
    assert path.read_bytes() == content
    assert public_key_at(path) is None


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text"])
def test_a_damaged_key_is_refused_and_not_replaced(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "station.key"
    station_key(path)
    whole = path.read_bytes()
    content = {
        "empty": b"",
        "cut": whole[:60],
        "flipped": whole.replace(b"MC4CAQAw", b"MC4CAQBw"),
        "text": b"no key at all\n",
    }[damage]
    assert content != whole
    path.write_bytes(content)
    with pytest.raises(StationKeyRefused, match="damaged"):
        station_key(path)
    assert path.read_bytes() == content


def test_a_link_and_a_folder_in_its_place_are_refused(tmp_path: Path) -> None:
    station_key(tmp_path / "elsewhere.key")
    (tmp_path / "link.key").symlink_to(tmp_path / "elsewhere.key")
    (tmp_path / "folder.key").mkdir()
    for name in ("link.key", "folder.key"):
        with pytest.raises(StationKeyRefused):
            station_key(tmp_path / name)
