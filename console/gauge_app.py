"""`needlework gauge …`: reference instruments, declared here."""

from typing import Annotated

import typer

from console.trouble import Troubles

gauge_app = typer.Typer(
    help="Reference instruments on a serial line: `list` where one may be, `read` one.", no_args_is_help=False
)

Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


@gauge_app.callback(invoke_without_command=True)
def _gauge(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@gauge_app.command("list")
def list_ports(as_json: Json = False) -> None:
    """List serial ports on which a gauge may be, and the addresses that open them. Opens no port."""
    with Troubles(as_json=as_json):
        from console.actions.gauge import list_ports as act  # noqa: PLC0415 imported when it runs

        raise typer.Exit(act(as_json=as_json))


@gauge_app.command()
def read(
    gauge: Annotated[str, typer.Argument(help="The gauge's address, as `list` tells it.", metavar="ADDRESS")],
    count: Annotated[int, typer.Option("--count", help="So many readings.", min=1)] = 1,
    as_json: Json = False,
) -> None:
    """Read a gauge, to see that it is there, in its unit, and at zero on the cartridge's face.

    Exit code 1: no reading, and why.
    """
    with Troubles(as_json=as_json):
        from console.actions.gauge import read as act  # noqa: PLC0415 as above

        raise typer.Exit(act(gauge, count, as_json=as_json))
