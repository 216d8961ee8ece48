"""`--usbip` with an address and without one."""

import pytest
from typer.main import get_command

from console.bare_option import STANDING_ALONE
from console.cli import app

DEFAULT = STANDING_ALONE["--usbip"]


@pytest.mark.parametrize(
    ("arguments", "usbip", "pty"),
    [
        ([], None, False),
        (["--usbip"], DEFAULT, False),
        (["--usbip", "--pty"], DEFAULT, True),
        (["--pty", "--usbip"], DEFAULT, True),
        (["--usbip", ":0"], ":0", False),
        (["--usbip", "[::1]:3240", "--pty"], "[::1]:3240", True),
    ],
)
def test_usbip_stands_alone_or_takes_an_address(arguments: list[str], usbip: str | None, pty: bool) -> None:
    simulate = get_command(app).commands["simulate"]  # type: ignore[attr-defined]
    given = simulate.make_context("simulate", list(arguments)).params
    assert (given["usbip"], given["pty"]) == (usbip, pty)
