"""Passwords come from a terminal without echo, or from a file or descriptor that is named.

Never from a command line or an environment: other users of a machine can list both.
"""

import getpass
import sys
from pathlib import Path

from console.exits import Code
from console.trouble import ConsoleError, Told
from station.people.accounts import DEMO

FILE_MAX_BYTES = 4096
"""More than any password; a file that is larger is another one."""


def password_for(operator: str, mode: str, file: Path | None) -> str:
    """The password somebody signs in with; empty where a demonstration's example needs none. Raises ConsoleError."""
    if mode == "demo" and operator.startswith(DEMO) and file is None:
        return ""
    return ask(f"Password of {operator}", file, option="--password-file")


def ask(words: str, file: Path | None, *, option: str) -> str:
    """A password: the first line of ``file``, or asked for at the terminal. Raises ConsoleError."""
    if file is not None:
        try:
            opened = file.open("rb")
        except OSError as error:
            what = f"{option}: {file} cannot be read: {(error.strerror or str(error)).lower()}."
            raise ConsoleError(
                Told("password_file", what, "Nobody was signed in.", "Name a file whose first line is the password."),
                Code.USAGE,
            ) from error
        with opened:
            return opened.read(FILE_MAX_BYTES).split(b"\n", 1)[0].removesuffix(b"\r").decode(errors="replace")
    if not sys.stdin.isatty():
        raise ConsoleError(
            Told(
                "no_terminal",
                f"{words}: there is no terminal to ask for it at.",
                "A password is never taken from the command line or the environment, which others can list.",
                f"Name a file or a descriptor that holds it: {option} /dev/fd/3",
            ),
            Code.USAGE,
        )
    try:
        return getpass.getpass(f"{words}: ")
    except EOFError as error:
        raise ConsoleError(Told("no_password", "No password was given.", "Nothing was changed."), Code.USAGE) from error


def ask_new(account: str, file: Path | None) -> str:
    """A new password, asked for twice at a terminal. Raises ConsoleError."""
    password = ask(f"New password of {account}", file, option="--new-password-file")
    if file is None and password != ask("Again", None, option="--new-password-file"):
        raise ConsoleError(Told("not_the_same", "The two were not the same.", "Nothing was changed.", "Try again."))
    return password
