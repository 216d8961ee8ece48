"""`needlework broker …` and the option `--broker`: done in :mod:`console.actions.brokers`."""

from typing import Annotated

import typer


def _no_password(given: list[str] | None) -> list[str] | None:
    """A command line is no place for a password: whoever is on the machine can list processes."""
    if any(":" in url.partition("://")[2].rpartition("@")[0] for url in given or ()):
        raise typer.BadParameter(
            "a password on the command line can be read by everybody on this machine; put it into a file, and name "
            "that in the setting broker_password_file or in NEEDLEWORK_BROKER_PASSWORD_FILE"
        )
    return given


Broker = Annotated[
    list[str] | None,
    typer.Option(
        "--broker",
        help="mqtt[s]://[user@]host[:port]; given again, the next one is used when this one is gone.",
        metavar="URL",
        callback=_no_password,
    ),
]
