"""`needlework site …`: what the stations of a site share, and backups of what stays there; declared here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.people_app import PasswordFile
from console.trouble import Troubles

if TYPE_CHECKING:
    from console.actions.site import Caller

site_app = typer.Typer(help="What stays at a site: its key, sharing, backups.", no_args_is_help=False)

State = Annotated[Path | None, typer.Option("--state", help="State directory: journal, store, sockets.", metavar="DIR")]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
By = Annotated[str, typer.Option("--as", help="The manager who does it, once there is an account.", metavar="ID")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="Its first line is the passphrase; left out, one is made.", metavar="FILE"),
]


def _caller(by: str, password_file: Path | None, state: Path | None, *, as_json: bool) -> "Caller":
    from console.actions.site import Caller  # noqa: PLC0415 imported when it runs
    from station.settings import load_settings  # noqa: PLC0415 pydantic takes a while; `--help` does without

    return Caller(load_settings(state_dir=state), by, password_file, as_json)


@site_app.callback(invoke_without_command=True)
def _site(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@site_app.command("key")
def site_key(
    words: Annotated[bool, typer.Option("--words", help="Print it as words, for the clinic's safe.")] = False,
    into: Annotated[
        Path | None, typer.Option("-o", "--output", help="Into a file under a passphrase.", metavar="FILE")
    ] = None,
    rotate: Annotated[bool, typer.Option("--rotate", help="Make a new one; older ones still open backups.")] = False,
    passphrase_file: PassphraseFile = None,
    by: By = "",
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Show which key opens this site's key map and backups; made where there is none yet."""
    with Troubles(as_json=as_json):
        caller = _caller(by, password_file, state, as_json=as_json)
        raise typer.Exit(caller.key(words=words, into=into, rotate=rotate, passphrase_file=passphrase_file))


@site_app.command("share")
def site_share(
    into: Annotated[Path, typer.Argument(help="The file that is made.", metavar="FILE")],
    passphrase_file: PassphraseFile = None,
    by: By = "",
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Write key and key map into a file for another station, under a passphrase that is carried apart from it."""
    with Troubles(as_json=as_json):
        raise typer.Exit(_caller(by, password_file, state, as_json=as_json).share(into, passphrase_file))


@site_app.command("join")
def site_join(
    file: Annotated[Path | None, typer.Argument(help="What `site share` or `key -o` made.", metavar="FILE")] = None,
    words: Annotated[
        Path | None, typer.Option("--words", help="A file with the words of `site key --words`.", metavar="FILE")
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        typer.Option("--passphrase-file", help="Its first line is the passphrase; else asked for.", metavar="FILE"),
    ] = None,
    by: By = "",
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Take another station's key and key map; what both have is brought together, as often as you like."""
    with Troubles(as_json=as_json):
        caller = _caller(by, password_file, state, as_json=as_json)
        raise typer.Exit(caller.join(file, words, passphrase_file))


@site_app.command("backup")
def site_backup(
    into: Annotated[Path, typer.Argument(help="The file that is made.", metavar="FILE")],
    state: State = None,
    as_json: Json = False,
) -> None:
    """Write key map, history, accounts and ledger into one file under the site's key. Works while a station runs."""
    with Troubles(as_json=as_json):
        raise typer.Exit(_caller("", None, state, as_json=as_json).backup(into))


@site_app.command("restore")
def site_restore(
    file: Annotated[Path, typer.Argument(help="What `site backup` made.", metavar="FILE")],
    words: Annotated[
        Path | None, typer.Option("--words", help="A file with the words of `site key --words`.", metavar="FILE")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Also files that are there already.")] = False,
    by: By = "",
    password_file: PasswordFile = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Put a backup in place while no station runs. Whoever was erased since stays erased. Exit code 1: refused."""
    with Troubles(as_json=as_json):
        caller = _caller(by, password_file, state, as_json=as_json)
        raise typer.Exit(caller.restore(file, words, replace=replace))
