"""`needlework cartridge …`: cartridges and their codes, done in :mod:`console.actions.cartridges`."""

from datetime import datetime
from typing import Annotated

import typer

from console.trouble import Troubles

cartridge_app = typer.Typer(help="Cartridges and their codes: `read` one.", no_args_is_help=False)

Code = Annotated[str, typer.Argument(help="The code as scanned or typed; `-` reads standard input.", metavar="CODE")]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


@cartridge_app.callback(invoke_without_command=True)
def _cartridge(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@cartridge_app.command()
def read(code: Code, as_json: Json = False) -> None:
    """Say what a cartridge's GS1 code says, as the station would read it. Exit code 1: it cannot be read."""
    with Troubles(as_json=as_json):
        from console.actions.cartridges import read as act  # noqa: PLC0415 imported when it runs
        from station.settings import load_settings  # noqa: PLC0415 as above

        raise typer.Exit(act(load_settings(), code, today=datetime.now().astimezone().date(), as_json=as_json))
