"""The option `--store`, which every command that reads or writes a recorder's store takes."""

import re
from typing import Annotated, Final

import typer

_PASSWORD: Final = re.compile(r"[\w+]+://([^:/]*:[^@]*@|[^?]*\?(.*&)?(ssl)?password=)", re.DOTALL)
"""What SQLAlchemy takes for a password in a URL, and libpq in what is behind it."""


def no_password(given: str | None) -> str | None:
    """A command line is no place for a password: whoever is on the machine can list processes."""
    if given is not None and _PASSWORD.match(given):
        raise typer.BadParameter(
            "a password on the command line can be read by everybody on this machine; put the URL into the setting "
            "store or into NEEDLEWORK_STORE, or leave the password out of it and name in PGPASSFILE a file that has it"
        )
    return given


StorePlace = Annotated[
    str | None,
    typer.Option(
        "--store", help="A recorder's store: SQLite file or database URL.", metavar="PATH", callback=no_password
    ),
]
