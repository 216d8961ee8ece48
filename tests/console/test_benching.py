"""Commands of a technician's bench: who is told what, and when."""

from pathlib import Path

import pytest
from argon2 import PasswordHasher

from console.actions.benching import Seat, move
from console.actions.self_testing import self_test
from station.errors import SignInRefused
from station.people.accounts import Accounts
from station.settings import StationSettings


@pytest.mark.parametrize("what", ["move", "self-test"])
def test_nobody_is_warned_of_a_motor_that_they_may_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    settings = StationSettings(state_dir=tmp_path / "state", stop_port=0)
    settings.state_dir.mkdir(mode=0o700)
    accounts = Accounts(settings.accounts_path, hasher=PasswordHasher(1, 8, 1))
    accounts.add("boss-1", "manager", "a bench of her own 1", 0)
    accounts.add("tech-1", "technician", "a bench of her own 1", 0)
    accounts.close()
    (tmp_path / "password").write_text("another one")
    seat = Seat(settings, "serial:///dev/nowhere", "tech-1", tmp_path / "password", off_skin=False, as_json=False)
    with pytest.raises(SignInRefused):
        move(seat, "0.50", "60", 1.0) if what == "move" else self_test(seat, hands=False)
    assert capsys.readouterr() == ("", "")
