"""`needlework library …`: the protocol library's commands, done in :mod:`console.actions.library`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.trouble import Troubles

if TYPE_CHECKING:
    from station.settings import StationSettings

library_app = typer.Typer(
    help="The protocol library: `check` it, `show` it, `diff` two of them, `sign` one, make a `key`.",
    no_args_is_help=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
Trusted = Annotated[
    Path | None,
    typer.Option("--trusted", help="The clinic's file of physicians; default: the station's.", metavar="FILE"),
]
File = Annotated[
    Path | None, typer.Argument(help="A library; default: the station's, or the example shipped.", metavar="[FILE]")
]


def _settings(trusted: Path | None = None, library: Path | None = None) -> "StationSettings":
    from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

    return load_settings(trusted_physicians=trusted, library=library)


@library_app.callback(invoke_without_command=True)
def _library(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@library_app.command()
def check(file: File = None, trusted: Trusted = None, as_json: Json = False) -> None:
    """Say whether a library may be used to treat patients, and if not, why.

    Exit code 0: well formed, in date and signed by a trusted physician. 1: anything else; an unsigned one that is well
    formed may be used in demo mode.
    """
    with Troubles(as_json=as_json):
        settings = _settings(trusted, file)
        from console.actions.library import check as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(settings, as_json=as_json))


@library_app.command()
def show(file: File = None, trusted: Trusted = None, as_json: Json = False) -> None:
    """Show zones with their limits for each skin, courses, questions, checklist and sources."""
    with Troubles(as_json=as_json):
        settings = _settings(trusted, file)
        from console.actions.library import show as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(settings, as_json=as_json))


@library_app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="The library in force.", metavar="OLD")],
    new: Annotated[Path, typer.Argument(help="The one to compare it with.", metavar="NEW")],
    as_json: Json = False,
) -> None:
    """Say what changed between two libraries: zone, skin, from, to; what allows more than before is marked.

    Signatures are not looked at. Exit code 0: they say the same. 1: they differ, or one cannot be read.
    """
    with Troubles(as_json=as_json):
        from console.actions.library import diff as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(old, new, as_json=as_json))


@library_app.command()
def sign(
    file: Annotated[Path, typer.Argument(help="The library to sign.", metavar="FILE")],
    key: Annotated[Path, typer.Option("--key", help="Your private key.", metavar="FILE")],
    trusted: Trusted = None,
    as_json: Json = False,
) -> None:
    """Sign a library as the responsible physician: writes FILE.sig beside it.

    Signs what is well formed and in date, by a key that is in the clinic's file of physicians. A passphrase is asked
    for, or read from standard input.
    """
    with Troubles(as_json=as_json):
        settings = _settings(trusted)
        from console.actions.library import sign_file as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(settings, file, key, as_json=as_json))


@library_app.command()
def key(
    file: Annotated[Path, typer.Argument(help="Where the private key goes; only you can read it.", metavar="FILE")],
    identity: Annotated[str, typer.Option("--id", help="Your id in records, never your name.", metavar="ID")],
    licence: Annotated[str, typer.Option("--licence", help="Your licence number.", metavar="NUMBER")],
    valid_until: Annotated[str, typer.Option("--valid-until", help="The key's last day.", metavar="YYYY-MM-DD")],
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Ask for a passphrase to keep the key under.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a physician's key pair. Prints the clinic's file of physicians with the public key in it.

    Redirect it into a file to keep it, or add its entry to the clinic's file.
    """
    with Troubles(as_json=as_json):
        from console.actions.library_key import make_key as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(file, identity, licence, valid_until, with_passphrase=passphrase, as_json=as_json))
