"""What a key map keeps to when the clock, another process or a kill comes between."""

import signal
import subprocess
import sys
import threading
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from station.errors import KeyMapRefused
from station.site import keymap_file
from station.site.files import backup, restore
from station.site.key import KeyRing, SiteKey, add_to_ring, first_ring, read_ring
from station.site.keymap import Details
from station.site.retention import check_erasure, load_retention
from tests.station.test_keymap_file import MARIA, OTTO, add, names, opened, settings

YEAR_US = 365 * 86400 * 1_000_000


@pytest.mark.parametrize(
    "said", [Details(hold="lawsuit"), Details(name="Maria Beispiel"), Details(born=date(1991, 2, 3))]
)
def test_what_is_said_last_counts_though_the_clock_was_set_back(tmp_path: Path, said: Details) -> None:
    at = settings(tmp_path, "one")
    maria = add(at, MARIA, 2 * YEAR_US)
    with closing(opened(at)) as file:
        file.revise(maria, Details(hold=""), "dr-lee", 2 * YEAR_US)
        file.revise(maria, said, "dr-lee", YEAR_US)
        file.revise(maria, Details(contact="0900"), "dr-lee", 2 * YEAR_US)
        person = file.person(maria)
    assert {name: getattr(person, name) for name, value in said if value is not None} == said.model_dump(
        exclude_none=True
    )
    if said.hold:
        with pytest.raises(KeyMapRefused, match="on hold"):
            check_erasure(load_retention(), person, None, date(2026, 11, 26), demo=False)


def test_two_first_keys_at_once_leave_everybody_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = settings(tmp_path, "one")
    adding, looked = threading.Thread(target=add, args=(at, MARIA)), threading.Event()

    def slowly(path: Path) -> KeyRing:
        """As it is; the second time somebody looks for keys, the first one has seen that there are none."""
        ring = read_ring(path)
        if threading.current_thread() is adding:
            looked.set()
        elif not adding.ident:
            adding.start()
            looked.wait(0.3)  # while one makes the first key nobody else gets to see that there is none
            assert not looked.is_set()
        return ring

    with closing(opened(at)):
        monkeypatch.setattr(keymap_file, "read_ring", slowly)
        with closing(opened(at)) as file:
            ring = file.ring(2000)
        adding.join()
        assert read_ring(at.site_key_path) == ring
        assert names(at) == ["Maria Muster"]


def test_a_first_key_never_replaces_one_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    one, other = SiteKey(1, bytes(32)), SiteKey(2, bytes([1]) * 32)
    assert first_ring(path, (one,)) == first_ring(path, (other,)) == read_ring(path) == (one,)
    assert add_to_ring(path, (other,)) == add_to_ring(path, ()) == read_ring(path) == (one, other)
    assert [found.name for found in tmp_path.iterdir()] == ["site.key"]
    assert path.stat().st_mode & 0o777 == 0o600


KILLED = """
import os, signal, sys
from pathlib import Path
from station.site.keymap_file import KeyMapFile
from station.settings import StationSettings
from station.site.files import restore
from station.site.key import read_ring

state, sealed, keys, erased, moment = sys.argv[1:]
real, calls = KeyMapFile.take, []

def take(*given):
    calls.append(given)
    if len(calls) == int(moment):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given)

KeyMapFile.take = take
settings = StationSettings(station="new", state_dir=Path(state))
restore(settings, Path(sealed).read_bytes(), read_ring(Path(keys)), 4000, replace=False, erased=[erased])
"""


@pytest.mark.parametrize("moment", [1, 2])
def test_a_restore_that_is_killed_brings_nobody_back(tmp_path: Path, moment: int) -> None:
    one, new = settings(tmp_path, "one"), settings(tmp_path, "new")
    maria = add(one, MARIA)
    add(one, OTTO)
    sealed = tmp_path / "site.backup"
    sealed.write_bytes(backup(one, 1))
    given = [str(new.state_dir), str(sealed), str(one.site_key_path), maria, str(moment)]
    assert subprocess.run([sys.executable, "-c", KILLED, *given], check=False).returncode == -signal.SIGKILL
    with closing(opened(new)) as file:
        assert file.standing(maria) != "known"
    restore(new, sealed.read_bytes(), read_ring(one.site_key_path), 5000, replace=False, erased=[maria])
    assert names(new) == ["Otto Normal"]
    assert not list(new.state_dir.glob("*.restored"))
