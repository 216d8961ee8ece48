"""`needlework export …`: what people take away of the record, declared here and done in :mod:`console.actions`."""

import typer

from console.incident_app import export_incident

export_app = typer.Typer(help="Files made from the record.", no_args_is_help=False)
export_app.command("incident")(export_incident)


@export_app.callback(invoke_without_command=True)
def _export(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
