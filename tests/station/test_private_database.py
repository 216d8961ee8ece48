"""What stays at the site is on the disk when it is said to be, and gone from it when it was deleted."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from station.site.key import SiteKey, add_to_ring, read_ring
from station.site.private_database import PrivateDatabase


def test_a_change_is_on_the_disk_when_it_ends_and_what_is_deleted_is_overwritten(tmp_path: Path) -> None:
    for _ in range(2):
        with closing(
            PrivateDatabase(tmp_path / "one.sqlite", 7, "CREATE TABLE IF NOT EXISTS t (x);", lambda e: e)
        ) as db:
            assert db.execute("PRAGMA synchronous").fetchone()[0] >= 2  # FULL
            assert db.execute("PRAGMA secure_delete").fetchone()[0] == 1
            assert db.execute("PRAGMA journal_mode").fetchone()[0] == "delete"


def test_a_key_is_on_the_disk_before_it_has_its_name_and_its_name_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "site.key"
    synced: list[tuple[str, int]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        about = os.fstat(descriptor)
        what = "folder" if about.st_ino == tmp_path.stat().st_ino else "file"
        synced.append((what, len(read_ring(path))))

    monkeypatch.setattr(os, "fsync", fsync)
    add_to_ring(path, (SiteKey(1, bytes(32)),))
    add_to_ring(path, (SiteKey(2, bytes(32)),))
    assert synced == [("file", 0), ("folder", 1), ("file", 1), ("folder", 2)]
