"""`needlework broker …` and the option `--broker`: done in :mod:`console.actions.brokers`."""

from pathlib import Path
from typing import Annotated

import typer

from console.trouble import Troubles


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

broker_app = typer.Typer(help="A real broker for a site: `config` writes all its files.", no_args_is_help=False)


@broker_app.callback(invoke_without_command=True)
def _broker(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@broker_app.command()
def config(
    folder: Annotated[Path, typer.Argument(help="Where the files go, or are already.", metavar="FOLDER")],
    site: Annotated[str | None, typer.Option("--site", help="The site whose stations come to this broker.")] = None,
    station: Annotated[
        list[str] | None,
        typer.Option("--station", help="A station that gets an account; may be given again.", metavar="NAME"),
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option("--host", help="Name or address by which stations reach it; the first is used.", metavar="HOST"),
    ] = None,
    port: Annotated[int | None, typer.Option("--port", help="8883 unless given.", min=1, max=65535)] = None,
    renew: Annotated[
        list[str] | None,
        typer.Option("--renew", help="A station, `recorder` or `watcher` that gets a new password.", metavar="NAME"),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="The broker's certificate, if there is one.", metavar="PEM")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Its key.", metavar="PEM")] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="Who signed it.", metavar="PEM")] = None,
    handed_to: Annotated[
        Path, typer.Option("--handed-to", help="Where a client's files will lie on its machine.", metavar="DIR")
    ] = Path("/etc/needlework"),
    runs_as: Annotated[
        str | None, typer.Option("--runs-as", help="The broker's user, who gets its files; by root.", metavar="USER")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print data as JSON.")] = False,
) -> None:
    """Write a Mosquitto's configuration with TLS, passwords and access rules, or add a station to it.

    Run again it keeps every password that is not renewed. No password is printed.
    """
    with Troubles(as_json=as_json):
        from console.actions.brokers import config as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(
            act(
                folder,
                site=site,
                stations=station or [],
                hosts=host or [],
                port=port,
                renew=renew or [],
                own=(certificate, key, ca),
                handed_to=handed_to,
                runs_as=runs_as,
                as_json=as_json,
            )
        )
